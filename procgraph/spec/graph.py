"""A graph: the Processes that are listed and all that are reachable from them, with unique names."""

from __future__ import annotations

from procgraph.errors import ParameterError
from procgraph.spec.checks import is_number, is_whole
from procgraph.spec.ports import Connection
from procgraph.spec.process import Process

__all__ = ["Graph", "check_seed"]


class Graph:
    """What is compiled.

    Args:
        processes: at least one; everything connected to them belongs to the graph.
        dt: duration of a step in ms.
        seed: seed of all random numbers (``compile`` and ``reset`` may override it for the run, not for the wiring).

    Raises:
        ParameterError: no Process, a name used twice, or ``dt`` not positive.
    """

    def __init__(self, *processes: Process, dt: float = 1.0, seed: int = 0) -> None:
        if not processes or not all(isinstance(p, Process) for p in processes):
            raise ParameterError("Graph needs at least one Process, e.g. Graph(population, dt=1.0).")
        if not (is_number(dt) and 1e-6 <= dt <= 1e6):
            raise ParameterError(f"Graph.dt is {dt!r}; allowed: 1e-6 to 1e6 ms.")
        self.dt = float(dt)
        self.seed = check_seed(seed)
        self.roots = _reachable([_top(p) for p in processes])
        self.names = _names(self.roots)

    @property
    def processes(self) -> dict[str, Process]:
        """All Processes by full name, children as ``parent.child``."""
        found: dict[str, Process] = {}

        def visit(process: Process, name: str) -> None:
            found[name] = process
            for key, child in process.children.items():
                visit(child, f"{name}.{key}")

        for process in self.roots:
            visit(process, self.names[process])
        return found

    @property
    def connections(self) -> list[Connection]:
        """All channels, pass-throughs of hierarchical Processes included."""
        return [c for p in self.processes.values() for c in p.connections]


def check_seed(seed: object) -> int:
    """A seed as an int.

    Raises:
        ParameterError: not a whole number from 0 to 2**64 - 1.
    """
    if not is_whole(seed, 0, 2**64 - 1):
        raise ParameterError(f"seed is {seed!r}; allowed: whole numbers from 0 to 2**64 - 1.")
    return int(seed)


def _top(process: Process) -> Process:
    while process.parent is not None:
        process = process.parent
    return process


def _neighbours(process: Process) -> list[Process]:
    near = [c.target.process for c in process.connections] + [c.source.process for c in process.incoming]
    for child in process.children.values():
        near += _neighbours(child)
    return [_top(p) for p in near]


def _reachable(start: list[Process]) -> list[Process]:
    order: dict[Process, None] = {}
    queue = list(start)
    while queue:
        process = queue.pop(0)
        if process not in order:
            order[process] = None
            queue += _neighbours(process)
    return list(order)


def _names(processes: list[Process]) -> dict[Process, str]:
    names: dict[Process, str] = {}
    used: dict[str, Process] = {}
    for process in processes:
        if process.name is not None:
            if process.name in used:
                raise ParameterError(
                    f"two Processes are named {process.name!r}: {used[process.name]!r} and {process!r}. Rename one."
                )
            used[process.name] = process
            names[process] = process.name
    for process in processes:
        if process.name is None:
            number = 0
            while f"{type(process).__name__.lower()}_{number}" in used:
                number += 1
            names[process] = f"{type(process).__name__.lower()}_{number}"
            used[names[process]] = process
    return names
