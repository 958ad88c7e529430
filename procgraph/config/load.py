"""Load a YAML file into a Graph; everything that is wrong in it is found in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from procgraph.compiler.backend import backend
from procgraph.compiler.pipeline import check, compile_flat, front
from procgraph.config.build import Builder
from procgraph.config.locate import Locator
from procgraph.config.models import GraphFile, RunSettings, validated
from procgraph.config.overrides import apply_overrides
from procgraph.config.problems import Mark, Report
from procgraph.config.tree import Entry, Node, read_tree
from procgraph.config.types import import_user_code, known_types
from procgraph.errors import ConfigError, Findings, ParameterError, ProcgraphError
from procgraph.ir.program import Program
from procgraph.runtime.compile import choose_device
from procgraph.spec import units
from procgraph.spec.checks import as_path
from procgraph.spec.graph import Graph
from procgraph.spec.process import Process

__all__ = ["Config", "from_yaml", "load_config", "load_graph"]


@dataclass(frozen=True)
class Config:
    """What a file holds: the graph, its Processes by name, and the defaults of ``procgraph run``."""

    file: str
    graph: Graph
    processes: Mapping[str, Process]
    run: RunSettings
    locator: Locator
    taken: frozenset[str] = frozenset()

    def compile(self) -> Program:
        """Choose the device and run the compiler's passes.

        Raises:
            ConfigError: a pass refuses the graph; the problems name the lines of the Processes or channels.
        """
        found = Findings()
        with found.noting():
            backend(choose_device(self.graph, self.run.devices))
        with found.noting():
            program = compile_flat(front(self.graph))
        try:
            found.raise_all()
        except ProcgraphError as error:
            raise self.error(error) from error
        return program

    def error(self, error: ProcgraphError) -> ConfigError:
        """An error of the compiler or runtime with the places in the file that it names."""
        problems = self.locator.locate_all(error)
        return ConfigError("\n".join(map(str, problems)), problems)


def load_graph(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Graph:
    """Load the graph of a YAML file.

    Args:
        path: the file.
        overrides: values that replace those of the file, such as ``{"pop.tau_m": "5 ms", "dt": 0.5}``.

    Raises:
        ConfigError: ``problems`` lists everything that is wrong, each with file, line, column and message.
    """
    return load_config(path, overrides).graph


def load_config(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    imports: bool = True,
    everywhere: Mapping[str, Any] | None = None,
) -> Config:
    """Load a YAML file: the graph and how to run it.

    Args:
        path: the file. Its ``imports`` are executed: load only files that you trust, or refuse them.
        overrides: values that replace those of the file.
        imports: False refuses files that import user code.
        everywhere: arguments for all Processes whose type takes them, such as ``{"watch": True}``.

    Raises:
        ConfigError: as ``load_graph``.
    """
    report = Report(str(path))
    if overrides is not None and not (isinstance(overrides, Mapping) and all(isinstance(k, str) for k in overrides)):
        raise ParameterError(
            f"overrides is {overrides!r}; allowed: a mapping such as {{'pop.tau_m': '5 ms', 'dt': 0.5}}."
        )
    tree = read_tree(as_path(path), report)
    if tree is None:
        report.raise_if_any()
    assert tree is not None
    apply_overrides(tree, overrides or {}, report)
    file = validated(GraphFile, tree, "the file", report)
    builder = _build(tree, Path(path), report, imports, everywhere or {})
    run_node = tree.entries().get("run")
    run = (
        validated(RunSettings, run_node.node, "run", report) if run_node and run_node.node.entries() else RunSettings()
    )
    place, mark = tree.find(("run", "devices"))
    builder.locator.devices = mark if len(place) == 2 else None
    graph = _graph(builder, file.seed if file else 0, run, report, tree)
    report.raise_if_any()
    assert graph is not None and run is not None
    return Config(str(path), graph, builder.processes, run, builder.locator, frozenset(builder.taken))


from_yaml = load_graph


def _build(tree: Node, path: Path, report: Report, imports: bool, everywhere: Mapping[str, Any]) -> Builder:
    entries = tree.entries()
    types = known_types()
    if "imports" in entries:
        types |= import_user_code(entries["imports"].node, path.parent, report, imports)
    dt = _dt(entries.get("dt"), report)
    builder = Builder(report, path.parent, 1.0 if dt is None else dt, types, everywhere)
    if "processes" in entries:
        processes = entries["processes"]
        if processes.node.content == {}:
            report.add(
                processes.key,
                "processes is empty; allowed: at least one Process, such as 'pop: {type: LIF, shape: 10}'.",
            )
        for name, entry in processes.node.entries().items():
            builder.add_process(name, entry)
    if dt is None:
        builder.doubtful |= set(builder.processes.values())
    channels = entries["channels"].node.content if "channels" in entries else []
    for number, node in enumerate(channels if isinstance(channels, list) else []):
        builder.add_channel(number, node)
    return builder


def _dt(entry: Entry | None, report: Report) -> float | None:
    """The step in ms; 1 where the file gives none, None where it gives a wrong one, which is reported."""
    value = None if entry is None else entry.node.value()
    if entry is None or isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return 1.0
    try:
        if isinstance(value, str):
            number, unit = units.parse_quantity(value)
            value = units.convert(number, unit, "ms", "dt")
        if not 1e-6 <= value <= 1e6:
            raise ParameterError(f"dt is {value:g} ms; allowed: 1e-6 to 1e6 ms.")
    except ProcgraphError as error:
        report.add(entry.key, str(error))
        return None
    return float(value)


def _graph(builder: Builder, seed: int, run: RunSettings | None, report: Report, tree: Node) -> Graph | None:
    """The graph, with the shapes of all ports checked; where anything is wrong, all that the compiler finds is."""
    whole = not report.problems
    if not builder.processes:
        return None
    try:
        graph = Graph(*builder.processes.values(), dt=builder.dt, seed=seed)
        if whole and _has_shapes(graph):
            return graph
        found = check(graph, builder.doubtful, whole)
        with found.noting():
            backend(choose_device(graph, (run or RunSettings()).devices))
        found.raise_all()
    except ProcgraphError as error:
        for place in builder.locator.locate_all(error):
            report.add(Mark(place.file, place.line, place.column), place.message)
    except Exception as error:
        if whole:  # else it may come from what is known
            report.add(tree.mark, f"{type(error).__name__}: {error}")
    return None


def _has_shapes(graph: Graph) -> bool:
    try:
        front(graph)
    except ProcgraphError:
        return False
    return True
