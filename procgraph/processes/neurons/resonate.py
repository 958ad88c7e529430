"""Resonate-and-fire neuron."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import cos, exp, floor, sin, sqrt, to_float, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Current, Spikes

__all__ = ["ResonateAndFire"]


class ResonateAndFire(Process):
    r"""Resonate-and-fire neuron: a damped oscillation that fires on inputs in rhythm with it, integrated exactly.

    .. math::
        \frac{dz}{dt} = \left(-\frac{1}{\tau} + i \omega\right) z + b, \qquad z = x + i y, \quad
        \omega = 2 \pi \cdot frequency

    where b is ``bias``; each event moves x (the current-like variable) by its weight at the end of its step. If
    :math:`y \ge y_{th}` (the voltage-like variable, at the end of a step): a spike, and :math:`z = x_{reset} + i
    y_{reset}`. In the paper's units tau is 1 (b = -1), omega is 10 and the reset is to i.

    Source: Izhikevich, Resonate-and-fire neurons (2001), doi 10.1016/S0893-6080(01)00078-8.
    """

    a_in = In(Current)
    s_out = Out(Spikes)
    tau = Param(20.0, "ms", gt=0, doc="time constant of the damping")
    frequency = Param(50.0, "Hz", ge=0, doc="frequency of the oscillation")
    bias = Param(0.0, doc="constant input to x per ms")
    y_th = Param(1.0, doc="threshold of y")
    x_reset = Param(0.0, doc="x after a spike")
    y_reset = Param(1.0, doc="y after a spike; the next step takes it below y_th")
    x = State(0.0, doc="current-like variable")
    y = State(0.0, doc="voltage-like variable")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        rate = -1 / np.asarray(p.tau) + 2e-3j * np.pi * np.asarray(p.frequency)
        turn = np.exp(rate * dt)
        push = (turn - 1) / rate * p.bias
        rest = -1 / rate * p.bias
        return {
            "rest_x": rest.real[()],
            "rest_y": rest.imag[()],
            "damping": np.exp(-dt / p.tau),
            "rate": -dt / p.tau,
            "turns": 1e-3 * p.frequency * dt,
            "turn_x": turn.real[()],
            "turn_y": turn.imag[()],
            "push_x": push.real[()],
            "push_y": push.imag[()],
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        real = s.x * d.turn_x - s.y * d.turn_y + d.push_x + x.a_in
        imaginary = s.x * d.turn_y + s.y * d.turn_x + d.push_y
        spike = imaginary >= p.y_th
        return {"x": where(spike, p.x_reset, real), "y": where(spike, p.y_reset, imaginary)}, {"s_out": spike}

    @staticmethod
    def advance(p: Values, d: Values, s: Values, n: Any) -> dict[str, Any]:
        turns = to_float(n) * d.turns
        angle = (turns - floor(turns)) * (2 * np.pi)
        size = exp(to_float(n) * d.rate)
        cosine, sine = size * cos(angle), size * sin(angle)
        x, y = s.x - d.rest_x, s.y - d.rest_y
        return {"x": d.rest_x + x * cosine - y * sine, "y": d.rest_y + x * sine + y * cosine}

    @staticmethod
    def rests(p: Values, d: Values, s: Values) -> Any:
        x, y = s.x - d.rest_x, s.y - d.rest_y
        return d.rest_y + sqrt(x * x + y * y) * d.damping < p.y_th
