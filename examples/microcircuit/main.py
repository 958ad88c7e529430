"""Run the microcircuit and compare its rates with the published ones: ``python main.py [--scale 1.0] [--seconds 1.0] [--threads 2]``."""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from network import POPULATIONS, PUBLISHED_HZ, build

import procgraph as pg


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=1.0, help="biological seconds that are measured")
    parser.add_argument("--warmup", type=float, default=0.5, help="biological seconds before")
    parser.add_argument("--threads", type=lambda t: t if t == "auto" else int(t), default=1, help="1 to 255, or auto")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--raster", type=Path, help="draw the spikes of 0.2 s more (.png, .svg or .pdf)")
    parser.add_argument("--rates", type=Path, help="draw the rates of the same 0.2 s")
    arguments = parser.parse_args()

    started = time.perf_counter()
    circuit = build(arguments.scale, seed=arguments.seed)
    with pg.compile(circuit.graph, threads=arguments.threads) as rt:
        built = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{circuit.neurons:,} neurons, {circuit.synapses:,} synapses: built in {built:.1f} s, {memory:.2f} GB")
        rt.run(seconds=arguments.warmup)
        before = dict(rt.stats()["events"])
        wall, cpu = time.perf_counter(), time.process_time()
        rt.run(seconds=arguments.seconds)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        after = rt.stats()["events"]
        print(
            f"{arguments.seconds:g} s simulated in {wall:.2f} s ({cpu:.2f} CPU s): {wall / arguments.seconds:.2f} times real time"
        )
        rates = np.array(
            [(after[p] - before[p]) / circuit.populations[p].shape[0] / arguments.seconds for p in POPULATIONS]
        )
        print(f"{'population':>10s} {'rate Hz':>8s} {'published':>9s}")
        for name, rate, published in zip(POPULATIONS, rates, PUBLISHED_HZ):
            print(f"{name:>10s} {rate:8.2f} {published:9.2f}")
        if arguments.raster or arguments.rates:
            probes = [rt.probe(circuit.populations[p].s_out) for p in POPULATIONS]
            begin = rt.time / 1000.0
            rt.run(seconds=0.2)
            window = (begin, begin + 0.2)
            if arguments.raster:
                rt.plot_raster(*probes, path=arguments.raster, window=window)
            if arguments.rates:
                rt.plot_rates(*probes, bin="2 ms", path=arguments.rates, window=window)


if __name__ == "__main__":
    main()
