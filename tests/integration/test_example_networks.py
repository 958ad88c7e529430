"""examples/microcircuit and examples/brunel run, small; the microcircuit's graph file is what Python builds."""

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
