"""bench/networks.py: its definitions are what procgraph builds, its page says what was measured, its bare loop runs."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import procgraph as pg
from procgraph.spec.process import to_steps

BENCH = Path(__file__).parents[2] / "bench"
PEERS = BENCH / "peers"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of bench/peers."""
    monkeypatch.syspath_prepend(PEERS)
    return importlib.import_module


def values(process: Any, names: dict[str, str], definition: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Parameters of a Process that differ from those of the definition, by the names of both."""
    found = {mine: (float(process.values[mine]), definition[theirs]) for mine, theirs in names.items()}
    return {name: pair for name, pair in found.items() if pair[0] != pytest.approx(pair[1])}


def drive_of(graph: Any, source: str, synapse: str) -> tuple[float, float]:
    """Rate in Hz and weight of the Poisson input that each neuron has for itself."""
    drive, joined = graph.processes[source], graph.processes[synapse]
    assert joined.incoming[0].source.process is drive and isinstance(joined, pg.processes.OneToOne)
    return float(drive.values["rate"]), float(joined.values["weights"].item())


def steps_of(delay: Any) -> int:
    return to_steps(delay, 0.1, "delay")


@pytest.mark.parametrize("plastic", [False, True])
def test_brunel_is_joined_as_it_is_defined(module: Any, plastic: bool) -> None:
    d = module("definitions").brunel(plastic)
    graph = module("definitions").example("brunel").build(plastic).graph
    assert graph.dt == 0.1 and set(graph.processes) == {"E", "I"} | {
        f"{name}{kind}" for kind in ("_drive", "_input", "_to_E", "_to_I") for name in "EI"
    }
    for s, source in enumerate("EI"):
        rate, weight = drive_of(graph, f"{source}_drive", f"{source}_input")
        assert (rate, weight) == pytest.approx((d["drive_hz"], d["drive_weight"]))
        for target in "EI":
            projection = graph.processes[f"{source}_to_{target}"]
            learns = plastic and source == target == "E"
            assert isinstance(projection, pg.processes.Plastic) == learns
            synapses = projection.synapses if learns else projection
            assert (synapses.values["rule"], synapses.values["count"]) == ("fixed_in_degree", d["in_degrees"][s])
            assert synapses.values["weights"].item() == pytest.approx(d["weights"][s])
            axonal = {c.target.name: steps_of(c.delay) for c in projection.incoming}["s_in"]
            assert (axonal + steps_of(synapses.delay)) * 0.1 == pytest.approx(d["delay"])
            assert (axonal > 0) == learns  # the rule sees the source late, as that of the peers does


def test_brunel_is_defined_as_it_is_built(module: Any) -> None:
    d, built = module("definitions").brunel(True), module("definitions").example("brunel").build(plastic=True)
    assert [p.shape[0] for p in (built.excitatory, built.inhibitory)] == d["sizes"]
    assert not values(built.excitatory, {"tau_m": "tau_m", "t_ref": "t_ref", "v_th": "v_th"}, d)
    rule = built.graph.processes["E_to_E"].rule
    rates = {"tau_plus": d["tau_stdp"], "tau_minus": d["tau_stdp"], "w_max": d["w_max"]}
    rates |= {"a_plus": d["learning"] * d["w_max"], "a_minus": d["depression"] * d["learning"] * d["w_max"]}
    assert {name: float(rule.values[name]) for name in rates} == pytest.approx(rates)


def test_cuba_is_defined_as_it_is_built(module: Any) -> None:
    d, built = module("definitions").cuba(), module("definitions").example("vogels_abbott").build()
    assert [p.shape[0] for p in (built.excitatory, built.inhibitory)] == d["sizes"]
    same = ("tau_m", "tau_exc", "tau_inh", "t_ref", "v_rest", "v_th", "v_reset")
    for population in (built.excitatory, built.inhibitory):
        assert not values(population, {name: name for name in same}, d)
    for s, source in enumerate("EI"):
        for target in "EI":
            synapses = built.graph.processes[f"{source}_to_{target}"]
            assert synapses.values["rule"] == "fixed_probability"
            assert float(synapses.values["p"]) == pytest.approx(d["probability"])
            assert synapses.values["weights"].item() == pytest.approx(d["weights"][s])
            assert steps_of(synapses.delay) * built.graph.dt == pytest.approx(d["delay"])
            assert synapses.connections[0].target.name == {"E": "exc_in", "I": "inh_in"}[source]


def test_microcircuit_is_defined_as_it_is_built(module: Any) -> None:
    d, built = module("definitions").microcircuit(0.1), module("definitions").example("microcircuit").build(0.1)
    assert sum(map(sum, d["synapses"])) == built.synapses
    for i, (name, population) in enumerate(built.populations.items()):
        assert population.shape[0] == d["sizes"][i] and d["populations"][i] == name
        same = ("tau_m", "tau_syn", "t_ref", "v_rest", "v_th", "v_reset")
        assert not values(population, {key: key for key in same}, d)
        assert float(population.values["bias"]) * 1e3 == pytest.approx(d["bias"][i])
        assert float(population.values["r_m"]) == pytest.approx(1e3 * d["tau_m"] / d["capacitance"])
        rate, weight = drive_of(built.graph, f"{name}_background", f"{name}_drive")
        assert (rate, 1e3 * weight) == pytest.approx((d["drive_hz"][i], d["drive_weight"]))
        mean, sd = d["v0"][i]
        start = population.values["v"]
        assert abs(start.mean() - mean) < 5 * sd / len(start) ** 0.5
        assert abs(start.std() / sd - 1) < 5 / (2 * len(start)) ** 0.5


def test_projections_of_the_microcircuit_are_those_of_the_definition(module: Any) -> None:
    d, built = module("definitions").microcircuit(0.1), module("definitions").example("microcircuit").build(0.1)
    found = {name for name in built.graph.processes if "_to_" in name}
    names = d["populations"]
    numbers = {f"{s}_to_{t}": d["synapses"][i][j] for i, t in enumerate(names) for j, s in enumerate(names)}
    assert found == {name for name, count in numbers.items() if count}
    for i, target in enumerate(names):
        for j, source in enumerate(names):
            if not d["synapses"][i][j]:
                continue
            synapses, mean = built.graph.processes[f"{source}_to_{target}"], d["weights"][i][j]
            assert (synapses.values["rule"], synapses.values["count"]) == ("fixed_total", d["synapses"][i][j])
            weights, delay = synapses.drawn_weights, synapses.drawn_delay
            assert (1e3 * weights.mean, 1e3 * weights.sd) == pytest.approx((mean, abs(mean) * d["weight_sd"]))
            assert (weights.low == 0.0) == (mean > 0) and (weights.high == 0.0) == (mean < 0)
            assert weights.grid < 1e-2 * abs(weights.mean)
            assert [delay.mean, delay.sd] == pytest.approx(d["delays"][j])
            assert delay.low == pytest.approx(0.05)  # half a step: none is shorter than a step


def test_page_marks_earlier_figures_and_other_rates(module: Any) -> None:
    row = {
        "label": "small",
        "procgraph": 0.5,
        "target": 1.0,
        "earlier": "GeNN 2.0",
        "nest": 5.0,
        "brian2": 1.0,
        "kept": ["nest"],
        "limit": 0.4,
        "limit_update": 0.1,
        "limit_delivery": 0.3,
        "copy_gb_s": 30.0,
        "built_s": 1.0,
        "memory_gb": 0.1,
        "load": 1.0,
        "rates": {"procgraph": 3.0, "nest": 3.1, "brian2": 9.0},
        "other_rate": ["brian2 9.00 Hz, expected 2.9 to 3.2"],
    }
    text = module("page").markdown({"small": row}, "a machine")
    assert "| small | 0.5 | 1 | 5† (10.0×) | 1 (2.0×) | GeNN 2.0 (4.0×) | 0.4 | 1.25 |" in text
    assert "* small: brian2 9.00 Hz, expected 2.9 to 3.2." in text
    assert "differ by at most 200.0 % (small: 3.00 to 9.00 Hz)." in text


def test_unknown_network_is_named() -> None:
    done = subprocess.run(
        [sys.executable, BENCH / "networks.py", "--networks", "cubba"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "cubba; allowed: microcircuit" in done.stderr


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_bare_loop_runs_for_every_model(tmp_path: Path) -> None:
    program = tmp_path / "limit"
    flags = ["-std=c++20", "-O1", "-march=native", "-Wno-psabi", "-pthread"]
    subprocess.run(["g++", *flags, PEERS / "limit.cpp", "-o", program], check=True)
    few = ["neurons=1000", "row=100", "delays=4", "spikes=5", "steps=20", "runs=1"]
    for given in (
        ["model=exp", "bytes=4", "poisson=1.6"],
        ["model=delta", "bytes=0", "plastic=800"],
        ["model=delta", "bytes=0", "delays=1", "threads=2"],
        ["model=dual", "bytes=2", "threads=2"],
        ["model=bias"],
        ["model=izhikevich"],
    ):
        done = subprocess.run([program, *few, *given], capture_output=True, text=True, check=True)
        figures = json.loads(done.stdout)
        assert min(figures.values()) > 0, (given, figures)
