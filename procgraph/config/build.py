"""From a tree to Processes and channels. Each is built on its own, so that one mistake does not hide the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from procgraph.compiler.backend import backend
from procgraph.config import arrays
from procgraph.config.drawn import distribution, looks_drawn
from procgraph.config.locate import Locator
from procgraph.config.models import ChannelEntry, ProcessEntry, validated
from procgraph.config.problems import Mark, Report
from procgraph.config.tree import Entry, Node
from procgraph.config.types import COMMON, NESTED, Argument, arguments, nested_arguments, nested_types
from procgraph.config.views import PortReference, parse_port, split_channel
from procgraph.errors import ConnectionError, DeviceError, ParameterError, ProcgraphError, ShapeError, did_you_mean
from procgraph.spec.declare import Param
from procgraph.spec.ports import InPort, OutPort
from procgraph.spec.process import Process, to_steps
from procgraph.spec.trace import derive, is_elementwise

__all__ = ["Builder"]


class _ReportedError(Exception):
    """A value cannot be built; the reasons have been reported."""


class Builder:
    """Builds what can be built and reports the rest.

    Args:
        folder: where array files are looked for.
        dt: length of a step in ms.
        types: Process types by name.
        everywhere: arguments for every Process whose type takes them.
    """

    def __init__(
        self, report: Report, folder: Path, dt: float, types: Mapping[str, type[Process]], everywhere: Mapping[str, Any]
    ) -> None:
        self.report, self.folder, self.dt, self.types, self.everywhere = report, folder, dt, types, everywhere
        self.processes: dict[str, Process] = {}
        self.locator = Locator(report.file)
        self.names: list[str] = []  # of Processes, without what is nested in them
        self.doubtful: set[Process] = set()  # were built without what is wrong of them
        self.taken: set[str] = set()

    # -- Processes ---------------------------------------------------------------------------------------------------

    def add_process(self, name: str, entry: Entry) -> None:
        """Build one Process; every wrong argument is reported."""
        self.locator.processes[name] = entry
        self.names.append(name)
        head = validated(ProcessEntry, entry.node, name, self.report)
        if head is None:
            return
        cls = self.types.get(head.type)
        if cls is None:
            why = f"unknown type {head.type!r}.{did_you_mean(head.type, self.types)}"
            if head.type in nested_types("Rule", self.types):
                why = f"{head.type} is a plasticity rule; it stands under 'rule' of a Plastic."
            self.report.add(entry.node.entries()["type"].key, f"{name}: {why}")
            return
        self.locator.types[name] = head.type
        known = len(self.report.problems)
        given, refused = self._arguments(name, cls, entry.node, arguments(cls))
        process = self._construct(name, cls, given, refused)
        if process is None:
            return
        self.processes[name] = process
        if is_elementwise(cls):
            self._guard(lambda: derive(process, self.dt), name)
        if len(self.report.problems) > known:
            self.doubtful.add(process)

    def _arguments(
        self, name: str, cls: type[Process], node: Node, known: Mapping[str, Argument]
    ) -> tuple[dict[str, Any], set[str]]:
        """Arguments that are fine, and the names of those that were reported."""
        given: dict[str, Any] = {}
        refused: set[str] = set()
        for key, entry in node.entries().items():
            if key == "type":
                continue
            if key not in known:
                self.report.add(
                    entry.key, f"{name} ({cls.__name__}) has no argument {key!r}.{did_you_mean(key, known)}"
                )
                continue
            try:
                given[key] = self._value(name, known[key], entry)
            except _ReportedError:
                refused.add(key)
            except ProcgraphError as error:
                self.report.add(entry.key, str(error))
                refused.add(key)
        for key, value in self.everywhere.items():
            if key in known:
                given[key] = value
                self.taken.add(key)
        for key, argument in known.items():
            if argument.required and key not in given and key not in refused:
                self.report.add(self.locator.processes[name].key, f"{name} ({cls.__name__}) needs the key {key!r}.")
                refused.add(key)
        return given, refused

    def _value(self, name: str, argument: Argument, entry: Entry) -> Any:
        what, value = f"{name}.{argument.name}", entry.node.value()
        if argument.annotation in NESTED:
            return self._nested(what, argument.annotation, entry)
        if looks_drawn(value):
            return self._drawn(what, argument, entry.node)
        if argument.is_path and isinstance(value, str):
            return self.folder / value
        if argument.takes_array and argument.name not in COMMON:
            if arrays.is_array_path(value):
                value = arrays.load_array(value, self.folder)
            elif isinstance(value, dict) and (argument.declared is not None or arrays.looks_generated(value)):
                value = arrays.generate(value, what)
        if isinstance(argument.declared, Param):
            return (
                value if value is None and argument.declared.default is None else argument.declared.check(value, name)
            )
        if argument.name == "period":
            to_steps(value, self.dt, what, least=1)
        elif argument.name == "phase" or (argument.name == "delay" and isinstance(value, str)):
            to_steps(value, self.dt, what)
        elif argument.name == "device" and value not in (None, "auto", "python"):
            _check_device(value, what)
        return value

    def _drawn(self, what: str, argument: Argument, node: Node) -> Any:
        if not argument.drawn:
            raise ParameterError(
                f"{what} is a distribution or a function of distance; allowed: for weights, delay and kernel of Sparse. "
                "Write an array as {normal: [mean, sd], shape: …, seed: …}."
            )
        drawn = distribution(node, what, "ms" if argument.name == "delay" else "", self.report)
        if drawn is None:
            raise _ReportedError
        return drawn

    def _nested(self, what: str, kind: str, entry: Entry) -> Process:
        """A description inside a Process, such as the rule of a Plastic."""
        self.locator.processes[what] = entry
        head = validated(ProcessEntry, entry.node, what, self.report)
        if head is None:
            raise _ReportedError
        allowed = nested_types(kind, self.types)
        cls = allowed.get(head.type)
        if cls is None:
            self.report.add(
                entry.node.entries()["type"].key,
                f"{what}: {head.type!r} is no {NESTED[kind]}.{did_you_mean(head.type, allowed)}",
            )
            raise _ReportedError
        self.locator.types[what] = head.type
        given, refused = self._arguments(what, cls, entry.node, nested_arguments(cls))
        process = self._construct(what, cls, given, refused, named=False)
        if process is None or refused:
            raise _ReportedError
        process.name = what  # for the messages of later passes
        return process

    def _construct(
        self, name: str, cls: type[Process], given: dict[str, Any], refused: set[str], named: bool = True
    ) -> Process | None:
        mark = self.locator.processes[name].key
        try:
            return cls(name=name, **given) if named else cls(**given)
        except ProcgraphError as error:
            text = str(error)
            if not any(f"{key!r}" in text or f".{key}" in text or f"{key}=" in text for key in refused):
                self.report.add(self.locator.key(name, text) or mark, _named(name, text))
        except Exception as error:
            if not refused:
                self.report.add(mark, f"{name} ({cls.__name__}): {type(error).__name__}: {error}")
        return None

    def _guard(self, check: Callable[[], object], name: str) -> None:
        try:
            check()
        except ProcgraphError as error:
            self.report.add(self.locator.key(name, str(error)) or Mark(self.report.file), _named(name, str(error)))
        except Exception as error:
            self.report.add(self.locator.processes[name].key, f"{name}: {type(error).__name__}: {error}")

    # -- channels ----------------------------------------------------------------------------------------------------

    def add_channel(self, number: int, node: Node) -> None:
        """Join two ports; a Process that could not be built is not reported again."""
        what = f"channel {number + 1}"
        try:
            entry = self._channel_entry(what, node)
            if entry is None:
                return
            source, target = self._port(parse_port(entry.source)), self._port(parse_port(entry.target))
            if source is not None and target is not None:
                self._connect(source, target, entry, node.mark)
        except (ConnectionError, ShapeError) as error:
            self.report.add(node.mark, str(error))
        except ProcgraphError as error:  # a Process that cannot tell its shape
            found = self.locator.locate(error)
            place = Mark(found.file, found.line, found.column) if found.line else node.mark
            self.report.add(place, found.message)
        except Exception as error:
            self.report.add(node.mark, f"{what}: {type(error).__name__}: {error}")

    def _channel_entry(self, what: str, node: Node) -> ChannelEntry | None:
        if isinstance(node.content, str):
            source, target = split_channel(node.content)
            return ChannelEntry.model_validate({"from": source, "to": target})
        if isinstance(node.content, dict):
            return validated(ChannelEntry, node, what, self.report)
        self.report.add(
            node.mark, f"{what} is {node.value()!r}; allowed: 'process.output -> process.input', or {{from: …, to: …}}."
        )
        return None

    def _port(self, reference: PortReference) -> Any:
        """The port or view; None if its Process could not be built."""
        first, *children, port = reference.names
        if first not in self.processes:
            if first not in self.names:
                raise ConnectionError(f"{reference.text!r}: no Process {first!r}.{did_you_mean(first, self.names)}")
            return None
        process = self.processes[first]
        for child in children:
            if child not in process.children:
                raise ConnectionError(
                    f"{reference.text!r}: {process.label} has no child {child!r}.{did_you_mean(child, process.children)}"
                )
            process = process.children[child]
        try:
            found = process.port(port)
        except ProcgraphError as error:
            raise ConnectionError(str(error)) from None
        return reference.apply(found)

    def _connect(self, source: Any, target: Any, entry: ChannelEntry, mark: Mark) -> None:
        if isinstance(source, InPort) or isinstance(target, OutPort):
            wrong, sort, wanted = (
                (source, "input", "begins at an output")
                if isinstance(source, InPort)
                else (target, "output", "ends at an input")
            )
            raise ConnectionError(f"{wrong} is an {sort}; a channel {wanted}. Write 'process.output -> process.input'.")
        if isinstance(entry.delay, str):
            try:
                to_steps(entry.delay, self.dt, f"{source} -> {target}: delay")
            except ParameterError as error:
                raise ConnectionError(str(error)) from None
        connection = source.connect(target, delay=entry.delay, capacity=entry.capacity, when_full=entry.when_full)
        object.__setattr__(connection, "where", str(mark))  # errors of later passes quote it
        self.locator.channels.append((str(source), str(target), mark))


def _named(name: str, text: str) -> str:
    return text if name in text else f"{name}: {text}"


def _check_device(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise DeviceError(f"{what} is {value!r}; allowed: the name of a device, such as 'cpu'.")
    try:
        found = {d.name: d for d in backend(value).devices()}
    except ProcgraphError as error:
        raise DeviceError(f"{what}: {error}") from None
    if found and all(d.problem for d in found.values()):
        raise DeviceError(f"{what} is {value!r}: {next(iter(found.values())).problem}")
    if ":" in value and value not in found:
        raise DeviceError(f"{what} is {value!r}, which this machine does not have.{did_you_mean(value, found)}")
