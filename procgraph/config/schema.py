"""JSON Schema of graph files, made from the models of this package and the declarations of every built-in Process."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable
from typing import Any

from procgraph import processes
from procgraph.config.arrays import GENERATORS
from procgraph.config.drawn import DISTRIBUTIONS, KERNELS, PURE, keys_of
from procgraph.config.models import ChannelEntry, GraphFile, RunSettings
from procgraph.config.types import (
    COMMON,
    NESTED,
    Argument,
    arguments,
    default_of,
    known_types,
    nested_arguments,
    nested_types,
)
from procgraph.spec import units
from procgraph.spec.declare import Param
from procgraph.spec.event import EXECUTIONS
from procgraph.spec.process import Process

__all__ = ["json_schema", "schema_text"]

NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
ARRAY_PATH = r"(\.npy|\.npz:.+)$"
COMMON_SCHEMAS: dict[str, dict[str, Any]] = {
    "shape": {
        "description": "elements, such as 128 or [2, 64, 64]; inferred from channels if absent",
        "$ref": "#/$defs/shape",
    },
    "period": {"description": "steps between ticks, or a time such as '16 ms'", "$ref": "#/$defs/steps", "default": 1},
    "phase": {"description": "step of the first tick, below the period", "$ref": "#/$defs/steps", "default": 0},
    "device": {"description": "pins the Process, such as 'cpu'", "type": ["string", "null"], "default": None},
    "execution": {
        "description": "compute all elements at every tick, or only those with input",
        "enum": list(EXECUTIONS),
        "default": "clock",
    },
}


def schema_text() -> str:
    """The schema as text, as it is shipped."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def json_schema() -> dict[str, Any]:
    """The schema: draft 2020-12, every built-in type with its arguments."""
    known = known_types()
    types = {name: known[name] for name in sorted(processes.__all__)}
    top = GraphFile.model_json_schema(by_alias=True)
    properties = top["properties"]
    properties["dt"] = {
        "description": "length of a step: ms, or a time such as '0.1 ms'",
        "default": 1.0,
        "anyOf": [{"type": "number", "exclusiveMinimum": 0}, _quantity("ms")],
    }
    properties["processes"] |= {
        "minProperties": 1,
        "additionalProperties": {"$ref": "#/$defs/process"},
        "propertyNames": {"pattern": r"^[\w-]+$"},
    }
    properties["channels"] |= {
        "items": {"anyOf": [{"type": "string", "pattern": "^[^>]+->[^>]+$"}, {"$ref": "#/$defs/channel"}]}
    }
    properties["run"] = {"$ref": "#/$defs/run"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "procgraph graph file",
        **{k: v for k, v in top.items() if k not in ("title", "$defs")},
        "$defs": {
            "array": _array(),
            "distribution": _named(DISTRIBUTIONS, "drawn for each synapse"),
            "distribution-ms": _named(DISTRIBUTIONS, "drawn for each synapse", "ms"),
            "distance": _named(KERNELS, "function of distance"),
            "distance-ms": _named(KERNELS, "function of distance", "ms"),
            "shape": {
                "anyOf": [
                    {"type": "integer", "minimum": 1},
                    {"type": "array", "items": {"type": "integer", "minimum": 1}},
                ]
            },
            "steps": {"anyOf": [{"type": "integer", "minimum": 0}, _quantity("ms", "step", "steps")]},
            "channel": _untitled(ChannelEntry.model_json_schema(by_alias=True)),
            "run": _untitled(RunSettings.model_json_schema(by_alias=True)),
            "process": _choice(types, "class of the Process", "type"),
            **{f"type-{name}": _type(cls, arguments(cls)) for name, cls in types.items()},
            **_nested(types),
        },
    }


def _untitled(schema: dict[str, Any]) -> dict[str, Any]:
    schema.pop("title", None)
    for value in schema.get("properties", {}).values():
        value.pop("title", None)
    return schema


def _choice(types: dict[str, type[Process]], description: str, definitions: str) -> dict[str, Any]:
    """A type that the schema knows takes its own arguments only; others come from ``imports``."""
    rules = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"$ref": f"#/$defs/{definitions}-{name}"},
        }
        for name in types
    ]
    kind = {"description": description, "anyOf": [{"enum": list(types)}, {"type": "string"}]}
    return {"type": "object", "required": ["type"], "properties": {"type": kind}, "allOf": rules}


def _nested(types: dict[str, type[Process]]) -> dict[str, Any]:
    """Descriptions inside a Process: synapses that learn, and their rules."""
    made: dict[str, Any] = {}
    for kind, description in NESTED.items():
        key = kind.lower()
        inside = {n: cls for n, cls in sorted(nested_types(kind, types).items()) if cls.builtin}
        made[key] = _choice(inside, description, key)
        made |= {f"{key}-{name}": _type(cls, nested_arguments(cls)) for name, cls in inside.items()}
    return made


