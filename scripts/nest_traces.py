"""Writes the goldens that compare a Process with a model of the NEST simulator: tests/golden/nest_*.yaml.

    python scripts/nest_traces.py [NAME ...]        default: all; needs nest-simulator 3

NEST runs every case; what it recorded goes into the file as the expectation, and how far the Process is from it (over
all steps, not only the recorded ones) into the text. A sample at step k is NEST's record at the time (k + 1) dt: the
state after the step.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"


@dataclass
class Case:
    """One comparison: what NEST runs, and the golden that it makes."""

    process: str
    model: str
    params: dict[str, Any]  # of the Process
    nest: dict[str, Any]  # the same for NEST
    record: dict[str, str]  # state: NEST's recordable
    inputs: dict[str, dict[int, float]] = field(default_factory=dict)
    sign: dict[str, int] = field(default_factory=dict)  # of NEST's weights, per port
    text: str = ""
    dt: float = 0.1
    steps: int = 3000
    every: int = 250
    guard: float = 0.0  # ms around spikes of NEST in which states are not compared
    pulses: bool = False  # the input is a current during a step, not a spike


def train(seed: int, count: int, low: float, high: float, start: int, stop: int) -> dict[int, float]:
    """Random steps with random weights, in multiples of a sixteenth."""
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.choice(np.arange(start, stop), count, replace=False))
    return {int(k): float(w) for k, w in zip(steps, np.round(rng.uniform(low, high, count) * 16) / 16, strict=True)}


ADEX = {"C_m": 281.0, "g_L": 30.0, "E_L": -70.6, "V_th": -50.4, "Delta_T": 2.0, "tau_w": 144.0, "a": 4.0, "b": 80.5}
ADEX |= {"V_peak": 20.0, "V_reset": -70.6, "gsl_error_tol": 1e-9}
GATES = {"Act_m": 0.02686332979844545, "Inact_h": 0.9913058218943975, "Act_n": 0.06043403467863595}
ADAPT = {"q_stc": [40.0, 8.0], "tau_stc": [10.0, 150.0], "q_sfa": [6.0, 1.5], "tau_sfa": [20.0, 200.0]}
OURS = {f"{k}{i + 1}": v[i] for k, v in ADAPT.items() for i in (0, 1)}

CASES = {
    "iaf_psc_exp": Case(
        "DualExpLIF",
        "iaf_psc_exp",
        {"tau_m": 10.0, "tau_exc": 2.0, "tau_inh": 5.0, "r_m": 0.04, "v_th": -55.0, "v_rest": -70.0, "v_reset": -70.0}
        | {"bias": 300.0, "t_ref": 2.0},
        {"tau_syn_ex": 2.0, "tau_syn_in": 5.0, "I_e": 300.0},
        {"v": "V_m", "i_exc": "I_syn_ex", "i_inh": "I_syn_in"},
        {"exc_in": train(1, 40, 100, 600, 1, 3000), "inh_in": train(2, 20, -300, -50, 1, 3000)},
        text="Currents are in pA here, hence r_m = 0.04 mV/pA = tau_m / C_m.",
    ),
    "iaf_psc_alpha": Case(
        "AlphaLIF",
        "iaf_psc_alpha",
        {"r_m": 0.04, "bias": 300.0},
        {"I_e": 300.0},
        {"v": "V_m", "i": "I_syn_ex"},
        {"a_in": train(3, 40, 50, 400, 1, 3000)},
        text="Currents are in pA here, hence r_m = 0.04 mV/pA = tau_m / C_m; all else are NEST's defaults.",
    ),
    "iaf_cond_exp": Case(
        "CondLIF",
        "iaf_cond_exp",
        {"tau_exc": 3.0, "tau_inh": 8.0, "bias": 100.0},
        {"tau_syn_ex": 3.0, "tau_syn_in": 8.0, "I_e": 100.0},
        {"v": "V_m", "g_exc": "g_ex", "g_inh": "g_in"},
        {"exc_in": train(4, 60, 2, 14, 1, 3000), "inh_in": train(5, 30, 1, 10, 1, 3000)},
        {"inh_in": -1},
    ),
    "iaf_cond_alpha": Case(
        "AlphaCondLIF",
        "iaf_cond_alpha",
        {"tau_exc": 1.0, "tau_inh": 4.0, "bias": 100.0},
        {"tau_syn_ex": 1.0, "tau_syn_in": 4.0, "I_e": 100.0},
        {"v": "V_m", "g_exc": "g_ex", "g_inh": "g_in"},
        {"exc_in": train(6, 60, 4, 20, 1, 3000), "inh_in": train(7, 30, 1, 6, 1, 3000)},
        {"inh_in": -1},
    ),
    "aeif_psc_exp": Case(
        "AdEx",
        "aeif_psc_exp",
        {"tau_syn": 2.0, "bias": 900.0},
        ADEX | {"tau_syn_ex": 2.0, "I_e": 900.0},
        {"v": "V_m", "w": "w", "i": "I_syn_ex"},
        {"a_in": train(8, 40, 50, 500, 1, 3000)},
        guard=3.0,
    ),
    "aeif_cond_exp": Case(
        "CondAdEx",
        "aeif_cond_exp",
        {"tau_exc": 2.0, "tau_inh": 5.0, "bias": 700.0, "t_ref": 2.0, "v_reset": -58.0, "a": 2.0, "b": 60.0},
        ADEX
        | {"tau_syn_ex": 2.0, "tau_syn_in": 5.0, "I_e": 700.0, "t_ref": 2.0, "V_reset": -58.0, "a": 2.0, "b": 60.0},
        {"v": "V_m", "w": "w", "g_exc": "g_ex", "g_inh": "g_in"},
        {"exc_in": train(9, 50, 1, 12, 1, 3000), "inh_in": train(10, 30, 1, 8, 1, 3000)},
        {"inh_in": -1},
        guard=3.0,
    ),
    "gif_psc_exp": Case(
        "GIF",
        "gif_psc_exp",
        {"v_th": -52.0, "delta_v": 0.0001, "lambda_0": 1000.0, "bias": 90.0} | OURS,
        {"V_T_star": -52.0, "Delta_V": 0.0001, "lambda_0": 1000000.0, "I_e": 90.0} | ADAPT,
        {"v": "V_m", "i": "I_syn_ex"},
        {"a_in": train(11, 60, 20, 150, 1, 3000)},
        text="The threshold is so sharp (0.0001 mV) that chance plays no part. NEST resets v one step after the spike.",
        guard=0.15,
    ),
    "hh_psc_alpha": Case(
        "HodgkinHuxley",
        "hh_psc_alpha",
        {"bias": 400.0},
        {"I_e": 400.0},
        {"v": "V_m", "m": "Act_m", "h": "Inact_h", "n": "Act_n"},
        {"a_in": train(12, 15, 500, 4000, 10, 990)},
        text="The input is a current of one step, by a step_current_generator.",
        pulses=True,
        steps=1000,
        every=100,
    ),
    "hh_cond_exp_traub": Case(
        "TraubMiles",
        "hh_cond_exp_traub",
        {"bias": 20.0},
        GATES | {"I_e": 20.0},
        {"v": "V_m", "m": "Act_m", "h": "Inact_h", "n": "Act_n", "g_exc": "g_ex", "g_inh": "g_in"},
        {"exc_in": train(13, 20, 2, 14, 1, 1000), "inh_in": train(14, 10, 4, 30, 1, 1000)},
        {"inh_in": -1},
        steps=1000,
        every=100,
    ),
    "izhikevich": Case(
        "Izhikevich",
        "izhikevich",
        {"bias": 4.0},
        {"I_e": 4.0, "consistent_integration": False},
        {"v": "V_m", "u": "U_m"},
        {"a_in": train(15, 40, 2, 20, 1, 500)},
        text="With the numerics of the paper (consistent_integration False).",
        dt=1.0,
        steps=500,
        every=50,
    ),
}


def nest_kernel(dt: float, seed: int = 1) -> Any:
    """NEST with this step and nothing in it."""
    import nest

    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution = dt
    nest.rng_seed = seed
    return nest


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


def golden_module() -> Any:
    spec = importlib.util.spec_from_file_location("test_golden", GOLDEN / "test_golden.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


@dataclass
class ByChance:
    """A comparison of spike counts of neurons that fire by chance."""

    process: str
    model: str
    params: dict[str, Any]
    nest: dict[str, Any]
    dt: float = 0.1
    steps: int = 5000
    neurons: int = 100  # of the golden; NEST runs twenty times as many


COUNTS = {
    "gif_psc_exp_rate": ByChance(
        "GIF",
        "gif_psc_exp",
        {"v_th": -50.0, "delta_v": 2.0, "lambda_0": 1.0, "bias": 90.0} | OURS,
        {"V_T_star": -50.0, "Delta_V": 2.0, "lambda_0": 1000.0, "I_e": 90.0} | ADAPT,
    ),
    "pp_psc_delta_rate": ByChance(
        "PoissonNeuron",
        "pp_psc_delta",
        {"c_1": 1.0, "bias": 0.35},
        {"c_1": 1.0, "I_e": 350.0, "with_reset": False, "dead_time": 1.0},
    ),
}


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


def write(path: Path, golden: dict[str, Any]) -> None:
    """A YAML file with short lists and dicts on lines of their own."""
    import textwrap

    lines = [f"process: {golden['process']}", "source: |"]
    for paragraph in golden["source"].splitlines():
        lines += textwrap.wrap(" ".join(paragraph.split()), 116, initial_indent="  ", subsequent_indent="  ")
    for key, value in golden.items():
        if key not in ("process", "source"):
            lines += _block(key, value, 0)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return f"{value:.1f}" if isinstance(value, float) and value == round(value) and abs(value) < 1e15 else repr(value)


def _block(key: Any, value: Any, depth: int) -> list[str]:
    import textwrap

    indent = "  " * depth
    text = f"{indent}{key}: {_flow(value)}"
    if len(text) <= 120:
        return [text]
    if isinstance(value, dict) and any(isinstance(v, (dict, list)) for v in value.values()):
        return [f"{indent}{key}:", *(line for k, v in value.items() for line in _block(k, v, depth + 1))]
    return [
        f"{indent}{key}:",
        *textwrap.wrap(_flow(value), 120, initial_indent=indent + "  ", subsequent_indent=indent + "   "),
    ]


def main() -> None:
    makers = {name: partial(make, case) for name, case in CASES.items()}
    makers |= {name: partial(make_counts, case) for name, case in COUNTS.items()} | {"tsodyks2_synapse": make_tsodyks}
    for name in sys.argv[1:] or makers:
        golden = makers[name]()
        write(GOLDEN / f"nest_{name}.yaml", golden)
        print(name, golden["source"].splitlines()[-1])


if __name__ == "__main__":
    main()
