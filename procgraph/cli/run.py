"""``procgraph run``: prepare, drive, report."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from procgraph.cli.drive import End, Plan, drive
from procgraph.cli.output import Code, CommandError, keep_input, print_json
from procgraph.cli.progress import Building, Progress, progress_of, summary
from procgraph.cli.recording import Recording
from procgraph.cli.show import read_program
from procgraph.compiler.backend import MAX_THREADS
from procgraph.config.load import Config, load_config
from procgraph.config.models import RunSettings
from procgraph.config.overrides import parse_override
from procgraph.errors import CheckpointError, ModelError, ProcgraphError
from procgraph.runtime.compile import compile as compile_graph
from procgraph.runtime.compile import load
from procgraph.runtime.figures import FORMATS
from procgraph.runtime.runtime import Runtime
from procgraph.spec.graph import Graph

__all__ = ["Options", "execute"]


@dataclass(frozen=True)
class Options:
    """The command line."""

    file: Path
    steps: int | None
    seconds: float | None
    until_done: bool
    realtime: float | None
    devices: str | None
    threads: str | None
    seed: int | None
    overrides: tuple[str, ...]
    raster: Path | None
    raster_window: float
    raster_of: tuple[str, ...]
    watch: bool
    json: bool
    checkpoint: Path | None
    restore: Path | None
    trust_kernels: bool
    imports: bool
    quiet: bool


def execute(options: Options) -> None:
    """Run a file to its end.

    Raises:
        CommandError: wrong usage, or interrupted by Ctrl-C after everything was written.
        ConfigError: the file is wrong.
        ProcgraphError: the run failed.
    """
    _check(options)
    with Building(options.quiet) as progress:
        settings, rt, graph = _open(options, progress)
    with rt:
        if options.restore is not None:
            _restore(rt, options.restore)
        processes = {} if graph is None else graph.processes
        recording = (
            None if options.raster is None else Recording(rt, options.raster_window, options.raster_of, processes)
        )
        end = drive(rt, _plan(settings, rt), Progress(rt, quiet=options.quiet), recording)
        result = _result(options, settings, rt, end)
        if options.checkpoint is not None and end.reason != "killed":
            rt.checkpoint(options.checkpoint)
            result["checkpoint"] = str(options.checkpoint)
        if recording is not None and options.raster is not None:
            from procgraph.runtime.plot import overview

            frames, events, action = recording.frames(), recording.events(), recording.action()
            overview(frames, events, action, rt.dt, recording.limits, options.raster)
            result |= {"raster": str(options.raster), "raster_left_out": recording.left_out}
        if options.json:
            print_json(result)
        elif not options.quiet:
            print(summary(result))
    if not end.ok:
        raise CommandError(
            Code.INTERRUPTED,
            "interrupted"
            if end.reason == "interrupted"
            else "interrupted inside a model that did not return; no checkpoint was written",
        )


def _check(options: Options) -> None:
    if options.steps is not None and options.seconds is not None:
        raise CommandError(Code.USAGE, "--steps and --seconds exclude each other.")
    if options.seed is not None and options.restore is not None:
        raise CommandError(
            Code.USAGE, "--seed and --restore exclude each other: a run that continues has the seed of its checkpoint."
        )
    if options.raster is not None and importlib.util.find_spec("matplotlib") is None:
        raise CommandError(Code.USAGE, "--raster needs matplotlib: pip install 'procgraph-snn[plot]'")
    if options.raster is not None and options.raster.suffix not in FORMATS:
        raise CommandError(Code.USAGE, f"--raster {options.raster}: allowed: names that end with {', '.join(FORMATS)}.")
    if options.raster_of and options.raster is None:
        raise CommandError(Code.USAGE, "--raster-of says what --raster draws: give the name of an image by --raster.")
    for path in (options.raster, options.checkpoint):
        if path is not None and not path.parent.is_dir():
            raise CommandError(Code.USAGE, f"{path}: the folder {path.parent} does not exist.")
        if path is not None:
            keep_input(options.file, path)


def _settings(options: Options, file: RunSettings) -> RunSettings:
    """Options over the file's defaults; a length on the command line replaces the file's whole."""
    changes: dict[str, Any] = {
        k: v for k, v in (("realtime", options.realtime), ("devices", options.devices)) if v is not None
    }
    if options.threads is not None:
        changes["threads"] = _threads(options.threads)
    if options.steps is not None or options.seconds is not None or options.until_done:
        changes |= {"steps": options.steps, "seconds": options.seconds, "until": "done" if options.until_done else None}
    settings = file.model_copy(update=changes)
    if settings.steps is None and settings.seconds is None and settings.until is None:
        raise CommandError(
            Code.USAGE, "how long? Give --steps, --seconds or --until-done, or a 'run:' section in the file."
        )
    if settings.realtime is not None and not 0 < settings.realtime < 1e9:
        raise CommandError(
            Code.USAGE, f"--realtime is {settings.realtime:g}; allowed: numbers above 0, 1.0 is real time."
        )
    return settings


def _threads(text: str) -> int | str:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if text != "auto" and not 1 <= number <= MAX_THREADS:
        raise CommandError(Code.USAGE, f"--threads is {text}; allowed: 1 to {MAX_THREADS}, or auto.")
    return "auto" if text == "auto" else number


def _loading(options: Options, settings: RunSettings, progress: Building) -> dict[str, Any]:
    """Arguments of ``compile`` and ``load`` that were given."""
    given = {"seed": options.seed, "threads": settings.threads, "progress": progress}
    return {key: value for key, value in given.items() if value is not None}


def _open(options: Options, progress: Building) -> tuple[RunSettings, Runtime, Graph | None]:
    """The settings, a Runtime at its first step, and the graph, unless it is compiled already."""
    if options.file.suffix == ".pgx":
        return *_open_program(options, progress), None
    everywhere = {"watch": True} if options.watch else {}
    config = load_config(
        options.file, dict(map(parse_override, options.overrides)), imports=options.imports, everywhere=everywhere
    )
    if options.watch and "watch" not in config.taken:
        raise CommandError(Code.USAGE, f"--watch: no Process of {options.file} has a window to open.")
    settings = _settings(options, config.run)
    return settings, _compile(config, settings, _loading(options, settings, progress)), config.graph


def _compile(config: Config, settings: RunSettings, loading: dict[str, Any]) -> Runtime:
    try:
        return compile_graph(config.graph, settings.devices, **loading)
    except ModelError:
        raise
    except ProcgraphError as error:
        raise config.error(error) from error


def _open_program(options: Options, progress: Building) -> tuple[RunSettings, Runtime]:
    if options.overrides or options.watch:
        raise CommandError(Code.USAGE, f"--set and --watch need the YAML file; {options.file} is compiled.")
    settings = _settings(options, RunSettings())
    read_program(options.file)
    try:
        loading = _loading(options, settings, progress)
        return settings, load(options.file, settings.devices, trust_kernels=options.trust_kernels, **loading)
    except ModelError:
        raise
    except ProcgraphError as error:
        raise CommandError(Code.USAGE, f"{options.file}: {error}") from error


def _restore(rt: Runtime, path: Path) -> None:
    try:
        rt.restore(path)
    except CheckpointError as error:
        raise CommandError(Code.USAGE, str(error)) from None


def _plan(settings: RunSettings, rt: Runtime) -> Plan:
    steps = settings.steps if settings.seconds is None else round(settings.seconds * 1e3 / rt.dt)
    plan = Plan(steps, settings.until == "done", settings.realtime)
    if plan.until_done and not plan.done_models(rt):
        if steps is not None:
            return replace(plan, until_done=False)
        raise CommandError(
            Code.USAGE, "until done: no Process of this graph says when it is done. Give --steps or --seconds."
        )
    return plan


def _result(options: Options, settings: RunSettings, rt: Runtime, end: End) -> dict[str, Any]:
    stats = rt.stats()
    return {
        "ok": end.ok,
        "end": end.reason,
        "file": str(options.file),
        "devices": settings.devices,
        "threads": settings.threads,
        "seed": rt.seed,
        "program": rt.program.digest,
        "dt_ms": rt.dt,
        "elapsed_s": end.elapsed_s,
        **stats,
        "progress": progress_of(rt),
    }
