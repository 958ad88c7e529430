"""What a port carries: the event types of the field, with the payload they allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from procgraph.errors import ParameterError
from procgraph.spec.checks import is_choice, is_whole

__all__ = ["Array", "Current", "Events", "Graded", "Message", "PortType", "Spikes", "accepts"]

ARRAY_DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "float32")
GRADED_DTYPES = {"int8": 2**7 - 1, "int16": 2**15 - 1, "int32": 2**31 - 1}


@dataclass(frozen=True)
class PortType:
    """Base of the port types. ``kind`` says how a backend stores it: events, current, array or queue."""

    kind: ClassVar[str] = ""

    @property
    def dtype(self) -> str:
        """NumPy dtype of one element as a Python model sees it."""
        return "int32"

    def __str__(self) -> str:
        return type(self).__name__


@dataclass(frozen=True)
class Spikes(PortType):
    """Which elements fired in this step; every event has payload 1."""

    kind: ClassVar[str] = "events"

    @property
    def limit(self) -> int:
        return 1


@dataclass(frozen=True)
class Graded(PortType):
    """Events with an integer payload in [-limit, limit]."""

    payload: str = "int32"
    limit: int = 2**15

    kind: ClassVar[str] = "events"

    def __post_init__(self) -> None:
        top = GRADED_DTYPES[self.payload] if is_choice(self.payload, GRADED_DTYPES) else None
        if top is None:
            raise ParameterError(f"Graded payload {self.payload!r} is unknown; allowed: {', '.join(GRADED_DTYPES)}.")
        if not is_whole(self.limit, 1, top):
            raise ParameterError(
                f"Graded limit {self.limit!r} is out of range; allowed for {self.payload}: 1 to {top}."
            )
        object.__setattr__(self, "limit", int(self.limit))

    def __str__(self) -> str:
        return f"Graded[{self.payload}, |x| <= {self.limit}]"


@dataclass(frozen=True)
class Current(PortType):
    """Synaptic input: one number per element, summed where several channels meet."""

    kind: ClassVar[str] = "current"

    @property
    def dtype(self) -> str:
        return "float32"


@dataclass(frozen=True)
class Array(PortType):
    """A dense array (frame, potential, observation) that is held until the next one."""

    element: str = "float32"

    kind: ClassVar[str] = "array"

    def __post_init__(self) -> None:
        if not is_choice(self.element, ARRAY_DTYPES):
            raise ParameterError(f"Array dtype {self.element!r} is unknown; allowed: {', '.join(ARRAY_DTYPES)}.")

    @property
    def dtype(self) -> str:
        return self.element

    def __str__(self) -> str:
        return f"Array[{self.element}]"


@dataclass(frozen=True)
class Events(PortType):
    """A queue of records of a structured dtype, for example a camera's (t, x, y, p); between Python models."""

    fields: tuple[tuple[str, str], ...] = (("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "i1"))

    kind: ClassVar[str] = "queue"


@dataclass(frozen=True)
class Message(PortType):
    """A queue of MessagePack-able objects, low rate; between Python models."""

    kind: ClassVar[str] = "queue"


def accepts(target: PortType, source: PortType) -> bool:
    """Whether an output of type ``source`` may be joined to an input of type ``target``."""
    if isinstance(target, Graded):
        return source.kind == "events"
    if isinstance(target, Array) and isinstance(source, Array):
        return bool(np.can_cast(source.element, target.element, "safe")) or (
            source.element in ("int32", "uint16") and target.element == "float32"
        )
    return type(target) is type(source) and (not isinstance(target, Events) or target == source)
