"""One network in Brian2: ``brian2_peer.py DEFINITION.json FOLDER [--seconds S] [--warmup W] [--compile]``.

C++ standalone, one thread. ``--compile`` writes and compiles the project in FOLDER; without it the compiled program runs, and one line of JSON
is printed: CPU seconds of the timed part (Brian2 counts them with ``std::clock``), mean rate in Hz. Runs in an environment with brian2 2.9.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import (
    Network,
    NeuronGroup,
    PoissonInput,
    SpikeMonitor,
    Synapses,
    defaultclock,
    device,
    hertz,
    ms,
    mV,
    pA,
    pF,
    prefs,
    second,
    seed,
    set_device,
)

DT = 0.1  # ms
FLAGS = ["-w", "-O3", "-ffast-math", "-fno-finite-math-only", "-march=native", "-std=c++11"]

Objects = list[Any]  # the first is the group of all neurons


def in_parts(sizes: list[int]) -> list[slice]:
    """Where each population lies in the group of all neurons."""
    ends = np.cumsum([0, *sizes])
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]


def clipped(rng: np.random.Generator, mean: float, sd: float, count: int, low: float, high: float) -> Any:
    """Normal numbers, drawn again outside the limits."""
    values = rng.normal(mean, sd, count)
    while (bad := (values < low) | (values > high)).any():
        values[bad] = rng.normal(mean, sd, int(bad.sum()))
    return values


def microcircuit(d: dict[str, Any]) -> Objects:
    """Potjans & Diesmann (2014); all projections in one object, which is the form that compiles and runs fastest."""
    rng = np.random.default_rng(1)
    names = {"E": d["v_rest"] * mV, "tau": d["tau_m"] * ms, "C": d["capacitance"] * pF, "tau_s": d["tau_syn"] * ms}
    neurons = NeuronGroup(
        sum(d["sizes"]),
        """dv/dt = (E - v) / tau + (inputs + bias) / C : volt (unless refractory)
           dinputs/dt = -inputs / tau_s : amp
           bias : amp""",
        threshold=f"v >= {d['v_th']}*mV",
        reset=f"v = {d['v_reset']}*mV",
        refractory=d["t_ref"] * ms,
        method="exact",
        namespace=names,
    )
    parts = in_parts(d["sizes"])
    drives = []
    columns: list[list[Any]] = [[], [], [], []]
    for t, target in enumerate(parts):
        size = d["sizes"][t]
        neurons.v[target] = rng.normal(*d["v0"][t], size) * mV
        neurons.bias[target] = d["bias"][t] * pA
        count = round(d["drive_hz"][t] / 8.0)
        drives.append(PoissonInput(neurons[target], "inputs", count, 8.0 * hertz, d["drive_weight"] * pA))
        for s, source in enumerate(parts):
            count, mean = d["synapses"][t][s], d["weights"][t][s]
            low, high = (0.0, np.inf) if mean > 0 else (-np.inf, 0.0)
            columns[0].append(rng.integers(source.start, source.stop, count))
            columns[1].append(rng.integers(target.start, target.stop, count))
            columns[2].append(clipped(rng, mean, abs(mean) * d["weight_sd"], count, low, high))
            columns[3].append(np.rint(clipped(rng, *d["delays"][s], count, DT / 2, np.inf) / DT) * DT)
    pre, post, weights, delays = map(np.concatenate, columns)
    synapses = Synapses(neurons, neurons, "w : amp", on_pre="inputs_post += w")
    synapses.connect(i=pre, j=post)
    synapses.w = weights * pA
    synapses.delay = delays * ms
    return [neurons, synapses, *drives]


def brunel(d: dict[str, Any]) -> Objects:
    """Brunel (2000). Input that arrives in the refractory time is lost."""
    rng = np.random.default_rng(1)
    parts = in_parts(d["sizes"])
    total = sum(d["sizes"])
    neurons = NeuronGroup(
        total,
        "dv/dt = -v / tau : volt (unless refractory)",
        threshold=f"v >= {d['v_th']}*mV",
        reset="v = 0*mV",
        refractory=d["t_ref"] * ms,
        method="exact",
        namespace={"tau": d["tau_m"] * ms, "w_d": d["drive_weight"] * mV},
    )
    neurons.v = rng.uniform(0.0, d["v_th"], total) * mV
    neurons.run_regularly(f"v += w_d * poisson({d['drive_hz'] * DT * 1e-3}) * int(not_refractory)", dt=DT * ms)
    objects = [neurons]
    for s, source in enumerate(parts):
        for target in parts if d["plastic"] else [slice(0, total)]:
            learns = d["plastic"] and s == 0 and target.start == 0
            made = plastic(neurons, d) if learns else constant(neurons, d["weights"][s], d["delay"])
            size = target.stop - target.start
            pre = rng.integers(source.start, source.stop, size * d["in_degrees"][s])
            made.connect(i=pre, j=np.repeat(np.arange(target.start, target.stop), d["in_degrees"][s]))
            if learns:
                made.w = d["weights"][0]
            objects.append(made)
    return objects


def constant(neurons: Any, weight: float, delay: float) -> Any:
    """Synapses with one weight in mV."""
    names = {"w": weight * mV}
    return Synapses(
        neurons, neurons, on_pre="v_post += w * int(not_refractory_post)", delay=delay * ms, namespace=names
    )


def plastic(neurons: Any, d: dict[str, Any]) -> Any:
    """Additive pair STDP, all to all; x and y are the traces of source and target."""
    rise = d["learning"] * d["w_max"]
    names = {"tau_t": d["tau_stdp"] * ms, "up": rise, "down": d["depression"] * rise, "top": d["w_max"]}
    return Synapses(
        neurons,
        neurons,
        """w : 1
           dx/dt = -x / tau_t : 1 (event-driven)
           dy/dt = -y / tau_t : 1 (event-driven)""",
        on_pre="""v_post += w * mV * int(not_refractory_post)
                  x += 1
                  w = clip(w - down * y, 0, top)""",
        on_post="""y += 1
                   w = clip(w + up * x, 0, top)""",
        delay={"pre": d["delay"] * ms},
        namespace=names,
    )


def cuba(d: dict[str, Any]) -> Objects:
    """The CUBA network of Vogels & Abbott (2005)."""
    neurons = NeuronGroup(
        sum(d["sizes"]),
        """dv/dt = (ge + gi - (v - E)) / tau : volt (unless refractory)
           dge/dt = -ge / tau_e : volt
           dgi/dt = -gi / tau_i : volt""",
        threshold=f"v >= {d['v_th']}*mV",
        reset=f"v = {d['v_reset']}*mV",
        refractory=d["t_ref"] * ms,
        method="exact",
        namespace={
            "E": d["v_rest"] * mV,
            "tau": d["tau_m"] * ms,
            "tau_e": d["tau_exc"] * ms,
            "tau_i": d["tau_inh"] * ms,
        },
    )
    neurons.v = f"{d['v_reset']}*mV + rand() * {d['v_th'] - d['v_reset']}*mV"
    objects = [neurons]
    for part, variable, weight in zip(in_parts(d["sizes"]), ("ge", "gi"), d["weights"]):
        names = {"w": weight * mV}
        made = Synapses(neurons[part], neurons, on_pre=f"{variable} += w", delay=d["delay"] * ms, namespace=names)
        made.connect(p=d["probability"])
        objects.append(made)
    return objects


def lif(d: dict[str, Any]) -> Objects:
    """Unconnected LIF neurons."""
    neurons = NeuronGroup(
        d["sizes"][0],
        "dv/dt = (E + bias - v) / tau : volt (unless refractory)\nbias : volt (constant)",
        threshold=f"v >= {d['v_th']}*mV",
        reset=f"v = {d['v_reset']}*mV",
        refractory=d["t_ref"] * ms,
        method="exact",
        namespace={"E": d["v_rest"] * mV, "tau": d["tau_m"] * ms},
    )
    low, high = d["bias"]
    neurons.v = d["v_rest"] * mV
    neurons.bias = f"({low} + rand() * {high - low})*mV"
    return [neurons]


def izhikevich(d: dict[str, Any]) -> Objects:
    """Unconnected neurons of Izhikevich (2003), by forward Euler."""
    neurons = NeuronGroup(
        d["sizes"][0],
        """dv/dt = (0.04 * v**2 + 5 * v + 140 - u + bias) / ms : 1
           du/dt = a * (b * v - u) / ms : 1
           bias : 1 (constant)""",
        threshold="v >= 30",
        reset=f"v = {d['c']}; u += {d['d']}",
        method="euler",
        namespace={"a": d["a"], "b": d["b"]},
    )
    low, high = d["bias"]
    neurons.v = d["c"]
    neurons.u = d["b"] * d["c"]
    neurons.bias = f"{low} + rand() * {high - low}"
    return [neurons]


NETWORKS = {f.__name__: f for f in (microcircuit, brunel, cuba, lif, izhikevich)}


def compile_project(definition: dict[str, Any], folder: Path, warmup: float, seconds: float) -> None:
    """Write the C++ project and compile it; notes where the number of spikes will be."""
    prefs.codegen.cpp.extra_compile_args_gcc = FLAGS
    prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
    set_device("cpp_standalone", build_on_run=False)
    defaultclock.dt = DT * ms
    seed(1)
    objects = NETWORKS[definition["network"]](definition)
    monitor = SpikeMonitor(objects[0], record=False)
    network = Network(*objects, monitor)
    monitor.active = False
    network.run(warmup * second)
    monitor.active = True
    network.run(seconds * second)
    device.build(directory=str(folder), compile=True, run=False)
    array = Path(device.get_array_filename(monitor.variables["N"])).name
    notes = {"array": array, "neurons": len(objects[0]), "seconds": seconds}
    (folder / "notes.json").write_text(json.dumps(notes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("definition", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--warmup", type=float, default=0.1)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    if arguments.compile:
        definition = json.loads(arguments.definition.read_text())
        compile_project(definition, arguments.folder, arguments.warmup, arguments.seconds)
        return
    notes = json.loads((arguments.folder / "notes.json").read_text())
    subprocess.run(["./main"], cwd=arguments.folder, check=True, capture_output=True)
    results = arguments.folder / "results"
    cpu = float((results / "last_run_info.txt").read_text().split()[0])
    spikes = int(np.fromfile(results / notes["array"], np.int32)[0])
    print(json.dumps({"cpu_s": cpu, "rate_hz": spikes / notes["neurons"] / notes["seconds"]}))


if __name__ == "__main__":
    main()
