"""Declaring a plasticity rule: traces of the two sides, variables of a synapse, and what happens at events.

A rule is a pure, element-wise function over (weight, variables of the synapse, traces, modulator), written like ``step`` of a Process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from procgraph.errors import ParameterError, TraceError
from procgraph.spec.declare import In, Param, State
from procgraph.spec.functions import clip
from procgraph.spec.process import Process, to_steps
from procgraph.spec.trace import Kernel, Namespace, StepResult, trace
from procgraph.spec.types import Array

__all__ = ["EVENTS", "MAX_DENDRITIC", "MODULATOR", "PostTrace", "PreTrace", "Rule", "Trace", "steps_by_hash"]

EVENTS = ("pre", "post", "epoch")
MODES = ("add", "set", "flag")
MODULATOR = "m"
MAX_DENDRITIC = 16_383  # steps that events of a target can be under way to a synapse

steps_by_hash: dict[str, Any] = {}  # every rule function that was traced, for backends that evaluate it on arrays


@dataclass(frozen=True)
class Trace:
    """A trace of the events of one side.

    Each step it decays by exp(-dt / tau) (``tau``: a number in ms or the name of a parameter; None: no decay). An event then adds its
    payload (``add``), sets the trace to 1 (``set``: only the nearest event counts), or sets it to 1 until the epoch ends (``flag``).
    """

    tau: str | float | None
    mode: str = "add"
    side: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ParameterError(f"trace mode {self.mode!r} is unknown; allowed: {', '.join(MODES)}.")


class PreTrace(Trace):
    """A trace of the source element's events."""

    side = "pre"


class PostTrace(Trace):
    """A trace of the target element's events."""

    side = "post"


class Rule(Process):
    """Base of plasticity rules.

    A subclass declares ``Param``, ``PreTrace``, ``PostTrace`` and further ``State`` (variables of each synapse), and defines any of

    * ``on_pre(p, d, s, x)``: at an event of the source, after the synapse has transmitted,
    * ``on_post(p, d, s, x)``: at an event of the target,
    * ``on_epoch(p, d, s, x)``: for every synapse at the end of every ``epoch``.

    ``s.w`` is the weight and ``s`` holds the other variables, ``x`` the traces and the modulator ``x.m``; each returns a dict of new values.
    The weight is then limited to [w_min, w_max]. Traces are those before the events of this step, so pairs in one step do not interact;
    with ``joined = True`` those after them.
    """

    register = False
    w_min = Param(0.0, scalar=True, doc="lower limit of the weight")
    w_max = Param(1.0, scalar=True, doc="upper limit of the weight")
    epoch = Param(1, "steps", dtype="int32", ge=1, scalar=True, doc="steps from one epoch to the next")
    traces: dict[str, Trace] = {}  # noqa: RUF012 - replaced, never changed
    generated: ClassVar[bool] = False  # whether each instance has a function of its own
    joined: ClassVar[bool] = False  # whether on_pre and on_post see traces that the events of their step have joined

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found: dict[str, Trace] = {}
        for base in reversed(cls.__mro__):
            found.update({k: v for k, v in vars(base).items() if isinstance(v, Trace)})
        cls.traces = found

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.values["w_min"] > self.values["w_max"]:
            raise ParameterError(
                f"{self.label}.w_min is {self.values['w_min']:g}; allowed: at most w_max, {self.values['w_max']:g}."
            )

    @property
    def handlers(self) -> dict[str, Any]:
        """The functions that this rule defines, by event."""
        return {event: getattr(type(self), f"on_{event}") for event in EVENTS if hasattr(type(self), f"on_{event}")}

    @property
    def variables(self) -> dict[str, State]:
        """Further variables of each synapse."""
        return {k: d for k, d in self.declarations.items() if isinstance(d, State)}

    def decay(self, name: str, dt: float) -> np.float32:
        """Factor of a trace in one step."""
        tau = self.traces[name].tau
        if tau is None:
            return np.float32(1.0)
        value = self.values[tau] if isinstance(tau, str) else tau
        return np.float32(np.exp(-dt / value))

    def epoch_steps(self, dt: float) -> int:
        """Steps from one epoch to the next."""
        return to_steps(self.values["epoch"], dt, f"{self.label}.epoch", least=1)

    def as_process(self, event: str, touched: frozenset[str] | None = None) -> Process:
        """The function of one event as an element-wise Process over synapses: its ``step`` is the function, its inputs are traces.

        ``touched`` names the variables and inputs that it declares; None: all that the rule has.
        """
        handler = self.handlers[event]

        def step(p: Namespace, d: Namespace, s: Namespace, x: Namespace) -> StepResult:
            new = handler(p, d, s, x)
            if not isinstance(new, dict):
                raise TraceError(
                    f"{type(self).__name__}.on_{event} must return a dict of new values, such as {{'w': …}}."
                )
            if "w" in new:
                new = {**new, "w": clip(new["w"], p.w_min, p.w_max)}
            return new, {}

        body: dict[str, Any] = {k: d for k, d in self.declarations.items() if isinstance(d, Param)}
        states = {"w": State(0.0), **{k: State(d.init, dtype=d.dtype) for k, d in self.variables.items()}}
        inputs = {name: In(Array("float32")) for name in [*self.traces, MODULATOR]}
        body |= {k: x for k, x in {**states, **inputs}.items() if touched is None or k in touched}
        body |= {"step": staticmethod(step), "register": False, "__module__": type(self).__module__}
        derive = getattr(type(self), "derive", None)
        if derive is not None:
            body["derive"] = staticmethod(derive)
        made = type(f"{type(self).__name__}_on_{event}", (Process,), body)
        process: Process = made(
            shape=1, **{k: v for k, v in self.values.items() if k in body and isinstance(body[k], Param)}
        )
        return process

    def kernels(self, dt: float) -> dict[str, Kernel]:
        """Traced functions by event."""
        made: dict[str, Kernel] = {}
        for event in self.handlers:
            process: Any = self.as_process(event, self._touched(event, dt))
            made[event] = trace(process, dt)
            steps_by_hash[made[event].hash] = process.step
        return made

    def _touched(self, event: str, dt: float) -> frozenset[str]:
        """Traces and variables that a function reads or changes: executors bring only these to it."""
        process: Any = self.as_process(event)
        plain, found = type(process).step, set[str]()

        def step(p: Namespace, d: Namespace, s: Namespace, x: Namespace) -> StepResult:
            result: StepResult = plain(p, d, s, x)
            found.update(s._accessed, x._accessed, result[0])
            return result

        type(process).step = staticmethod(step)
        trace(process, dt)
        return frozenset(found)
