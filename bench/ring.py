"""Delivering segments when they are due, or all of a spike at once through a ring of sums: ``python bench/ring.py [--steps 1000]``.

Sources that fire at 10 Hz, with out-degrees and numbers of delays that make segments from one synapse to ten. Printed are nanoseconds of delivery a spike,
the least of several runs that take turns, and what the cost model chooses.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import numpy as np

import procgraph as pg
from procgraph.processes import LIF, PoissonSource, Sparse

RATE, DT = 10.0, 0.1  # Hz, ms
CASES = [
    (1_000, 20, 40),
    (4_000, 20, 40),
    (4_000, 80, 40),
    (4_000, 200, 40),
    (4_000, 400, 40),
    (10_000, 100, 40),
    (10_000, 200, 40),
    (10_000, 400, 40),
    (20_000, 100, 100),
    (20_000, 200, 100),
]
WEIGHTS: dict[str, Any] = {"one weight": 0.1, "weights drawn": pg.Normal(0.1, 0.01)}
FORCED = {"when due": "0", "ring": "1", "chosen": ""}


def graph(n: int, degree: int, delays: int, weights: Any) -> pg.Graph:
    """Neurons that never fire behind Poisson sources."""
    source, target = PoissonSource(shape=n, rate=RATE), LIF(shape=n, v_th=1e6, name="target")
    rule = {"rule": "fixed_out_degree", "count": degree, "n_pre": n, "n_post": n}
    source >> Sparse(weights, delay=pg.Uniform(DT, delays * DT), **rule) >> target
    return pg.Graph(target, dt=DT, seed=1)


def delivery_seconds(rt: pg.Runtime, steps: int) -> float:
    before = rt.stats()["seconds"]["delivery"]
    rt.run(steps=steps)
    return float(rt.stats()["seconds"]["delivery"] - before)


def compare(n: int, degree: int, delays: int, weights: Any, steps: int, repetitions: int) -> list[str]:
    """Nanoseconds a spike of each way, and the way that is chosen."""
    runs = {}
    for way, value in FORCED.items():
        os.environ["PROCGRAPH_RING"] = value
        runs[way] = pg.compile(graph(n, degree, delays, weights), profile=True)
    os.environ.pop("PROCGRAPH_RING")
    chosen = runs.pop("chosen").storage()[0]["delivery"]
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(repetitions):
        for way, rt in runs.items():
            least[way] = min(least[way], delivery_seconds(rt, steps))
    due, ring = (rt.get("target.v") for rt in runs.values())
    if not np.array_equal(due, ring):
        raise SystemExit("the ways differ")
    spikes = n * RATE * DT * 1e-3 * steps
    return [f"{1e9 * seconds / spikes:.0f}" for seconds in least.values()] + [chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=6)
    parser.add_argument("--largest", type=int, default=20_000, help="sources")
    arguments = parser.parse_args()
    print(
        "| sources | synapses a source | delays | | ns a spike, when due | through a ring | chosen |\n"
        + "|---" * 7
        + "|"
    )
    for n, degree, delays in (case for case in CASES if case[0] <= arguments.largest):
        for label, weights in WEIGHTS.items():
            row = compare(n, degree, delays, weights, arguments.steps, arguments.repetitions)
            print("|", " | ".join([f"{n:,}", str(degree), str(delays), label, *row]), "|", flush=True)


if __name__ == "__main__":
    main()