def _type(cls: type[Process], known: dict[str, Argument]) -> dict[str, Any]:
    documented = _documented_arguments(cls)
    properties: dict[str, Any] = {"type": {"const": cls.__name__, "description": _first_line(cls)}}
    for name, argument in known.items():
        properties[name] = COMMON_SCHEMAS[name] if name in COMMON else _argument(argument, documented.get(name, ""))
    required = [
        "type",
        *(k for k, a in known.items() if a.required or (isinstance(a.declared, Param) and a.declared.default is ...)),
    ]
    return {
        "description": _first_line(cls),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _argument(argument: Argument, text: str) -> dict[str, Any]:
    declared = argument.declared
    unit = getattr(declared, "unit", "")
    description = ". ".join(filter(None, (text or getattr(declared, "doc", ""), f"Unit: {unit}" if unit else "")))
    schema: dict[str, Any] = {"description": description} if description else {}
    default = default_of(argument)
    if default is not None or not argument.required:
        schema["default"] = list(default) if isinstance(default, tuple) else default
    if isinstance(declared, Param):
        return schema | _param(declared)
    if argument.annotation in NESTED:
        return schema | {"$ref": f"#/$defs/{argument.annotation.lower()}"}
    if argument.name == "sign":
        return schema | {"enum": [1, -1]}
    if declared is not None:
        drawn = _references("distribution", "distance") if argument.drawn else []
        return schema | {"anyOf": [{"type": ["number", "null"]}, {"$ref": "#/$defs/array"}, *drawn]}
    if argument.name == "delay":
        drawn = _references("distribution-ms", "distance-ms") if argument.drawn else []
        return schema | {"anyOf": [{"$ref": "#/$defs/steps"}, {"$ref": "#/$defs/array"}, *drawn]}
    if argument.drawn:
        return schema | {"anyOf": [{"type": "null"}, *_references("distance")]}
    if argument.is_path:
        return schema | {"type": ["string", "null"]}
    return schema


def _param(declared: Param) -> dict[str, Any]:
    if declared.dtype == "bool":
        return {"type": "boolean"}
    if declared.dtype == "str":
        return {"enum": list(declared.choices)} if declared.choices else {"type": "string"}
    names = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
    number = {"type": "integer" if declared.dtype == "int32" else "number"} | {
        names[k]: v for k, v in declared.limits.items() if v is not None
    }
    ways: list[dict[str, Any]] = [number, _quantity(*_same_dimension(declared.unit))]
    ways += [] if declared.scalar else [{"$ref": "#/$defs/array"}]
    ways += [{"type": "null"}] if declared.default is None else []
    allowed = declared.describe_range()
    return (
        {"anyOf": ways}
        if allowed == "any finite number"
        else {"anyOf": ways, "markdownDescription": f"allowed: {allowed}"}
    )


def _same_dimension(unit: str) -> list[str]:
    return [u for u, (dimension, _) in units.UNITS.items() if unit in units.UNITS and dimension == units.UNITS[unit][0]]


def _quantity(*allowed: str) -> dict[str, Any]:
    """Text with a number and a unit; ``ms`` alone stands for all units of time."""
    names = [*_same_dimension("ms"), *allowed[1:]] if allowed and allowed[0] == "ms" else list(allowed)
    unit = rf"\s*({'|'.join(dict.fromkeys(names))})?" if names else ""
    return {"type": "string", "pattern": rf"^\s*{NUMBER}{unit}\s*$"}


def _array() -> dict[str, Any]:
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    rest = {"shape": {"$ref": "#/$defs/shape"}, "seed": {"type": "integer", "minimum": 0}}
    forms = {
        "uniform": ({"uniform": pair, **rest}, ["uniform", "shape"]),
        "normal": ({"normal": pair, **rest}, ["normal", "shape"]),
        "constant": ({"constant": {"type": "number"}, "shape": rest["shape"]}, ["constant", "shape"]),
        "eye": ({"eye": {"type": "integer", "minimum": 1}}, ["eye"]),
    }
    generators = [
        {"type": "object", "properties": forms[g][0], "required": forms[g][1], "additionalProperties": False}
        for g in GENERATORS
    ]
    path = {"type": "string", "pattern": ARRAY_PATH, "description": "w.npy or w.npz:key, relative to this file"}
    return {"anyOf": [{"type": "array"}, path, *generators]}


def _references(*names: str) -> list[dict[str, Any]]:
    return [{"$ref": f"#/$defs/{name}"} for name in names]


def _named(kinds: Iterable[str], description: str, unit: str = "") -> dict[str, Any]:
    """One of several kinds by its name and keys."""
    plain: dict[str, Any] = {"type": "number"}
    value = {"anyOf": [plain, _quantity(unit)]} if unit else plain
    pure = {**dict.fromkeys(PURE, plain), "window": {"type": "array", "items": plain, "minItems": 1, "maxItems": 3}}
    ways = []
    for kind in sorted(kinds):
        known = keys_of(kind)
        inside = {
            "type": "object",
            "properties": {key: pure.get(key, value) for key in known},
            "required": [key for key, required in known.items() if required],
            "additionalProperties": False,
        }
        ways.append({"type": "object", "properties": {kind: inside}, "required": [kind], "additionalProperties": False})
    return {"description": f"{description}{f', in {unit}' * bool(unit)}", "anyOf": ways}


def _first_line(cls: type[Process]) -> str:
    return (inspect.getdoc(cls) or cls.__name__).partition("\n")[0]


def _documented_arguments(cls: type[Process]) -> dict[str, str]:
    """``Args:`` of the class's docstring: names to their text."""
    found: dict[str, str] = {}
    _, _, section = (inspect.getdoc(cls) or "").partition("Args:\n")
    for match in re.finditer(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", section, re.MULTILINE):
        for name in match.group(1).split(", "):
            found[name] = " ".join(match.group(2).split())
    return found
