"""How fast connectivity rules make synapses: ``python bench/connectivity.py [--threads N] [--json out.json]``.

A rule's time is that of loading its Program: synapses are drawn, and sorted into the table that delivers them. The goal is
10 million a second and core. NumPy beside it draws the same number of (source, target) pairs and sorts them by source: no rule, no
weights, no delays.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import procgraph as pg
from procgraph.processes import LIF, PoissonSource, Sparse

REPEATS = 5
GOAL = 10.0  # million synapses a second and core
N = 20_000
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


def network(options: dict[str, Any]) -> pg.Graph:
    """A source, the synapses of a rule, and their targets."""
    source, target = PoissonSource(shape=N, rate=1.0), LIF(shape=N)
    sizes = {} if options["rule"] == "distance" else {"n_pre": N, "n_post": N}
    (
        source
        >> Sparse(
            options.get("weights", 0.1),
            name="synapses",
            **sizes,
            **{k: v for k, v in options.items() if k != "weights"},
        )
        >> target
    )
    return pg.Graph(target, dt=0.1, seed=1)


def seconds(graph: pg.Graph, threads: int) -> tuple[float, int]:
    """Median time of loading, and the number of synapses."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rule.pgx"
        with pg.compile(graph) as rt:
            synapses = sum(row["synapses"] for row in rt.storage())
            rt.program.save(path)
        for _ in range(REPEATS):
            started = time.perf_counter()
            with pg.load(path, threads=threads):
                times.append(time.perf_counter() - started)
    return statistics.median(times), synapses


def numpy_seconds(synapses: int) -> float:
    """Pairs drawn and sorted by source by NumPy."""
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
    print(f"{'million synapses a second':46} {'synapses':>11} {'seconds':>8} {'rate':>7} {'goal':>5} {'NumPy':>6}")
    rows = []
    for name, rule in RULES.items():
        if given.only not in name:
            continue
        took, synapses = seconds(network(rule), given.threads)
        row = {"rule": name, "synapses": synapses, "seconds": took, "rate": synapses / took / 1e6}
        row["numpy"] = synapses / numpy_seconds(synapses) / 1e6
        rows.append(row)
        print(f"{name:46} {synapses:11,} {took:8.3f} {row['rate']:7.1f} {GOAL:5.0f} {row['numpy']:6.1f}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
