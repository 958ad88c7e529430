"""Quadratic integrate-and-fire neuron."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.processes.neurons.lif import in_steps, refractory_left
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import minimum, where
from procgraph.spec.integrators import rk4
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["QuadraticIF"]


class QuadraticIF(Process):
    r"""Quadratic integrate-and-fire neuron: the normal form of neurons that start to fire at any low rate (type I).

    .. math::
        \tau_m \frac{dv}{dt} = k (v - v_{rest}) (v - v_{crit}) + b

    where b is ``bias``. One Runge–Kutta step (RK4) per ``dt``, in which v counts as at most ``v_peak``; then each event
    moves v by its weight. If :math:`v \ge v_{peak}`: a spike, :math:`v = v_{reset}`, and for ``t_ref`` the neuron
    stays there and ignores its input. Without bias it rests at ``v_rest`` and fires once pushed beyond ``v_crit``;
    with :math:`b > k (v_{crit} - v_{rest})^2 / 4` it fires by itself.

    Source: Gerstner et al., Neuronal Dynamics (2014), ch. 5.3, doi 10.1017/CBO9781107447615.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    tau_m = Param(20.0, "ms", gt=0, doc="membrane time constant")
    k = Param(0.1, gt=0, doc="curvature per mV")
    v_rest = Param(-65.0, "mV", doc="resting potential")
    v_crit = Param(-50.0, "mV", doc="potential from which the neuron fires")
    v_peak = Param(30.0, "mV", doc="potential that counts as a spike")
    v_reset = Param(-65.0, "mV", doc="potential after a spike")
    bias = Param(0.0, "mV", doc="constant input")
    t_ref = Param(0.0, "ms", ge=0, doc="refractory time")
    v = State("v_rest", "mV", doc="membrane potential")
    refractory = State(0, dtype="int32", doc="steps left")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {
            "h": np.float64(dt),
            "curve": p.k / p.tau_m,
            "drive": p.bias / p.tau_m,
            "ref_steps": in_steps(p.t_ref, dt),
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        def slope(y: dict[str, Any]) -> dict[str, Any]:
            v = minimum(y["v"], p.v_peak)
            return {"v": (v - p.v_rest) * (v - p.v_crit) * d.curve + d.drive}

        free = s.refractory <= 0
        v = where(free, rk4(slope, {"v": s.v}, d.h)["v"] + x.a_in, p.v_reset)
        spike = free & (v >= p.v_peak)
        left = refractory_left(spike, free, s.refractory, d.ref_steps)
        return {"v": where(spike, p.v_reset, v), "refractory": left}, {"s_out": spike}
