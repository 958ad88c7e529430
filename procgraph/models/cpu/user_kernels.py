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
            return os.path.abspath(found)
    return None


def _cache_folder() -> Path:
    base = os.environ.get("PROCGRAPH_CACHE") or os.environ.get("XDG_CACHE_HOME")
    if not base:
        try:
            base = str(Path.home() / ".cache")
        except RuntimeError as error:  # a user whom the system does not know, as in containers
            raise BackendError(
                f"there is no folder for compiled kernels: {error} Set PROCGRAPH_CACHE to one."
            ) from error
    return Path(base) / "procgraph" / "kernels"


def _target(compiler: str, include: Path) -> str:
    """Version of the compiler and the instructions that it finds this processor to have: homes are shared between machines."""
    command = [compiler, *compiler_flags(), "-###", "-S", "-x", "c++", os.devnull, "-o", os.devnull]
    return _compile(command, include).stderr


def _compile(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{command[0]} did not end within {COMPILE_TIMEOUT_S} s.") from error


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def build_library(kernel: KernelSource, compiler: str, include: Path) -> Path:
    """Compile a kernel, or take it from the cache; returns the library's path.

    Its name holds the digest of what it was made from, and that of its own bytes: a library that was damaged is made again.

    Raises:
        BackendError: the compiler failed or did not end; the text holds its messages.
    """
    header = (include / "procgraph" / "kernel.h").read_text()
    made_from = _digest("\0".join([kernel.source, *compiler_flags(), _target(compiler, include), header]).encode())
    for library in _cache_folder().glob(f"{made_from}-*"):
        if library.stem == f"{made_from}-{_digest(library.read_bytes())}":
            return library
    return _build(kernel, compiler, include, made_from)


def _build(kernel: KernelSource, compiler: str, include: Path, made_from: str) -> Path:
    suffix = ".dll" if sys.platform == "win32" else ".dylib" if sys.platform == "darwin" else ".so"
    cache = _cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        source, made = Path(folder) / "kernel.cpp", Path(folder) / f"kernel{suffix}"
        source.write_text(kernel.source)
        done = _compile(
            [compiler, *compiler_flags(), f"-I{include.resolve()}", source.name, "-o", made.name], Path(folder)
        )
        if done.returncode:
            raise BackendError(f"kernel of {kernel.name!r} does not compile with {compiler}:\n{done.stderr[-2000:]}")
        library = cache / f"{made_from}-{_digest(made.read_bytes())}{suffix}"
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
