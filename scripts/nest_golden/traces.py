"""Goldens of states and spikes in every step."""

from __future__ import annotations

from typing import Any

import numpy as np

from nest_golden.cases import Case
from nest_golden.simulators import golden_module, nest_kernel


def run_nest(case: Case) -> tuple[dict[str, Any], list[int], str]:
    """Traces by state, spike steps, and NEST's version."""
    nest = nest_kernel(case.dt)
    neuron = nest.Create(case.model, params=case.nest)
    for port, given in case.inputs.items():
        if case.pulses:
            times, values = pulse_times(given)
            source = nest.Create(
                "step_current_generator", params={"amplitude_times": times * case.dt, "amplitude_values": values}
            )
            nest.Connect(source, neuron, syn_spec={"delay": case.dt})
            continue
        source = nest.Create("spike_generator", len(given))
        source.set([{"spike_times": [round(k * case.dt, 6)]} for k in given])
        weights = [[case.sign.get(port, 1) * w for w in given.values()]]
        nest.Connect(source, neuron, syn_spec={"weight": weights, "delay": case.dt})
    meter = nest.Create("multimeter", params={"record_from": list(case.record.values()), "interval": case.dt})
    recorder = nest.Create("spike_recorder")
    nest.Connect(meter, neuron)
    nest.Connect(neuron, recorder)
    nest.Simulate((case.steps + 1) * case.dt)
    events = meter.events
    traces = {state: np.asarray(events[name])[: case.steps] for state, name in case.record.items()}
    spikes = [round(t / case.dt) - 1 for t in recorder.events["times"]]
    return traces, [k for k in spikes if k < case.steps], nest.__version__


def pulse_times(given: dict[int, float]) -> tuple[Any, Any]:
    """Changes of a current that flows during the given steps, at the times (in steps) that NEST's generator takes."""
    wanted = {k + 1: 0.0 for k in given} | given
    steps = np.array(sorted(wanted))
    return steps.astype(float) - 1, [wanted[int(k)] for k in steps]


def rounded_up(value: float) -> float:
    """Twice the value, rounded up to one digit: the tolerance of a sample."""
    unit = 10.0 ** np.floor(np.log10(max(2 * value, 1e-6)))
    return float(f"{np.ceil(max(2 * value, 1e-6) / unit) * unit:.0e}")


def compare(case: Case, golden: dict[str, Any], traces: dict[str, Any], spikes: list[int]) -> str:
    """Sets the tolerances of the golden; returns how far the Process is from NEST, in words."""
    ours = golden_module().simulate(golden)
    fired = np.flatnonzero(ours["s_out"][:, 0])
    assert len(fired) == len(spikes) > 0, (case.model, fired, spikes)
    lag = int(np.abs(fired - np.array(spikes)).max())
    near = np.zeros(case.steps, dtype=bool)
    reach = round(case.guard / case.dt)
    for k in [*spikes, *fired] if reach else []:
        near[max(0, k - reach) : k + reach + 1] = True
    gaps = {state: float(np.abs(ours[state][:, 0] - trace)[~near].max()) for state, trace in traces.items()}
    golden["atol"] = {state: rounded_up(gap) for state, gap in gaps.items()}
    if lag:
        golden["spike_tolerance"] = lag
    when = f"at most {lag} step{'s' * (lag > 1)} apart" if lag else "in the same steps"
    around = f" outside {case.guard:g} ms around spikes" if reach else ""
    largest = ", ".join(f"{state} {gap:.1e}" for state, gap in gaps.items())
    return f"{len(spikes)} spikes, {when}. Largest differences in all steps{around}: {largest}."


def samples_of(case: Case, traces: dict[str, Any], spikes: list[int]) -> dict[str, dict[int, float]]:
    reach = round(case.guard / case.dt)
    steps = [k for k in range(case.every - 1, case.steps, case.every) if all(abs(k - s) > reach for s in spikes)]
    return {state: {k: float(f"{trace[k]:.9g}") for k in steps} for state, trace in traces.items()}


def make(case: Case) -> dict[str, Any]:
    traces, spikes, version = run_nest(case)
    golden: dict[str, Any] = {
        "process": case.process,
        "source": "",
        "params": case.params,
        "dt": case.dt,
        "steps": case.steps,
        "inputs": case.inputs,
        "rtol": 0.0,
    }
    given = ", ".join(f"{k} {v}" for k, v in case.nest.items())
    golden["source"] = (
        f"NEST {version}, {case.model}, with {given}; dt = {case.dt:g} ms. Written by scripts/nest_traces.py. "
        f"{case.text}\n"
        f"Agreement: {compare(case, golden, traces, spikes)}"
    )
    golden["expect"] = {"spikes": {"s_out": spikes}, "samples": samples_of(case, traces, spikes)}
    return golden
