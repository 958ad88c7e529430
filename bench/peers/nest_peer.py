"""One network in NEST: ``nest_peer.py DEFINITION.json [--seconds S] [--warmup W] [--seed N] [--spikes FILE]``.

Prints one line of JSON: seconds to build, CPU and wall-clock seconds of the timed part, rates in Hz. Runs in an environment with nest-simulator.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import nest
import numpy as np

DT = 0.1  # ms
CHUNK = 0.5  # seconds after which recorded spikes are written


def normal(mean: float, sd: float, low: float = -np.inf, high: float = np.inf) -> Any:
    """Normal distribution, drawn again outside its limits."""
    return nest.math.redraw(nest.random.normal(mean, sd), min=low, max=high)


def microcircuit(d: dict[str, Any]) -> list[Any]:
    """Potjans & Diesmann (2014); one synapse model a projection, because a model holds 134 million synapses a thread."""
    nest.SetKernelStatus({"keep_source_table": False})
    populations = []
    for i, size in enumerate(d["sizes"]):
        neuron = {
            "C_m": d["capacitance"],
            "tau_m": d["tau_m"],
            "tau_syn_ex": d["tau_syn"],
            "tau_syn_in": d["tau_syn"],
            "t_ref": d["t_ref"],
            "E_L": d["v_rest"],
            "V_th": d["v_th"],
            "V_reset": d["v_reset"],
            "I_e": d["bias"][i],
        }
        population = nest.Create("iaf_psc_exp", size, params=neuron)
        population.V_m = nest.random.normal(*d["v0"][i])
        drive = nest.Create("poisson_generator", params={"rate": d["drive_hz"][i]})
        nest.Connect(drive, population, syn_spec={"weight": d["drive_weight"], "delay": 1.5})
        populations.append(population)
    for t, target in enumerate(populations):
        for s, source in enumerate(populations):
            mean = d["weights"][t][s]
            if not d["synapses"][t][s]:
                continue
            model = f"synapse_{t}_{s}"
            nest.CopyModel("static_synapse", model)
            limits = {"low": 0.0} if mean > 0 else {"high": 0.0}
            synapse = {
                "synapse_model": model,
                "weight": normal(mean, abs(mean) * d["weight_sd"], **limits),
                "delay": normal(*d["delays"][s], low=DT / 2),
            }
            nest.Connect(source, target, {"rule": "fixed_total_number", "N": d["synapses"][t][s]}, synapse)
            print(f"{d['populations'][s]} to {d['populations'][t]}", file=sys.stderr, flush=True)
    return populations


def brunel(d: dict[str, Any]) -> list[Any]:
    """Brunel (2000); with ``plastic``, E to E by ``stdp_synapse``, whose delay is dendritic."""
    neuron = {"C_m": 1.0, "tau_m": d["tau_m"], "t_ref": d["t_ref"], "E_L": 0.0, "V_th": d["v_th"], "V_reset": 0.0}
    populations = [nest.Create("iaf_psc_delta", size, params=neuron) for size in d["sizes"]]
    drive = nest.Create("poisson_generator", params={"rate": d["drive_hz"]})
    rule = {"lambda": d["learning"], "alpha": d["depression"], "Wmax": d["w_max"], "tau_plus": d["tau_stdp"]}
    nest.CopyModel("stdp_synapse", "learning", {**rule, "mu_plus": 0.0, "mu_minus": 0.0})
    nest.CopyModel("static_synapse", "fixed")
    if d["plastic"]:
        populations[0].tau_minus = d["tau_stdp"]
    for t, target in enumerate(populations):
        target.V_m = nest.random.uniform(0.0, d["v_th"])
        nest.Connect(drive, target, syn_spec={"weight": d["drive_weight"], "delay": d["delay"]})
        for s, source in enumerate(populations):
            learns = d["plastic"] and s == t == 0
            synapse = {"synapse_model": "learning" if learns else "fixed", "weight": d["weights"][s]}
            rule = {"rule": "fixed_indegree", "indegree": d["in_degrees"][s]}
            nest.Connect(source, target, rule, {**synapse, "delay": d["delay"]})
    return populations


def cuba(d: dict[str, Any]) -> list[Any]:
    """The CUBA network of Vogels & Abbott (2005); with C_m = tau_m a current in pA counts in mV."""
    neuron = {
        "C_m": d["tau_m"],
        "tau_m": d["tau_m"],
        "tau_syn_ex": d["tau_exc"],
        "tau_syn_in": d["tau_inh"],
        "t_ref": d["t_ref"],
        "E_L": d["v_rest"],
        "V_th": d["v_th"],
        "V_reset": d["v_reset"],
    }
    populations = [nest.Create("iaf_psc_exp", size, params=neuron) for size in d["sizes"]]
    for target in populations:
        target.V_m = nest.random.uniform(d["v_reset"], d["v_th"])
        for source, weight in zip(populations, d["weights"]):
            rule = {"rule": "pairwise_bernoulli", "p": d["probability"]}
            nest.Connect(source, target, rule, {"weight": weight, "delay": d["delay"]})
    return populations


def lif(d: dict[str, Any]) -> list[Any]:
    """Unconnected LIF neurons; with C_m = tau_m a current in pA counts in mV."""
    neuron = {"C_m": d["tau_m"], "tau_m": d["tau_m"], "t_ref": d["t_ref"], "V_m": d["v_rest"]}
    voltages = {"E_L": d["v_rest"], "V_th": d["v_th"], "V_reset": d["v_reset"]}
    population = nest.Create("iaf_psc_delta", d["sizes"][0], params={**neuron, **voltages})
    population.I_e = nest.random.uniform(*d["bias"])
    return [population]


def izhikevich(d: dict[str, Any]) -> list[Any]:
    """Unconnected neurons of Izhikevich (2003), by forward Euler."""
    neuron = {k: d[k] for k in "abcd"}
    population = nest.Create("izhikevich", d["sizes"][0], params={**neuron, "V_m": d["c"], "U_m": d["b"] * d["c"]})
    population.I_e = nest.random.uniform(*d["bias"])
    return [population]


NETWORKS = {f.__name__: f for f in (microcircuit, brunel, cuba, lif, izhikevich)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("definition", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--warmup", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spikes", type=Path, help="record all spikes of the timed part into this .npz file")
    arguments = parser.parse_args()
    definition = json.loads(arguments.definition.read_text())

    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.SetKernelStatus({"resolution": DT, "rng_seed": arguments.seed, "local_num_threads": 1})
    started = time.perf_counter()
    populations = NETWORKS[definition["network"]](definition)
    recorders = []
    if arguments.spikes:
        recorders = [nest.Create("spike_recorder", params={"start": 1e3 * arguments.warmup}) for _ in populations]
        for population, recorder in zip(populations, recorders):
            nest.Connect(population, recorder)
    built = time.perf_counter() - started
    print(f"built in {built:.1f} s", file=sys.stderr, flush=True)
    with nest.RunManager():
        nest.Run(1e3 * arguments.warmup)
        wall, cpu = time.perf_counter(), time.process_time()
        if arguments.spikes:
            spikes = record(arguments, definition, populations, recorders)
        else:
            nest.Run(1e3 * arguments.seconds)
            spikes = nest.local_spike_counter  # of the latest Run
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rate = spikes / sum(map(len, populations)) / arguments.seconds
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"built_s": built, "cpu_s": cpu, "wall_s": wall, "rate_hz": rate, "memory_gb": memory}))


def record(
    arguments: argparse.Namespace, definition: dict[str, Any], populations: list[Any], recorders: list[Any]
) -> int:
    """Run in parts; after each, all spikes so far are in the file. Returns their number."""
    done = 0.0
    while done < arguments.seconds - 1e-9:
        part = min(CHUNK, arguments.seconds - done)
        nest.Run(1e3 * part)
        done += part
        columns: dict[str, Any] = {"seconds": done, "dt": DT}
        for name, population, recorder in zip(definition["populations"], populations, recorders):
            events = recorder.events
            columns[f"{name}_step"] = np.rint((events["times"] - 1e3 * arguments.warmup) / DT).astype(np.int32)
            columns[f"{name}_index"] = (events["senders"] - population[0].global_id).astype(np.int32)
            columns[f"{name}_size"] = len(population)
        temporary = arguments.spikes.with_suffix(".part.npz")
        np.savez(temporary, **columns)
        temporary.replace(arguments.spikes)
        print(f"{done:g} s", file=sys.stderr, flush=True)
    return sum(int(recorder.n_events) for recorder in recorders)


if __name__ == "__main__":
    main()
