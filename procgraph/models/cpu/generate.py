"""Render all built-in element-wise Processes to one C++ file: ``python -m procgraph.models.cpu.generate OUT.cpp``.

The build compiles it once per instruction set; ``PG_KERNEL_TABLE`` is the name of the exported table.
"""

from __future__ import annotations

import sys
from pathlib import Path

import procgraph.processes
from procgraph.compiler.codegen.cpp import render_table
from procgraph.processes import rules
from procgraph.spec.event import event_form, why_not_event_driven
from procgraph.spec.process import registry
from procgraph.spec.trace import is_elementwise, trace

__all__ = ["render_builtins"]


def render_builtins() -> str:
    """C++ source of the kernels of ``procgraph.processes``."""
    classes = [registry[name] for name in sorted(procgraph.processes.__all__)]
    kernels = [trace(cls(shape=1), 1.0) for cls in classes if is_elementwise(cls)]
    kernels += [trace(cls(shape=1), 1.0, event_form(cls)) for cls in classes if not why_not_event_driven(cls)]
    for name in rules.__all__:
        kernels += getattr(rules, name)().kernels(1.0).values()
    return render_table(kernels, "PG_KERNEL_TABLE")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_builtins())
