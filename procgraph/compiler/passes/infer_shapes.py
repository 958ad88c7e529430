"""Shapes that the user left open, from connections and from what each Process knows."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from procgraph.compiler.flat import FlatGraph, PortKey
from procgraph.errors import Findings, ShapeError
from procgraph.spec.declare import In, Out
from procgraph.spec.ports import Connection, Port, Shape
from procgraph.spec.process import Process, check_shapes

__all__ = ["infer_shapes"]


def infer_shapes(flat: FlatGraph) -> FlatGraph:
    """Pre: flattened. Post: ``shapes`` holds every port of every leaf.

    Raises:
        ShapeError: shapes contradict each other, or some cannot be found; all are named, and their Processes are doubtful.
    """
    processes = {p: None for p in flat.graph.processes.values() if p not in flat.doubtful}  # in this order
    shapes: dict[PortKey, Shape] = {}
    for process in processes:
        for name in _ports(process):
            shape = process.port_shape(name)
            if shape is not None:
                shapes[process, name] = shape
    connections = flat.graph.connections
    while _round(processes, connections, shapes):
        pass
    flat.shapes = shapes
    Findings([*_contradictions(flat), *_unknown(flat)]).raise_all()
    return flat


def _contradictions(flat: FlatGraph) -> Iterator[ShapeError]:
    for connection in flat.graph.connections:
        a, b = _view(connection.source, flat.shapes), _view(connection.target, flat.shapes)
        if a is not None and b is not None:
            try:
                check_shapes(connection.source, connection.target, a, b)
            except ShapeError as error:
                flat.doubtful |= {connection.source.process, connection.target.process}
                yield ShapeError(f"{error} Written at {connection.where}.")


def _unknown(flat: FlatGraph) -> Iterator[ShapeError]:
    for name, leaf in flat.leaves.items():
        missing = [p for p in _ports(leaf) if (leaf, p) not in flat.shapes]
        if missing:
            flat.doubtful.add(leaf)
        if missing and flat.whole:
            yield ShapeError(
                f"shape of {name}.{missing[0]} is unknown. Give shape= to {name!r}, or connect it to something with a shape."
            )


def _ports(process: Process) -> list[str]:
    return [k for k, d in process.declarations.items() if isinstance(d, (In, Out))]


def _view(port: Port, shapes: dict[PortKey, Shape]) -> Shape | None:
    base = shapes.get((port.process, port.name))
    return None if base is None else port.index(base).shape


def _round(processes: Collection[Process], connections: list[Connection], shapes: dict[PortKey, Shape]) -> bool:
    before = len(shapes)
    for process in processes:
        known = {p: shapes[process, p] for p in _ports(process) if (process, p) in shapes}
        if len(known) < len(_ports(process)):
            for port, inferred in process.infer(known).items():
                shapes.setdefault((process, port), inferred)
    for c in connections:
        ends = ((c.source, c.target), (c.target, c.source))
        for known_end, open_end in ends:
            shape = _view(known_end, shapes)
            if shape is not None and not open_end.transforms and open_end.process in processes:
                shapes.setdefault((open_end.process, open_end.name), shape)
    return len(shapes) > before
