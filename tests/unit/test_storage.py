"""How synapses are stored, what fixed-point weights cost, and the progress of building."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import procgraph as pg
from procgraph.cli.app import app
from procgraph.cli.progress import Building
from procgraph.errors import ParameterError
from procgraph.ir.connectivity import expand
from procgraph.processes import (
    LIF,
    AllToAll,
    Conv2d,
    Dense,
    DualExpLIF,
    HodgkinHuxley,
    OneToOne,
    Plastic,
    PoissonSource,
    Sparse,
)
from procgraph.processes.rules import PairSTDP
from procgraph.spec.graph import Graph
from procgraph.spec.process import Process


def graph() -> Graph:
    rng = np.random.default_rng(1)
    source, target = PoissonSource(name="source", shape=40), LIF(name="target", shape=40)
    for synapses in (
        Dense(rng.normal(size=(40, 40)), name="dense"),
        Sparse(rng.normal(size=300), pre=rng.integers(0, 40, 300), post=rng.integers(0, 40, 300), name="listed"),
        Sparse(0.3, rule="fixed_in_degree", count=5, n_pre=40, n_post=40, name="rule"),
        Sparse(pg.Normal(1.0, 0.1), rule="fixed_total", count=77, n_pre=40, n_post=40, name="drawn"),
        Sparse(
            pg.Gaussian(0.1, 0.3), rule="distance", kernel=pg.Box(0.5), pre_grid=(8, 5), post_grid=(8, 5), name="grid"
        ),
        OneToOne(0.25, name="one"),
        AllToAll(0.1, n_pre=40, n_post=40, name="all"),
        Conv2d(rng.normal(size=(1, 1, 3, 3)), in_shape=(1, 8, 5), padding=1, name="conv"),
    ):
        source.s_out.connect(synapses.s_in)
        synapses.a_out.connect(target.a_in)
    plastic = Plastic(Dense(rng.random((40, 40))), PairSTDP(), name="plastic")
    source.s_out.connect(plastic.s_in)
    target.s_out.connect(plastic.post_in)
    plastic.a_out.connect(target.a_in)
    return pg.Graph(source, target)


def test_every_projection_is_reported(backend: str) -> None:
    with pg.compile(graph(), devices=backend) as rt:
        rows = {row["projection"]: row for row in rt.storage()}
        nodes = {n.name: n for n in rt.program.ir.nodes if n.is_synapse}
    assert list(rows) == sorted(nodes)
    for name, row in rows.items():
        assert row["synapses"] == expand(nodes[name]).pre.size, name
        assert row["bytes"] == pytest.approx(row["bytes_per_synapse"] * row["synapses"], abs=0.5)
    if backend != "cpu":
        return
    assert {rows[n]["format"] for n in ("dense", "one", "all", "conv", "plastic")} == {
        "rows", "diagonal", "constant", "kernel", "plastic",
    }  # fmt: skip
    merged = [row for row in rows.values() if row["delivery"] != "node"]
    assert {row["projection"] for row in merged} == {"listed", "rule", "drawn", "grid"}
    assert {row["shared_with"] for row in merged} == {3} and {row["source"] for row in merged} == {"source.s_out"}


@pytest.mark.parametrize(("count", "delays", "delivery"), [(30, 40, "ring"), (2000, 40, "table"), (30, 1, "table")])
def test_short_segments_are_delivered_through_a_ring(count: int, delays: int, delivery: str) -> None:
    """Synapses of a source to each delay: fewer than one, fifty, thirty."""
    source, target = PoissonSource(name="source", shape=2000, rate=20.0), LIF(name="target", shape=2000, v_th=5.0)
    delay = pg.Uniform(1.0, float(delays)) if delays > 1 else 1
    weights = pg.Normal(0.05, 0.02)
    source >> Sparse(weights, rule="fixed_out_degree", count=count, n_pre=2000, n_post=2000, delay=delay) >> target
    potentials = []
    for device in ("cpu", "reference"):
        with pg.compile(pg.Graph(source, target, dt=1.0), devices=device) as rt:
            rt.run(steps=60)
            potentials.append(rt.get(target.v))
            if device == "cpu":
                assert rt.storage()[0]["delivery"] == delivery
    assert np.array_equal(*potentials) and potentials[0].any()


def test_weight_error(backend: str) -> None:
    with pg.compile(graph(), devices=backend) as rt:
        rows = {row["projection"]: row for row in rt.storage()}
        for node in rt.program.ir.nodes:
            if not node.is_synapse or ("weight_table" in node.attrs and "codes" not in node.attrs):
                continue
            w = expand(node).weight.astype(np.float64) if node.op != "conv2d" else node.attrs["weights"]
            w = w[w != 0].astype(np.float64)
            q = np.rint(w * 2.0 ** node.outputs[0].scale) / 2.0 ** node.outputs[0].scale
            error = np.abs(q - w) / np.abs(w)
            assert rows[node.name]["weight_error_max"] == pytest.approx(error.max(), rel=1e-6)
            if "codes" not in node.attrs:  # of a stencil the entries count, whether they became synapses or not
                assert rows[node.name]["weight_error_rms"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)
    assert rows["one"]["weight_error_max"] == 0 < rows["drawn"]["weight_error_rms"] < rows["drawn"]["weight_error_max"]


def test_all_formats_are_explained() -> None:
    from procgraph._native import STORAGE_FORMATS

    page = Path(__file__).parents[2] / "docs" / "explanation" / "storage.md"
    assert set(re.findall(r"^\| `(\w+)` \| [^|]* \| [^|]* \|", page.read_text(encoding="utf-8"), re.MULTILINE)) == set(
        STORAGE_FORMATS
    )


def big() -> Graph:
    source, target = PoissonSource(shape=20_000, rate=1.0), LIF(name="target", shape=20_000)
    for count in (10, 20):
        source >> Sparse(0.1, rule="fixed_in_degree", count=count, n_pre=20_000, n_post=20_000) >> target
    return pg.Graph(source, target)


@pytest.mark.parametrize("threads", [1, 2])
def test_progress(threads: int) -> None:
    told: list[float] = []
    with pg.compile(big(), devices="cpu", threads=threads, progress=told.append):
        assert len(told) >= 2 and told == sorted(told) and told[0] > 0 and told[-1] == 1


def test_progress_may_end_the_building(tmp_path: Path) -> None:

    def enough(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pg.compile(big(), devices="cpu", progress=enough)
    with pg.compile(big(), devices="cpu") as rt:
        rt.program.save(tmp_path / "p.pgx")
    with pytest.raises(KeyboardInterrupt):
        pg.load(tmp_path / "p.pgx", "cpu", progress=enough)


def test_building_is_shown_only_if_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock: Iterator[float] = iter([0.0, 0.5, 1.5, 1.7, 3.0])
    monkeypatch.setattr("procgraph.cli.progress.time.monotonic", lambda: next(clock))
    with Building(quiet=False) as progress:
        for fraction in (0.1, 0.4, 0.5, 0.9):
            progress(fraction)
    assert capsys.readouterr().err.splitlines() == ["building synapses: 40%", "building synapses: 90%"]


def brunel(n: int) -> Graph:
    """Dense, of constant weight and delay, with pairs that occur again."""
    source, target = PoissonSource(name="source", shape=n, rate=900.0), LIF(name="target", shape=1000, tau_m=10.0)
    for count, weight in ((n // 4, 0.02), (n // 5, -0.01)):
        source >> Sparse(weight, rule="fixed_in_degree", count=count, n_pre=n, n_post=1000, delay=2) >> target
    return pg.Graph(source, target, seed=3)


def remade(storage: str, weights: Any, **rule: Any) -> Graph:
    source, target = PoissonSource(name="source", shape=200, rate=40.0), LIF(name="target", shape=200, v_th=0.8)
    synapses = Sparse(weights, n_pre=200, n_post=200, delay=3, storage=storage, name="synapses", **rule)
    source >> synapses >> target
    return pg.Graph(source, target, seed=5)


def outcome(graph: Graph, device: str = "cpu", **options: Any) -> tuple[bytes, object, list[dict[str, Any]]]:
    with pg.compile(graph, devices=device, **options) as rt:
        rt.run(steps=150)
        return rt.get("target.v").tobytes(), rt.stats()["events"], rt.storage() if device == "cpu" else []


@pytest.mark.parametrize("weights", [0.05, pg.Normal(0.05, 0.02)])
@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "fixed_probability", "p": 0.2},
        {"rule": "fixed_probability", "p": 0.0},
        {"rule": "fixed_out_degree", "count": 30, "autapses": False},
        {"rule": "fixed_out_degree", "count": 30, "multapses": False},
    ],
)
def test_synapses_that_are_not_stored_give_the_same_spikes(weights: Any, rule: dict[str, Any]) -> None:
    stored, anew = (outcome(remade(storage, weights, **rule)) for storage in ("auto", "procedural"))
    reference = outcome(remade("procedural", weights, **rule), "reference")
    assert stored[:2] == anew[:2] == reference[:2]
    row = anew[2][0]
    assert (row["format"], row["delivery"], row["synapses"]) == ("procedural", "node", stored[2][0]["synapses"])
    assert row["bytes"] <= 8 * 201 + 4 * 65536  # where each source begins, and the table of weights


def test_weights_of_synapses_that_are_not_stored_can_be_set() -> None:
    rule = {"rule": "fixed_probability", "p": 0.2}
    found = []
    for storage in ("auto", "procedural"):
        with pg.compile(remade(storage, pg.Normal(0.05, 0.02), **rule), devices="cpu") as rt:
            rt.run(steps=40)
            weights = rt.get("synapses.weights")
            rt.set("synapses.weights", weights[::-1].copy())
            rt.run(steps=40)
            found.append((weights.tobytes(), rt.get("target.v").tobytes(), rt.stats()["events"]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"rule": "fixed_in_degree", "count": 3}, "allowed with rule= fixed_probability or fixed_out_degree"),
        ({"rule": "fixed_out_degree", "count": 3, "delay": pg.Uniform(1.0, 5.0)}, "and one delay"),
        ({"pre": [0], "post": [1]}, "allowed with rule="),
    ],
)
def test_what_cannot_be_made_anew(options: dict[str, Any], wrong: str) -> None:
    source, target = PoissonSource(shape=20, rate=1.0), LIF(shape=20)
    source >> Sparse(0.1, n_pre=20, n_post=20, storage="procedural", **options) >> target
    with pytest.raises(ParameterError, match=wrong):
        pg.compile(pg.Graph(source, target))


def test_synapses_that_learn_are_stored() -> None:
    source, target = PoissonSource(shape=20, rate=1.0), LIF(shape=20)
    initial = Sparse(0.1, rule="fixed_probability", p=0.5, n_pre=20, n_post=20, storage="procedural")
    learning = Plastic(initial, PairSTDP())
    source.s_out.connect(learning.s_in)
    target.s_out.connect(learning.post_in, delay=1)
    learning.a_out.connect(target.a_in)
    with pytest.raises(ParameterError, match="synapses that learn are stored"):
        pg.compile(pg.Graph(source, target))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_bitmask_gives_the_same_spikes(threads: int, tmp_path: Path) -> None:
    from procgraph import _native as native

    with pg.compile(brunel(400), devices="reference") as rt:
        rt.run(steps=40)
        rt.checkpoint(tmp_path / "c")
        rt.run(steps=40)
        v, events = rt.get("target.v"), rt.stats()["events"]["target"]
    with pg.compile(brunel(400), devices="cpu", threads=threads) as rt:
        if native.isa() == "v4":  # others count more slowly
            assert {row["format"] for row in rt.storage()} == {"bitmask"}
        rt.run(steps=80)
        assert np.array_equal(rt.get("target.v"), v) and rt.stats()["events"]["target"] == events > 100
        rt.restore(tmp_path / "c")
        rt.run(steps=40)
        assert np.array_equal(rt.get("target.v"), v)


@pytest.mark.parametrize(
    ("model", "ports", "n", "shared"),
    [
        (DualExpLIF, ("exc_in", "inh_in"), 1000, False),
        (DualExpLIF, ("exc_in", "inh_in"), 60_000, True),
        (HodgkinHuxley, ("a_in",), 2000, True),  # a neuron takes as long as fifty of those
    ],
)
def test_rows_are_cut_only_where_threads_share_a_step(
    model: type[Process], ports: tuple[str, ...], n: int, shared: bool
) -> None:
    """A second part of each row costs time that the caller alone would have to spend."""

    def stored(threads: int) -> int:
        cells = model(name="cells", shape=n)
        for port in ports:
            synapses = Sparse(10.0, rule="fixed_in_degree", count=30, n_pre=n, n_post=n, name=f"to_{port}")
            cells.s_out.connect(synapses.s_in)
            synapses.a_out.connect(getattr(cells, port))
        with pg.compile(pg.Graph(cells, dt=0.1), devices="cpu", threads=threads) as rt:
            return sum(row["bytes"] for row in rt.storage())

    assert (stored(2) != stored(1)) == shared


FILE = """\
procgraph: 1
processes:
  source: {type: PoissonSource, shape: 50, rate: 20 Hz}
  synapses: {type: Sparse, rule: fixed_in_degree, count: 5, weights: 0.3}
  target: {type: LIF, shape: 10}
channels: [source.s_out -> synapses.s_in, synapses.a_out -> target.a_in]
"""


def test_command(tmp_path: Path) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text(FILE)
    shown = CliRunner().invoke(app, ["graph", str(path), "--storage"])
    assert shown.exit_code == 0 and "50 synapses in" in shown.output and "at most" in shown.output
    found: Any = json.loads(CliRunner().invoke(app, ["graph", str(path), "--storage", "--json"]).output)
    assert found["projections"][0]["projection"] == "synapses" and found["projections"][0]["synapses"] == 50
    assert CliRunner().invoke(app, ["graph", str(path), "--storage", "--mermaid"]).exit_code == 2
