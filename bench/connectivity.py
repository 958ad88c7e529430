"""How fast connectivity rules make synapses: ``python bench/connectivity.py [--threads N] [--json out.json]``.

A rule's time is that of loading its Program, less that of loading one without synapses: synapses are drawn, and sorted into the table that
delivers them. A file is read when its graph is compiled, which is timed for it. Memory has been touched before: a virtual machine may have to get
it from its host first, which takes as long as the work. The goal is 10 million a second and core. NumPy beside it draws
the same number of (source, target) pairs and sorts them by source: no rule, no weights, no delays.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import procgraph as pg
from procgraph.processes import LIF, OneToOne, PoissonSource, Sparse

REPEATS = 5
GOAL = 10.0  # million synapses a second and core
N = 20_000
MEMORY = 2**30  # bytes, more than one case takes
LISTED = 10_000_000  # connections of a file
SHEET = {"rule": "distance", "pre_grid": (200, 100), "post_grid": (200, 100)}
DRAWN = {"weights": pg.Normal(1.0, 0.1), "delay": pg.Uniform(1.0, 5.0)}

RULES: dict[str, dict[str, Any]] = {
    "fixed probability, 2.5 %": {"rule": "fixed_probability", "p": 0.025},
    "fixed in-degree, 500": {"rule": "fixed_in_degree", "count": 500},
    "fixed in-degree, 500, each source once": {"rule": "fixed_in_degree", "count": 500, "multapses": False},
    "fixed out-degree, 500": {"rule": "fixed_out_degree", "count": 500},
    "fixed total number, 10 million": {"rule": "fixed_total", "count": 10_000_000},
    "fixed total number, weights and delays drawn": {"rule": "fixed_total", "count": 10_000_000, **DRAWN},
    "distance: all of the nearest": {**SHEET, "kernel": pg.Box(1.0, outer=0.09)},
    "distance: a half of the nearest": {**SHEET, "kernel": pg.Box(0.5, outer=0.12)},
    "distance: Gaussian, peak 1": {**SHEET, "kernel": pg.Gaussian(1.0, 0.06)},
    "distance: Gaussian, peak 0.1": {**SHEET, "kernel": pg.Gaussian(0.1, 0.2)},
    "distance: Gaussian, weights and delays drawn": {**SHEET, "kernel": pg.Gaussian(0.1, 0.2), **DRAWN},
    "distance: Gaussian, peak 0.01": {**SHEET, "kernel": pg.Gaussian(0.01, 0.3)},
    "distance: 1 in 20 pairs": {**SHEET, "kernel": pg.Box(0.05)},
    "distance: 1 in 800 pairs": {**SHEET, "kernel": pg.Box(1 / 800)},
}


@dataclass(frozen=True)
class Case:
    """Synapses that are made, between populations of ``n`` elements each."""

    synapses: Callable[[], pg.Process]
    n: int = N
    from_file: bool = False


def by_rule(rule: str, weights: Any = 0.1, **options: Any) -> Case:
    """Synapses that a rule makes."""
    sizes = {} if rule == "distance" else {"n_pre": N, "n_post": N}
    return Case(lambda: Sparse(weights, rule=rule, name="synapses", **sizes, **options))


def one_to_one(n: int) -> Case:
    """A synapse an element, each with a weight and a delay of its own."""
    rng = np.random.default_rng(1)
    weights, delays = rng.uniform(0.0, 1.0, n), rng.integers(1, 50, n)
    return Case(lambda: OneToOne(weights, delay=delays, name="synapses"), n)


def from_file(folder: Path) -> Case:
    """Connections in no order, each with a weight and a delay."""
    rng, path = np.random.default_rng(1), folder / "connections.npz"
    pre, post = rng.integers(0, N, (2, LISTED), dtype=np.int32)
    weights, delays = rng.uniform(0.0, 1.0, LISTED).astype(np.float32), rng.integers(1, 50, LISTED, dtype=np.int32)
    np.savez(path, source=pre, target=post, weight=weights, delay=delays)
    return Case(lambda: Sparse(file=path, n_pre=N, n_post=N, name="synapses"), from_file=True)


def cases(folder: Path) -> dict[str, Callable[[], Case]]:
    """All that are measured."""
    made = {name: partial(by_rule, **options) for name, options in RULES.items()}
    return made | {
        "one to one, 2 million, weights and delays given": partial(one_to_one, 2_000_000),
        "from a file, weights and delays given": partial(from_file, folder),
    }


def network(case: Case, joined: bool = True) -> pg.Graph:
    """A source, synapses if joined, and their targets."""
    source, target = PoissonSource(shape=case.n, rate=1.0), LIF(shape=case.n)
    if joined:
        source >> case.synapses() >> target
    return pg.Graph(source, target, dt=0.1, seed=1)


def touch_memory() -> None:
    """Takes memory and gives it back, so that the system has it at hand."""
    np.empty(MEMORY, np.uint8).fill(1)


def median_seconds(make: Callable[[], pg.Runtime]) -> float:
    """Median time of making a Runtime."""
    times = []
    for _ in range(REPEATS):
        touch_memory()
        started = time.perf_counter()
        with make():
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def load_seconds(graph: pg.Graph, folder: Path, threads: int) -> float:
    """Time of loading the graph's Program."""
    path = folder / "rule.pgx"
    with pg.compile(graph, threads=threads) as rt:
        rt.program.save(path)
    return median_seconds(lambda: pg.load(path, threads=threads))


def seconds(case: Case, folder: Path, threads: int) -> tuple[float, int]:
    """Time of making the synapses, and their number."""
    with pg.compile(network(case), threads=threads) as rt:
        synapses = sum(row["synapses"] for row in rt.storage())
    if case.from_file:
        return median_seconds(lambda: pg.compile(network(case), threads=threads)), synapses
    bare = load_seconds(network(case, joined=False), folder, threads)
    return load_seconds(network(case), folder, threads) - bare, synapses


def numpy_seconds(synapses: int) -> float:
    """Pairs drawn and sorted by source by NumPy."""
    touch_memory()
    started = time.perf_counter()
    generator = np.random.default_rng(1)
    pre = generator.integers(0, N, synapses, dtype=np.int32)
    post = generator.integers(0, N, synapses, dtype=np.int32)
    order = np.argsort(pre, kind="stable")
    assert pre[order][-1] >= post.min()
    return time.perf_counter() - started


def main() -> None:
    """Measures and prints a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--only", default="", help="rules whose name contains this")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    print(f"{'million synapses a second':48} {'synapses':>11} {'seconds':>8} {'rate':>7} {'goal':>5} {'NumPy':>6}")
    rows = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, case in cases(folder).items():
            if given.only not in name:
                continue
            took, synapses = seconds(case(), folder, given.threads)
            row = {"rule": name, "synapses": synapses, "seconds": took, "rate": synapses / took / 1e6}
            row["numpy"] = synapses / numpy_seconds(synapses) / 1e6
            rows.append(row)
            figures = f"{took:8.3f} {row['rate']:7.1f} {GOAL:5.0f} {row['numpy']:6.1f}"
            print(f"{name:48} {synapses:11,} {figures}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
