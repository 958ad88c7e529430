"""The native CPU backend."""

from __future__ import annotations

from pathlib import Path

import procgraph
from procgraph.compiler.backend import Claim, DeviceInfo, LoadOptions
from procgraph.errors import BackendError, DeviceError
from procgraph.ir.nodes import KernelSource, SpikeIR
from procgraph.ir.program import Program
from procgraph.models.cpu.user_kernels import build_library, find_compiler, numpy_kernel

__all__ = ["CpuBackend", "include_folder"]

# Seconds a step, measured with native/bench/micro.cpp on one core of a Zen 5 server: per element, and for being there at all.
SECONDS_PER_ELEMENT = 5e-10
SECONDS_PER_NODE = 6e-8


def include_folder() -> Path:
    """Folder of ``procgraph/kernel.h``: in the package when installed, in ``native`` in a source tree."""
    package = Path(procgraph.__file__).parent
    for folder in (package / "include", package.parent / "native" / "include"):
        if (folder / "procgraph" / "kernel.h").exists():
            return folder
    raise BackendError(f"procgraph/kernel.h is not in {package / 'include'}. Install the package again.")


class CpuBackend:
    """See ``procgraph.compiler.backend.Backend``."""

    name = "cpu"

    def devices(self) -> list[DeviceInfo]:
        try:
            from procgraph import _native
        except ImportError as error:
            return [
                DeviceInfo(
                    "cpu",
                    "native engine",
                    f"the compiled module is missing ({error}); install the package with a C++ compiler",
                )
            ]
        return [DeviceInfo("cpu", f"native engine, instruction set {_native.isa()}")]

    def claims(self, ir: SpikeIR) -> Claim:
        return Claim(
            {i: SECONDS_PER_NODE + n.n * SECONDS_PER_ELEMENT for i, n in enumerate(ir.nodes) if n.op != "host"}
        )

    def load(self, program: Program, options: LoadOptions) -> object:
        try:
            from procgraph import _native
            from procgraph.models.cpu.executor import CpuExecutor
        except ImportError as error:
            raise DeviceError(
                f"device 'cpu' needs the compiled module: {error}. Install the package, or use devices='reference'.{_hiding()}"
            ) from error
        for kernel in program.ir.kernels:
            if not options.trusted:
                raise BackendError(
                    f"this Program brings the source of {kernel.name!r}, which would be compiled and run. If you trust it, pass trust_kernels=True."
                )
            if not _native.has_kernel(kernel.name, kernel.hash):
                self._add_kernel(program.ir, kernel, options)
        return CpuExecutor(program, options)

    def _add_kernel(self, ir: SpikeIR, kernel: KernelSource, options: LoadOptions) -> None:
        from procgraph import _native

        compiler = find_compiler()
        if compiler is not None:
            try:
                _native.load_kernels(str(build_library(kernel, compiler, include_folder())))
                return
            except (BackendError, OSError) as error:
                options.warn(f"{kernel.name} runs as NumPy, much slower: {error}")
        else:
            options.warn(
                f"{kernel.name} runs as NumPy, much slower: no C++ compiler was found. Install g++ or clang++, or set CXX."
            )
        _native.register_kernel(kernel.name, kernel.hash, numpy_kernel(ir, kernel.hash))


def _hiding() -> str:
    """A hint where a source tree that is not built hides an installed package, as it does from scripts beside it."""
    tree = Path(procgraph.__file__).resolve().parents[1]
    if not (tree / "pyproject.toml").exists():
        return ""
    return f" It was imported from the sources in {tree}: run from another folder, or 'pip install -e .' there."
