"""The Izhikevich neuron."""

from __future__ import annotations

from typing import Any

from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["Izhikevich"]


class Izhikevich(Process):
    r"""Izhikevich's simple model: a quadratic membrane with a recovery variable.

    .. math::
        \frac{dv}{dt} = 0.04 v^2 + 5 v + 140 - u + I, \qquad \frac{du}{dt} = a (b v - u)

    with v in mV, t in ms and I the summed input plus ``bias``. If :math:`v \ge v_{peak}`: a spike, :math:`v = c` and
    :math:`u = u + d`. Forward Euler as in the paper's program: two steps of ``dt/2`` for v, then one of ``dt`` for u.
    A spike is found at the end of its step (the program finds the same one at the start of the next).

    Source: Izhikevich, Simple model of spiking neurons (2003), doi 10.1109/TNN.2003.820440. Types from its figure 2
    (a, b, c, d): regular spiking 0.02, 0.2, -65, 8; intrinsically bursting 0.02, 0.2, -55, 4; chattering 0.02, 0.2,
    -50, 2; fast spiking 0.1, 0.2, -65, 2; low-threshold spiking 0.02, 0.25, -65, 2. Give ``u=b*v`` where b is not
    0.2.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    a = Param(0.02, ge=0, doc="rate of recovery per ms")
    b = Param(0.2, doc="sensitivity of the recovery to v")
    c = Param(-65.0, "mV", doc="potential after a spike")
    d = Param(8.0, doc="rise of u at a spike")
    v_peak = Param(30.0, "mV", doc="potential that counts as a spike")
    bias = Param(0.0, doc="constant input")
    v = State(-65.0, "mV", doc="membrane potential")
    u = State(-13.0, doc="recovery")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"half": 0.5 * dt, "rate": p.a * dt}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        push = x.a_in + p.bias + 140.0 - s.u
        v = s.v + d.half * ((s.v * 0.04 + 5.0) * s.v + push)
        v = v + d.half * ((v * 0.04 + 5.0) * v + push)
        u = s.u + d.rate * (p.b * v - s.u)
        spike = v >= p.v_peak
        return {"v": where(spike, p.c, v), "u": where(spike, u + p.d, u)}, {"s_out": spike}
