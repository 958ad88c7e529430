"""Event-driven execution: an element is computed only at ticks at which it has input or may spike by itself.

A Process allows it by two functions beside ``step``: ``advance(p, d, s, n)``, the states after n ticks without input,
and ``rests(p, d, s)``, whether no event can come before the next input. ``docs/explanation/time-and-numbers.md``
section 10 is the definition.
"""

from __future__ import annotations

from typing import Any

from procgraph.errors import ParameterError
from procgraph.spec.declare import Draw, In, Out, State
from procgraph.spec.functions import to_int, where
from procgraph.spec.process import Process
from procgraph.spec.trace import Namespace, StepResult, Values

__all__ = ["EXECUTIONS", "IDLE", "MOST_TICKS", "check_execution", "event_form", "why_not_event_driven"]

EXECUTIONS = ("clock", "event", "auto")
IDLE = "idle_ticks"  # the state that an event-driven kernel has besides those of its Process
MOST_TICKS = 2**31 - 1  # that ``advance`` is asked for at once


def why_not_event_driven(cls: type[Process]) -> str:
    """What keeps a class from being run event-driven; empty if nothing does."""
    functions = ("step", "advance", "rests")
    for name in functions:
        if not callable(getattr(cls, name, None)):
            return f"it has no {name}()"
    step, *others = (next(i for i, base in enumerate(cls.__mro__) if name in vars(base)) for name in functions)
    if max(others) > step:
        return f"{cls.__mro__[step].__name__} has a step() of its own, but no advance() and rests() that belong to it"
    for key, declared in cls.declarations.items():
        if isinstance(declared, Draw):
            return f"it draws random numbers ({key}) at every tick"
        if isinstance(declared, In) and declared.type.kind not in ("events", "current"):
            return f"its input {key} holds a value at every tick"
        if isinstance(declared, Out) and declared.type.kind == "current":
            return f"its output {key} is a current, which is emitted at every tick"
        if isinstance(declared, State) and key == IDLE:
            return f"its state {key} has the name of the count of ticks without input"
    return ""


def check_execution(cls: type[Process], execution: object) -> str:
    """How a Process of a class may be executed.

    Raises:
        ParameterError: it is none of ``EXECUTIONS``, or ``"event"`` for a class that cannot be run so, and why.
    """
    if not isinstance(execution, str) or execution not in EXECUTIONS:
        raise ParameterError(f"{cls.__name__}.execution is {execution!r}; allowed: {', '.join(map(repr, EXECUTIONS))}.")
    reason = why_not_event_driven(cls) if execution == "event" else ""
    if reason:
        raise ParameterError(
            f"{cls.__name__}.execution is 'event', but a {cls.__name__} cannot be run event-driven: {reason}. "
            "Use 'clock', or 'auto', which leaves such Processes to the clock."
        )
    return execution


def event_form(cls: Any) -> Any:
    """The class as an event-driven kernel computes it: one more state, ``IDLE``, and a ``step`` that makes up for it.

    ``IDLE`` holds the ticks without input before this one, for which ``advance`` is called; after the step it is 1 where
    the element has to be computed at the next tick whatever comes, and 0 where it rests.
    """
    states = [k for k, v in cls.declarations.items() if isinstance(v, State)]

    def step(p: Values, d: Values, s: Values, x: Values) -> StepResult:
        stored = {k: getattr(s, k) for k in states}
        idle = getattr(s, IDLE)
        moved = cls.advance(p, d, Namespace(stored, f"{cls.__name__}.s"), idle)
        before = {k: where(idle > 0, moved[k], v) if k in moved else v for k, v in stored.items()}
        new, emitted = cls.step(p, d, Namespace(before, f"{cls.__name__}.s"), x)
        after = {**before, **new}
        return {**after, IDLE: _awake(cls.rests(p, d, Namespace(after, f"{cls.__name__}.s")))}, emitted

    declarations = {**cls.declarations, IDLE: State(0, dtype="int32")}
    return type(f"{cls.__name__}_event", (), {"declarations": declarations, "step": staticmethod(step)})


def _awake(rests: Any) -> Any:
    return int(not rests) if isinstance(rests, bool) else to_int(~rests)
