"""The foundation's speed figures, each beside its target and its limit: ``python bench/foundation.py [--json out.json]``.

Machines are shared: medians of repeated runs count, and the ratio to the bare limit measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import procgraph as pg
from procgraph.processes import LIF, BernoulliSource, Dense, EventCamera, FrameSource

REPEATS = 7
LAVA_CHAIN_US = {
    2: 167,
    5: 671,
    10: 1476,
    20: 3585,
}  # Processes: lowest us a step of Lava 0.10, alternating LIF and Dense
START = (
    "import time; t = time.perf_counter()\n"
    "import numpy as np, procgraph as pg\n"
    "from procgraph.processes import LIF, Dense\n"
    "pop, syn = LIF(shape=100), Dense(np.eye(100))\n"
    "pop >> syn\n"
    "with pg.compile(pg.Graph(pop)) as rt: rt.run(steps=1)\n"
    "print(time.perf_counter() - t)\n"
)


def median_seconds(run: Callable[[], object]) -> float:
    """Median wall-clock time of repeated calls."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def per_step_us(graph: pg.Graph, steps: int) -> float:
    """Microseconds a step."""
    with pg.compile(graph) as rt:
        rt.run(steps=steps // 10)
        return median_seconds(lambda: rt.run(steps=steps)) / steps * 1e6


def chain(processes: int) -> pg.Graph:
    """LIF and Dense of 4 neurons, alternating; the first LIF fires by its bias."""
    last: pg.Process = LIF(shape=4, bias=2.0)
    for number in range(1, processes):
        following = Dense(np.full((4, 4), 0.6)) if number % 2 else LIF(shape=4)
        last >> following
        last = following
    return pg.Graph(last)


def dense_graph() -> pg.Graph:
    rng = np.random.default_rng(0)
    source, synapse = BernoulliSource(shape=1000, rate=100.0), Dense(rng.random((1000, 1000), np.float32) / 1000)
    population = LIF(shape=1000)
    source >> synapse >> population
    return pg.Graph(population)


def dense_limit_us() -> float:
    """NumPy's sum of 100 contiguous int32 rows of 1000, from a matrix of 4 MB."""
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 1000, (1000, 1000), np.int32)
    rows = [np.sort(rng.choice(1000, 100, replace=False)) for _ in range(200)]
    total = np.zeros(1000, np.int32)

    def run() -> None:
        for chosen in rows:
            for row in chosen:
                np.add(total, matrix[row], out=total)

    return median_seconds(run) / len(rows) * 1e6


def copy_gb_per_s() -> float:
    """Copy bandwidth of one core."""
    source = np.ones(16_000_000, np.float32)
    target = np.empty_like(source)
    return 2 * source.nbytes / median_seconds(lambda: np.copyto(target, source)) / 1e9


class OwnLIF(LIF):
    """The same neuron as a user's own Process, compiled at run time."""


def neurons_ns(cls: type[LIF] = LIF) -> float:
    """A million independent LIF neurons that spike, ns a neuron and step."""
    n = 1_000_000
    drive = np.random.default_rng(0).uniform(0.0, 2.0, n)
    return per_step_us(pg.Graph(cls(shape=n, bias=drive, t_ref=2.0), dt=0.1), 200) * 1e3 / n


def camera_us() -> float:
    frames = np.random.default_rng(0).integers(0, 255, (20, 120, 160), np.uint8)
    source, camera = FrameSource(frames, cycle=True), EventCamera(threshold=0.2)
    source.frame.connect(camera.frame)
    return per_step_us(pg.Graph(camera), 500)


def start_seconds() -> float:
    """Import, compile and first step in a fresh interpreter."""
    runs = [
        subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True).stdout
        for _ in range(5)
    ]
    return statistics.median(float(r) for r in runs)


def access_ms() -> float:
    population = LIF(shape=1_000_000)
    with pg.compile(pg.Graph(population)) as rt:
        return median_seconds(lambda: rt.set(population.v, rt.get(population.v))) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="also write the figures to this file")
    arguments = parser.parse_args()
    rows: list[tuple[str, float, float, str]] = []
    for processes, lava in LAVA_CHAIN_US.items():
        us = per_step_us(chain(processes), 50_000)
        label = f"chain of {processes} Processes of 4 neurons, us a Process and step"
        rows.append((label, us / processes, 1.0, f"Lava's lowest is {lava / us:,.0f} times as long"))
    dense, limit = per_step_us(dense_graph(), 5_000), dense_limit_us()
    rows.append(
        ("Dense 1000x1000, 10 % active -> LIF, us a step", dense, 25.0, f"NumPy row sums {limit:.0f} us; Lava 510 us")
    )
    bandwidth = copy_gb_per_s()
    rows.append(
        (
            "a million LIF neurons, ns a neuron and step",
            neurons_ns(),
            1.0,
            f"20 bytes each; from main memory {20 / bandwidth:.2f} ns at {bandwidth:.0f} GB/s, less from L3",
        )
    )
    rows.append(("the same as a user's own Process", neurons_ns(OwnLIF), 1.0, "as fast as the built-in one is wanted"))
    rows.append(("event camera 160x120, us a frame", camera_us(), 50.0, ""))
    rows.append(("import + compile + first step, s", start_seconds(), 0.3, ""))
    rows.append(("get and set 1e6 floats, ms", access_ms(), 20.0, "two copies of 4 MB"))
    print(f"{'figure':62s} {'measured':>9s} {'target':>7s}")
    for label, value, target, note in rows:
        print(f"{label:62s} {value:9.3f} {target:7.2f} {'ok  ' if value <= target else 'OVER'} {note}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump([{"figure": a, "measured": b, "target": c, "note": d} for a, b, c, d in rows], file, indent=1)


if __name__ == "__main__":
    main()
