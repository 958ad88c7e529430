"""procgraph: applications as graphs of spiking Processes, run natively on every device of a machine."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Imported on first use, so that ``import procgraph`` stays fast and optional parts stay optional.
_HOMES = {
    "Array": "spec.types",
    "Box": "spec.distance",
    "Current": "spec.types",
    "Data": "spec.declare",
    "Draw": "spec.declare",
    "Events": "spec.types",
    "Exponential": "spec.distance",
    "Gaussian": "spec.distance",
    "Graded": "spec.types",
    "Graph": "spec.graph",
    "In": "spec.declare",
    "Linear": "spec.distance",
    "LogNormal": "spec.distributions",
    "Message": "spec.types",
    "Normal": "spec.distributions",
    "Out": "spec.declare",
    "Param": "spec.declare",
    "Process": "spec.process",
    "Program": "ir.program",
    "PythonModel": "models.python.model",
    "Runtime": "runtime.runtime",
    "Spikes": "spec.types",
    "State": "spec.declare",
    "Uniform": "spec.distributions",
    "compile": "runtime.compile",
    "concatenate": "spec.ports",
    "from_yaml": "config.load",
    "functions": "spec.functions",
    "load": "runtime.compile",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'procgraph' has no attribute {name!r}")
    module = importlib.import_module(f"procgraph.{home}")
    value = module if name == "functions" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
