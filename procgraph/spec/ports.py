"""Ports and variables of Process instances: views (reshape, slice, …), and ``connect``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ConnectionError, ParameterError, ShapeError
from procgraph.spec.checks import as_array, is_choice, is_whole
from procgraph.spec.types import PortType, accepts

if TYPE_CHECKING:
    from procgraph.spec.process import Process

__all__ = ["Connection", "InPort", "OutPort", "Port", "Shape", "Variable", "concatenate"]

Shape = tuple[int, ...]
Index = NDArray[np.int32]
Transform = Callable[[Index], Index]

POLICIES = ("block", "drop_oldest", "drop_newest", "latest", "error")
_PACKAGE = str(Path(__file__).parents[1])


def _where() -> str:
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@dataclass(frozen=True, eq=False)
class Variable:
    """A parameter, state variable or data array of one Process; what ``rt.get``, ``rt.set`` and ``rt.probe`` take."""

    process: Process
    name: str

    def __str__(self) -> str:
        return f"{self.process.label}.{self.name}"

    @property
    def init(self) -> Any:
        """The value given to the constructor."""
        return self.process.values[self.name]


@dataclass(frozen=True, eq=False)
class Port:
    """A port of one Process, or a view of it: the elements that ``transforms`` select, in that order."""

    process: Process
    name: str
    type: PortType
    transforms: tuple[tuple[str, Transform], ...] = ()

    def __str__(self) -> str:
        views = "".join(label if label.startswith("[") else f".{label}" for label, _ in self.transforms)
        return f"{self.process.label}.{self.name}{views}"

    @property
    def base_shape(self) -> Shape | None:
        """Shape of the whole port, None while it is not known."""
        return self.process.port_shape(self.name)

    @property
    def shape(self) -> Shape | None:
        """Shape of this view, None while it is not known."""
        base = self.base_shape
        return None if base is None else self.index(base).shape

    def index(self, base: Shape) -> Index:
        """Element numbers of the whole port that this view selects, in the view's shape.

        Raises:
            ShapeError: a transform does not fit the port's shape.
        """
        index: Index = np.arange(int(np.prod(base)), dtype=np.int32).reshape(base)
        for label, transform in self.transforms:
            try:
                index = np.asarray(transform(index), dtype=np.int32)
            except (ValueError, IndexError, TypeError, OverflowError) as error:
                raise ShapeError(f"{self}: {label} does not fit shape {index.shape}: {error}.") from None
        return index

    def _view(self, label: str, transform: Transform) -> Any:
        view = type(self)(self.process, self.name, self.type, (*self.transforms, (label, transform)))
        if view.base_shape is not None:
            view.index(view.base_shape)
        return view

    def reshape(self, *shape: int) -> Any:
        """The same elements in another shape."""
        return self._view(f"reshape{shape}", lambda index: index.reshape(shape))

    def flatten(self) -> Any:
        """The same elements in one dimension."""
        return self._view("flatten()", lambda index: index.reshape(-1))

    def transpose(self, *axes: int) -> Any:
        """Axes in another order, reversed if none are given."""
        return self._view(f"transpose{axes}", lambda index: index.transpose(axes or None))

    def gather(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Any:
        """The elements with these flat indices; an index may come several times in an output view."""
        wanted = as_array(indices, f"indices of {self}.gather", "whole numbers")
        if wanted.dtype.kind not in "iu":
            raise ParameterError(f"{self}.gather takes whole numbers, not {wanted.dtype}.")
        return self._view(f"gather({wanted.size} indices)", lambda index: index.reshape(-1)[wanted])

    def __getitem__(self, key: Any) -> Any:
        """A slice, as of a NumPy array."""
        return self._view(_slice_text(key), lambda index: np.atleast_1d(index[key]))


def _slice_text(key: Any) -> str:
    """``[2:5, ::2]`` as the user wrote it."""

    def part(item: Any) -> str:
        if not isinstance(item, slice):
            return "..." if item is Ellipsis else str(item)
        ends = ":".join("" if end is None else str(end) for end in (item.start, item.stop))
        return ends if item.step is None else f"{ends}:{item.step}"

    return f"[{', '.join(part(item) for item in (key if isinstance(key, tuple) else (key,)))}]"


@dataclass(frozen=True, eq=False)
class Connection:
    """A channel as the user wrote it; ``where`` is file and line."""

    source: OutPort
    target: InPort
    delay: int | str
    capacity: int | None
    policy: str
    where: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


class OutPort(Port):
    """An output port, or a view of one."""

    def connect(
        self,
        target: InPort | OutPort | Process,
        *,
        delay: int | str = 0,
        capacity: int | None = None,
        when_full: str = "error",
    ) -> Connection:
        """Join this output to an input; ``delay`` in steps (or a time such as ``"2 ms"``).

        Inside ``build`` an output of a child may also be joined to an output of the parent (pass-through).

        Raises:
            ConnectionError: wrong direction or type, joined twice, or a bad delay, capacity or policy.
            ShapeError: both shapes are known and differ.
        """
        return _connect(self, target, delay, capacity, when_full)

    def __rshift__(self, target: InPort | Process) -> Process:
        self.connect(target)
        return target.process if isinstance(target, Port) else target


class InPort(Port):
    """An input port, or a view of one."""

    def connect(self, target: InPort) -> Connection:
        """Inside ``build``: pass an input of the parent on to an input of a child."""
        return _connect(self, target, 0, None, "error")


def _connect(source: Port, target: Port | Process, delay: int | str, capacity: int | None, policy: str) -> Connection:
    if not isinstance(target, Port):
        if not hasattr(target, "default_in"):
            raise ConnectionError(f"{source} cannot be joined to {target!r}; allowed: an input port, or a Process.")
        target = target.default_in(source)
    if not isinstance(target, InPort) and not (
        isinstance(target, OutPort) and source.process.is_inside(target.process)
    ):
        raise ConnectionError(f"{source} cannot be joined to {target}: the second must be an input port.")
    if isinstance(source, InPort) and not target.process.is_inside(source.process):
        raise ConnectionError(f"{source} is an input; only a child's input can take it, and {target} is not one.")
    if not accepts(target.type, source.type):
        counts = source.type.kind == target.type.kind == "events"
        raise ConnectionError(
            f"{source} carries {source.type}, but {target} takes {target.type}. "
            + (
                "An input that is declared as In(Graded) takes both."
                if counts
                else "Put a Process between them that converts "
                "(a synapse from spikes to current, an encoder or decoder between arrays and spikes)."
            )
        )
    _check_options(source, target, delay, capacity, policy)
    source.process.check_fit(source, target)
    for known in source.process.connections:
        if (
            known.target.process is target.process
            and known.target.name == target.name
            and known.source.name == source.name
        ):
            if not (source.transforms or target.transforms):
                raise ConnectionError(f"{source} -> {target} is joined twice (first at {known.where}). Remove one.")
    delay, capacity = delay if isinstance(delay, str) else int(delay), None if capacity is None else int(capacity)
    connection = Connection(source, target, delay, capacity, policy, _where())  # type: ignore[arg-type]
    source.process.connections.append(connection)
    target.process.incoming.append(connection)
    return connection


def _check_options(source: Port, target: Port, delay: int | str, capacity: int | None, policy: str) -> None:
    label = f"{source} -> {target}"
    if not isinstance(delay, str) and not is_whole(delay, 0, 100_000):
        raise ConnectionError(f"{label}: delay is {delay!r}; allowed: 0 to 100000 steps, or a time such as '2 ms'.")
    if not is_choice(policy, POLICIES):
        raise ConnectionError(f"{label}: when_full is {policy!r}; allowed: {', '.join(POLICIES)}.")
    if capacity is None:
        return
    if not is_whole(capacity, 1, 2**31 - 1):
        raise ConnectionError(f"{label}: capacity is {capacity!r}; allowed: 1 to 2**31 - 1 events.")
    if source.type.kind not in ("events", "queue"):
        raise ConnectionError(f"{label}: {source.type} has no queue, so it takes no capacity. Leave it out.")


def concatenate(sources: Sequence[OutPort], target: InPort, *, axis: int = 0, delay: int | str = 0) -> list[Connection]:
    """Join several outputs side by side, along ``axis``, to one input whose shape is known.

    Raises:
        ShapeError: a shape is not known yet, or the sizes along ``axis`` do not add up.
    """
    if (
        not isinstance(target, InPort)
        or not isinstance(sources, (list, tuple))
        or not all(isinstance(s, OutPort) for s in sources)
    ):
        raise ConnectionError(
            f"concatenate joins {sources!r} to {target!r}; allowed: a list of output ports, and an input port."
        )
    shape = target.shape
    shapes = [source.shape for source in sources]
    if shape is None or any(s is None for s in shapes):
        raise ShapeError(f"concatenate to {target}: every shape must be known. Give shape= to the Processes.")
    least = min(len(s) for s in (*shapes, shape) if s is not None)
    if not is_whole(axis, -least, least - 1):
        raise ShapeError(
            f"concatenate to {target}: axis is {axis!r}; allowed for these shapes: {-least} to {least - 1}."
        )
    sizes = [s[axis] for s in shapes if s is not None]
    if sum(sizes) != shape[axis]:
        raise ShapeError(f"concatenate to {target}: sizes {sizes} along axis {axis} do not add up to {shape[axis]}.")
    connections, start = [], 0
    for source, size in zip(sources, sizes, strict=True):
        key = [slice(None)] * len(shape)
        key[axis] = slice(start, start + size)
        connections.append(source.connect(target[tuple(key)], delay=delay))
        start += size
    return connections
