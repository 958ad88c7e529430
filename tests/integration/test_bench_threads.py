"""bench/threads.py and bench/ring.py: they run, and measure what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def rows(script: str, *arguments: str) -> list[list[str]]:
    """The rows of the table that a script prints."""
    command = [sys.executable, str(BENCH / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.mark.slow
def test_threads() -> None:
    ((name, one, two, quiet, speedup, processors, share),) = rows("threads.py", "--networks", "brunel", "--rounds", "3")
    assert name == "brunel"
    assert 0.01 < float(two) and 0.01 < float(one) and 0.1 < float(speedup.split()[0]) < 10
    assert 0.1 < float(quiet) < 10 and 0.1 < float(processors) < 10 and 0.1 < float(share) < 10


@pytest.mark.slow
def test_ring() -> None:
    found = rows("ring.py", "--largest", "1000", "--steps", "200", "--repetitions", "1")
    assert [row[:4] for row in found] == [["1,000", "20", "40", w] for w in ("one weight", "weights drawn")]
    assert all(float(row[4]) > 0 and float(row[5]) > 0 and row[6] == "ring" for row in found)
