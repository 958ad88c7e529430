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
    assert not values(built.inhibitory, {name: name for name in same}, d)


def test_microcircuit_is_defined_as_it_is_built(module: Any) -> None:
    d, built = module("definitions").microcircuit(0.1), module("definitions").example("microcircuit").build(0.1)
    assert sum(map(sum, d["synapses"])) == built.synapses
    for i, (name, population) in enumerate(built.populations.items()):
        assert population.shape[0] == d["sizes"][i] and d["populations"][i] == name
        same = ("tau_m", "tau_syn", "t_ref", "v_rest", "v_th", "v_reset")
        assert not values(population, {key: key for key in same}, d)
        assert float(population.values["bias"]) * 1e3 == pytest.approx(d["bias"][i])
        assert float(population.values["r_m"]) == pytest.approx(1e3 * d["tau_m"] / d["capacitance"])


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
