"""YAML text is hostile: it is read with limits, without tags, and every finding has its place."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procgraph.config.problems import Report
from procgraph.config.tree import MAX_BYTES, read_text, read_tree


def value(text: str) -> Any:
    report = Report("g.yaml")
    node = read_text(text, report)
    assert node is not None and not report.problems
    return node.value()


def problem(text: str) -> str:
    report = Report("g.yaml")
    read_text(text, report)
    return str(report.problems[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 12), ("-3", -3), ("+4", 4), ("007", 7), ("0o17", 15), ("0x1F", 31),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-2E-3", -0.002), ("-.inf", -math.inf),
        ("true", True), ("False", False), ("null", None), ("~", None), ("''", ""), ("'12'", "12"), ('"true"', "true"),
        ("yes", "yes"), ("on", "on"), ("12:30", "12:30"), ("1_000", "1_000"), ("2001-01-01", "2001-01-01"), ("20 ms", "20 ms"),
        ("[1, [2, x]]", [1, [2, "x"]]), ("{a: {b: 1}}", {"a": {"b": 1}}), ("9" * 101, "9" * 101),
    ],
)  # fmt: skip
def test_core_schema(text: str, expected: object) -> None:
    result = value(f"k: {text}")["k"]
    assert result == expected and type(result) is type(expected)


def test_nan() -> None:
    assert math.isnan(value("k: .nan")["k"])


def test_merge_does_not_replace() -> None:
    assert value("a: &a {x: 1, y: 2}\nb: &b {z: 5}\nc: {<<: [*a, *b], y: 3}")["c"] == {"y": 3, "x": 1, "z": 5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: !!python/object/apply:os.system [ls]", "g.yaml:1:4: the tag "),
        ("a: !x 3", "g.yaml:1:4: the tag !x is not allowed"),
        ("a: 1\nb: 2\na: 3", "g.yaml:3:1: the key 'a' stands twice (first at line 1)"),
        ("a: 1\n b: 2", "g.yaml:2:3: not YAML: mapping values are not allowed here."),
        (
            "a: {b: c[0], d: e}",
            "g.yaml:1:9: not YAML: while parsing a flow mapping expected ',' or '}', but got '['. Put text with brackets",
        ),
        ("a: *b", "g.yaml:1:4: alias *b is used before its anchor &b is complete."),
        ("a: &b [*b]", "g.yaml:1:8: alias *b is used before its anchor &b is complete."),
        ("a: 1\n---\nb: 2", "g.yaml:2:1: a second document"),
        ("? [1, 2]\n: 3", "g.yaml:1:3: a key must be plain text."),
        ("a: 1\nb: \x01", "g.yaml:2:4: not YAML: unacceptable character"),
        ("a: {<<: 3}", "g.yaml:1:9: '<<' merges a mapping"),
        ("[" * 70, "g.yaml:1:66: nested deeper than 64 levels."),
    ],
)
def test_problems_have_their_place(text: str, expected: str) -> None:
    assert problem(text).startswith(expected)


def test_a_compiled_file(tmp_path: Path) -> None:
    (tmp_path / "g.pgx").write_bytes(b"PROCGRPH\x01\xb3")
    report = Report("g.pgx")
    assert read_tree(tmp_path / "g.pgx", report) is None
    assert str(report.problems[0]) == "g.pgx: is a compiled Program or a checkpoint; allowed: a YAML file."


def test_alias_bomb() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    started = time.monotonic()
    assert "aliases expand to more than" in problem("\n".join(lines))
    assert time.monotonic() - started < 5


def test_deep_nesting_ends_soon() -> None:
    started = time.monotonic()
    problem("[" * 1_000_000)
    problem("{a: " * 300_000)
    assert time.monotonic() - started < 5


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    for data, expected in (
        (b"a: 1\nb: \xff", f"{path}:2:1: is not UTF-8 text: byte 0xff at offset 8."),
        (b"#" * (MAX_BYTES + 1), f"{path}: has more than {MAX_BYTES} bytes"),
    ):
        path.write_bytes(data)
        report = Report(str(path))
        assert read_tree(path, report) is None
        assert str(report.problems[0]).startswith(expected)
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    node = read_tree(path, Report("g"))
    assert node is not None and node.value() == {"a": 1}


PIECES = [
    "a",
    ":",
    " ",
    "\n",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&x",
    "*x",
    "<<",
    "!",
    "'",
    '"',
    "#",
    "|",
    ">",
    "%",
    "@",
    "\t",
    "? ",
    "---",
    "1.5",
    "é",
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_gives_a_tree_or_a_problem(text: str) -> None:
    report = Report("g.yaml")
    node = read_text(text, report)
    assert node is not None or report.problems
