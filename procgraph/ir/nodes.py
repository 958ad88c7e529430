"""Spike IR: the flat, typed graph that the compiler works on and a Program stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import UnknownNameError, did_you_mean

__all__ = ["Channel", "Column", "Input", "KernelSource", "Node", "Output", "SpikeIR", "column"]

Tensor = NDArray[Any]

SYNAPSES = frozenset({"dense", "sparse", "one_to_one", "all_to_all", "conv2d", "plastic"})


@dataclass
class Input:
    """An input port: an int32 accumulator per element, or a held array."""

    name: str
    kind: str
    n: int
    dtype: str = "int32"
    scale: int = 0
    limit: int = 0


@dataclass
class Output:
    """An output port with ``depth`` steps of history."""

    name: str
    kind: str
    n: int
    dtype: str = "int32"
    scale: int = 0
    depth: int = 1
    components: int = 1
    limit: int = 0
    bound: float = 0.0


@dataclass
class Column:
    """Named values of a node: one for all elements, or one per element."""

    name: str
    dtype: str
    tensor: Tensor


@dataclass
class Node:
    """One node; ``attrs`` by op are listed in docs/explanation/program-format.md.

    Not stored: ``device`` is a pin, ``w_max`` the magnitude up to which weights may be set at run time.
    """

    name: str
    type: str
    op: str
    n: int
    period: int = 1
    phase: int = 0
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    states: list[Column] = field(default_factory=list)
    attrs: dict[str, Any] = field(default_factory=dict)
    device: str | None = None
    w_max: float = 0.0

    @property
    def is_synapse(self) -> bool:
        return self.op in SYNAPSES

    def input(self, name: str) -> int:
        return _find(self.inputs, name, f"node {self.name!r} input")

    def output(self, name: str) -> int:
        return _find(self.outputs, name, f"node {self.name!r} output")

    @property
    def pattern(self) -> str:
        """Op that says which synapses there are: that of a plastic node's description, else its own."""
        return str(self.attrs.get("pattern", self.op))

    @property
    def delays(self) -> tuple[int, int]:
        """Smallest and largest synaptic delay of a synapse node."""
        if "delay_table" in self.attrs:
            return int(self.attrs["delay_table"].min()), int(self.attrs["delay_table"].max())
        if "delays" not in self.attrs:
            delay = int(self.attrs["delay"])
            return delay, delay
        delays = self.attrs["delays"]
        return (int(delays.min()), int(delays.max())) if delays.size else (1, 1)


def _find(ports: list[Any], name: str, what: str) -> int:
    for index, port in enumerate(ports):
        if port.name == name:
            return index
    raise UnknownNameError(f"{what} {name!r} does not exist.{did_you_mean(name, [p.name for p in ports])}")


@dataclass
class Channel:
    """Joins output ``src = (node, port)`` to input ``dst``; ``map`` routes element ``map[0][m]`` to ``map[1][m]``."""

    src: tuple[int, int]
    dst: tuple[int, int]
    delay: int = 0
    map: tuple[Tensor, Tensor] | None = None
    capacity: int | None = None
    policy: str = "error"

    @property
    def sort_key(self) -> tuple[Any, ...]:
        routes = () if self.map is None else (self.map[0].tobytes(), self.map[1].tobytes())
        return (self.dst, self.src, self.delay, routes)


@dataclass
class KernelSource:
    """Source of a user's kernel."""

    name: str
    hash: str
    source: str


@dataclass
class SpikeIR:
    """The whole graph. ``schedule`` holds (action, node) in order of execution."""

    dt: float
    seed: int
    nodes: list[Node] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    schedule: list[tuple[str, int]] = field(default_factory=list)
    kernels: list[KernelSource] = field(default_factory=list)

    def index(self, name: str) -> int:
        return _find(self.nodes, name, "node")

    def into(self, node: int, port: int | None = None) -> list[Channel]:
        """Channels that end at a node (at one of its ports)."""
        return [c for c in self.channels if c.dst[0] == node and (port is None or c.dst[1] == port)]

    def out_of(self, node: int, port: int | None = None) -> list[Channel]:
        """Channels that begin at a node (at one of its ports)."""
        return [c for c in self.channels if c.src[0] == node and (port is None or c.src[1] == port)]


def column(name: str, value: Any, dtype: str) -> Column:
    """A column from a number or an array of any shape."""
    return Column(name, dtype, np.ascontiguousarray(value, dtype=dtype).reshape(-1))
