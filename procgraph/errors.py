"""Every error that procgraph raises: each names the entity, the value, what is allowed and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = [
    "BackendError",
    "ChannelBlockedError",
    "ChannelOverflowError",
    "CheckpointError",
    "ConfigError",
    "ConnectionError",
    "CycleError",
    "DeviceError",
    "Findings",
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


class Findings:
    """Errors of a check that goes on after the first, to raise all at once."""

    def __init__(self, errors: Iterable[ProcgraphError] = ()) -> None:
        self.errors = list(errors)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Keep an error that the block raises; what follows in the block is left out."""
        try:
            yield
        except ProcgraphError as error:
            self.errors += error.parts or (error,)

    def raise_all(self) -> None:
        """Raise nothing, the one error, or one that lists all as its ``parts``, of their type where they share one."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            types = {type(error) for error in self.errors}
            every = (types.pop() if len(types) == 1 else ProcgraphError)("\n".join(map(str, self.errors)))
            every.parts = tuple(self.errors)
            raise every


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Text that offers the nearest known name, and the list of what is known."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {', '.join(names) or '(none)'}."
