"""Parrot neuron: repeats what it hears."""

from __future__ import annotations

from procgraph.spec.declare import In, Out, Param
from procgraph.spec.functions import clip, to_float, to_int
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Graded

__all__ = ["Parrot"]


class Parrot(Process):
    """Emits in every step the payload that arrived in it, summed per element: ``s_out = s_in``, within ``max_payload``.

    So several targets see one and the same random train, and a source gets a delay or a place in a connectivity rule
    of its own. As NEST's ``parrot_neuron``, whose multiplicity is the payload; that one takes at least one step.

    Source: NEST Simulator 3, ``models/parrot_neuron.h``.
    """

    s_in = In(Graded)
    s_out = Out(Graded, limit="max_payload")
    max_payload = Param(2**15, dtype="int32", ge=1, le=2**24, scalar=True, doc="largest magnitude of a payload")

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        most = to_float(p.max_payload)
        return {}, {"s_out": to_int(clip(to_float(x.s_in), -most, most))}
