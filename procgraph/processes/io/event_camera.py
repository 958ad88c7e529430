"""Event camera: frames to on and off events of log intensity."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.functions import log, minimum, to_float, to_int, where
from procgraph.spec.process import Process
from procgraph.spec.trace import StepResult, Values
from procgraph.spec.types import Array, Graded

__all__ = ["EventCamera"]


class EventCamera(Process):
    r"""A dynamic vision sensor that looks at frames: events where the log intensity of a pixel has changed.

    .. math::
        L = \log(\epsilon + f / 255), \qquad
        n_{on} = \lfloor (L - ref) / C_{on} \rfloor, \quad n_{off} = \lfloor (ref - L) / C_{off} \rfloor \qquad
        \text{(0 to max\_events)} \\
        ref \leftarrow ref + C_{on} n_{on} - C_{off} n_{off}

    The payload is n; output component 0 is on, 1 is off. A pixel that fired rests for ``refractory_ticks`` ticks. The
    first frame sets the reference and makes no events. The quotients are float32 products with ``1/C``. Thresholds
    may differ per pixel; C_on and C_off are ``threshold`` unless given. A tick without a new frame sees the held one,
    so give the camera the period of what it looks at.

    Source: Lichtsteiner et al., A 128x128 120 dB 15 us latency asynchronous temporal contrast vision sensor (2008), doi
    10.1109/JSSC.2007.914337; model as in Rebecq et al., ESIM: an open event camera simulator (2018).
    """

    frame = In(Array)
    s_out = Out(Graded, components=2, limit="max_events")
    threshold = Param(0.15, gt=0, doc="change of log intensity that makes an event")
    c_on = Param(None, gt=0, doc="threshold of on events, if it is another")
    c_off = Param(None, gt=0, doc="threshold of off events, if it is another")
    epsilon = Param(0.01, gt=0, doc="added to the intensity in [0, 1], so that black is finite")
    max_events = Param(8, dtype="int32", ge=1, le=2**15, scalar=True, doc="largest payload")
    refractory_ticks = Param(0, "steps", dtype="int32", ge=0, doc="ticks without events after an event")
    reference = State(0.0, doc="log intensity as far as it was sent")
    wait = State(-1, dtype="int32", doc="ticks of rest that are left; -1 before the first frame")

    @staticmethod
    def derive(p: Values, dt: float) -> dict[str, Any]:
        on = p.threshold if p.c_on is None else p.c_on
        off = p.threshold if p.c_off is None else p.c_off
        most = np.float64(p.max_events)
        return {"on": on, "off": -off, "inverse_on": 1 / on, "inverse_off": 1 / off, "most": most}

    @staticmethod
    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        level = log(x.frame * (1 / 255) + p.epsilon)
        change = where(s.wait == 0, level - s.reference, 0.0)
        rising = change > 0.0
        count = to_int(minimum(d.most, abs(change) * where(rising, d.inverse_on, d.inverse_off)))
        moved = s.reference + to_float(count) * where(rising, d.on, d.off)
        rest = where(s.wait > 0, s.wait - 1, 0)
        wait = where(count > 0, p.refractory_ticks, rest)
        return {"reference": where(s.wait < 0, level, moved), "wait": wait}, {
            "s_out": (where(rising, count, 0), where(rising, 0, count))
        }
