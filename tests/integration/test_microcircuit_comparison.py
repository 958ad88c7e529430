"""The statistics of examples/microcircuit/compare.py, and the recordings that they are made of."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "examples" / "microcircuit")
    for name in ("network", "compare"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("compare")


def test_distance_is_that_of_scipy(compare: Any) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=300).round(1), rng.normal(0.2, size=200).round(1)
    theirs = stats.ks_2samp(a, b)
    assert compare.distance(a, b) == pytest.approx(theirs.statistic)
    assert compare.probability(a, b) == pytest.approx(theirs.pvalue, abs=0.02)
    assert compare.probability(a, a) == 1.0


def test_same_distribution_passes_the_threshold_in_one_of_twenty(compare: Any) -> None:
    rng = np.random.default_rng(2)
    pairs = [(rng.normal(size=400), rng.normal(size=300)) for _ in range(400)]
    beyond = [compare.distance(a, b) > compare.threshold(a, b) for a, b in pairs]
    assert 0.02 < np.mean(beyond) < 0.08


def test_variation_of_intervals(compare: Any) -> None:
    step = np.array([300, 0, 100, 200, 5, 10, 30, 7, 8])  # 0: regular; 1: intervals of 5 and 20; 2: too few spikes
    index = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])
    assert compare.variations(step, index) == pytest.approx([0.0, 7.5 / 12.5])


def test_correlations(compare: Any) -> None:
    rng = np.random.default_rng(3)
    common, other = rng.uniform(0, 1e4, (2, 2000))
    ms = np.concatenate([common, common, other])
    found = compare.correlations(ms, np.repeat([0, 1, 2], 2000), 3, 10.0)
    assert np.sort(found) == pytest.approx([0.0, 0.0, 1.0], abs=0.05)


def test_a_recording_is_compared_with_itself(compare: Any, tmp_path: Path) -> None:
    path = tmp_path / "spikes.npz"
    command = [sys.executable, ROOT / "bench" / "peers" / "ours.py", "microcircuit", "--scale", "0.05"]
    done = subprocess.run(
        [*map(str, command), "--seconds", "3", "--spikes", str(path)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    recording, figures = np.load(path), json.loads(done.stdout.splitlines()[-1])
    sizes = sum(int(recording[f"{name}_size"]) for name in compare.POPULATIONS)
    spikes = sum(recording[f"{name}_step"].size for name in compare.POPULATIONS)
    assert figures["rate_hz"] == pytest.approx(spikes / sizes / 3)
    assert 0 <= min(recording[f"{name}_step"].min() for name in compare.POPULATIONS)
    mine = compare.sample(path, None)
    table, worst = compare.compare([mine], [mine])
    assert worst <= 0 and table.count("\n| L") == 24
