"""Sinks: ends of a graph that repeat what arrives, for reading with ``rt.probe``."""

from __future__ import annotations

from procgraph.spec.declare import In, Out
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Array, Graded

__all__ = ["ArraySink", "SpikeSink"]


class SpikeSink(Process):
    """Repeats the events that arrive, summed per element: ``s_out = s_in``. ``rt.probe(sink.s_out)`` reads them.

    Any output can be probed without a sink; this one shows what arrives, after delays and index maps.
    """

    s_in = In(Graded)
    s_out = Out(Graded(limit=2**31 - 1))

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        return {}, {"s_out": x.s_in}


class ArraySink(Process):
    """Repeats the array that arrives: ``x_out = x_in``. ``rt.probe(sink.x_out)`` reads it."""

    x_in = In(Array)
    x_out = Out(Array)

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        return {}, {"x_out": x.x_in}
