"""``compile`` a graph, ``load`` a Program file: both give a Runtime."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from procgraph.compiler.backend import MAX_THREADS, LoadOptions, backend
from procgraph.compiler.pipeline import compile_flat, front
from procgraph.errors import DeviceError, ParameterError, ProgramFormatError
from procgraph.ir.program import Program
from procgraph.runtime.runtime import Runtime
from procgraph.spec.checks import as_flag, as_path, is_whole
from procgraph.spec.graph import Graph, check_seed
from procgraph.spec.process import Process, check_device

__all__ = ["choose_device", "compile", "load"]

MAX_BATCH = 2**23 - 1
Threads = int | Literal["auto"]
Progress = Callable[[float], None] | None


def compile(
    graph: Graph | Process,
    devices: str | Mapping[Process, str] = "auto",
    *,
    seed: int | None = None,
    batch: int = 1,
    threads: Threads = 1,
    progress: Progress = None,
    profile: bool = False,
) -> Runtime:
    """Compile a graph and load it on a device.

    Args:
        graph: a Graph, or one Process of it (then ``dt`` is 1 ms).
        devices: ``"auto"``, ``"cpu"`` or ``"reference"``, or pins of single Processes.
        seed: of the random numbers of this run; the graph's if absent.
        batch: independent lanes that share parameters.
        threads: how many threads the native engine may use, or ``"auto"``: one per processor. They change how fast a run is, not its results.
        progress: is called with the fraction of the synapses that is built, where that takes long; what it raises ends the building.
        profile: whether the native engine measures where its time goes, for ``Runtime.stats()["seconds"]``; costs about 50 ns a node and step.

    Raises:
        ProcgraphError: what is wrong, where, and what to do.
    """
    if isinstance(graph, (str, Path)):
        raise ParameterError(
            f"compile() takes a Graph, not {str(graph)!r}. Give it procgraph.from_yaml({str(graph)!r})."
        )
    graph = graph if isinstance(graph, Graph) else Graph(graph)
    flat = front(graph)
    device = choose_device(graph, devices)
    options = _options(seed, batch, threads, profile, progress, trusted=True)
    program = compile_flat(flat)
    return Runtime(program, backend(device).load(program, options), options, flat)


def load(
    path: str | Path,
    device: str = "cpu",
    *,
    seed: int | None = None,
    batch: int = 1,
    threads: Threads = 1,
    progress: Progress = None,
    profile: bool = False,
    trust_kernels: bool = False,
) -> Runtime:
    """Load a ``.pgx`` file without the graph that it came from; variables are named by strings.

    Args:
        path: the file.
        device: ``"cpu"`` or ``"reference"``.
        seed, batch, threads, profile, progress: as in ``compile``.
        trust_kernels: compile and run the kernel source that a file with users' own Processes brings.

    Raises:
        ProgramFormatError: the file is corrupt, truncated or of another version.
    """
    if as_path(path).suffix.lower() in (".yaml", ".yml"):
        raise ProgramFormatError(
            f"{path} is a graph file; allowed: a compiled Program (.pgx). "
            f"Use procgraph.compile(procgraph.from_yaml({str(path)!r})) instead."
        )
    program = Program.load(path)
    device = "cpu" if check_device(device, str(path)) == "auto" else device
    options = _options(seed, batch, threads, profile, progress, trusted=trust_kernels)
    try:
        if device != "cpu":
            _check_fields(program)
        executor = backend(device).load(program, options)
    except ProgramFormatError as error:
        raise ProgramFormatError(f"{path}: {error}") from None
    return Runtime(program, executor, options, None)


def _check_fields(program: Program) -> None:
    """Every field, as the native engine checks it when it loads a Program; ``verify`` knows what the compiler may get wrong.

    Raises:
        ProgramFormatError: one has a wrong type, size or value.
    """
    try:
        from procgraph import _native
    except ImportError:  # then only the reference is there, which nobody gives files of others
        return
    _native.Program.from_bytes(program.data)


def _options(
    seed: int | None, batch: int, threads: Threads, profile: bool, progress: Progress, *, trusted: bool
) -> LoadOptions:
    if not is_whole(batch, 1, MAX_BATCH):
        raise ParameterError(f"batch is {batch!r}; allowed: 1 to {MAX_BATCH} lanes.")
    if progress is not None and not callable(progress):
        raise ParameterError(f"progress is {progress!r}; allowed: a function of the fraction that is built.")
    return LoadOptions(
        None if seed is None else check_seed(seed),
        int(batch),
        trusted,
        _thread_count(threads),
        as_flag(profile, "profile"),
        lambda text: warnings.warn(text, RuntimeWarning, stacklevel=4),
        progress,
    )


def _thread_count(threads: Threads) -> int:
    if isinstance(threads, str) and threads == "auto":
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(available, MAX_THREADS)
    if not is_whole(threads, 1, MAX_THREADS):
        raise ParameterError(f"threads is {threads!r}; allowed: 1 to {MAX_THREADS}, or 'auto'.")
    return int(threads)


def _pins(graph: Graph, devices: object) -> dict[str, str]:
    names = {process: name for name, process in graph.processes.items()}
    if not isinstance(devices, Mapping) or not all(isinstance(p, Process) for p in devices):
        raise ParameterError(
            f"devices is {devices!r}; allowed: a device such as 'cpu', or a mapping from Processes to devices."
        )
    for process in devices:
        if process not in names:
            raise ParameterError(
                f"devices: {process!r} does not belong to this graph. Connect it, or list it in Graph(…)."
            )
    return {names[p]: check_device(d, names[p]) for p, d in devices.items()}


def choose_device(graph: Graph, devices: str | Mapping[Process, str]) -> str:
    pins = {name: p.device for name, p in graph.processes.items() if p.device is not None}
    default = devices if isinstance(devices, str) else "auto"
    if not isinstance(devices, str):
        pins |= _pins(graph, devices)
    wanted = {d for d in pins.values() if d not in ("auto", "python")} | ({default} if default != "auto" else set())
    for name, device in pins.items():
        if device not in ("auto", "python"):
            try:
                backend(device)
            except DeviceError as error:
                raise DeviceError(f"{name}: {error}") from None
    if len(wanted) > 1:
        raise DeviceError(
            f"this graph is pinned to {', '.join(sorted(wanted))}; this release runs a graph on one device. Pin all to the same."
        )
    return wanted.pop() if wanted else "cpu"
