"""NEST with nothing in it, and the Process as the tests of goldens run it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"


def nest_kernel(dt: float, seed: int = 1) -> Any:
    """NEST with this step and nothing in it."""
    import nest

    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.resolution = dt
    nest.rng_seed = seed
    return nest


def golden_module() -> Any:
    spec = importlib.util.spec_from_file_location("test_golden", GOLDEN / "test_golden.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
