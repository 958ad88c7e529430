"""The keys of a graph file."""

from __future__ import annotations

import importlib
import inspect

from procgraph.config.arrays import GENERATORS
from procgraph.config.models import ChannelEntry, GraphFile, RunSettings
from procgraph.config.types import COMMON
from procgraph.config.views import METHODS
from procgraph.spec.units import UNITS
from reference_pages.text import code, markdown, table


def yaml_page() -> str:
    """The keys of a graph file."""
    text = "# Graph files\n\nA graph as YAML. The JSON Schema for editors is [procgraph.schema.json](procgraph.schema.json), also printed by `procgraph schema`.\n\n"
    for model, title in (
        (GraphFile, "Top level"),
        (RunSettings, "`run`"),
        (ChannelEntry, "A channel in its long form"),
    ):
        rows = []
        for name, field in model.model_fields.items():
            default = "required" if field.is_required() else code(field.get_default(call_default_factory=True))
            rows.append((code(field.alias or name), default, field.description))
        text += f"## {title}\n\n" + table(("key", "default", "meaning"), rows)
    text += "A channel in its short form is `process.output -> process.input`.\n\n"
    text += "## A Process\n\n`name: {type: LIF, …}` takes `type`, the arguments " + ", ".join(f"`{c}`" for c in COMMON)
    text += " of every Process, and those of its type, see [processes.md](processes.md).\n\n"
    text += "## Ports\n\n`process.port`, `process.child.port` for a child of a hierarchical Process, with views: slices `[34:194, 0:160]`, "
    text += ", ".join(f"`.{m}(…)`" for m in METHODS) + ".\n\n"
    module = importlib.import_module("procgraph.config.arrays")
    text += f"## Arrays\n\n{markdown(inspect.cleandoc(module.__doc__ or ''))} Generators: {', '.join(code(g) for g in GENERATORS)}.\n\n"
    drawn = importlib.import_module("procgraph.config.drawn")
    text += f"## Distributions\n\n{markdown(inspect.cleandoc(drawn.__doc__ or ''))}\n\n"
    text += "## Synapses that learn\n\n"
    text += "`{type: Plastic, synapses: {type: Sparse, …}, rule: {type: PairSTDP, …}, sign: 1}`: `synapses` and `rule` "
    text += "take a type and its arguments, see [plasticity rules](processes.md#plasticity-rules).\n\n"
    units: dict[str, list[str]] = {}
    for unit, (dimension, _) in UNITS.items():
        units.setdefault(dimension, []).append(code(unit))
    return text + "## Units\n\n" + table(("dimension", "units"), ((d, ", ".join(u)) for d, u in units.items()))
