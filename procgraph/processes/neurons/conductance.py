"""Leaky integrate-and-fire neurons with synaptic conductances."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.processes.neurons.lif import in_steps, refractory_left
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import where
from procgraph.spec.integrators import rk4_driven
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["AlphaCondLIF", "CondLIF", "decays"]


def decays(p: Values, dt: float) -> dict[str, Any]:
    """Factors by which the two conductances decay in half a step (``half_…``) and in one (``decay_…``)."""
    return {
        "half_exc": np.exp(-0.5 * dt / p.tau_exc),
        "half_inh": np.exp(-0.5 * dt / p.tau_inh),
        "decay_exc": np.exp(-dt / p.tau_exc),
        "decay_inh": np.exp(-dt / p.tau_inh),
    }


def _membrane(p: Values, dt: float) -> dict[str, Any]:
    return {
        "h": np.float64(dt),
        "per_c": 1 / p.c_m,
        "leak": p.g_l / p.c_m,
        "drive": (p.g_l * p.v_rest + p.bias) / p.c_m,
        "ref_steps": in_steps(p.t_ref, dt),
        **decays(p, dt),
    }


def _fire(p: Values, d: Values, s: Values, conductances: list[tuple[Any, Any]]) -> tuple[dict[str, Any], Any]:
    """Potential and refractory steps after a step, and the spike; with the conductances at its start, middle, end."""

    def slope(y: dict[str, Any], g: tuple[Any, Any]) -> dict[str, Any]:
        flow = g[0] * (p.e_exc - y["v"]) + g[1] * (p.e_inh - y["v"])
        return {"v": d.drive - y["v"] * d.leak + flow * d.per_c}

    free = s.refractory <= 0
    v = where(free, rk4_driven(slope, {"v": s.v}, conductances, d.h)["v"], p.v_reset)
    spike = free & (v >= p.v_th)
    left = refractory_left(spike, free, s.refractory, d.ref_steps)
    return {"v": where(spike, p.v_reset, v), "refractory": left}, spike


class CondLIF(Process):
    r"""Leaky integrate-and-fire neuron with exponentially decaying synaptic conductances.

    .. math::
        C \frac{dv}{dt} = -g_l (v - v_{rest}) - g_e (v - E_e) - g_i (v - E_i) + i_b, \qquad
        \tau_e \frac{dg_e}{dt} = -g_e, \qquad \tau_i \frac{dg_i}{dt} = -g_i

    where :math:`i_b` = ``bias``. Events at ``exc_in`` and ``inh_in`` add their weight (in nS, not negative at either
    port) to :math:`g_e` and :math:`g_i`, which are integrated exactly; v by one Runge–Kutta step (RK4) per ``dt``. If
    :math:`v \ge v_{th}`: a spike, :math:`v = v_{reset}`; for ``t_ref`` v stays there, while the conductances go on. As
    NEST's ``iaf_cond_exp``, whose defaults these are, with ``E_ex`` = ``e_exc`` and so on. It is stable while
    :math:`dt\, (g_l + g_e + g_i) / C < 2.7`.

    Source: Meffin, Burkitt & Grayden, An analytical model for the "large, fluctuating synaptic conductance state"
    typical of neocortical neurons in vivo, J. Comput. Neurosci. 16 (2004).
    """

    exc_in = In(Current)
    inh_in = In(Current)
    s_out = Out(Spikes)
    c_m = Param(250.0, "pF", gt=0, doc="membrane capacitance")
    g_l = Param(16.6667, "nS", gt=0, doc="leak conductance")
    v_rest = Param(-70.0, "mV", doc="leak reversal potential")
    e_exc = Param(0.0, "mV", doc="reversal potential of exc_in")
    e_inh = Param(-85.0, "mV", doc="reversal potential of inh_in")
    tau_exc = Param(0.2, "ms", gt=0, doc="time constant of g_exc")
    tau_inh = Param(2.0, "ms", gt=0, doc="time constant of g_inh")
    v_th = Param(-55.0, "mV", doc="threshold")
    v_reset = Param(-60.0, "mV", doc="potential after a spike")
    bias = Param(0.0, "pA", doc="constant current")
    t_ref = Param(2.0, "ms", ge=0, doc="refractory time")
    g_exc = State(0.0, "nS", doc="excitatory conductance")
    g_inh = State(0.0, "nS", doc="inhibitory conductance")
    v = State("v_rest", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return _membrane(p, dt)

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        middle = (s.g_exc * d.half_exc, s.g_inh * d.half_inh)
        end = (s.g_exc * d.decay_exc, s.g_inh * d.decay_inh)
        new, spike = _fire(p, d, s, [(s.g_exc, s.g_inh), middle, end])
        return new | {"g_exc": end[0] + x.exc_in, "g_inh": end[1] + x.inh_in}, {"s_out": spike}


class AlphaCondLIF(Process):
    r"""Leaky integrate-and-fire neuron whose synaptic conductances have the shape of an alpha function.

    .. math::
        C \frac{dv}{dt} = -g_l (v - v_{rest}) - g_e (v - E_e) - g_i (v - E_i) + i_b, \qquad
        \frac{dg}{dt} = h - \frac{g}{\tau}, \qquad \frac{dh}{dt} = -\frac{h}{\tau} + \frac{e}{\tau} a

    with h and g for each of the two ports and a the summed input of that port: an event of weight w (in nS, not
    negative at either port) makes a conductance whose largest value is w, at :math:`t = \tau`. Integration, spike and
    refractoriness are as in ``CondLIF``; the model is NEST's ``iaf_cond_alpha``, whose defaults these are.

    Source: Meffin, Burkitt & Grayden, An analytical model for the "large, fluctuating synaptic conductance state"
    typical of neocortical neurons in vivo, J. Comput. Neurosci. 16 (2004).
    """

    exc_in = In(Current)
    inh_in = In(Current)
    s_out = Out(Spikes)
    c_m = Param(250.0, "pF", gt=0, doc="membrane capacitance")
    g_l = Param(16.6667, "nS", gt=0, doc="leak conductance")
    v_rest = Param(-70.0, "mV", doc="leak reversal potential")
    e_exc = Param(0.0, "mV", doc="reversal potential of exc_in")
    e_inh = Param(-85.0, "mV", doc="reversal potential of inh_in")
    tau_exc = Param(0.2, "ms", gt=0, doc="time from an event to the largest g_exc")
    tau_inh = Param(2.0, "ms", gt=0, doc="time from an event to the largest g_inh")
    v_th = Param(-55.0, "mV", doc="threshold")
    v_reset = Param(-60.0, "mV", doc="potential after a spike")
    bias = Param(0.0, "pA", doc="constant current")
    t_ref = Param(2.0, "ms", ge=0, doc="refractory time")
    h_exc = State(0.0, doc="slope of g_exc in nS per ms")
    h_inh = State(0.0, doc="slope of g_inh in nS per ms")
    g_exc = State(0.0, "nS", doc="excitatory conductance")
    g_inh = State(0.0, "nS", doc="inhibitory conductance")
    v = State("v_rest", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return _membrane(p, dt) | {
            "middle": np.float64(0.5 * dt),
            "kick_exc": np.e / p.tau_exc,
            "kick_inh": np.e / p.tau_inh,
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        middle = (
            (s.g_exc + s.h_exc * d.middle) * d.half_exc,
            (s.g_inh + s.h_inh * d.middle) * d.half_inh,
        )
        end = ((s.g_exc + s.h_exc * d.h) * d.decay_exc, (s.g_inh + s.h_inh * d.h) * d.decay_inh)
        new, spike = _fire(p, d, s, [(s.g_exc, s.g_inh), middle, end])
        h_exc = s.h_exc * d.decay_exc + x.exc_in * d.kick_exc
        h_inh = s.h_inh * d.decay_inh + x.inh_in * d.kick_inh
        return new | {"g_exc": end[0], "g_inh": end[1], "h_exc": h_exc, "h_inh": h_inh}, {"s_out": spike}
