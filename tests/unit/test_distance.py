"""The rule ``distance``: statistics against the kernel, borders, masks, what depends on distance, bad input, graph files."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from ruamel.yaml import YAML

import procgraph as pg
from procgraph.config import load_config
from procgraph.config.schema import json_schema
from procgraph.errors import ConfigError, ParameterError, ProgramFormatError
from procgraph.ir.connectivity import SynapseList, expand, synapse_count, synapse_load
from procgraph.ir.nodes import Node
from procgraph.processes import LIF, PoissonSource, Sparse


def graph(pre: tuple[int, ...], post: tuple[int, ...], seed: int = 1, weights: Any = 0.5, **options: Any) -> pg.Graph:
    source = PoissonSource(name="source", shape=math.prod(pre), rate=50.0)
    target = LIF(name="target", shape=math.prod(post))
    synapses = Sparse(weights, name="synapses", rule="distance", pre_grid=pre, post_grid=post, **options)
    source >> synapses >> target
    return pg.Graph(source, target, seed=seed)


def node_of(made: pg.Graph) -> Node:
    with pg.compile(made, devices="reference") as rt:
        return next(n for n in rt.program.ir.nodes if n.name == "synapses")


def listed(*grids: tuple[int, ...], **options: Any) -> SynapseList:
    return expand(node_of(graph(*grids, **options)))


def displacement(found: SynapseList, pre: tuple[int, ...], post: tuple[int, ...], periodic: bool) -> Any:
    """Of every synapse, on the unit square: computed apart from the stencils."""
    places = [
        (np.stack(np.unravel_index(i, grid), axis=-1) + 0.5) / np.array(grid)
        for i, grid in ((found.pre, pre), (found.post, post))
    ]
    away = places[1] - places[0]
    return away - np.rint(away) if periodic else away


def distances(found: SynapseList, pre: tuple[int, ...], post: tuple[int, ...], periodic: bool) -> Any:
    return np.sqrt((displacement(found, pre, post, periodic) ** 2).sum(axis=-1))


def all_pairs(pre: tuple[int, ...], post: tuple[int, ...]) -> SynapseList:
    i, j = np.meshgrid(np.arange(math.prod(pre)), np.arange(math.prod(post)), indexing="ij")
    return SynapseList(i.ravel(), j.ravel(), np.zeros(0, np.float32), np.zeros(0, np.int32))


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("grids", [((24, 24), (24, 24)), ((20, 30), (16, 12)), ((700,), (500,))])
@pytest.mark.parametrize(
    ("kernel", "f"),
    [
        (pg.Gaussian(0.8, 0.15), lambda r: 0.8 * np.exp(-(r**2) / (2 * 0.15**2))),
        (pg.Exponential(0.6, 0.1), lambda r: 0.6 * np.exp(-r / 0.1)),
        (pg.Box(0.3, outer=0.2501), lambda r: 0.3 * (r <= 0.2501)),
        (pg.Gaussian(0.06, 0.2), lambda r: 0.06 * np.exp(-(r**2) / (2 * 0.2**2))),
        (pg.Box(0.0041), lambda r: 0.0041 * (r >= 0)),
    ],
)
def test_probability_is_the_kernel(grids: Any, periodic: bool, kernel: Any, f: Any) -> None:
    """In bins of distance the number of synapses lies within 4.5 standard deviations of the sum of probabilities."""
    found = listed(*grids, kernel=kernel, periodic=periodic)
    p = f(distances(all_pairs(*grids), *grids, periodic))
    edges = np.linspace(0, 0.75, 16) + 1e-6
    r_all = distances(all_pairs(*grids), *grids, periodic)
    expected = np.histogram(r_all, edges, weights=p)[0]
    spread = np.sqrt(np.histogram(r_all, edges, weights=p * (1 - p))[0])
    counts = np.histogram(distances(found, *grids, periodic), edges)[0]
    assert (np.abs(counts - expected) <= 4.5 * spread + 1).all(), (counts, expected)
    assert abs(len(found.pre) - p.sum()) <= 4.5 * math.sqrt((p * (1 - p)).sum())


def test_pairs_are_joined_once() -> None:
    found = listed((12, 12), (12, 12), kernel=pg.Box(0.7))
    assert np.unique(found.pre * 144 + found.post).size == found.pre.size
    whole = listed((12, 12), (9, 8), kernel=pg.Box(1.0))
    assert np.array_equal(np.sort(whole.pre * 72 + whole.post), np.arange(144 * 72))
    assert not listed((12, 12), (12, 12), kernel=pg.Box(0.0)).pre.size


def test_borders() -> None:
    """On a torus all elements have alike many synapses; without, those at the border have fewer, and none lies across it."""
    grid = (30, 30)
    kernel = pg.Box(1.0, outer=0.2)
    torus, sheet = (listed(grid, grid, kernel=kernel, periodic=p) for p in (True, False))
    assert np.ptp(np.bincount(torus.pre)) == np.ptp(np.bincount(torus.post)) == 0
    fan = np.bincount(sheet.pre).reshape(grid)
    assert fan[15, 15] == np.bincount(torus.pre)[0] and fan[0, 0] < 0.35 * fan[15, 15]
    assert np.abs(displacement(sheet, grid, grid, False)).max() <= 0.2 + 1e-9
    assert np.abs(displacement(torus, grid, grid, False)).max() > 0.5


def test_masks_and_extent() -> None:
    grid = (24, 24)
    ring = listed(grid, grid, kernel=pg.Box(1.0, inner=0.2, outer=0.4))
    r = distances(ring, grid, grid, True)
    assert 0.2 - 1e-9 <= r.min() < 0.25 and 0.35 < r.max() <= 0.4 + 1e-9
    window = listed(grid, grid, kernel=pg.Box(1.0, window=(0.5, 0.25)))
    assert np.allclose(np.abs(displacement(window, grid, grid, True)).max(axis=0), [0.25, 0.125], atol=0.5 / 24)
    wide = listed(grid, grid, kernel=pg.Box(1.0, outer=0.4), extent=(1.0, 2.0))
    assert np.allclose(
        np.abs(displacement(wide, grid, grid, True)).max(axis=0), [0.4, 0.2], atol=1 / 24
    )  # in units of each side


def test_autapses() -> None:
    kernel = pg.Box(1.0, outer=0.3)
    with_self, without = (listed((9, 9), (9, 9), kernel=kernel, autapses=a) for a in (True, False))
    assert (with_self.pre == with_self.post).sum() == 81 and not (without.pre == without.post).any()
    assert with_self.pre.size - without.pre.size == 81


@pytest.mark.parametrize("periodic", [True, False])
def test_weights_and_delays_of_distance(periodic: bool) -> None:
    grids = ((20, 20), (10, 15))
    found = listed(
        *grids,
        kernel=pg.Gaussian(0.9, 0.2),
        weights=pg.Exponential(-0.5, 0.3),
        delay=pg.Linear(1.0, 7.0),
        periodic=periodic,
    )
    r = distances(found, *grids, periodic)
    np.testing.assert_allclose(found.weight, -0.5 * np.exp(-r / 0.3), rtol=1e-6)
    assert (np.abs(found.delay - (1 + 7 * r)) <= 0.5 + 1e-6).all() and np.unique(found.delay).size > 3


def test_drawn_weights_and_delays() -> None:
    """One of both may be drawn while the other depends on distance."""
    found = listed((30, 30), (30, 30), kernel=pg.Box(0.5), weights=pg.Normal(2.0, 0.1), delay=pg.Linear(1.0, 5.0))
    assert abs(found.weight.mean() - 2) < 0.01 and abs(found.weight.std() - 0.1) < 0.01
    r = distances(found, (30, 30), (30, 30), True)
    assert (np.abs(found.delay - (1 + 5 * r)) <= 0.5 + 1e-6).all()
    assert abs(np.corrcoef(found.weight, r)[0, 1]) < 0.02
    other = listed((30, 30), (30, 30), kernel=pg.Box(0.5), weights=pg.Gaussian(1.0, 0.2), delay=pg.Uniform(1.0, 9.0))
    assert np.unique(other.delay).tolist() == list(range(1, 10)) and abs(other.delay.mean() - 5) < 0.05


def test_load_bounds_every_target() -> None:
    for periodic in (True, False):
        node = node_of(graph((40, 40), (15, 25), kernel=pg.Gaussian(1.0, 0.1), periodic=periodic))
        _, terms = synapse_load(node)
        most = np.bincount(expand(node).post).max()
        assert most <= terms <= 3 * most + 20


def test_golden() -> None:
    """Pairs and delays of a small network: the contract of docs/explanation/time-and-numbers.md, section 7."""
    found = listed((6, 9), (5, 6), seed=7, kernel=pg.Gaussian(0.9, 0.3), delay=pg.Linear(1.0, 9.0), periodic=False)
    text = np.concatenate([found.pre, found.post, found.delay]).astype("<i4").tobytes()
    assert hashlib.sha256(text).hexdigest()[:16] == "bfac10b10fde4cb4"


@pytest.mark.parametrize("p", [0.0625, 0.01, 0.0041, 0.0002])
def test_rare_pairs_are_independent(p: float) -> None:
    """Walks from candidate to candidate leave no trace: synapses of a source and of a target are binomial, and so are neighbours."""
    grid = (48, 48)
    n = math.prod(grid)
    found = listed(grid, grid, kernel=pg.Box(p))
    for counts in (np.bincount(found.pre, minlength=n), np.bincount(found.post, minlength=n)):
        mean = n * p
        assert abs(counts.mean() - mean) < 4.5 * math.sqrt(mean * (1 - p) / n)
        assert abs(counts.var() / (mean * (1 - p)) - 1) < 4.5 * math.sqrt((2 + 1 / mean) / n)
    joined = np.zeros((n, n), bool)
    joined[found.pre, found.post] = True
    neighbours = (joined[:, 1:] & joined[:, :-1]).sum()
    expected = n * (n - 1) * p * p
    assert abs(neighbours - expected) < 4.5 * math.sqrt(expected) + 1


@pytest.mark.parametrize("kernel", [pg.Box(0.0041), pg.Gaussian(0.3, 0.4), pg.Exponential(0.02, 0.05)])
def test_same_synapses(backend: str, kernel: Any) -> None:
    """Many draws of a band, cut-off walks, and all bands."""
    made = graph((50, 40), (60, 50), kernel=kernel, weights=pg.Normal(1.0, 0.1))
    with pg.compile(made, devices=backend, threads=2) as rt:
        found = np.sort(rt.get("synapses.weights"))
    expected = np.sort(expand(node_of(made)).weight)
    assert expected.size > 500 and np.array_equal(found, expected)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_same_spikes(backend: str, threads: int) -> None:
    def states(device: str, **options: Any) -> Any:
        made = graph(
            (30, 20), (15, 12), kernel=pg.Gaussian(0.8, 0.2), weights=pg.Normal(0.3, 0.1), delay=pg.Linear(1.0, 9.0)
        )
        with pg.compile(made, devices=device, **options) as rt:
            rt.run(steps=60)
            return rt.get("target.v"), rt.get("synapses.weights"), rt.stats()["events"]

    expected, found = states("reference"), states(backend, threads=threads)
    assert expected[2] == found[2] and expected[2]["target"] > 20
    assert all(np.array_equal(x, y) for x, y in zip(expected[:2], found[:2]))


def test_count_and_saved_program(backend: str, tmp_path: Path) -> None:
    made = graph((14, 14), (7, 7), kernel=pg.Gaussian(0.8, 0.2), weights=pg.Exponential(0.5, 0.3), delay=2)
    with pg.compile(made, devices=backend) as rt:
        rt.program.save(tmp_path / "p.pgx")
        node = next(n for n in rt.program.ir.nodes if n.name == "synapses")
        assert rt.get("synapses.weights").shape == (synapse_count(node),)
        rt.run(steps=30)
        v = rt.get("target.v")
    with pg.load(tmp_path / "p.pgx", backend) as again:
        again.run(steps=30)
        assert np.array_equal(again.get("target.v"), v)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"kernel": None}, "rule 'distance' takes kernel="),
    ({"kernel": 0.3}, "kernel is 0.3; allowed: Gaussian"),
    ({"kernel": pg.Normal(1.0, 0.1)}, "allowed: Gaussian, Exponential"),
    ({"kernel": pg.Gaussian(1.2, 0.1)}, "kernel is .* at the distances"),
    ({"kernel": pg.Linear(0.1, -1.0)}, "allowed: probabilities"),
    ({"kernel": pg.Box(0.1), "p": 0.3}, "takes kernel=, and neither p="),
    ({"kernel": pg.Box(0.1), "count": 3}, "takes kernel="),
    ({"kernel": pg.Box(0.1, window=(0.1,))}, "window of 1 sides; the grid has 2"),
    ({"kernel": pg.Box(0.1), "pre_grid": (0, 4)}, r"pre_grid is \(0, 4\); allowed: 1 to 3 whole numbers"),
    ({"kernel": pg.Box(0.1), "pre_grid": (2, 2, 2, 2)}, "pre_grid"),
    ({"kernel": pg.Box(0.1), "pre_grid": None}, "pre_grid is None"),
    ({"kernel": pg.Box(0.1), "post_grid": (4,)}, "allowed: 2 dimensions"),
    ({"kernel": pg.Box(0.1), "post_grid": (2, 8), "autapses": False}, "autapses=False needs equal grids"),
    ({"kernel": pg.Box(0.1), "extent": 0.0}, "extent is 0.0"),
    ({"kernel": pg.Box(0.1), "extent": (1.0, 1.0, 1.0)}, "extent"),
    ({"kernel": pg.Box(0.1), "n_pre": 5}, "pre_grid makes 16 elements, but n_pre is 5"),
    ({"kernel": pg.Box(0.1), "delay": pg.Linear(-3.0, 1.0)}, r"delay is -3 to -\d+ steps"),
    ({"kernel": pg.Box(0.1), "weights": [1.0, 2.0]}, "weights has 2 values"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    options = {"rule": "distance", "pre_grid": (4, 4), **options}
    with pytest.raises(ParameterError, match=message):
        sparse = Sparse(options.pop("weights", 1.0), name="synapses", **options)
        source, target = PoissonSource(shape=16, rate=1.0), LIF(shape=16)
        source >> sparse >> target
        pg.compile(pg.Graph(source, target), devices="reference")


def test_bad_kernels() -> None:
    for make in (
        lambda: pg.Gaussian(0.5, 0.0),
        lambda: pg.Exponential(0.5, -1.0),
        lambda: pg.Gaussian(math.nan, 1.0),
        lambda: pg.Box(0.5, inner=0.3, outer=0.2),
        lambda: pg.Box(0.5, window=(0.0, 1.0)),
    ):
        with pytest.raises(ParameterError, match="must be"):
            make()
    for other in ({"weights": pg.Box(1.0)}, {"delay": pg.Linear(1.0, 1.0)}):
        with pytest.raises(ParameterError, match="depends on distance"):
            Sparse(rule="fixed_probability", p=0.1, **other)
    with pytest.raises(ParameterError, match="need rule='distance'"):
        Sparse(rule="fixed_total", count=3, kernel=None, pre_grid=(3, 3))


def test_corrupt_programs_are_refused(backend: str) -> None:
    def spoil(change: Any) -> None:
        node = node_of(graph((6, 6), (3, 3), kernel=pg.Gaussian(0.9, 0.3)))
        with pg.compile(graph((6, 6), (3, 3), kernel=pg.Gaussian(0.9, 0.3)), devices="reference") as rt:
            ir = rt.program.ir
        number = next(i for i, n in enumerate(ir.nodes) if n.name == "synapses")
        ir.nodes[number] = node
        change(node.attrs)
        data = pg.Program.from_ir(ir).data
        with pytest.raises(ProgramFormatError):
            pg.Program.from_bytes(data)
        if backend == "cpu":
            from procgraph import _native

            with pytest.raises(ProgramFormatError):
                _native.Program.from_bytes(data)

    spoil(lambda a: a.update(offsets=a["offsets"] + 3))
    spoil(lambda a: a.update(offsets=a["offsets"][:-1]))
    spoil(lambda a: a.update(begin=a["begin"][:-1]))
    spoil(lambda a: a.update(begin=a["begin"][::-1].copy()))
    spoil(
        lambda a: a.update(
            begin=np.minimum(a["begin"], a["begin"][-1] - 1) + (np.arange(a["begin"].size) == a["begin"].size - 1)
        )
    )
    spoil(lambda a: a.update(thresholds=a["thresholds"] >> np.uint32(6)))
    spoil(lambda a: a.update(pre_grid=[6, 5]))
    spoil(lambda a: a.update(post_grid=[9]))
    spoil(lambda a: a.update(coded=0xFFFF, codes=np.zeros(3, np.uint32)))


FILE = """\
procgraph: 1
processes:
  source: {type: PoissonSource, shape: 400, rate: 50 Hz}
  synapses:
    type: Sparse
    rule: distance
    kernel: {gaussian: {peak: 0.8, sigma: 0.1, outer: 0.4, window: [0.6, 0.4]}}
    pre_grid: [20, 20]
    post_grid: [10, 10]
    periodic: false
    weights: {exponential: {peak: 0.5, length: 0.3}}
    delay: {linear: {at_zero: 0.5 ms, slope: 3}}
  target: {type: LIF}
