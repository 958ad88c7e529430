"""Values that replace those of a file: ``{"pop.tau_m": "5 ms", "dt": 0.5}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procgraph.config.models import RunSettings, keys
from procgraph.config.problems import Mark, Report
from procgraph.config.tree import Entry, Node, from_value, read_text
from procgraph.errors import ConfigError, did_you_mean

__all__ = ["apply_overrides", "parse_override"]


def parse_override(text: str) -> tuple[str, Any]:
    """``pop.tau_m=5 ms`` as a key and a value, which is read as YAML.

    Raises:
        ConfigError: no ``=``, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    report = Report(f"--set {text}")
    if not equals or not key.strip():
        report.add(Mark(report.file), "allowed: process.parameter=value, such as pop.tau_m='5 ms'.")
        report.raise_if_any()
    node = read_text(value, report)
    if node is None:
        raise ConfigError(str(report.problems[0]), report.problems)
    return key.strip(), node.value()


def apply_overrides(tree: Node, overrides: Mapping[str, Any], report: Report) -> None:
    """Put the values into the tree; keys that lead nowhere are reported."""
    for key, value in overrides.items():
        mark = Mark(f"--set {key}")
        owner, _, name = key.rpartition(".")
        processes = tree.entries().get("processes")
        known = processes.node.entries() if processes is not None else {}
        target = _owner(known, owner.split("."))
        if target is not None:
            _put(target, name, value, mark)
        elif owner == "run" and name in keys(RunSettings):
            tree.entries().setdefault("run", Entry(mark, Node({}, mark)))
            _put(tree.entries()["run"].node, name, value, mark)
        elif not owner and name in ("dt", "seed"):
            _put(tree, name, value, mark)
        else:
            argument = name if owner else "<argument>"  # nothing says that a lonely name is one
            top = [*(f"{p}.{argument}" for p in known), "dt", "seed", *(f"run.{k}" for k in keys(RunSettings))]
            report.add(mark, f"leads nowhere.{did_you_mean(key, top)}")


def _owner(known: dict[str, Entry], path: list[str]) -> Node | None:
    """The mapping of a Process, or one inside it such as ``stdp.rule``; it is the file's own afterwards."""
    for depth, part in enumerate(path):
        if part not in known or (depth and not isinstance(known[part].node.content, dict)):
            return None
        known[part] = _copied(known[part])
        node = known[part].node
        known = node.entries()
    return node


def _copied(entry: Entry) -> Entry:
    """Entries of an alias are shared; a change must not reach the others."""
    node = entry.node
    return Entry(
        entry.key, Node(dict(node.content) if isinstance(node.content, dict) else node.content, node.mark, node.size)
    )


def _put(node: Node, name: str, value: Any, mark: Mark) -> None:
    if isinstance(node.content, dict):
        node.content[name] = Entry(mark, from_value(value, mark))
