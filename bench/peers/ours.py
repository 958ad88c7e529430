"""One network in procgraph: ``ours.py NETWORK [--scale F] [--seconds S] [--warmup W] [--threads N] [--seed N] [--spikes FILE]``.

Prints one line of JSON: seconds to build, CPU and wall-clock seconds of the timed part, mean rate in Hz, memory in GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from definitions import example, izhikevich, lif

import procgraph as pg
from procgraph.processes import LIF, Izhikevich

Built = tuple[pg.Graph, dict[str, int]]  # populations by name, with their sizes


def microcircuit(scale: float, seed: int) -> Built:
    circuit = example("microcircuit").build(scale, seed=seed)
    return circuit.graph, {name: p.shape[0] for name, p in circuit.populations.items()}


def brunel(scale: float, seed: int, plastic: bool = False) -> Built:
    network = example("brunel").build(plastic, seed=seed, scale=scale)
    return network.graph, {p.name: p.shape[0] for p in (network.excitatory, network.inhibitory)}


def brunel_stdp(scale: float, seed: int) -> Built:
    return brunel(scale, seed, plastic=True)


def cuba(scale: float, seed: int) -> Built:
    network = example("vogels_abbott").build(seed=seed, scale=scale)
    return network.graph, {p.name: p.shape[0] for p in (network.excitatory, network.inhibitory)}


def unconnected(process: type[pg.Process], definition: dict[str, Any], seed: int, **parameters: float) -> Built:
    size = definition["sizes"][0]
    bias = np.random.default_rng(seed).uniform(*definition["bias"], size)
    return pg.Graph(process(name="P", shape=size, bias=bias, **parameters), dt=0.1, seed=seed), {"P": size}


def lif_neurons(scale: float, seed: int) -> Built:
    d = lif(round(1e6 * scale))
    parameters = {key: d[key] for key in ("tau_m", "t_ref", "v_rest", "v_th", "v_reset")}
    return unconnected(LIF, d, seed, v=d["v_rest"], **parameters)


def izhikevich_neurons(scale: float, seed: int) -> Built:
    d = izhikevich(round(1e6 * scale))
    return unconnected(Izhikevich, d, seed, **{key: d[key] for key in "abcd"})


NETWORKS = {
    "microcircuit": microcircuit,
    "brunel": brunel,
    "brunel_stdp": brunel_stdp,
    "cuba": cuba,
    "lif": lif_neurons,
    "izhikevich": izhikevich_neurons,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--warmup", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spikes", type=Path, help="record all spikes of the timed part into this .npz file")
    arguments = parser.parse_args()

    started = time.perf_counter()
    graph, sizes = NETWORKS[arguments.network](arguments.scale, arguments.seed)
    with pg.compile(graph, threads=arguments.threads) as rt:
        built = time.perf_counter() - started
        rt.run(seconds=arguments.warmup)
        probes = {name: rt.probe(f"{name}.s_out") for name in sizes} if arguments.spikes else {}
        first, before = rt.step, rt.stats()["events"]
        wall, cpu = time.perf_counter(), time.process_time()
        rt.run(seconds=arguments.seconds)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        after = rt.stats()["events"]
        if arguments.spikes:
            columns: dict[str, Any] = {"seconds": arguments.seconds, "dt": rt.dt}
            for name, probe in probes.items():
                columns[f"{name}_step"] = (probe.events["step"] - first).astype(np.int32)
                columns[f"{name}_index"] = probe.events["index"].astype(np.int32)
                columns[f"{name}_size"] = sizes[name]
            np.savez(arguments.spikes, **columns)
    rate = sum(after[name] - before[name] for name in sizes) / sum(sizes.values()) / arguments.seconds
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"built_s": built, "cpu_s": cpu, "wall_s": wall, "rate_hz": rate, "memory_gb": memory}))


if __name__ == "__main__":
    main()
