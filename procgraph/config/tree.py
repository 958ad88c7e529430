"""YAML text to a tree that knows the place of everything in it.

Built from parser events with explicit limits, so that hostile text can neither run code nor exhaust the machine: no tags, no
objects, bounded size, depth, number of nodes and expansion of aliases. Plain scalars follow the core schema of YAML 1.2 (``on``
and ``yes`` are text).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from procgraph.config.problems import Mark, Report
from procgraph.ir.container import MAGIC

__all__ = ["MAX_BYTES", "Entry", "Node", "from_value", "read_text", "read_tree"]

MAX_BYTES = 4 * 2**20
MAX_DEPTH = 64
MAX_NODES = 200_000
MAX_EXPANDED = 1_000_000

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_SPECIAL |= {w: w.lower() == "true" for w in ("true", "True", "TRUE", "false", "False", "FALSE")}
_SPECIAL |= {f"{sign}.{w}": float(sign + "inf") for sign in ("", "+", "-") for w in ("inf", "Inf", "INF")}
_SPECIAL |= {f".{w}": float("nan") for w in ("nan", "NaN", "NAN")}


@dataclass
class Entry:
    """A key of a mapping and its value."""

    key: Mark
    node: Node


@dataclass
class Node:
    """``content`` is a dict of entries, a list of nodes, or a plain value; ``size`` counts what it expands to."""

    content: dict[str, Entry] | list[Node] | Any
    mark: Mark
    size: int = 1

    def value(self) -> Any:
        """The plain Python value."""
        if isinstance(self.content, dict):
            return {k: e.node.value() for k, e in self.content.items()}
        return [n.value() for n in self.content] if isinstance(self.content, list) else self.content

    def entries(self) -> dict[str, Entry]:
        """The entries of a mapping; nothing of another node."""
        return self.content if isinstance(self.content, dict) else {}

    def find(self, path: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], Mark]:
        """The part of ``path`` that exists, and its place: for a key of a mapping where the key stands."""
        node, mark = self, self.mark
        for depth, part in enumerate(path):
            content = node.content
            if isinstance(content, dict) and part in content:
                mark, node = content[str(part)].key, content[str(part)].node
            elif isinstance(content, list) and isinstance(part, int) and part < len(content):
                node = content[part]
                mark = node.mark
            else:
                return path[:depth], mark
        return path, mark


class _UnreadableError(Exception):
    """The text cannot be read any further; the reason has been reported."""


def from_value(value: Any, mark: Mark) -> Node:
    """A tree of plain Python values, all at one place."""
    if isinstance(value, dict):
        return Node({str(k): Entry(mark, from_value(v, mark)) for k, v in value.items()}, mark)
    if isinstance(value, (list, tuple)):
        return Node([from_value(v, mark) for v in value], mark)
    return Node(value, mark)


def read_tree(path: Path, report: Report) -> Node | None:
    """Read a file; None if it is not readable YAML, which is then reported."""
    try:
        if not path.is_file():
            report.add(
                Mark(report.file),
                "no such file. Give the path of a YAML file." if not path.exists() else "is not a file.",
            )
            return None
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        report.add(Mark(report.file), f"cannot be read: {error.strerror}.")
        return None
    if len(data) > MAX_BYTES:
        report.add(
            Mark(report.file), f"has more than {MAX_BYTES} bytes; allowed: {MAX_BYTES}. Put arrays into .npy files."
        )
        return None
    if data.startswith(MAGIC):
        report.add(Mark(report.file), "is a compiled Program or a checkpoint; allowed: a YAML file.")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report.add(
            Mark(report.file, line, 1), f"is not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start}."
        )
        return None
    return read_text(text, report)


def read_text(text: str, report: Report) -> Node | None:
    """Read YAML text; None if it cannot be read, which is then reported."""
    try:
        return _Reader(report).read(text)
    except _UnreadableError:
        return None
    except MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(report.file) if place is None else Mark(report.file, place.line + 1, place.column + 1)
        hint = " Put text with brackets into quotes." if "'['" in str(error.problem) else ""
        report.add(mark, f"not YAML: {' '.join(filter(None, (error.context, error.problem)))}.{hint}")
    except YAMLError as error:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        report.add(
            Mark(report.file, line, position - (text.rfind("\n", 0, position) + 1) + 1),
            f"not YAML: {str(error).splitlines()[0]}.",
        )
    return None


class _Reader:
    def __init__(self, report: Report) -> None:
        self.report = report
        self.anchors: dict[str, Node] = {}
        self.nodes = 0

    def read(self, text: str) -> Node:
        events = iter(YAML(typ="base", pure=True).parse(text))
        root: Node | None = None
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                if root is not None:
                    self.stop(event, "a second document ('---') begins here; allowed: one document in a file.")
            elif kind.startswith(("Mapping", "Sequence", "Scalar", "Alias")):
                root = self.node(event, events, 0)
        return root if root is not None else Node(None, Mark(self.report.file, 1, 1))

    def mark(self, event: Any) -> Mark:
        return Mark(self.report.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def stop(self, event: Any, message: str) -> None:
        self.report.add(self.mark(event), message)
        raise _UnreadableError

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.stop(event, f"more than {MAX_NODES} values; put arrays into .npy files.")
        if depth > MAX_DEPTH:
            self.stop(event, f"nested deeper than {MAX_DEPTH} levels.")
        kind, mark = type(event).__name__, self.mark(event)
        if kind == "AliasEvent":
            if event.anchor not in self.anchors:
                self.stop(event, f"alias *{event.anchor} is used before its anchor &{event.anchor} is complete.")
            target = self.anchors[event.anchor]
            return Node(target.content, mark, target.size)
        if getattr(event, "tag", None) is not None:
            self.stop(event, f"the tag {event.tag} is not allowed: values are plain numbers, text, lists and mappings.")
        if kind == "MappingStartEvent":
            node = self.mapping(mark, events, depth)
        elif kind == "SequenceStartEvent":
            node = self.sequence(mark, events, depth)
        else:
            node = Node(_scalar(event.value) if event.implicit[0] else event.value, mark)
        if node.size > MAX_EXPANDED:
            self.stop(event, f"aliases expand to more than {MAX_EXPANDED} values.")
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def sequence(self, mark: Mark, events: Iterator[Any], depth: int) -> Node:
        items: list[Node] = []
        for event in events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            items.append(self.node(event, events, depth + 1))
        return Node(items, mark, 1 + sum(n.size for n in items))

    def mapping(self, mark: Mark, events: Iterator[Any], depth: int) -> Node:
        entries: dict[str, Entry] = {}
        merged: list[Node] = []
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                break
            if type(event).__name__ != "ScalarEvent":
                self.stop(event, "a key must be plain text.")
            key, place = str(event.value), self.mark(event)
            node = self.node(next(events), events, depth + 1)
            if key == "<<" and event.implicit[0]:
                merged += node.content if isinstance(node.content, list) else [node]
            elif key in entries:
                self.report.add(
                    place, f"the key {key!r} stands twice (first at line {entries[key].key.line}). Remove one."
                )
            else:
                entries[key] = Entry(place, node)
        for other in merged:
            if not isinstance(other.content, dict):
                self.report.add(other.mark, "'<<' merges a mapping, such as *defaults.")
            for key, entry in other.entries().items():
                entries.setdefault(key, entry)
        return Node(entries, mark, 1 + sum(e.node.size for e in entries.values()))


def _scalar(text: str) -> Any:
    """A plain scalar under the core schema of YAML 1.2."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if len(text) <= 100 and _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text) if len(text) <= 100 and _FLOAT.fullmatch(text) else text
