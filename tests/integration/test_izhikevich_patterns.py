"""What each of the twenty patterns of Izhikevich (2004) is known by; examples/izhikevich_patterns on the reference."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MAIN = Path(__file__).parents[2] / "examples" / "izhikevich_patterns" / "main.py"


class Runs:
    """Potential, spike times and intervals of every pattern by its letter."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("izhikevich_patterns_main", MAIN)
        assert spec is not None and spec.loader is not None
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.dt = module.patterns.DT
        inputs, potentials, spikes = module.run("reference")
        letters = [x.title[1] for x in module.patterns.PATTERNS]
        self.titles = [x.title for x in module.patterns.PATTERNS]
        self.input: dict[str, Any] = dict(zip(letters, inputs, strict=True))
        self.v: dict[str, Any] = dict(zip(letters, potentials, strict=True))
        self.t: dict[str, Any] = dict(zip(letters, spikes, strict=True))

    def gaps(self, letter: str) -> Any:
        return np.diff(self.t[letter])

    def bursts(self, letter: str, gap: float = 15.0) -> list[int]:
        """Spikes of each group, groups being apart by more than ``gap`` ms."""
        return [len(g) for g in np.split(self.t[letter], np.flatnonzero(self.gaps(letter) > gap) + 1)]

    def at(self, letter: str, low: float, high: float) -> Any:
        return self.v[letter][round(low / self.dt) : round(high / self.dt)]


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs()


def test_there_are_twenty(runs: Runs) -> None:
    assert len(runs.t) == 20 and all(len(t) for t in runs.t.values())


def test_tonic_spiking_goes_on(runs: Runs) -> None:
    assert 4 <= len(runs.t["A"]) <= 7 and runs.t["A"][-1] > 80
    assert np.ptp(runs.gaps("A")[-2:]) < 1


@pytest.mark.parametrize("letter", ["B", "I", "J", "M", "O"])
def test_one_spike(runs: Runs, letter: str) -> None:
    assert len(runs.t[letter]) == 1


def test_tonic_bursting_repeats_its_bursts(runs: Runs) -> None:
    bursts = runs.bursts("C")
    assert len(bursts) >= 3 and min(bursts) >= 3


def test_phasic_bursting_is_one_burst_at_the_start(runs: Runs) -> None:
    assert len(runs.t["D"]) >= 3 and runs.t["D"][-1] < 90 and runs.input["D"][-1] > 0
    assert (np.diff(runs.gaps("D")) > 0).all()


def test_mixed_mode_is_a_burst_and_then_single_spikes(runs: Runs) -> None:
    bursts = runs.bursts("E")
    assert bursts[0] >= 3 and len(bursts) >= 3 and set(bursts[1:]) == {1}


def test_adaptation_makes_intervals_longer(runs: Runs) -> None:
    assert len(runs.t["F"]) >= 5 and runs.gaps("F")[-1] > 5 * runs.gaps("F")[0]


def test_class_1_starts_at_a_low_rate_and_class_2_does_not(runs: Runs) -> None:
    first = {letter: 1000 / runs.gaps(letter)[0] for letter in "GH"}
    last = {letter: 1000 / runs.gaps(letter)[-1] for letter in "GH"}
    assert first["G"] < 30 < 45 < first["H"]
    assert last["G"] / first["G"] > 2.5
    assert last["H"] / first["H"] < 2.5


def test_latency_is_longer_than_the_pulse(runs: Runs) -> None:
    assert runs.t["I"][0] > 10 + 3 + 2


def test_subthreshold_oscillations_ring_after_the_spike(runs: Runs) -> None:
    v = runs.at("J", 40, 200)
    crossings = np.count_nonzero(np.diff(np.sign(v - v[-200:].mean())))
    assert crossings >= 6 and v.max() < -50


def test_resonator_fires_only_at_its_own_distance(runs: Runs) -> None:
    assert len(runs.t["K"]) == 1 and runs.t["K"][0] > 320


def test_integrator_fires_only_at_the_short_distance(runs: Runs) -> None:
    assert len(runs.t["L"]) == 1 and 14 < runs.t["L"][0] < 25


def test_rebound_follows_inhibition(runs: Runs) -> None:
    assert runs.at("M", 20, 25).min() < -80 and runs.t["M"][0] > 25
    assert len(runs.bursts("N")) == 1 and len(runs.t["N"]) >= 4 and runs.t["N"][0] > 25


def test_threshold_depends_on_what_came_before(runs: Runs) -> None:
    assert runs.t["O"][0] > 80  # the same pulse at 10 ms makes no spike


def test_bistability_is_switched_on_and_off(runs: Runs) -> None:
    assert len(runs.t["P"]) >= 4 and runs.t["P"][0] > 37.5 and runs.t["P"][-1] < 213
    assert runs.input["P"][-1] == runs.input["P"][0]


def test_afterpotential_is_above_rest(runs: Runs) -> None:
    assert len(runs.t["Q"]) == 1
    after = round(runs.t["Q"][0] / runs.dt) + 1
    assert -60 < runs.v["Q"][after:].max() < -50 and runs.v["Q"][after:].argmax() > 10


def test_accommodation_ignores_a_slow_ramp(runs: Runs) -> None:
    assert len(runs.t["R"]) == 1 and 300 < runs.t["R"][0] < 315
    assert runs.input["R"][: round(200 / runs.dt)].max() > runs.input["R"][round(300 / runs.dt) :].max()


def test_inhibition_induces_spikes_and_bursts(runs: Runs) -> None:
    for letter in "ST":
        assert runs.t[letter][0] > 50 and runs.t[letter][-1] < 280
    assert set(runs.bursts("S")) == {1} and len(runs.t["S"]) >= 3
    assert len(runs.bursts("T")) >= 2 and min(runs.bursts("T")) >= 3
