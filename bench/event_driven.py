"""From which activity on event-driven execution pays: ``python bench/event_driven.py [--neurons N …] [--json out.json]``.

Times are processor time a step, the smallest of several runs: clock and event-driven populations of one size get the
same events through the same synapses. A step's only event comes from one of 64 sources, whose synapses reach a given
fraction of the population.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

import procgraph as pg
from procgraph import processes as zoo

SOURCES = 64
REPEATS = 5
ACTIVITIES = (1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3)  # expected synapses of a step per neuron
SIZES = (10_000, 100_000, 1_000_000)
KINDS = ("LIF", "ExpLIF")
EXECUTIONS = ("clock", "event")


def step_us(graph: pg.Graph, steps: int) -> float:
    """Processor time of a step in microseconds."""
    with pg.compile(graph, "cpu") as rt:
        rt.run(steps=2 * SOURCES)
        times = []
        for _ in range(REPEATS):
            started = time.process_time()
            rt.run(steps=steps)
            times.append(time.process_time() - started)
    return min(times) / steps * 1e6


def driven(kind: str, n: int, activity: float, execution: str) -> pg.Graph:
    """A population that one of the sources reaches in every step; no neuron fires."""
    source = zoo.SpikeSource(np.arange(SOURCES), np.arange(SOURCES), shape=SOURCES, cycle=SOURCES)
    count = max(1, round(activity * n))
    synapse = zoo.Sparse(1e-3, rule="fixed_out_degree", count=count, n_pre=SOURCES, n_post=n)
    cells = getattr(zoo, kind)(shape=n, execution=execution)
    source >> synapse >> cells
    return pg.Graph(cells, dt=0.1)


def silent(n: int, execution: str) -> pg.Graph:
    """A recurrent network without drive."""
    cells = zoo.ExpLIF(shape=n, execution=execution)
    again = zoo.Sparse(0.1, rule="fixed_in_degree", count=10, n_pre=n, n_post=n, delay=15)
    cells >> again >> cells
    return pg.Graph(cells, dt=0.1)


def hybrid(execution: str) -> pg.Graph:
    """2,000 busy neurons, always by the clock, that talk to 200,000 which each hear from 3 of them."""
    noise = zoo.PoissonSource(shape=2000, rate=800.0)
    kick = zoo.OneToOne(0.065)
    busy = zoo.LIF(shape=2000, t_ref=2.0, name="busy")
    wide = zoo.Sparse(0.3, rule="fixed_in_degree", count=3, n_pre=2000, n_post=200_000, delay=15)
    field = zoo.LIF(shape=200_000, t_ref=2.0, execution=execution, name="field")
    noise >> kick >> busy >> wide >> field
    return pg.Graph(busy, dt=0.1, seed=1)


def crossover(rows: list[dict[str, Any]]) -> float | None:
    """Fraction of neurons with input in a step at which both take equally long, between the measured ones."""
    ratios = [(math.log(row["fraction"]), math.log(row["event"] / row["clock"])) for row in rows]
    for (a, below), (b, above) in itertools.pairwise(ratios):
        if below < 0 <= above:
            return math.exp(a + (b - a) * -below / (above - below))
    return None


def measure_crossover(kind: str, n: int, steps: int) -> dict[str, Any]:
    print(f"\n{kind}, {n:,} neurons: microseconds a step")
    print(f"{'with input':>12}{'clock':>10}{'event':>10}{'clock/event':>13}")
    rows = []
    for activity in ACTIVITIES:
        row: dict[str, Any] = {"fraction": 1 - math.exp(-activity)}
        row |= {execution: step_us(driven(kind, n, activity, execution), steps) for execution in EXECUTIONS}
        rows.append(row)
        ratio = row["clock"] / row["event"]
        print(f"{row['fraction']:12.4%}{row['clock']:10.2f}{row['event']:10.2f}{ratio:13.1f}")
    equal = crossover(rows)
    print("event-driven never loses here" if equal is None else f"equal at {equal:.2%} of the neurons")
    return {"kind": kind, "n": n, "rows": rows, "equal_at": equal}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, nargs="+", default=SIZES)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--json", metavar="FILE", type=Path)
    options = parser.parse_args()
    cases = [(kind, n) for kind in options.kinds for n in options.neurons]
    curves = [measure_crossover(kind, n, max(SOURCES, 4_000_000 // n)) for kind, n in cases]
    quiet = {x: step_us(silent(100_000, x), 20_000 if x == "event" else 200) for x in EXECUTIONS}
    print("\nsilent, 100,000 ExpLIF with 10 synapses each: " + per_step(quiet))
    mixed = {x: step_us(hybrid(x), 1000) for x in EXECUTIONS}
    print("2,000 busy neurons by the clock, 200,000 others: " + per_step(mixed))
    if options.json:
        options.json.write_text(json.dumps({"crossover": curves, "silent_us": quiet, "hybrid_us": mixed}, indent=1))


def per_step(times: dict[str, float]) -> str:
    return (
        f"clock {times['clock']:.2f}, event {times['event']:.3f} us a step, ratio {times['clock'] / times['event']:.0f}"
    )


if __name__ == "__main__":
    main()
