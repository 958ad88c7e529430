"""Decoders: from spikes to numbers, and to a decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from procgraph.errors import ParameterError
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import to_float, where
from procgraph.spec.ports import Shape
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Array, Graded

__all__ = ["Argmax", "FirstSpike", "RateDecoder", "SpikeCount"]


class SpikeCount(Process):
    r"""Payloads summed over consecutive windows; the output changes at the last tick of each window.

    .. math::
        count\_out = \sum_{j = t - window + 1}^{t} s_j \qquad \text{at ticks } t \text{ with } (t + 1) \bmod window = 0

    Before the first window is over the output is 0; with ``window=1`` it is the input.

    Source: Gerstner et al., Neuronal Dynamics (2014), ch. 7.2 (spike count), doi 10.1017/CBO9781107447615.
    """

    s_in = In(Graded)
    count_out = Out(Array("int32"))
    window = Param(100, "steps", dtype="int32", ge=1, doc="ticks of a window")
    tick = State(0, dtype="int32", doc="ticks into the window")
    total = State(0, dtype="int32", doc="sum of this window")
    count = State(0, dtype="int32", doc="sum of the last window")

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        total, tick = s.total + x.s_in, s.tick + 1
        done = tick >= p.window
        count = where(done, total, s.count)
        state = {"tick": where(done, 0, tick), "total": where(done, 0, total), "count": count}
        return state, {"count_out": count}


class RateDecoder(Process):
    r"""Firing rate in Hz by an exponential filter.

    .. math::
        r_k = r_{k-1}\, e^{-dt/\tau} + (1 - e^{-dt/\tau}) \frac{1000}{dt} s_k

    where :math:`s_k` is the summed payload; a spike in every step gives 1000/dt Hz.

    Source: Dayan & Abbott, Theoretical Neuroscience (2001), ch. 1.2 (rate by a causal exponential window).
    """

    s_in = In(Graded)
    rate_out = Out(Array)
    tau = Param(100.0, "ms", gt=0, doc="time constant of the filter")
    rate = State(0.0, "Hz", doc="filtered rate")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"decay": np.exp(-dt / p.tau), "gain": -np.expm1(-dt / p.tau) * 1000.0 / dt}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        rate = s.rate * d.decay + to_float(x.s_in) * d.gain
        return {"rate": rate}, {"rate_out": rate}


class FirstSpike(Process):
    r"""Tick of the first event in consecutive windows, counted from the window's start; -1 if there was none.

    .. math::
        tick\_out = \min \{j : s_{w + j} \ne 0, 0 \le j < window\}

    The output changes at the last tick of each window, which starts at tick w; before the first is over the output is
    -1.

    Source: Thorpe et al., Spike-based strategies for rapid processing (2001), doi 10.1016/S0893-6080(01)00083-1.
    """

    s_in = In(Graded)
    tick_out = Out(Array("int32"))
    window = Param(100, "steps", dtype="int32", ge=1, doc="ticks of a window")
    tick = State(0, dtype="int32", doc="ticks into the window")
    found = State(-1, dtype="int32", doc="first event of this window")
    first = State(-1, dtype="int32", doc="first event of the last window")

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        found = where((s.found < 0) & (x.s_in != 0), s.tick, s.found)
        tick = s.tick + 1
        done = tick >= p.window
        first = where(done, found, s.first)
        return {"tick": where(done, 0, tick), "found": where(done, -1, found), "first": first}, {"tick_out": first}


class Argmax(Process):
    r"""Index of the element with the most events in consecutive windows: the decision of a classifier or a player.

    At ticks t with :math:`(t + 1) \bmod window = 0` emits the index of the largest sum of payloads (the lowest on a
    tie). If no sum is positive it emits ``idle``, or the previous decision if ``idle`` is -1 (``initial`` before
    there was one).
    """

    s_in = In(Graded, flat=True)
    index = Out(Array("int32"))
    window = Param(100, "steps", dtype="int32", ge=1, scalar=True, doc="ticks of a window")
    idle = Param(-1, dtype="int32", ge=-1, scalar=True, doc="what is emitted without events; -1: the previous decision")
    initial = Param(0, dtype="int32", ge=0, scalar=True, doc="decision before the first")
    counts = State(0, dtype="int32", doc="sum of payloads per class")
    decision = State("initial", dtype="int32", doc="last decision")

    def port_shape(self, name: str) -> Shape | None:
        return self.shape if name == "s_in" else (1,)

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        shape = self.shape or known.get("s_in")
        return {"index": (1,)} if shape is None else {"s_in": shape, "index": (1,)}

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        classes = int(np.prod(shapes["s_in"]))
        for key in ("idle", "initial"):
            if self.values[key] >= classes:
                raise ParameterError(
                    f"{self.label}.{key} is {self.values[key]}; allowed: below {classes}, the number of elements."
                )
        return {
            "op": "argmax",
            "classes": classes,
            **{key: int(self.values[key]) for key in ("window", "idle", "initial")},
            "states": {
                "counts": self._initial("counts", 0, classes),
                "decision": self._initial("decision", self.values["initial"], 1),
            },
        }

    def _initial(self, key: str, default: int, size: int) -> Any:
        given = default if self.values[key] is None else self.values[key]
        values = np.reshape(given, -1)
        if values.size not in (1, size):
            raise ParameterError(f"{self.label}.{key} has {values.size} values; allowed: one, or {size}.")
        return np.broadcast_to(values, (size,)).astype(np.int32)
