"""Run the networks of Vogels & Abbott and print their rates: ``python main.py [--coba] [--seconds 10] [--raster raster.png] [--trace trace.png]``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from network import VogelsAbbott, build

import procgraph as pg

EXPECTED_HZ = {False: "5.2 to 6.0", True: "17.1 to 21.0"}  # of 20 draws of the network, over 10 s; one of COBA died out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coba", action="store_true", help="conductances in place of currents")
    parser.add_argument("--scale", type=float, default=1.0, help="of the populations; in-degrees stay")
    parser.add_argument("--seconds", type=float, default=10.0, help="biological seconds")
    parser.add_argument("--devices", default="auto")
    parser.add_argument("--threads", type=lambda t: t if t == "auto" else int(t), default=1, help="1 to 255, or auto")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--raster", type=Path, help="draw the spikes of the first half second (.png, .svg or .pdf)")
    parser.add_argument(
        "--trace", type=Path, help="draw potential and synapses of an excitatory neuron in that half second"
    )
    arguments = parser.parse_args()

    network = build(arguments.coba, seed=arguments.seed, scale=arguments.scale)
    populations = (network.excitatory, network.inhibitory)
    with pg.compile(network.graph, arguments.devices, threads=arguments.threads) as rt:
        started = time.perf_counter()
        rt.run(seconds=arguments.seconds)
        wall = time.perf_counter() - started
        print(f"{arguments.seconds:g} s simulated in {wall:.2f} s: {wall / arguments.seconds:.3f} times real time")
        counts = rt.stats()["events"]
        sizes = {population.name: int(np.prod(population.shape or ())) for population in populations}
        for name, size in sizes.items():
            print(f"{name}: {counts[name] / size / arguments.seconds:.1f} Hz")
        rate = sum(counts[name] for name in sizes) / sum(sizes.values()) / arguments.seconds
        print(f"all: {rate:.1f} Hz" + f", expected {EXPECTED_HZ[arguments.coba]}" * (arguments.scale == 1))
    if arguments.raster or arguments.trace:
        draw(network, arguments)


def draw(network: VogelsAbbott, arguments: argparse.Namespace) -> None:
    """The first half second, once more from the beginning: spikes, and what goes on in one neuron."""
    states = ("v", "g_exc", "g_inh") if arguments.coba else ("v", "i_exc", "i_inh")
    with pg.compile(network.graph, arguments.devices, threads=arguments.threads) as rt:
        spikes = [rt.probe(population.s_out) for population in (network.excitatory, network.inhibitory)]
        values = [rt.probe(f"{network.excitatory.name}.{state}", every=5) for state in states]
        rt.run(seconds=0.5)
        if arguments.raster:
            rt.plot_raster(*spikes, path=arguments.raster)
        if arguments.trace:
            rt.plot_trace(*values, elements=[0]).savefig(arguments.trace, dpi=80)


if __name__ == "__main__":
    main()
