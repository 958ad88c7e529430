"""Integrate-and-fire neurons: leaky with delta or exponential synapse current, and without leak."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import exp, exprelr, maximum, to_float, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = [
    "IF",
    "LIF",
    "DualExpLIF",
    "ExpLIF",
    "exp_current_course",
    "exp_current_gain",
    "exp_current_moved",
    "in_steps",
    "refractory_left",
    "released",
]


def in_steps(time: Any, dt: float) -> Any:
    """A time in ms as whole steps (to nearest)."""
    return np.rint(np.asarray(time) / dt).astype(np.int32)[()]


def refractory_left(spike: Any, free: Any, left: Any, steps: Any) -> Any:
    """Refractory steps after a step: ``steps`` from a spike on, one less in each, zero at the end."""
    return where(spike, steps, where(free, 0, left - 1))


def released(p: Values, s: Values, n: Any) -> tuple[Any, Any, Any]:
    """Of n steps without input: the potential before the free ones, their number, and the refractory steps left."""
    start = where(s.refractory > 0, p.v_reset, s.v)
    return start, to_float(maximum(n - s.refractory, 0)), maximum(s.refractory - n, 0)


def exp_current_gain(tau_m: Any, tau_syn: Any, r_m: Any, dt: float) -> Any:
    """What a current that decays with ``tau_syn`` adds to the potential in the next step, per unit of it."""
    gap = 1 / np.asarray(tau_m) - 1 / np.asarray(tau_syn)
    safe = np.where(gap == 0, 1.0, gap)
    mean = np.where(gap == 0, dt, np.expm1(safe * dt) / safe)  # integral of exp(gap * t) over the step
    return (r_m / tau_m * np.exp(-dt / tau_m) * mean)[()]


def exp_current_course(tau_m: Any, tau_syn: Any, r_m: Any, dt: float) -> dict[str, Any]:
    """What ``exp_current_moved`` needs: rates per step of the current, of the slower of both decays and of their gap,
    the gain per step, and the largest effect that a current has on the potential while it decays."""
    m, syn = np.asarray(tau_m), np.asarray(tau_syn)
    ratio = syn / m
    near = ratio == 1
    peak = np.where(near, np.exp(-1), np.where(near, 2.0, ratio) ** (1 / (1 - np.where(near, 2.0, ratio))))
    return {
        "rate_syn": (-dt / syn)[()],
        "slow": (-dt / np.maximum(m, syn))[()],
        "gap": (-dt * np.abs(1 / m - 1 / syn))[()],
        "unit": (r_m * dt / m)[()],
        "peak": (r_m * peak)[()],
    }


def exp_current_moved(i: Any, free: Any, slow: Any, gap: Any, unit: Any) -> Any:
    """What a current ``i`` that decays exponentially moves the potential by in ``free`` steps."""
    return i * (free * unit) * exp(free * slow) / exprelr(free * gap)


class LIF(Process):
    r"""Leaky integrate-and-fire neuron with delta synapses and absolute refractoriness, integrated exactly.

    .. math::
        v_k = v_{rest} + R_b + (v_{k-1} - v_{rest} - R_b)\, e^{-dt/\tau_m} + a_k

    where :math:`a_k` is the summed input (each event moves ``v`` by its weight) and :math:`R_b` = ``bias`` is the
    voltage that a constant current would hold. If :math:`v_k \ge v_{th}`: a spike, :math:`v_k = v_{reset}`, and for
    ``t_ref`` the neuron stays there and ignores its input.

    Source: Gerstner et al., Neuronal Dynamics (2014), ch. 1.3, doi 10.1017/CBO9781107447615.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    tau_m = Param(20.0, "ms", gt=0, doc="membrane time constant")
    v_th = Param(1.0, "mV", doc="threshold")
    v_rest = Param(0.0, "mV", doc="resting potential")
    v_reset = Param(0.0, "mV", doc="potential after a spike")
    bias = Param(0.0, "mV", doc="depolarisation held by a constant current")
    t_ref = Param(0.0, "ms", ge=0, doc="refractory time")
    v = State("v_reset", "mV")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        decay, rest = np.exp(-dt / p.tau_m), p.v_rest + p.bias
        drive, ref_steps = rest * (1 - decay), in_steps(p.t_ref, dt)
        return {"decay": decay, "drive": drive, "ref_steps": ref_steps, "rate": -dt / p.tau_m, "rest": rest}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        free = s.refractory <= 0
        v = where(free, s.v * d.decay + d.drive + x.a_in, p.v_reset)
        spike = free & (v >= p.v_th)
        refractory = refractory_left(spike, free, s.refractory, d.ref_steps)
        return {"v": where(spike, p.v_reset, v), "refractory": refractory}, {"s_out": spike}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        start, free, left = released(p, s, n)
        return {"v": d.rest + (start - d.rest) * exp(free * d.rate), "refractory": left}

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        return maximum(maximum(s.v, p.v_reset), d.rest) < p.v_th


