"""examples/microcircuit, brunel and vogels_abbott run, small; their graph files are what Python builds."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from support.cli import cli

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


def rates(rt: pg.Runtime, names: Iterable[str], warmup: float, seconds: float) -> dict[str, float]:
    """Mean rates of populations in Hz after a warm-up."""
    rt.run(seconds=warmup)
    before = dict(rt.stats()["events"])
    rt.run(seconds=seconds)
    after, sizes = rt.stats()["events"], {n.name: n.n for n in rt.program.ir.nodes}
    return {name: (after[name] - before[name]) / sizes[name] / seconds for name in names}


def test_microcircuit_runs(example: Import, backend: str) -> None:
    circuit = example("microcircuit.network").build(0.01)
    counts = run(circuit.graph, backend)
    assert (circuit.neurons, circuit.synapses) == (771, 29885)
    assert all(counts[f"{name}_background"] > 0 for name in circuit.populations)
    assert 1 <= sum(counts[name] for name in circuit.populations) < 771


@pytest.mark.parametrize("seed", [1, 2])
def test_a_tenth_of_the_microcircuit_fires_as_measured(example: Import, seed: int) -> None:
    """Rates over 10 s and four seeds, the same in NEST: docs/benchmarks/microcircuit.md. Those of 2 s lie within 8 % in six seeds."""
    measured = [0.4728, 2.11, 3.966, 5.005, 6.693, 7.779, 0.8439, 7.022]
    circuit = example("microcircuit.network").build(0.1, seed=seed)
    with pg.compile(circuit.graph) as rt:
        found = rates(rt, circuit.populations, warmup=0.5, seconds=2.0)
    assert list(found.values()) == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("plastic", [False, True])
def test_brunel_runs(example: Import, backend: str, plastic: bool) -> None:
    """Three seeds gave 1,505 to 1,553 and 380 to 387 spikes."""
    counts = run(example("brunel.network").build(plastic, scale=0.05).graph, backend)
    assert 1430 < counts["E"] < 1630 and 355 < counts["I"] < 410


@pytest.mark.parametrize("plastic", [False, True])
def test_brunel_at_full_size(example: Import, plastic: bool) -> None:
    """32.0 Hz, as in NEST and Brian2 over longer runs (docs/benchmarks/cpu.md); learning moves the weights little in so short a time."""
    network = example("brunel.network").build(plastic)
    with pg.compile(network.graph) as rt:
        found = rates(rt, "EI", warmup=0.2, seconds=0.2 if plastic else 0.5)
        assert list(found.values()) == pytest.approx([32.0, 32.0], abs=1.0)
        if plastic:
            weights = rt.get("E_to_E.weights")
            assert weights.size == 10**7 and weights.mean() == pytest.approx(0.1, abs=2e-4) and weights.std() > 1e-4


@pytest.mark.parametrize("conductances", [False, True])
def test_vogels_abbott_fires_at_the_rate_of_its_whole_network(
    example: Import, backend: str, conductances: bool
) -> None:
    network = example("vogels_abbott.network").build(conductances, scale=0.25)
    with pg.compile(network.graph, backend) as rt:
        found = rates(rt, "EI", warmup=0.1, seconds=0.2)
    rate = 0.8 * found["E"] + 0.2 * found["I"]
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


@pytest.mark.parametrize(
    ("folder", "arguments", "printed"),
    [
        ("brunel", "--seconds 0.05 --warmup 0.1 --threads 2", [r"E: 3\d\.\d Hz, expected 32\.0", r"I: 3\d\.\d Hz"]),
        (
            "brunel",
            "--plastic --scale 0.05 --seconds 0.1 --warmup 0.05",
            [r"E: 6\d\.\d Hz\n", r"E→E weights: mean 0\.(099[78]|1000)"],
        ),
        ("brunel", "--scale 0.05 --seconds 0.05 --warmup 0.05 --devices reference", [r"E: 6\d\.\d Hz\n"]),
        (
            "vogels_abbott",
            "--seconds 1",
            [r"1 s simulated in .* real time", r"all: [56]\.\d Hz, expected 5\.2 to 6\.0"],
        ),
        ("vogels_abbott", "--coba --scale 0.25 --seconds 0.3", [r"all: (1[5-9]|2[0-4])\.\d Hz\n"]),
        (
            "microcircuit",
            "--scale 0.05 --seconds 0.2 --warmup 0.1 --threads auto",
            [r"3,85\d neurons, 747,\d+ syn", "L6I "],
        ),
    ],
)
def test_main_runs_as_its_readme_says(folder: str, arguments: str, printed: list[str]) -> None:
    code, out, err = cli(*arguments.split(), script=EXAMPLES / folder / "main.py")
    assert (code, err) == (0, "")
    for pattern in printed:
        assert re.search(pattern, out), out


@pytest.mark.parametrize(
    ("folder", "arguments"),
    [
        ("brunel", "--scale 0.05 --seconds 0.02 --warmup 0.02"),
        ("vogels_abbott", "--scale 0.25 --seconds 0.1"),
        ("microcircuit", "--scale 0.02 --seconds 0.02 --warmup 0.02"),
    ],
)
def test_main_draws_its_raster(folder: str, arguments: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "raster.png"
    code, _, err = cli(*arguments.split(), "--raster", picture, script=EXAMPLES / folder / "main.py")
    assert (code, err) == (0, "") and picture.read_bytes().startswith(b"\x89PNG")


def test_the_graph_file_runs_as_its_readme_says(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    given = (
        EXAMPLES / "vogels_abbott" / "graph.yaml",
        "--seconds",
        0.1,
        "--raster",
        tmp_path / "raster.png",
        "--quiet",
    )
    code, _, err = cli("run", *given)
    assert (code, err) == (0, "") and (tmp_path / "raster.png").exists()
