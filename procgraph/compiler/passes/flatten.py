"""Hierarchy to leaves: follow pass-through ports so that every link joins two leaf Processes."""

from __future__ import annotations

from collections.abc import Iterator

from procgraph.compiler.flat import FlatGraph, Link
from procgraph.errors import ConnectionError
from procgraph.spec.graph import Graph
from procgraph.spec.ports import Connection
from procgraph.spec.process import Process

__all__ = ["flatten"]


def flatten(graph: Graph) -> FlatGraph:
    """Pre: any graph. Post: ``leaves`` have no children, each link starts and ends at a leaf."""
    leaves = {name: p for name, p in graph.processes.items() if not p.children}
    links = [link for p in leaves.values() for c in p.connections for link in _follow(_origin(c))]
    return FlatGraph(graph, leaves, links)


def _origin(connection: Connection) -> tuple[Connection, ...]:
    return (connection,)


def _follow(chain: tuple[Connection, ...]) -> Iterator[Link]:
    """Extend a chain until it reaches a leaf's input; outputs of parents fan out to where they are joined."""
    target = chain[-1].target
    process: Process = target.process
    if not process.children:
        yield Link(chain)
        return
    onward = [c for c in process.connections if c.source.name == target.name]
    if not onward and target in process._bound.values() and _is_input(process, target.name):
        raise ConnectionError(f"{target} leads nowhere: {process.label}.build does not pass it on to a child.")
    for connection in onward:
        yield from _follow((*chain, connection))


def _is_input(process: Process, name: str) -> bool:
    from procgraph.spec.declare import In

    return isinstance(process.declarations[name], In)
