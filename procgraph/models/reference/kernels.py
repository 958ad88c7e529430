"""Functions of plasticity rules by the hash of their kernel, evaluated on NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import BackendError
from procgraph.processes import rules
from procgraph.spec.rules import steps_by_hash
from procgraph.spec.trace import Namespace, nested, settle

__all__ = ["run_kernel"]


def _step(kernel: str, digest: str) -> Any:
    if digest not in steps_by_hash:
        for name in rules.__all__:
            if kernel.startswith(f"{name}_on_"):
                getattr(rules, name)().kernels(1.0)
    if digest not in steps_by_hash:
        raise BackendError(
            f"the rule function {kernel!r} is not declared here. Import the module that declares it and build one."
        )
    return steps_by_hash[digest]


def run_kernel(
    owner: str,
    function: Mapping[str, Any],
    columns: Mapping[str, Any],
    states: Mapping[str, NDArray[Any]],
    inputs: Mapping[str, NDArray[Any]],
) -> dict[str, NDArray[Any]]:
    """New values of the states that a rule function changes."""
    step = _step(function["kernel"], function["hash"])
    scope = Namespace(nested({k: columns[k] for k in function["columns"]}), owner)
    with np.errstate(all="ignore"):
        new, _ = step(scope, scope, Namespace(states, owner), Namespace(inputs, owner))
        new = settle(new, {k: v.dtype.name for k, v in states.items()})
    return {k: np.asarray(v, states[k].dtype) for k, v in new.items()}
