"""examples/microcircuit, brunel and vogels_abbott run, small; their graph files are what Python builds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import procgraph as pg
from procgraph.compiler.pipeline import compile_graph
from procgraph.config import load_config

EXAMPLES = Path(__file__).parents[2] / "examples"
Import = Callable[[str], Any]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Import:
    """Imports ``folder.module`` of the examples; modules of several folders have the same names."""

    def load(path: str) -> Any:
        folder, module = path.split(".")
        monkeypatch.syspath_prepend(EXAMPLES / folder)
        for name in ("network", module):
            monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(module)

    return load


def run(graph: pg.Graph, backend: str) -> dict[str, int]:
    with pg.compile(graph, backend) as rt:
        rt.run(seconds=0.05)
        counts: dict[str, int] = rt.stats()["events"]
        return counts


def test_microcircuit_runs(example: Import, backend: str) -> None:
    circuit = example("microcircuit.network").build(0.01)
    counts = run(circuit.graph, backend)
    assert (circuit.neurons, circuit.synapses) == (771, 29885)
    assert all(counts[f"{name}_background"] > 0 for name in circuit.populations)
    assert 1 <= sum(counts[name] for name in circuit.populations) < 771


@pytest.mark.parametrize("plastic", [False, True])
def test_brunel_runs(example: Import, backend: str, plastic: bool) -> None:
    counts = run(example("brunel.network").build(plastic, scale=0.05).graph, backend)
    assert 500 < counts["E"] < 5000 and 100 < counts["I"] < 1500


@pytest.mark.parametrize("conductances", [False, True])
def test_vogels_abbott_fires_at_the_rate_of_its_whole_network(
    example: Import, backend: str, conductances: bool
) -> None:
    network = example("vogels_abbott.network").build(conductances, scale=0.25)
    with pg.compile(network.graph, backend) as rt:
        rt.run(seconds=0.1)
        before = dict(rt.stats()["events"])
        rt.run(seconds=0.2)
        after = rt.stats()["events"]
    rate = sum(after[name] - before[name] for name in "EI") / 1000 / 0.2
    assert 16 < rate < 23 if conductances else 4.5 < rate < 7


def test_vogels_abbott_at_full_size(example: Import) -> None:
    with pg.compile(example("vogels_abbott.network").build().graph) as rt:
        rt.run(seconds=2)
        counts = rt.stats()["events"]
    assert 5.1 < sum(counts[name] for name in "EI") / 4000 / 2 < 6.1


def test_vogels_abbott_as_a_file_is_the_same_program(example: Import) -> None:
    built = compile_graph(example("vogels_abbott.network").build().graph)
    assert load_config(EXAMPLES / "vogels_abbott" / "graph.yaml").compile().data == built.data


def test_microcircuit_as_a_file_is_the_same_program(example: Import, tmp_path: Path) -> None:
    written = example("microcircuit.write_yaml").text(0.01)
    (tmp_path / "graph.yaml").write_text(written, encoding="utf-8")
    build = example("microcircuit.network").build
    assert load_config(tmp_path / "graph.yaml").compile().data == compile_graph(build(0.01).graph).data


def test_committed_file_is_current_and_valid(example: Import) -> None:
    path = EXAMPLES / "microcircuit" / "graph.yaml"
    written = example("microcircuit.write_yaml").text()
    assert path.read_text(encoding="utf-8") == written, "run: python examples/microcircuit/write_yaml.py"
    config = load_config(path)
    config.compile()
    sparse = [name for name in config.processes if "_to_" in name]
    assert len(sparse) == 55 and len(config.processes) == 8 + 16 + 55
    assert max(map(len, written.splitlines())) <= 120
