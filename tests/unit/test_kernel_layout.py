"""A Program that hands a kernel other arguments than it takes is refused before anything is read through them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ProcgraphError, ProgramFormatError
from procgraph.ir.nodes import Node, column
from procgraph.processes import LIF, BernoulliSource, Dense, Plastic, PoissonSource
from procgraph.processes.rules import PairSTDP


def saved(path: Path, graph: pg.Graph, name: str, change: Callable[[Node], object]) -> Path:
    """The Program of a graph, one node of it changed."""
    with pg.compile(graph, "reference") as rt:
        ir = rt.program.ir
    change(next(n for n in ir.nodes if n.name == name))
    path.write_bytes(pg.Program.from_ir(ir).data)
    return path


def network(execution: str = "clock") -> pg.Graph:
    source = BernoulliSource(shape=600, rate=500.0, name="source")
    synapses = Dense(np.full((600, 600), 0.01), name="synapses")
    pop = LIF(shape=600, bias=2.0, name="pop", execution=execution)
    source >> synapses >> pop
    return pg.Graph(pop, PoissonSource(shape=600, rate=10.0, name="noise"))


def other_dtype(node: Node) -> None:
    node.columns[0] = column(node.columns[0].name, np.int32(1), "int32")


CHANGES: list[tuple[str, Callable[[Node], object]]] = [
    ("pop", lambda n: n.columns.pop()),
    ("pop", lambda n: n.columns.clear()),
    ("pop", lambda n: n.states.pop()),
    ("pop", lambda n: n.states.clear()),
    ("pop", other_dtype),
    ("pop", lambda n: n.attrs.update(draws=3)),
    ("source", lambda n: n.attrs.update(draws=0)),
    ("source", lambda n: n.columns.clear()),
    ("noise", lambda n: n.columns.clear()),
    ("noise", lambda n: n.columns.pop()),
]


@pytest.mark.parametrize("execution", ["clock", "event"])
@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_wrong_arguments_are_refused(
    tmp_path: Path, execution: str, name: str, change: Callable[[Node], object]
) -> None:
    path = saved(tmp_path / "p.pgx", network(execution), name, change)
    with pytest.raises(ProgramFormatError, match=f"{name}.*allowed ?.*: "):
        pg.load(path)


@pytest.mark.parametrize(("name", "change"), CHANGES[:4])
def test_the_reference_misses_what_it_reads(tmp_path: Path, name: str, change: Callable[[Node], object]) -> None:
    path = saved(tmp_path / "p.pgx", network(), name, change)
    with pytest.raises(ProcgraphError, match="has no '"), pg.load(path, "reference") as rt:
        rt.run(steps=2)


def test_another_kernel_is_refused(tmp_path: Path) -> None:
    """Name and hash of a kernel that is there, in a node of another kind."""

    def change(node: Node) -> None:
        with pg.compile(network(), "reference") as rt:
            source = next(n for n in rt.program.ir.nodes if n.name == "source")
        node.attrs.update({key: source.attrs[key] for key in ("kernel", "hash")})

    path = saved(tmp_path / "p.pgx", network(), "pop", change)
    with pytest.raises(ProgramFormatError, match="pop: hands its kernel float32.*; allowed: "):
        pg.load(path)


@pytest.mark.parametrize("part", ["columns", "states", "inputs"])
def test_functions_of_rules_are_checked(tmp_path: Path, part: str) -> None:
    source, pop = BernoulliSource(shape=4, rate=500.0), LIF(shape=4)
    synapses = Plastic(Dense(np.full((4, 4), 0.5)), PairSTDP(), name="synapses")
    source.s_out.connect(synapses.s_in)
    synapses >> pop
    pop.s_out.connect(synapses.post_in)
    functions = lambda n: next(f for f in n.attrs["functions"] if f[part])  # noqa: E731
    path = saved(tmp_path / "p.pgx", pg.Graph(pop), "synapses", lambda n: functions(n)[part].pop())
    with pytest.raises(ProgramFormatError):
        pg.load(path)
