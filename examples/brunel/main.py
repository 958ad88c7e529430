"""Run Brunel's network and print its rates: ``python main.py [--plastic] [--seconds 1.0] [--threads 2]``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from network import build

import procgraph as pg

EXPECTED_HZ = 32.0  # of this network without learning, both populations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plastic", action="store_true", help="let the E→E synapses learn by pair STDP")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=1.0, help="biological seconds that are measured")
    parser.add_argument("--warmup", type=float, default=0.2, help="biological seconds before")
    parser.add_argument("--devices", default="auto")
    parser.add_argument("--threads", type=lambda t: t if t == "auto" else int(t), default=1, help="1 to 255, or auto")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--raster", type=Path, help="draw the spikes of 0.1 s more (.png, .svg or .pdf)")
    parser.add_argument("--rates", type=Path, help="draw the rates of the same 0.1 s")
    arguments = parser.parse_args()

    started = time.perf_counter()
    network = build(arguments.plastic, seed=arguments.seed, scale=arguments.scale)
    with pg.compile(network.graph, arguments.devices, threads=arguments.threads) as rt:
        print(f"built in {time.perf_counter() - started:.1f} s")
        rt.run(seconds=arguments.warmup)
        before = dict(rt.stats()["events"])
        started = time.perf_counter()
        rt.run(seconds=arguments.seconds)
        wall = time.perf_counter() - started
        after = rt.stats()["events"]
        print(f"{arguments.seconds:g} s simulated in {wall:.2f} s: {wall / arguments.seconds:.2f} times real time")
        for population in (network.excitatory, network.inhibitory):
            size = int(np.prod(population.shape or ()))
            rate = (after[population.name] - before[population.name]) / size / arguments.seconds
            expected = "" if arguments.plastic or arguments.scale != 1 else f", expected {EXPECTED_HZ}"
            print(f"{population.name}: {rate:.1f} Hz{expected}")
        if arguments.plastic:
            weights = rt.get("E_to_E.weights")
            print(f"E→E weights: mean {weights.mean():.4f}, standard deviation {weights.std():.4f} mV")
        if arguments.raster or arguments.rates:
            probes = [rt.probe(population.s_out) for population in (network.excitatory, network.inhibitory)]
            begin = rt.time / 1000.0
            rt.run(seconds=0.1)
            window = (begin, begin + 0.1)
            if arguments.raster:
                rt.plot_raster(*probes, path=arguments.raster, window=window)
            if arguments.rates:
                rt.plot_rates(*probes, bin="1 ms", path=arguments.rates, window=window)


if __name__ == "__main__":
    main()
