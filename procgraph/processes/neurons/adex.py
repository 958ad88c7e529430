"""Adaptive exponential integrate-and-fire neurons."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.processes.neurons.conductance import decays
from procgraph.processes.neurons.lif import in_steps, refractory_left
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import clip, exp, minimum, where
from procgraph.spec.integrators import rk4_driven
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["AdEx", "CondAdEx"]


def _membrane(p: Values, dt: float) -> dict[str, Any]:
    return {
        "h": np.float64(dt),
        "per_c": 1 / p.c_m,
        "leak": p.g_l / p.c_m,
        "drive": (p.g_l * p.v_rest + p.bias) / p.c_m,
        "inverse": 1 / p.delta_t,
        "upstroke": p.g_l * p.delta_t / p.c_m,
        "rate_w": 1 / p.tau_w,
        "ref_steps": in_steps(p.t_ref, dt),
    }


def _fire(p: Values, d: Values, s: Values, drive: list[Any], flow: Any) -> tuple[dict[str, Any], Any]:
    """v, w and refractory steps after a step, and the spike; ``flow(v, u)`` is the synaptic current at the drive u.

    In the step of a spike v diverges after the time delta_t log(1 + q) / (q e), where e is the slope that the
    exponential gives and q e the rest of it. From then on the step goes on from the reset, by forward Euler.
    """
    free = s.refractory <= 0

    def rest(v: Any, w: Any, u: Any) -> Any:
        return d.drive - v * d.leak + (flow(v, u) - w) * d.per_c

    def upstroke(v: Any) -> Any:
        return exp((v - p.v_th) * d.inverse) * d.upstroke

    def slope(y: dict[str, Any], u: Any) -> dict[str, Any]:
        v = where(free, minimum(y["v"], p.v_peak), p.v_reset)  # beyond v_peak the exponential would overflow
        dv = rest(v, y["w"], u) + upstroke(v)
        return {"v": where(free, dv, 0.0), "w": ((v - p.v_rest) * p.a - y["w"]) * d.rate_w}

    start = {"v": where(free, s.v, p.v_reset), "w": s.w}
    y = rk4_driven(slope, start, drive, d.h)
    spike = free & (y["v"] >= p.v_peak)

    fast, slow = upstroke(minimum(start["v"], p.v_peak)), rest(start["v"], s.w, drive[0])
    diverges = (
        p.delta_t * (fast * 6.0 + slow) / (fast * (fast * 6.0 + slow * 4.0))
    )  # log(1 + q) / q as (6 + q) / (6 + 4 q)
    left = clip(d.h - diverges, 0.0, d.h)
    after = {"v": p.v_reset, "w": s.w + slope(start, drive[0])["w"] * (d.h - left) + p.b}
    moved = slope(after, drive[2])
    v = where(d.ref_steps > 0, p.v_reset, p.v_reset + moved["v"] * left)
    new = {"v": where(spike, v, y["v"]), "w": where(spike, after["w"] + moved["w"] * left, y["w"])}
    return new | {"refractory": refractory_left(spike, free, s.refractory, d.ref_steps)}, spike


class AdEx(Process):
    r"""Adaptive exponential integrate-and-fire neuron with exponentially decaying synapse current.

    .. math::
        C \frac{dv}{dt} &= -g_l (v - v_{rest}) + g_l \Delta_T\, e^{(v - v_{th})/\Delta_T} - w + i + i_b \\
        \tau_w \frac{dw}{dt} &= a (v - v_{rest}) - w, \qquad \tau_{syn} \frac{di}{dt} = -i

    where :math:`i_b` = ``bias``, and events add their weight (pA) to i. If :math:`v \ge v_{peak}`: a spike, :math:`v =
    v_{reset}` and :math:`w = w + b`; for ``t_ref`` v stays there, while w and i go on. v and w take one Runge–Kutta
    step (RK4) per ``dt``, in which v counts as at most ``v_peak``; i is exact. Where a spike ends the step, the time at
    which v diverged is estimated, and what is left of the step goes on from the reset. The model is NEST's
    ``aeif_psc_exp``; use ``dt`` of 0.1 ms or less.

    Source: Brette & Gerstner, Adaptive exponential integrate-and-fire model as an effective description of neuronal
    activity (2005), doi 10.1152/jn.00686.2005. Defaults are those of the paper.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    c_m = Param(281.0, "pF", gt=0, doc="membrane capacitance")
    g_l = Param(30.0, "nS", gt=0, doc="leak conductance")
    v_rest = Param(-70.6, "mV", doc="leak reversal potential")
    v_th = Param(-50.4, "mV", doc="threshold of the upstroke")
    delta_t = Param(2.0, "mV", gt=0, doc="slope factor of the upstroke")
    tau_w = Param(144.0, "ms", gt=0, doc="time constant of the adaptation")
    a = Param(4.0, "nS", doc="adaptation by the potential")
    b = Param(80.5, "pA", doc="adaptation by a spike")
    tau_syn = Param(2.0, "ms", gt=0, doc="time constant of the synapse current")
    v_peak = Param(20.0, "mV", doc="potential that counts as a spike")
    v_reset = Param(-70.6, "mV", doc="potential after a spike")
    bias = Param(0.0, "pA", doc="constant current")
    t_ref = Param(0.0, "ms", ge=0, doc="refractory time")
    i = State(0.0, "pA", doc="synapse current")
    w = State(0.0, "pA", doc="adaptation current")
    v = State("v_rest", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return _membrane(p, dt) | {"half": np.exp(-0.5 * dt / p.tau_syn), "decay": np.exp(-dt / p.tau_syn)}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        end = s.i * d.decay
        new, spike = _fire(p, d, s, [s.i, s.i * d.half, end], lambda v, i: i)
        return new | {"i": end + x.a_in}, {"s_out": spike}


class CondAdEx(Process):
    r"""Adaptive exponential integrate-and-fire neuron with exponentially decaying synaptic conductances.

    .. math::
        C \frac{dv}{dt} &= -g_l (v - v_{rest}) + g_l \Delta_T\, e^{(v - v_{th})/\Delta_T} - g_e (v - E_e)
        - g_i (v - E_i) - w + i_b \\
        \tau_w \frac{dw}{dt} &= a (v - v_{rest}) - w, \qquad \tau_e \frac{dg_e}{dt} = -g_e, \qquad
        \tau_i \frac{dg_i}{dt} = -g_i

    Events at ``exc_in`` and ``inh_in`` add their weight (in nS, not negative at either port) to :math:`g_e` and
    :math:`g_i`. All else is as in ``AdEx``; the model is NEST's ``aeif_cond_exp``.

    Source: Brette & Gerstner, Adaptive exponential integrate-and-fire model as an effective description of neuronal
    activity (2005), doi 10.1152/jn.00686.2005. Defaults are those of the paper.
    """

    exc_in = In(Current)
    inh_in = In(Current)
    s_out = Out(Spikes)
    c_m = Param(281.0, "pF", gt=0, doc="membrane capacitance")
    g_l = Param(30.0, "nS", gt=0, doc="leak conductance")
    v_rest = Param(-70.6, "mV", doc="leak reversal potential")
    v_th = Param(-50.4, "mV", doc="threshold of the upstroke")
    delta_t = Param(2.0, "mV", gt=0, doc="slope factor of the upstroke")
    tau_w = Param(144.0, "ms", gt=0, doc="time constant of the adaptation")
    a = Param(4.0, "nS", doc="adaptation by the potential")
    b = Param(80.5, "pA", doc="adaptation by a spike")
    e_exc = Param(0.0, "mV", doc="reversal potential of exc_in")
    e_inh = Param(-85.0, "mV", doc="reversal potential of inh_in")
    tau_exc = Param(0.2, "ms", gt=0, doc="time constant of g_exc")
    tau_inh = Param(2.0, "ms", gt=0, doc="time constant of g_inh")
    v_peak = Param(20.0, "mV", doc="potential that counts as a spike")
    v_reset = Param(-70.6, "mV", doc="potential after a spike")
    bias = Param(0.0, "pA", doc="constant current")
    t_ref = Param(0.0, "ms", ge=0, doc="refractory time")
    g_exc = State(0.0, "nS", doc="excitatory conductance")
    g_inh = State(0.0, "nS", doc="inhibitory conductance")
    w = State(0.0, "pA", doc="adaptation current")
    v = State("v_rest", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return _membrane(p, dt) | decays(p, dt)

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        middle = (s.g_exc * d.half_exc, s.g_inh * d.half_inh)
        end = (s.g_exc * d.decay_exc, s.g_inh * d.decay_inh)
        drive = [(s.g_exc, s.g_inh), middle, end]
        new, spike = _fire(p, d, s, drive, lambda v, g: g[0] * (p.e_exc - v) + g[1] * (p.e_inh - v))
        return new | {"g_exc": end[0] + x.exc_in, "g_inh": end[1] + x.inh_in}, {"s_out": spike}
