"""Leaky integrator, the usual read-out of a spiking network."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import exp, to_float
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Array, Current

__all__ = ["LI"]


class LI(Process):
    r"""Leaky integrator without spikes, integrated exactly; emits its potential.

    .. math::
        v_k = v_{rest} + R_b + (v_{k-1} - v_{rest} - R_b)\, e^{-dt/\tau_m} + a_k

    where :math:`a_k` is the summed input (each event moves ``v`` by its weight) and :math:`R_b` = ``bias`` is the
    voltage that a constant current would hold.

    Source: Gerstner et al., Neuronal Dynamics (2014), ch. 1.3, doi 10.1017/CBO9781107447615.
    """

    a_in = In(Current)
    v_out = Out(Array)
    tau_m = Param(20.0, "ms", gt=0, doc="membrane time constant")
    v_rest = Param(0.0, "mV", doc="resting potential")
    bias = Param(0.0, "mV", doc="depolarisation held by a constant current")
    v = State("v_rest", "mV", doc="membrane potential")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        decay, rest = np.exp(-dt / p.tau_m), p.v_rest + p.bias
        return {"decay": decay, "drive": rest * (1 - decay), "rate": -dt / p.tau_m, "rest": rest}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        v = s.v * d.decay + d.drive + x.a_in
        return {"v": v}, {"v_out": v}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        return {"v": d.rest + (s.v - d.rest) * exp(to_float(n) * d.rate)}

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        return True
