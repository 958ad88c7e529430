"""Latency encoder: brighter is earlier."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.processes.encoders.rate import full_intensity, reciprocal
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import log, to_int, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Array, Spikes

__all__ = ["LatencyEncoder"]


class LatencyEncoder(Process):
    r"""At most one spike per window, the earlier the higher the intensity.

    The intensity :math:`x = x_{in} / x_{max}` is read at the first tick of each window. Its spike comes at tick :math:`\lfloor t + 0.5 \rfloor`
    of the window, with

    .. math::
        t_{linear} = (1 - \min(x, 1)) (window - 1), \qquad t_{log} = \tau \log \frac{x}{x - x_{min}}

    (``log``: the time at which an RC circuit, charged by x, reaches ``x_min``). There is no spike for :math:`x \le
    x_{min}`, for a time after the window, or for NaN.

    Source: Thorpe et al., Spike-based strategies for rapid processing (2001), doi 10.1016/S0893-6080(01)00083-1; the
    logarithmic code as in Eshraghian et al., Training spiking neural networks using lessons from deep learning
    (2023), doi 10.1109/JPROC.2023.3308088.
    """

    x_in = In(Array)
    s_out = Out(Spikes)
    window = Param(100, "steps", dtype="int32", ge=1, doc="ticks of a window")
    code = Param("linear", dtype="str", choices=("linear", "log"), doc="how intensity becomes time")
    x_min = Param(0.01, ge=0, doc="intensity that is too low for a spike")
    tau = Param(5.0, "steps", gt=0, doc="time constant of the logarithmic code, in ticks")
    x_max = full_intensity()
    tick = State(0, dtype="int32", doc="tick of the window")
    due = State(-1, dtype="int32", doc="tick of this window's spike, -1 if none")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {
            "last": (np.asarray(p.window) - 1.0)[()],
            "logarithmic": int(p.code == "log"),
            "gain": reciprocal(p.x_max),
        }

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        intensity = x.x_in * d.gain
        linear = (1.0 - where(intensity < 1.0, intensity, 1.0)) * d.last
        slow = log(intensity / (intensity - p.x_min)) * p.tau
        time = where(d.logarithmic > 0, slow, linear) + 0.5
        due = where((intensity > p.x_min) & (time < d.last + 1.0), to_int(time), -1)
        due = where(s.tick <= 0, due, s.due)
        tick = s.tick + 1
        return {"tick": where(tick >= p.window, 0, tick), "due": due}, {"s_out": due == s.tick}