channels: [source.s_out -> synapses.s_in, synapses.a_out -> target.a_in]
"""


def test_graph_file(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(YAML(typ="safe").load(FILE))
    path = tmp_path / "graph.yaml"
    path.write_text(FILE)
    written = node_of(load_config(path).graph)
    same = graph(
        (20, 20),
        (10, 10),
        seed=0,
        kernel=pg.Gaussian(0.8, 0.1, outer=0.4, window=(0.6, 0.4)),
        weights=pg.Exponential(0.5, 0.3),
        delay=pg.Linear(0.5, 3.0),
        periodic=False,
    )
    for x, y in zip(expand(written), expand(node_of(same))):
        assert np.array_equal(x, y)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("sigma: 0.1", "sigmma: 0.1", "7:36: synapses.kernel: gaussian has no key 'sigmma'. Did you mean 'sigma'?"),
        ("sigma: 0.1, ", "", "7:14: synapses.kernel: gaussian needs the key 'sigma'"),
        ("sigma: 0.1", "sigma: 0", "7:14: synapses.kernel: Gaussian("),
        ("[0.6, 0.4]", "wide", "7:60: synapses.kernel.window is 'wide'; allowed: a list"),
        ("gaussian: {peak", "gausian: {peak", "7:5: synapses.kernel is {'gausian'"),
        ("peak: 0.8", "peak: 1.8", "7:5: synapses.kernel is 0 to"),
        ("[10, 10]", "[10, 0]", "9:5: synapses.post_grid is [10, 0]"),
        ("0.5 ms", "0.5 Hz", "12:22: synapses.delay.at_zero"),
        ("rule: distance", "rule: fixed_total", "synapses: rule 'fixed_total' takes count="),
    ],
)
def test_wrong_graph_files(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigError) as caught:
        path = tmp_path / "graph.yaml"
        path.write_text(FILE.replace(old, new))
        load_config(path).compile()
    assert expected in str(caught.value)
