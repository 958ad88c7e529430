"""Leaky integrate-and-fire neuron with alpha-shaped synapse current."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from procgraph.processes.neurons.lif import (
    exp_current_course,
    exp_current_moved,
    in_steps,
    refractory_left,
    released,
)
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import exp, maximum, to_float, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["AlphaLIF"]


def _moments(gap: Any, dt: float) -> tuple[Any, Any]:
    """Integrals of exp(gap t) and t exp(gap t) over a step; by their series where gap * dt is small."""
    x = np.asarray(gap * dt, dtype=np.float64)
    safe = np.where(np.abs(x) < 0.01, 1.0, x)
    series = [sum(x**n / (math.factorial(n) * (n + m)) for n in range(6)) for m in (1, 2)]
    first = np.where(np.abs(x) < 0.01, series[0], np.expm1(safe) / safe)
    second = np.where(np.abs(x) < 0.01, series[1], (np.exp(safe) - np.expm1(safe) / safe) / safe)
    return (first * dt)[()], (second * dt * dt)[()]


def _moved_by_slope(j: Any, free: Any, d: Values) -> Any:
    """What a slope ``j`` of the synapse current moves the potential by in ``free`` steps.

    With y the gap of both decays times the time, the integral of u exp(-y u) over [0, 1] where the membrane is the slower,
    of (1 - u) exp(-y u) where the current is; by their series for y < 1.
    """
    y = -(free * d.gap)
    membrane_slower, current_slower = 0.0, 0.0
    for k in reversed(range(10)):
        term = (-1) ** k / math.factorial(k)
        membrane_slower = membrane_slower * y + term / (k + 2)
        current_slower = current_slower * y + term / ((k + 1) * (k + 2))
    series = where(d.current_slower > 0.0, current_slower, membrane_slower)
    left, safe = exp(-y), maximum(y, 1.0)
    far = where(d.current_slower > 0.0, y - 1.0 + left, 1.0 - left * (1.0 + y)) / (safe * safe)
    return j * (free * free * d.unit_j) * exp(free * d.slow) * where(y < 1.0, series, far)


class AlphaLIF(Process):
    r"""Leaky integrate-and-fire neuron whose input currents have the shape of an alpha function, integrated exactly.

    An event of weight w makes the current :math:`w\, \frac{t}{\tau_{syn}} e^{1 - t/\tau_{syn}}`, whose largest value is
    w, at :math:`t = \tau_{syn}`:

    .. math::
        \frac{dj}{dt} = -\frac{j}{\tau_{syn}} + \frac{e}{\tau_{syn}} a, \qquad
        \frac{di}{dt} = j - \frac{i}{\tau_{syn}}, \qquad
        \tau_m \frac{dv}{dt} = -(v - v_{rest}) + r_m (i + i_b)

    where a is the summed input, as in NEST's ``iaf_psc_alpha`` (whose ``C_m`` is :math:`\tau_m / r_m`), and
    :math:`i_b` = ``bias``. If :math:`v \ge v_{th}`: a spike, :math:`v = v_{reset}`; for ``t_ref`` v stays there, while
    i goes on. The two time constants may be equal.

    Source: Rotter & Diesmann, Exact digital simulation of time-invariant linear systems (1999), doi
    10.1007/s004220050570.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    tau_m = Param(10.0, "ms", gt=0, doc="membrane time constant")
    tau_syn = Param(2.0, "ms", gt=0, doc="time from an event to the largest current")
    r_m = Param(40.0, "MOhm", gt=0, doc="membrane resistance; input and bias are in nA")
    v_th = Param(-55.0, "mV", doc="threshold")
    v_rest = Param(-70.0, "mV", doc="resting potential")
    v_reset = Param(-70.0, "mV", doc="potential after a spike")
    bias = Param(0.0, "nA", doc="constant current")
    t_ref = Param(2.0, "ms", ge=0, doc="refractory time")
    j = State(0.0, doc="slope of the synapse current in nA per ms")
    i = State(0.0, "nA", doc="synapse current")
    v = State("v_rest", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        decay_m, decay_syn = np.exp(-dt / p.tau_m), np.exp(-dt / p.tau_syn)
        first, second = _moments(1 / np.asarray(p.tau_m) - 1 / np.asarray(p.tau_syn), dt)
        scale = p.r_m / p.tau_m * decay_m
        return {
            "decay_m": decay_m,
            "decay_syn": decay_syn,
            "grow": dt * decay_syn,
            "kick": np.e / p.tau_syn,
            "gain_i": scale * first,
            "gain_j": scale * second,
            "drive": (p.v_rest + p.r_m * p.bias) * (1 - decay_m),
            "ref_steps": in_steps(p.t_ref, dt),
            "rate_m": -dt / p.tau_m,
            "rest": p.v_rest + p.r_m * p.bias,
            "step_ms": dt,
            "unit_j": p.r_m / p.tau_m * dt**2,
            "current_slower": np.where(np.asarray(p.tau_syn) > p.tau_m, 1.0, 0.0)[()],
            # The membrane passes on no more than the largest current, and no more than all of its charge.
            "peak_j": p.r_m * p.tau_syn * np.minimum(np.exp(-1), np.asarray(p.tau_syn) / p.tau_m)[()],
            **exp_current_course(p.tau_m, p.tau_syn, p.r_m, dt),
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        free = s.refractory <= 0
        v = where(free, s.v * d.decay_m + d.drive + s.i * d.gain_i + s.j * d.gain_j, p.v_reset)
        spike = free & (v >= p.v_th)
        new = {"j": s.j * d.decay_syn + x.a_in * d.kick, "i": s.i * d.decay_syn + s.j * d.grow}
        new |= {"v": where(spike, p.v_reset, v), "refractory": refractory_left(spike, free, s.refractory, d.ref_steps)}
        return new, {"s_out": spike}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        start, free, left = released(p, s, n)
        steps = to_float(n)
        held = steps - free
        kept = exp(held * d.rate_syn)  # when v is let go
        j, i = s.j * kept, (s.i + s.j * (held * d.step_ms)) * kept
        moved = exp_current_moved(i, free, d.slow, d.gap, d.unit) + _moved_by_slope(j, free, d)
        kept = exp(steps * d.rate_syn)
        return {
            "j": s.j * kept,
            "i": (s.i + s.j * (steps * d.step_ms)) * kept,
            "v": d.rest + (start - d.rest) * exp(free * d.rate_m) + moved,
            "refractory": left,
        }

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        above = maximum(maximum(s.v, p.v_reset) - d.rest, 0.0)
        to_come = maximum(s.i, 0.0) * d.peak + maximum(s.j, 0.0) * d.peak_j
        return d.rest + above + to_come < p.v_th
