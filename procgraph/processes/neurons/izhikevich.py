"""The Izhikevich neuron."""

from __future__ import annotations

from typing import Any

from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["GeneralIzhikevich", "Izhikevich"]


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
        half = 0.5 * dt
        return {
            "half": half,
            "square": half * 0.04,
            "linear": 1 + half * 5.0,
            "constant": p.bias + 140.0,
            "keep": 1 - p.a * dt,
            "pull": p.a * p.b * dt,
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        push = (x.a_in + d.constant - s.u) * d.half
        v = (s.v * d.square + d.linear) * s.v + push
        v = (v * d.square + d.linear) * v + push
        u = s.u * d.keep + v * d.pull
        spike = v >= p.v_peak
        return {"v": where(spike, p.c, v), "u": where(spike, u + p.d, u)}, {"s_out": spike}


class GeneralIzhikevich(Process):
    r"""Izhikevich's simple model with free coefficients, for the patterns that the usual ones do not make.

    .. math::
        \frac{dv}{dt} = 0.04 v^2 + slope \cdot v + offset - u + I, \qquad
        \frac{du}{dt} = a (b (v - v_u) - leak \cdot u)

    with v in mV, t in ms and I the summed input plus ``bias``. If :math:`v \ge v_{peak}`: a spike, :math:`v = c` and
    :math:`u = u + d`. With the defaults it is ``Izhikevich``, integrated in the same way (two half steps for v, then
    one for u).

    Source: Izhikevich, Which model to use for cortical spiking neurons? (2004), doi 10.1109/TNN.2004.832719. Its class
    1 neuron and integrator have ``slope=4.1, offset=108``, its accommodating neuron ``v_u=-65, leak=0``.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    a = Param(0.02, doc="rate of recovery per ms")
    b = Param(0.2, doc="sensitivity of the recovery to v")
    c = Param(-65.0, "mV", doc="potential after a spike")
    d = Param(8.0, doc="rise of u at a spike")
    slope = Param(5.0, doc="linear coefficient of v")
    offset = Param(140.0, doc="constant coefficient of v")
    v_u = Param(0.0, "mV", doc="potential at which v does not drive u")
    leak = Param(1.0, doc="decay of u relative to a")
    v_peak = Param(30.0, "mV", doc="potential that counts as a spike")
    bias = Param(0.0, doc="constant input")
    v = State(-65.0, "mV", doc="membrane potential")
    u = State(-13.0, doc="recovery")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        half = 0.5 * dt
        return {
            "half": half,
            "square": half * 0.04,
            "linear": 1 + half * p.slope,
            "constant": p.bias + p.offset,
            "keep": 1 - p.a * p.leak * dt,
            "pull": p.a * p.b * dt,
            "lift": -p.a * p.b * p.v_u * dt,
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        push = (x.a_in + d.constant - s.u) * d.half
        v = (s.v * d.square + d.linear) * s.v + push
        v = (v * d.square + d.linear) * v + push
        u = s.u * d.keep + v * d.pull + d.lift
        spike = v >= p.v_peak
        return {"v": where(spike, p.c, v), "u": where(spike, u + p.d, u)}, {"s_out": spike}
