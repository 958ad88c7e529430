"""Learning rules in Loihi's sum-of-products form."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np

from procgraph.errors import ParameterError
from procgraph.processes.products import VARIABLES, date, evaluate, every, names, parse, skips
from procgraph.spec.declare import Param, State
from procgraph.spec.functions import floor, maximum, where
from procgraph.spec.rules import PostTrace, PreTrace, Rule, Trace
from procgraph.spec.trace import Values

__all__ = ["LoihiRule"]

FLAGS: dict[str, Trace] = {"x0": PreTrace(None, "flag"), "y0": PostTrace(None, "flag")}
DECAYING: dict[str, Trace] = {
    "x1": PreTrace("x1_tau"),
    "x2": PreTrace("x2_tau"),
    "y1": PostTrace("y1_tau"),
    "y2": PostTrace("y2_tau"),
    "y3": PostTrace("y3_tau"),
}
EVENTS = {"x0": "pre", "y0": "post"}
TURN = "epochs"  # counts epochs where only some products wait for every 2^k-th


class LoihiRule(Rule):
    r"""Sums of products, such as ``dw="2^-2 * x1 * y0 - 2^-2 * y1 * x0"``, that change a synapse at the end of every epoch.

    Names: ``x0``, ``y0`` (1 if the source, the target had an event in this epoch), the traces ``x1``, ``x2``, ``y1``, ``y2``, ``y3``
    (impulse times an exponential trace), the weight ``w``, the variables ``d`` and ``t``, the modulator ``m``, ``uk`` (1 in every 2^k-th
    epoch, else 0; k up to 15), numbers, ``2^-3`` and ``sgn(...)``; operators ``+ - *`` and brackets. The first of ``x0`` and ``y0`` in a
    product says when its traces are taken: at the last event of that side in the epoch; without one, at the end of the epoch. The events of
    that step count. All else is taken at the end of the epoch, and all rules see the values before any of them changes one.

    ``d`` and ``t`` are numbers of each synapse that rules read and learn, 0 at first or what the constructor is given. ``d`` stays at or above 0.
    It is Loihi's learned delay in name only: the delay with which a synapse transmits is that of its ``Dense``, ``Sparse`` or ``OneToOne`` and
    never moves. Values are float32: Loihi's integer widths and stochastic rounding belong to another arithmetic. A synapse takes 4 bytes for
    each of ``d`` and ``t`` that is used, for each trace that is taken at an event in epochs above 1 step, and 4 where only some products wait
    for every 2^k-th epoch.

    Args:
        dw: change of the weight; empty: none.
        dd: change of ``d``.
        dt: change of ``t``.
        t_epoch: steps in an epoch.

    Source: the form of Intel's Loihi (Davies et al., IEEE Micro 38(1), 2018, doi 10.1109/MM.2018.112130359).
    """

    generated: ClassVar[bool] = True
    joined: ClassVar[bool] = True
    dw = Param("", dtype="str")
    dd = Param("", dtype="str")
    dt = Param("", dtype="str")
    t_epoch = Param(1, "steps", dtype="int32", ge=1, scalar=True)
    x1_tau = Param(20.0, "ms", gt=0, scalar=True)
    x2_tau = Param(20.0, "ms", gt=0, scalar=True)
    y1_tau = Param(20.0, "ms", gt=0, scalar=True)
    y2_tau = Param(20.0, "ms", gt=0, scalar=True)
    y3_tau = Param(20.0, "ms", gt=0, scalar=True)
    x1_impulse = Param(1.0, scalar=True)
    x2_impulse = Param(1.0, scalar=True)
    y1_impulse = Param(1.0, scalar=True)
    y2_impulse = Param(1.0, scalar=True)
    y3_impulse = Param(1.0, scalar=True)
    d = State(0.0, doc="second variable; no delay")
    t = State(0.0, doc="tag")

    def __init__(self, **values: Any) -> None:
        if "epoch" in values:
            raise ParameterError(f"{type(self).__name__} takes 't_epoch', not 'epoch'.")
        super().__init__(**values)
        if self.values["d"] is not None and np.min(self.values["d"]) < 0:
            raise ParameterError(f"{self.label}.d is {np.min(self.values['d']):g}; allowed: >= 0.")
        texts = {key: self.values[f"d{key}"] for key in VARIABLES if self.values[f"d{key}"]}
        if not texts:
            raise ParameterError(f"{self.label} needs dw=, dd= or dt=, such as dw='2^-2 * x1 * y0 - 2^-2 * y1 * x0'.")
        self.trees = {key: parse(text, f"{self.label}.d{key}") for key, text in texts.items()}
        if self.values["t_epoch"] > 1:
            self.trees = {key: date(tree, f"{self.label}.d{key}") for key, tree in self.trees.items()}
        self._plan(set().union(*map(names, self.trees.values())))

    def _plan(self, read: set[str]) -> None:
        """What the names that rules read need: traces, variables and epochs."""
        self.used = read | set(self.trees)
        self.taken = {event: sorted(n for n in read if n.endswith(f"_at_{event}")) for event in FLAGS}
        followed = {name.partition("_")[0] for name in read}
        self.traces = {k: t for k, t in {**FLAGS, **DECAYING}.items() if k in followed}
        self.every = 1 if read & set(FLAGS) else 2 ** min(map(skips, self.trees.values()))
        waits = {name: 2**k // self.every for name in sorted(read) if (k := every(name)) is not None}
        self.waits = {name: epochs for name, epochs in waits.items() if epochs > 1}

    @property
    def handlers(self) -> dict[str, Any]:
        taking = {EVENTS[event]: partial(self._take, taken) for event, taken in self.taken.items() if taken}
        return {**taking, "epoch": self._on_epoch}

    @property
    def variables(self) -> dict[str, State]:
        known = super().variables
        made = {name: State(0.0) for name in [*self.taken["x0"], *self.taken["y0"], *([TURN] if self.waits else [])]}
        return {k: s for k, s in known.items() if k in self.used or self.values[k] is not None} | made

    def epoch_steps(self, dt: float) -> int:
        return int(self.values["t_epoch"]) * self.every

    def _take(self, taken: list[str], p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        # Traces rather than products: the other factors are those of the epoch's end, and only the last event counts.
        return {name: getattr(x, name.partition("_")[0]) for name in taken}

    def _on_epoch(self, p: Values, d: Values, s: Values, x: Values) -> dict[str, Any]:
        known = {"w": s, "d": s, "t": s, "m": x, **dict.fromkeys(FLAGS, x)}
        scope: dict[str, Any] = {k: getattr(v, k) for k, v in known.items() if k in self.used}
        for name in [k for k in DECAYING if k in self.used] + self.taken["x0"] + self.taken["y0"]:
            trace, _, event = name.partition("_")
            scope[name] = getattr(s if event else x, name) * getattr(p, f"{trace}_impulse")
        scope |= {name: 1.0 for name in self.used if every(name) is not None}
        new: dict[str, Any] = {}
        if self.waits:
            turn = getattr(s, TURN) + 1.0
            turns = {name: turn * (1.0 / epochs) for name, epochs in self.waits.items()}
            scope |= {name: where(floor(t) >= t, 1.0, 0.0) for name, t in turns.items()}
            new[TURN] = where(turn >= float(max(self.waits.values())), 0.0, turn)
        new |= {key: scope[key] + evaluate(tree, scope) for key, tree in self.trees.items()}
        return {**new, "d": maximum(new["d"], 0.0)} if "d" in new else new
