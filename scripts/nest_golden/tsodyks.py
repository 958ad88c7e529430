"""The golden of short-term plasticity."""

from __future__ import annotations

from typing import Any

import numpy as np

from nest_golden.simulators import golden_module, nest_kernel

# Depressing and facilitating synapses as in Tsodyks, Uziel & Markram (2000), each with a regular and a random train.
SYNAPSES = {"U": [0.5, 0.5, 0.04, 0.04], "tau_rec": [800.0, 800.0, 100.0, 100.0], "tau_fac": [0.0, 0.0, 1000.0, 1000.0]}
LEVELS, TRAIN_STEPS = 4096, 10000


def spike_trains() -> list[list[int]]:
    rng = np.random.default_rng(16)
    chance = [[int(k) for k in np.flatnonzero(rng.random(TRAIN_STEPS) < rate * 1e-4)] for rate in (20, 40)]
    return [list(range(100, TRAIN_STEPS, 500)), chance[0], list(range(100, TRAIN_STEPS, 250)), chance[1]]


def make_tsodyks() -> dict[str, Any]:
    nest, trains = nest_kernel(0.1), spike_trains()
    sources = nest.Create(
        "spike_generator", 4, params=[{"spike_times": [round((k + 1) * 0.1, 1) for k in t]} for t in trains]
    )
    parrots, target = nest.Create("parrot_neuron", 4), nest.Create("iaf_psc_exp")
    recorder = nest.Create("weight_recorder")
    nest.Connect(sources, parrots, "one_to_one", {"delay": 0.1})
    for i in range(4):
        nest.CopyModel(
            "tsodyks2_synapse", f"stp{i}", {"weight_recorder": recorder, **{k: v[i] for k, v in SYNAPSES.items()}}
        )
        start = {"x": 1.0, "u": SYNAPSES["U"][i], "weight": 1.0, "delay": 0.1}
        nest.Connect(parrots[i], target, "one_to_one", {"synapse_model": f"stp{i}", **start})
    nest.Simulate((TRAIN_STEPS + 10) * 0.1)
    found = recorder.events
    senders, weights = np.asarray(found["senders"]), np.asarray(found["weights"])
    events, exact = [], []
    for i, steps in enumerate(trains):
        efficacy = weights[senders == parrots[i].global_id]
        assert len(efficacy) == len(steps)
        events += [[k, i, int(np.floor(e * LEVELS + 0.5))] for k, e in zip(steps, efficacy, strict=True)]
        exact += [(k, i, float(e)) for k, e in zip(steps, efficacy, strict=True)]
    inputs = {k: [int(k in t) for t in trains] for k in sorted({k for t in trains for k in t})}
    golden: dict[str, Any] = {
        "process": "TsodyksMarkram",
        "source": "",
        "shape": 4,
        "params": {**SYNAPSES, "levels": LEVELS},
    }
    golden |= {"dt": 0.1, "steps": TRAIN_STEPS, "inputs": {"s_in": inputs}, "payload_tolerance": 1}
    golden |= {"expect": {"events": {"s_out": sorted(events)}}}
    ours = golden_module().simulate(golden)["s_out"]
    off = max(abs(ours[k, i] / LEVELS - e) for k, i, e in exact)
    different = sum(int(ours[k, i]) != n for k, i, n in events)
    golden["source"] = (
        f"NEST {nest.__version__}, tsodyks2_synapse, with U, tau_rec and tau_fac as below (depressing and facilitating, "
        f"each with a regular and a Poisson train): the weights that a weight_recorder saw, times {LEVELS}, rounded. Written by "
        "scripts/nest_traces.py. NEST is started with x = 1, u = U.\n"
        f"Agreement: {len(events) - different} of {len(events)} payloads are equal; efficacies differ by at most "
        f"{off:.2e} (a payload resolves {0.5 / LEVELS:.2e})."
    )
    return golden