class ExpLIF(Process):
    r"""Leaky integrate-and-fire neuron with exponentially decaying synapse current, integrated exactly.

    .. math::
        \tau_{syn} \frac{di}{dt} = -i, \qquad \tau_m \frac{dv}{dt} = -(v - v_{rest}) + r_m (i + i_b)

    Over one step, with :math:`P = r_m \frac{\tau_{syn}}{\tau_{syn} - \tau_m} (e^{-dt/\tau_{syn}} - e^{-dt/\tau_m})`
    (its limit :math:`r_m \frac{dt}{\tau_m} e^{-dt/\tau_m}` if both time constants are equal):

    .. math::
        v_k = v_\infty + (v_{k-1} - v_\infty)\, e^{-dt/\tau_m} + P\, i_{k-1}, \qquad
        i_k = i_{k-1}\, e^{-dt/\tau_{syn}} + a_k

    where :math:`a_k` is the summed input, :math:`i_b` = ``bias`` and :math:`v_\infty = v_{rest} + r_m i_b`. An input
    of step k hence moves v from step k + 1 on, as in NEST's ``iaf_psc_exp`` (whose ``C_m`` is :math:`\tau_m / r_m`).
    If :math:`v_k \ge v_{th}`: a spike, :math:`v_k = v_{reset}`; for ``t_ref`` v stays there, while i goes on.

    Source: Rotter & Diesmann, Exact digital simulation of time-invariant linear systems (1999), doi
    10.1007/s004220050570.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    tau_m = Param(20.0, "ms", gt=0, doc="membrane time constant")
    tau_syn = Param(5.0, "ms", gt=0, doc="time constant of the synapse current")
    r_m = Param(1.0, "MOhm", gt=0, doc="membrane resistance; input and bias are in nA")
    v_th = Param(1.0, "mV", doc="threshold")
    v_rest = Param(0.0, "mV", doc="resting potential")
    v_reset = Param(0.0, "mV", doc="potential after a spike")
    bias = Param(0.0, "nA", doc="constant current")
    t_ref = Param(0.0, "ms", ge=0, doc="refractory time")
    i = State(0.0, "nA", doc="synapse current")
    v = State("v_reset", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        decay_m = np.exp(-dt / p.tau_m)
        return {
            "decay_m": decay_m,
            "decay_syn": np.exp(-dt / p.tau_syn),
            "gain": exp_current_gain(p.tau_m, p.tau_syn, p.r_m, dt),
            "drive": (p.v_rest + p.r_m * p.bias) * (1 - decay_m),
            "ref_steps": in_steps(p.t_ref, dt),
            "rate_m": -dt / p.tau_m,
            "rest": p.v_rest + p.r_m * p.bias,
            **exp_current_course(p.tau_m, p.tau_syn, p.r_m, dt),
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        free = s.refractory <= 0
        v = where(free, s.v * d.decay_m + d.drive + s.i * d.gain, p.v_reset)
        i = s.i * d.decay_syn + x.a_in
        spike = free & (v >= p.v_th)
        refractory = refractory_left(spike, free, s.refractory, d.ref_steps)
        return {"i": i, "v": where(spike, p.v_reset, v), "refractory": refractory}, {"s_out": spike}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        start, free, left = released(p, s, n)
        i = s.i * exp((to_float(n) - free) * d.rate_syn)  # when v is let go
        v = d.rest + (start - d.rest) * exp(free * d.rate_m) + exp_current_moved(i, free, d.slow, d.gap, d.unit)
        return {"i": s.i * exp(to_float(n) * d.rate_syn), "v": v, "refractory": left}

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        above = maximum(maximum(s.v, p.v_reset) - d.rest, 0.0)
        return d.rest + above + maximum(s.i, 0.0) * d.peak < p.v_th


class DualExpLIF(Process):
    r"""Leaky integrate-and-fire neuron with two receptor ports, each with its own exponentially decaying current.

    .. math::
        \tau_e \frac{di_e}{dt} = -i_e, \qquad \tau_i \frac{di_i}{dt} = -i_i, \qquad
        \tau_m \frac{dv}{dt} = -(v - v_{rest}) + r_m (i_e + i_i + i_b)

    integrated exactly as in ``ExpLIF``. Events at ``exc_in`` add their weight to :math:`i_e` (decay ``tau_exc``), those
    at ``inh_in`` to :math:`i_i` (``tau_inh``); inhibition has negative weights. As NEST's ``iaf_psc_exp`` with
    ``tau_syn_ex`` and ``tau_syn_in``. With ``r_m = 1`` currents are in mV: the CUBA network of Vogels & Abbott (2005).

    Source: Rotter & Diesmann, Exact digital simulation of time-invariant linear systems (1999), doi
    10.1007/s004220050570.
    """

    exc_in = In(Current)
    inh_in = In(Current)
    s_out = Out(Spikes)
    tau_m = Param(20.0, "ms", gt=0, doc="membrane time constant")
    tau_exc = Param(5.0, "ms", gt=0, doc="time constant of the current from exc_in")
    tau_inh = Param(10.0, "ms", gt=0, doc="time constant of the current from inh_in")
    r_m = Param(1.0, "MOhm", gt=0, doc="membrane resistance; input and bias are in nA")
    v_th = Param(-50.0, "mV", doc="threshold")
    v_rest = Param(-60.0, "mV", doc="resting potential")
    v_reset = Param(-60.0, "mV", doc="potential after a spike")
    bias = Param(0.0, "nA", doc="constant current")
    t_ref = Param(5.0, "ms", ge=0, doc="refractory time")
    i_exc = State(0.0, "nA", doc="current from exc_in")
    i_inh = State(0.0, "nA", doc="current from inh_in")
    v = State("v_rest", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        decay_m = np.exp(-dt / p.tau_m)
        return {
            "decay_m": decay_m,
            "decay_exc": np.exp(-dt / p.tau_exc),
            "decay_inh": np.exp(-dt / p.tau_inh),
            "gain_exc": exp_current_gain(p.tau_m, p.tau_exc, p.r_m, dt),
            "gain_inh": exp_current_gain(p.tau_m, p.tau_inh, p.r_m, dt),
            "drive": (p.v_rest + p.r_m * p.bias) * (1 - decay_m),
            "ref_steps": in_steps(p.t_ref, dt),
            "rate_m": -dt / p.tau_m,
            "rest": p.v_rest + p.r_m * p.bias,
            **{f"{k}_exc": v for k, v in exp_current_course(p.tau_m, p.tau_exc, p.r_m, dt).items()},
            **{f"{k}_inh": v for k, v in exp_current_course(p.tau_m, p.tau_inh, p.r_m, dt).items()},
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        free = s.refractory <= 0
        v = where(free, s.v * d.decay_m + d.drive + s.i_exc * d.gain_exc + s.i_inh * d.gain_inh, p.v_reset)
        spike = free & (v >= p.v_th)
        new = {"i_exc": s.i_exc * d.decay_exc + x.exc_in, "i_inh": s.i_inh * d.decay_inh + x.inh_in}
        new |= {"v": where(spike, p.v_reset, v), "refractory": refractory_left(spike, free, s.refractory, d.ref_steps)}
        return new, {"s_out": spike}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        start, free, left = released(p, s, n)
        steps = to_float(n)
        exc, inh = s.i_exc * exp((steps - free) * d.rate_syn_exc), s.i_inh * exp((steps - free) * d.rate_syn_inh)
        by_exc = exp_current_moved(exc, free, d.slow_exc, d.gap_exc, d.unit_exc)
        by_inh = exp_current_moved(inh, free, d.slow_inh, d.gap_inh, d.unit_inh)
        new = {"i_exc": s.i_exc * exp(steps * d.rate_syn_exc), "i_inh": s.i_inh * exp(steps * d.rate_syn_inh)}
        return new | {"v": d.rest + (start - d.rest) * exp(free * d.rate_m) + by_exc + by_inh, "refractory": left}

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        above = maximum(maximum(s.v, p.v_reset) - d.rest, 0.0)
        to_come = maximum(s.i_exc, 0.0) * d.peak_exc + maximum(s.i_inh, 0.0) * d.peak_inh
        return d.rest + above + to_come < p.v_th


class IF(Process):
    r"""Integrate-and-fire neuron without leak: a perfect integrator.

    .. math::
        v_k = v_{k-1} + b\, dt + a_k

    where :math:`a_k` is the summed input (each event moves ``v`` by its weight) and b is ``bias``. If :math:`v_k \ge
    v_{th}`: a spike, :math:`v_k = v_{reset}`, and for ``t_ref`` the neuron stays there and ignores its input.

    Source: Gerstner et al., Neuronal Dynamics (2014), ch. 1.3, doi 10.1017/CBO9781107447615.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    v_th = Param(1.0, "mV", doc="threshold")
    v_reset = Param(0.0, "mV", doc="potential after a spike")
    bias = Param(0.0, doc="constant slope of the potential in mV per ms")
    t_ref = Param(0.0, "ms", ge=0, doc="refractory time")
    v = State("v_reset", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"drive": p.bias * dt, "ref_steps": in_steps(p.t_ref, dt)}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        free = s.refractory <= 0
        v = where(free, s.v + d.drive + x.a_in, p.v_reset)
        spike = free & (v >= p.v_th)
        refractory = refractory_left(spike, free, s.refractory, d.ref_steps)
        return {"v": where(spike, p.v_reset, v), "refractory": refractory}, {"s_out": spike}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        start, free, left = released(p, s, n)
        return {"v": start + free * d.drive, "refractory": left}

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        return (maximum(s.v, p.v_reset) < p.v_th) & (d.drive <= 0.0)
