"""Kernels that the native engine replaces by hand-written loops are the ones that those loops were written for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import procgraph.processes as zoo
from procgraph.spec.trace import trace

SOURCE = Path(__file__).parents[2] / "native" / "src" / "nodes" / "overrides.cpp"


def test_hashes_of_overridden_kernels_are_current() -> None:
    if not SOURCE.exists():
        pytest.skip("the native sources are not here")
    found = re.findall(r'\{"(\w+)", "([0-9a-f]{32})"\}', SOURCE.read_text())
    assert found
    for name, digest in found:
        kernel = trace(getattr(zoo, name)(shape=1), 1.0)
        assert kernel.hash == digest, (
            f"{name} has changed. Check that the loop in {SOURCE.name} still does the same, then set its hash to {kernel.hash}."
        )
