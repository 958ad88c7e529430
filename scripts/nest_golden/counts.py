"""Goldens of spike counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from nest_golden.cases import ByChance
from nest_golden.simulators import golden_module, nest_kernel


def make_counts(case: ByChance) -> dict[str, Any]:
    nest = nest_kernel(case.dt)
    neurons = nest.Create(case.model, 20 * case.neurons, params=case.nest)
    recorder = nest.Create("spike_recorder")
    nest.Connect(neurons, recorder)
    nest.Simulate((case.steps + 1) * case.dt)
    events = recorder.events
    senders = np.asarray(events["senders"])[np.asarray(events["times"]) <= (case.steps + 0.5) * case.dt]
    counts = np.bincount(senders - neurons[0].global_id, minlength=20 * case.neurons)
    spread = counts.std() * np.sqrt(case.neurons)
    golden: dict[str, Any] = {
        "process": case.process,
        "source": "",
        "shape": case.neurons,
        "params": case.params,
        "dt": case.dt,
    }
    golden |= {"steps": case.steps, "total_tolerance": int(np.ceil(4 * spread))}
    total = round(float(counts.mean() * case.neurons))
    golden["expect"] = {"total": {"s_out": total}}
    ours = golden_module().simulate(golden)["s_out"].sum()
    given = ", ".join(f"{k} {v}" for k, v in case.nest.items())
    golden["source"] = (
        f"NEST {nest.__version__}, {case.model}, with {given}; dt = {case.dt:g} ms. Written by scripts/nest_traces.py.\n"
        f"{20 * case.neurons} neurons made {counts.mean():.3f} spikes each in {case.steps * case.dt:g} ms, with a "
        f"standard deviation of {counts.std():.3f}; hence {total} for {case.neurons}, within four standard errors.\n"
        f"Agreement: {ours} spikes here, {abs(ours - total) / spread:.1f} standard errors away."
    )
    return golden
