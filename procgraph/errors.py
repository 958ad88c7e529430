"""Every error that procgraph raises: each names the entity, the value, what is allowed and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "BackendError",
    "ChannelBlockedError",
    "ChannelOverflowError",
    "CheckpointError",
    "ConfigError",
    "ConnectionError",
    "CycleError",
    "DeviceError",
    "ModelError",
    "ParameterError",
    "ProcgraphError",
    "ProgramFormatError",
    "RunStateError",
    "ShapeError",
    "TraceError",
    "UnitError",
    "UnknownNameError",
    "did_you_mean",
    "raise_all",
]


class ProcgraphError(Exception):
    """Base of all errors of this package.

    Attributes:
        parts: where a check found several mistakes, one error for each; else empty.
    """

    parts: tuple[ProcgraphError, ...] = ()


class ParameterError(ProcgraphError, ValueError):
    """A parameter has a wrong type, shape, range or value."""


class UnitError(ParameterError):
    """A quantity has an unknown unit, or one of another dimension."""


class ShapeError(ProcgraphError, ValueError):
    """Shapes that must agree do not."""


class ConnectionError(ProcgraphError, ValueError):  # the field's word
    """Two ports cannot be joined."""


class CycleError(ProcgraphError, ValueError):
    """A cycle of connections has a total delay of 0."""


class TraceError(ProcgraphError, TypeError):
    """A ``step`` function uses something outside the expression language."""


class UnknownNameError(ProcgraphError, LookupError):
    """A Process, port, variable, device or key of that name does not exist."""


class ConfigError(ProcgraphError, ValueError):
    """A configuration file is wrong; ``problems`` lists every finding."""

    def __init__(self, message: str, problems: Iterable[object] = ()) -> None:
        super().__init__(message)
        self.problems = list(problems)


class ProgramFormatError(ProcgraphError, ValueError):
    """A Program or checkpoint file is corrupt, truncated or of another version."""


class CheckpointError(ProcgraphError, ValueError):
    """A checkpoint does not fit this Program, or a state cannot be saved."""


class DeviceError(ProcgraphError, RuntimeError):
    """A device is missing or cannot run what was placed on it."""


class BackendError(ProcgraphError, RuntimeError):
    """A backend lacks a model or broke its contract."""


class RunStateError(ProcgraphError, RuntimeError):
    """The runtime is not in a state that allows this call."""


class ModelError(ProcgraphError, RuntimeError):
    """A Python model raised; the original exception is the ``__cause__``."""


class ChannelOverflowError(ProcgraphError, RuntimeError):
    """A bounded channel with policy ``error`` is full."""


class ChannelBlockedError(ProcgraphError, RuntimeError):
    """A bounded channel with policy ``block`` is full and its consumer cannot run before the producer."""


def raise_all(errors: Sequence[ProcgraphError]) -> None:
    """Raise what a check found: nothing, the one error, or one of the first's type that lists all, with ``parts``."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        every = type(errors[0])("\n".join(map(str, errors)))
        every.parts = tuple(errors)
        raise every


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Text that offers the nearest known name, and the list of what is known."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {', '.join(names) or '(none)'}."
