"""bench/connectivity.py: it measures the rule that it names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.timeout(300)
def test_a_rule_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "rates.json"
    command = [sys.executable, BENCH / "connectivity.py", "--only", "1 in 800 pairs", "--json", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(out.read_text())
    assert row["synapses"] == pytest.approx(20_000**2 / 800, rel=0.01)
    assert row["rate"] == pytest.approx(row["synapses"] / row["seconds"] / 1e6) and row["numpy"] > 0
    assert row["rule"] in done.stdout
