"""Kernels of users' own Processes: the cache of compiled libraries, and NumPy where no compiler works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph import _native
from procgraph.compiler.pipeline import compile_graph
from procgraph.errors import BackendError, DeviceError
from procgraph.ir.nodes import KernelSource
from procgraph.models.cpu.backend import include_folder
from procgraph.models.cpu.user_kernels import build_library, find_compiler
from procgraph.processes import OneToOne, PoissonSource
from procgraph.spec.functions import where

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the compilers of these tests are shell scripts")
COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++") or ""
needs_compiler = pytest.mark.skipif(not COMPILER, reason="needs a C++ compiler")

SMALL = KernelSource("Small", "0", "int small = 1;\n")
Script = Callable[[str], Path]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Makes a shell script the compiler; the cache is empty."""
    monkeypatch.setenv("PROCGRAPH_CACHE", str(tmp_path / "cache"))

    def make(text: str) -> Path:
        path = tmp_path / "compiler"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("CXX", str(path))
        return path

    return make


@pytest.fixture
def counted(script: Script, tmp_path: Path) -> Callable[[], int]:
    """How many libraries the compiler has made."""
    log = tmp_path / "ran"  # a line for each library
    script(f'case "$*" in *-###*) echo "$CPU" >&2;; *) echo >>"{log}";; esac\nexec "{COMPILER}" "$@"')
    return lambda: log.read_text().count("\n") if log.exists() else 0


def build(kernel: KernelSource = SMALL) -> Path:
    compiler = find_compiler()
    assert compiler is not None
    return build_library(kernel, compiler, include_folder())


def own(leak: float) -> pg.Process:
    """A population of users' own neurons; engines keep kernels for good, so that each test takes another ``leak``."""

    class Own(pg.Process):
        a_in = pg.In(pg.Current)
        s_out = pg.Out(pg.Spikes)
        v = pg.State(0.0)

        @staticmethod
        def step(p: Any, d: Any, s: Any, x: Any) -> Any:
            v = s.v * leak + x.a_in
            return {"v": where(v >= 1.0, 0.0, v)}, {"s_out": v >= 1.0}

    return Own(shape=40, name="cells")


def spikes(leak: float, device: str) -> Any:
    cells, source = own(leak), PoissonSource(shape=40, rate=100.0, name="source")
    source >> OneToOne(0.4, name="synapses") >> cells
    with pg.compile(pg.Graph(cells, seed=3), device) as rt:
        probe = rt.probe(cells.s_out)
        rt.run(steps=200)
        return probe.events


def check_spikes(leak: float) -> None:
    got, wanted = spikes(leak, "cpu"), spikes(leak, "reference")
    assert wanted.size > 50 and np.array_equal(got, wanted)


@needs_compiler
def test_a_library_is_made_once(counted: Callable[[], int], tmp_path: Path) -> None:
    first = build()
    assert first.is_relative_to(tmp_path / "cache") and counted() == 1
    assert build() == first and counted() == 1


@needs_compiler
def test_what_a_library_depends_on_makes_another(counted: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    first = build()
    changed = build(KernelSource(SMALL.name, SMALL.hash, "int small = 2;\n"))
    assert changed != first and counted() == 2
    monkeypatch.setenv("CPU", "another processor, which shares the folder")
    assert build() not in (first, changed) and counted() == 3
    monkeypatch.delenv("CPU")
    assert build() == first and counted() == 3


@needs_compiler
@pytest.mark.parametrize("damage", [b"", b"no library"])
def test_a_damaged_library_is_made_again(counted: Callable[[], int], damage: bytes) -> None:
    library = build()
    whole = library.read_bytes()
    library.write_bytes(damage or whole[: len(whole) // 2])
    assert build().read_bytes() == whole and counted() == 2


@needs_compiler
@pytest.mark.parametrize(("variable", "folder"), [("XDG_CACHE_HOME", "xdg"), ("HOME", "home/.cache")])
def test_where_libraries_are_kept(
    variable: str, folder: str, counted: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PROCGRAPH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / folder.split("/")[0]))
    assert build().parent == tmp_path / folder / "procgraph" / "kernels"


@needs_compiler
def test_a_process_runs_from_the_cache(counted: Callable[[], int]) -> None:
    program = compile_graph(pg.Graph(own(0.911)))
    build(program.ir.kernels[0])
    assert counted() == 1
    check_spikes(0.911)
    assert counted() == 1


@pytest.mark.parametrize(
    ("text", "leak", "reason"),
    [
        ("echo it is broken >&2; exit 1", 0.922, r"kernel of 'Own' does not compile with .*compiler:\s*it is broken"),
        ('while [ $# -gt 1 ]; do shift; done; echo junk >"$1"', 0.933, r".*[/\\]procgraph[/\\]kernels"),
    ],
    ids=["fails", "makes no library"],
)
def test_where_the_compiler_fails_numpy_runs(script: Script, text: str, leak: float, reason: str) -> None:
    script(text)
    with pytest.warns(RuntimeWarning, match=f"Own runs as NumPy, much slower: {reason}") as caught:
        check_spikes(leak)
    assert [w.category for w in caught] == [RuntimeWarning]


def test_where_there_is_no_compiler_numpy_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.warns(RuntimeWarning, match=r"Own runs as NumPy.*no C\+\+ compiler was found.*or set CXX"):
        check_spikes(0.944)


@needs_compiler
def test_where_there_is_no_home_numpy_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("PROCGRAPH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", unknown)
    with pytest.warns(RuntimeWarning, match="Own runs as NumPy.*home directory. Set PROCGRAPH_CACHE"):
        check_spikes(0.925)


def test_a_compiler_that_does_not_end_is_named(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script("exec sleep 30")
    monkeypatch.setattr("procgraph.models.cpu.user_kernels.COMPILE_TIMEOUT_S", 0.2)
    with pytest.raises(BackendError, match=r"compiler did not end within 0\.2 s"):
        build()


@needs_compiler
def test_a_library_that_is_refused_leaves_no_kernel_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCGRAPH_CACHE", str(tmp_path))
    source = """
        #include "procgraph/kernel.h"
        static void run(const pg_kernel_args*) {}
        static const pg_kernel_entry table[] = {{"whole", "1", ";;;;0", run}, {"half", nullptr, ";;;;0", run}, {}};
        extern "C" PG_KERNEL_EXPORT const pg_kernel_entry* pg_kernel_table() { return table; }
        """
    library = build_library(KernelSource("half", "1", source), COMPILER, include_folder())
    with pytest.raises(DeviceError, match="has a kernel 'half' without hash"):
        _native.load_kernels(str(library))
    assert not _native.has_kernel("whole", "1")
