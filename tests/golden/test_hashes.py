"""Golden hashes: the same spikes for any number of threads, instruction set and storage, in a batch, probed, and restored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from procgraph._native import STORAGE_FORMATS, isa

HERE = Path(__file__).parent
GOLDEN: dict[str, dict[str, str]] = json.loads((HERE / "hashes.json").read_text())
LEVELS = ("baseline", "v3", "v4")
SUPPORTED = LEVELS[: LEVELS.index(isa()) + 1] if isa() in LEVELS else LEVELS[:1]
WAYS = "plain,probes,batch,restored"
THREADS = "1,2,3,4,7"
STORES = sorted(set(GOLDEN) - {"procedural"})
STORED = {
    "tables": {"bitmask", "book32", "packed32", "wide"},
    "procedural": {"bitmask", "book32", "procedural", "wide"},
    "mixed": {"index16", "plastic", "rows"},
    "apart": {"constant", "diagonal", "index32", "kernel", "segments"},
}


def hashes(network: str, device: str, threads: str, **environment: str) -> dict[str, Any]:
    """What ``networks.py`` prints, in a process of its own: the instruction set is chosen once in each."""
    root = str(HERE.parents[1])
    paths = os.pathsep.join(filter(None, [*sys.path, root]))
    command = [sys.executable, str(HERE / "networks.py"), network, device, threads, WAYS]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(network: str, found: dict[str, dict[str, str]]) -> None:
    wrong = {way: got for way, got in found.items() if got != {k: GOLDEN[network][k] for k in got}}
    assert not wrong and all("state" in got for got in found.values()), (wrong, GOLDEN[network])
    assert {k for got in found.values() for k in got} == set(GOLDEN[network])


@pytest.mark.parametrize("network", STORES)
@pytest.mark.parametrize("level", SUPPORTED)
@pytest.mark.parametrize("ring", ["0", "1"], ids=["when due", "through a ring"])
def test_native_engine(network: str, level: str, ring: str) -> None:
    found = hashes(network, "cpu", THREADS, PROCGRAPH_ISA=level, PROCGRAPH_RING=ring)
    check(network, found["found"])
    assert ("ring" in found["deliveries"]) == (ring == "1")


@pytest.mark.parametrize("network", STORES)
def test_delivery_as_the_cost_model_chooses_it(network: str) -> None:
    check(network, hashes(network, "cpu", THREADS)["found"])


@pytest.mark.parametrize("level", SUPPORTED)
def test_synapses_that_are_made_anew(level: str) -> None:
    check("procedural", hashes("procedural", "cpu", THREADS, PROCGRAPH_ISA=level)["found"])


@pytest.mark.parametrize("network", GOLDEN)
def test_reference(network: str) -> None:
    check(network, hashes(network, "reference", "1")["found"])


def test_storage_does_not_change_a_spike() -> None:
    assert GOLDEN["procedural"] == GOLDEN["tables"]


def test_networks_meet_all_formats() -> None:
    assert set().union(*STORED.values()) == set(STORAGE_FORMATS)
    stored = {network: set(hashes(network, "cpu", "1", PROCGRAPH_RING="0")["formats"]) for network in GOLDEN}
    bits = {"bitmask"} if "v4" in SUPPORTED else set()  # it pays with fast counting only
    for network, formats in stored.items():
        assert formats >= STORED[network] - {"bitmask"} | (STORED[network] & bits), stored
