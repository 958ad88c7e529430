"""Delta encoder: events where the input changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import clip, to_float, to_int
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Array, Graded

__all__ = ["DeltaEncoder"]


class DeltaEncoder(Process):
    r"""On and off events where the input has moved by at least ``threshold`` C from what was sent (send on delta).

    .. math::
        n_{on} &= \lfloor (x - ref) / C \rfloor, \qquad n_{off} = \lfloor (ref - x) / C \rfloor
        \qquad \text{(0 to max\_events)} \\
        ref &\leftarrow ref + C (n_{on} - n_{off})

    The payload is n; output component 0 is on, 1 is off. So ``initial + C * (sum of on - sum of off)`` follows x
    within C, while changes stay below ``C * max_events`` per tick. The quotient is a float32 product with ``1/C``.
    NaN makes no event.

    Source: Miskowicz, Send-on-delta concept: an event-based data reporting strategy (2006), doi 10.3390/s6010049.
    """

    x_in = In(Array)
    s_out = Out(Graded, components=2, limit="max_events")
    threshold = Param(0.1, gt=0, doc="change of the input that makes one event")
    max_events = Param(127, dtype="int32", ge=1, le=2**15, scalar=True, doc="largest payload")
    initial = Param(0.0, doc="initial reference")
    reference = State("initial", doc="the input as far as it was sent")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        return {"inverse": 1 / p.threshold, "most": np.float64(p.max_events)}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        change = (x.x_in - s.reference) * d.inverse
        on = to_int(clip(change, 0.0, d.most))
        off = to_int(clip(-change, 0.0, d.most))
        return {"reference": s.reference + to_float(on - off) * p.threshold}, {"s_out": (on, off)}
