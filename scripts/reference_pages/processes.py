"""The built-in Processes and plasticity rules."""

from __future__ import annotations

import re

from procgraph import processes
from procgraph.config.types import COMMON, Argument, arguments, nested_arguments, nested_types
from procgraph.spec.declare import Data, Draw, In, Out, Param, State
from procgraph.spec.process import Process
from reference_pages.text import code, doc_of, first_line, table

GROUPS = (
    ("neurons", "Neurons"),
    ("synapses", "Synapses"),
    ("encoders", "Encoders and decoders"),
    ("sources", "Sources and sinks"),
    ("io", "Input and output"),
)


def processes_page() -> str:
    """All built-in Processes by group."""
    classes = [getattr(processes, name) for name in sorted(processes.__all__, key=str.lower)]
    grouped = {key: [c for c in classes if c.__module__.split(".")[2] == key] for key, _ in GROUPS}
    left = [c.__name__ for c in classes if not any(c in members for members in grouped.values())]
    assert not left, f"no group for {left}"
    text = "# Built-in Processes\n\n"
    text += "`from procgraph.processes import LIF`, or `type: LIF` in a YAML file.\n\n"
    text += table(
        ("Process", "what it is"),
        ((f"[{c.__name__}](#{c.__name__.lower()})", first_line(c)) for key, _ in GROUPS for c in grouped[key]),
    )
    text += "Every Process also takes:\n\n" + table(("argument", "meaning"), common_arguments())
    text += 'Parameters take one number for all elements, or one per element, unless the range says *scalar*. A quantity such as `"5 ms"` is converted to '
    text += "the parameter's unit. States take an initial value in the constructor.\n\n"
    for key, title in GROUPS:
        text += f"## {title}\n\n" + "".join(process_entry(c) for c in grouped[key])
    return text + rules_section()


def rules_section() -> str:
    """All built-in plasticity rules."""
    rules = sorted((c for c in nested_types("Rule", {}).values() if c.builtin), key=lambda c: c.__name__.lower())
    text = "## Plasticity rules\n\n`from procgraph.processes.rules import PairSTDP`, "
    text += "`from procgraph.processes.loihi import LoihiRule`, or `rule: {type: PairSTDP, …}` of a `Plastic` "
    text += "in a YAML file. They are described in [let synapses learn](../how-to/learn.md).\n\n"
    for cls in rules:
        params = [(k, a.declared) for k, a in nested_arguments(cls).items() if isinstance(a.declared, Param)]
        text += f"### {cls.__name__}\n\n{doc_of(cls)}\n\n" + table(
            ("parameter", "default", "unit", "range", "meaning"),
            ((code(k), param_default(d), d.unit, param_range(d), d.doc or documented(cls, k)) for k, d in params),
        )
        text += states_table(cls)
    return text


def common_arguments() -> list[tuple[str, str]]:
    """Arguments of ``Process`` itself, from its docstring."""
    found = re.findall(r"^\* `(\w+)`: (.*)$", doc_of(Process), re.M)
    rows = [(f"`{name}`", text) for name, text in found if name in ("name", *COMMON)]
    assert len(rows) == len(COMMON) + 1, rows
    return rows


def process_entry(cls: type[Process]) -> str:
    """Text, arguments, ports, parameters and states of one Process."""
    text = f"### {cls.__name__}\n\n{doc_of(cls)}\n\n"
    own = cls.declarations
    known = {k: a for k, a in arguments(cls).items() if k not in (*COMMON, "name")}
    plain = [a for a in known.values() if a.declared is None or isinstance(a.declared, Data)]
    text += table(("argument", "default"), ((code(a.name), code(default_text(a))) for a in plain))
    ports = [(k, d) for k, d in own.items() if isinstance(d, (In, Out))]
    text += table(
        ("port", "direction", "type", "notes"),
        ((code(k), "in" if isinstance(d, In) else "out", code(d.type), port_notes(d)) for k, d in ports),
    )
    params = [(k, d) for k, d in own.items() if isinstance(d, Param)]
    text += table(
        ("parameter", "default", "unit", "range", "meaning"),
        ((code(k), param_default(d), d.unit, param_range(d), d.doc or documented(cls, k)) for k, d in params),
    )
    text += states_table(cls)
    draws = [k for k, d in own.items() if isinstance(d, Draw)]
    return text + (f"Draws {len(draws)} random number an element and tick.\n\n" if draws else "")


def states_table(cls: type[Process]) -> str:
    """States of a Process, or variables that a rule gives each synapse."""
    states = [(k, d) for k, d in cls.declarations.items() if isinstance(d, State)]
    return table(
        ("state", "initial", "unit", "dtype", "meaning"),
        ((code(k), code(d.init), d.unit, d.dtype, d.doc) for k, d in states),
    )


def default_text(argument: Argument) -> str:
    """Default of an argument that is no Param."""
    return "required" if argument.required else repr(argument.default)


def port_notes(declared: In | Out) -> str:
    """What is special about a port."""
    notes = ["any shape with the right number of elements"] if declared.flat else []
    if isinstance(declared, Out) and declared.components > 1:
        notes.append(f"shape ({declared.components}, *shape)")
    return "; ".join(notes)


def param_default(declared: Param) -> str:
    """Default in words."""
    return "required" if declared.default is ... else code(repr(declared.default))


def param_range(declared: Param) -> str:
    """Range, and what else is asked of the values."""
    kind = {"int32": "whole numbers", "bool": "true or false", "str": "text"}.get(declared.dtype, "")
    limits = declared.describe_range()
    limits = "" if limits == "any finite number" else limits
    return ", ".join(filter(None, (kind, limits, "scalar" if declared.scalar else "")))


def documented(cls: type[Process], name: str) -> str:
    """What the docstring's ``Args:`` say of a parameter."""
    for key, text in re.findall(r"^\* `([\w, ]+)`: (.*)$", doc_of(cls), re.M):
        if name in key.split(", "):
            return str(text)
    return ""
