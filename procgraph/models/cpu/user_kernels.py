"""Kernels of users' own Processes: compiled with the system's compiler and cached by content, else run as NumPy."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import BackendError
from procgraph.ir.nodes import KernelSource, Node, SpikeIR
from procgraph.spec.declare import Draw
from procgraph.spec.event import IDLE, event_form
from procgraph.spec.process import registry
from procgraph.spec.rules import steps_by_hash
from procgraph.spec.trace import Namespace, nested, settle

__all__ = ["build_library", "compiler_flags", "find_compiler", "numpy_kernel"]

_FLAGS = (
    "-std=c++20",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-shared",
)
COMPILE_TIMEOUT_S = 120
Arrays = Sequence[NDArray[Any]]


def compiler_flags() -> tuple[str, ...]:
    """Flags for this machine; compilers use the widest vectors only where they are told to."""
    from procgraph._native import isa

    return (*_FLAGS, "-mprefer-vector-width=512") if isa() == "v4" else _FLAGS


def find_compiler() -> str | None:
    """The C++ compiler: ``$CXX``, else c++, g++ or clang++; None if there is none."""
    for name in (os.environ.get("CXX", ""), "c++", "g++", "clang++"):
        found = shutil.which(name) if name else None
        if found:
            return found
    return None


def _cache_folder() -> Path:
    base = os.environ.get("PROCGRAPH_CACHE") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "procgraph" / "kernels"


def _compiler_version(compiler: str) -> str:
    return subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False
    ).stdout


def build_library(kernel: KernelSource, compiler: str, include: Path) -> Path:
    """Compile a kernel, or take it from the cache; returns the library's path.

    Raises:
        BackendError: the compiler failed; the text holds its messages.
    """
    content = "\0".join(
        [
            kernel.source,
            *compiler_flags(),
            _compiler_version(compiler),
            (include / "procgraph" / "kernel.h").read_text(),
        ]
    )
    digest = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    suffix = ".dll" if sys.platform == "win32" else ".dylib" if sys.platform == "darwin" else ".so"
    library = _cache_folder() / f"{digest}{suffix}"
    if library.exists():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        source, made = Path(folder) / "kernel.cpp", Path(folder) / library.name
        source.write_text(kernel.source)
        command = [compiler, *compiler_flags(), f"-I{include}", str(source), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False)
        if done.returncode:
            raise BackendError(f"kernel of {kernel.name!r} does not compile with {compiler}:\n{done.stderr[-2000:]}")
        made.replace(library)  # atomic, so that two processes may build at once
    return library


def numpy_kernel(ir: SpikeIR, digest: str) -> Callable[[Arrays, Arrays, Arrays, Sequence[float], Arrays, Arrays], None]:
    """The user's own function as a kernel over chunks of NumPy views.

    Raises:
        BackendError: the class that has it is not declared here.
    """
    for node in ir.nodes:
        if node.attrs.get("hash") == digest:
            return _process_kernel(node)
        for function in node.attrs.get("functions", ()):
            if function["hash"] == digest and digest in steps_by_hash:
                return _rule_kernel(node.type, function, steps_by_hash[digest])
    raise BackendError(f"no kernel of hash {digest} is declared here. Import the module that declares it.")


def _process_kernel(node: Node) -> Callable[[Arrays, Arrays, Arrays, Sequence[float], Arrays, Arrays], None]:
    cls: Any = registry.get(node.type)
    if cls is None:
        raise BackendError(
            f"node {node.name!r} is a {node.type!r}, which is not declared here. Import the module that declares it."
        )
    draws = [k for k, d in cls.declarations.items() if isinstance(d, Draw)]
    names = [c.name for c in node.states]
    if node.attrs["execution"] == "event":
        cls, names = event_form(cls), [*names, IDLE]

    def kernel(
        columns: Arrays, states: Arrays, inputs: Arrays, scales: Sequence[float], outputs: Arrays, drawn: Arrays
    ) -> None:
        x: dict[str, Any] = dict(zip(draws, drawn))
        for port, array, scale in zip(node.inputs, inputs, scales):
            x[port.name] = array.astype(np.float32) * np.float32(scale) if port.kind == "current" else array
        emitted = _step(cls.step, node.type, [c.name for c in node.columns], columns, names, states, x)
        parts = [v for o in node.outputs for v in (emitted[o.name] if o.components > 1 else (emitted[o.name],))]
        for array, value in zip(outputs, parts):
            array[...] = value

    return kernel


def _rule_kernel(
    owner: str, function: dict[str, Any], step: Any
) -> Callable[[Arrays, Arrays, Arrays, Sequence[float], Arrays, Arrays], None]:
    def kernel(
        columns: Arrays, states: Arrays, inputs: Arrays, scales: Sequence[float], outputs: Arrays, drawn: Arrays
    ) -> None:
        _step(
            step, owner, function["columns"], columns, function["states"], states, dict(zip(function["inputs"], inputs))
        )

    return kernel


def _step(
    step: Any, owner: str, column_names: list[str], columns: Arrays, names: list[str], states: Arrays, x: dict[str, Any]
) -> dict[str, Any]:
    """Call a ``step`` on NumPy views, put the new states in place, and return what it emits."""
    scope = Namespace(nested(dict(zip(column_names, columns))), owner)
    before = {name: array.copy() for name, array in zip(names, states)}
    with np.errstate(all="ignore"):
        new, emitted = step(scope, scope, Namespace(before, owner), Namespace(x, owner))
        new = settle(new, {name: array.dtype.name for name, array in before.items()})
    for name, array in zip(names, states):
        array[...] = new.get(name, before[name])
    return dict(emitted)
