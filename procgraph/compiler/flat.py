"""What the front passes work on: leaf Processes by full name, and chains of connections between leaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from procgraph.spec.graph import Graph
from procgraph.spec.ports import Connection, Shape
from procgraph.spec.process import Process

__all__ = ["FlatGraph", "Link", "PortKey"]

PortKey = tuple[Process, str]


@dataclass(frozen=True)
class Link:
    """A channel from leaf to leaf: the connections that it passes through, outermost order kept."""

    chain: tuple[Connection, ...]

    @property
    def source(self) -> PortKey:
        return self.chain[0].source.process, self.chain[0].source.name

    @property
    def target(self) -> PortKey:
        return self.chain[-1].target.process, self.chain[-1].target.name

    def __str__(self) -> str:
        return f"{self.chain[0].source} -> {self.chain[-1].target} (written at {self.chain[0].where})"


@dataclass
class FlatGraph:
    """Leaves in discovery order, links between them, and the shapes found so far.

    ``doubtful`` Processes have errors already: later passes leave them out, so that these errors do not cause others. A
    graph that is not ``whole`` lacks some, and what is not known of it is no error.
    """

    graph: Graph
    leaves: dict[str, Process]
    links: list[Link]
    shapes: dict[PortKey, Shape] = field(default_factory=dict)
    doubtful: set[Process] = field(default_factory=set)
    whole: bool = True
