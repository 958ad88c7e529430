"""The JSON Schema: current, valid, true to the loader on the examples, and strict where the loader is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from procgraph.config.problems import Report
from procgraph.config.schema import json_schema, schema_text
from procgraph.config.tree import read_text, read_tree

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def errors(text: str) -> list[Any]:
    node = read_text(text, Report("g"))
    assert node is not None
    return list(VALIDATOR.iter_errors(node.value()))


def test_shipped_schema_is_current() -> None:
    path = ROOT / "docs/reference/procgraph.schema.json"
    assert path.read_text(encoding="utf-8") == schema_text(), (
        "run: procgraph schema -o docs/reference/procgraph.schema.json"
    )


def test_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json.loads(schema_text()) == json_schema()


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/*.yaml")), ids=lambda p: str(p.relative_to(ROOT)))
def test_examples_satisfy_it(path: Path) -> None:
    node = read_tree(path, Report(str(path)))
    assert node is not None
    VALIDATOR.validate(node.value())


def test_params_have_type_default_unit_and_range() -> None:
    tau = json_schema()["$defs"]["type-LIF"]["properties"]["tau_m"]
    assert tau["default"] == 20.0 and tau["description"] == "membrane time constant. Unit: ms"
    assert tau["anyOf"][0] == {"type": "number", "exclusiveMinimum": 0}
    dense = json_schema()["$defs"]["type-Dense"]
    assert dense["required"] == ["type", "weights"] and "n_post" in dense["properties"]["weights"]["description"]


BASE = "procgraph: 1\nprocesses: {{pop: {{type: LIF, {0}}}}}\n"


@pytest.mark.parametrize(
    "argument",
    [
        "tau_m: 5",
        "tau_m: 5 ms",
        "tau_m: 0.005s",
        "tau_m: [1, 2]",
        "tau_m: t.npy",
        "v_th: {constant: 1, shape: 3}",
        "shape: [2, 3]",
        "period: 2 ms",
        "v: 0.5",
    ],
)
def test_accepts(argument: str) -> None:
    assert not errors(BASE.format(argument))


@pytest.mark.parametrize(
    "argument",
    [
        "tau_m: 0",
        "tau_m: 5 mV",
        "tau_n: 5",
        "tau_m: true",
        "shape: 0",
        "period: -1",
        "v_th: {uniform: [0, 1]}",
        "device: 3",
    ],
)
def test_refuses(argument: str) -> None:
    assert errors(BASE.format(argument))


def test_types_from_imports_are_free() -> None:
    assert not errors("procgraph: 1\nimports: [m.py]\nprocesses: {a: {type: Mine, anything: [1]}}")
    assert errors("procgraph: 1\nprocesses: {a: {shape: 3}}")
    assert errors("procgraph: 1\nprocesses: {a: {type: LIF}}\nchannels: [{from: a.s_out}]")
