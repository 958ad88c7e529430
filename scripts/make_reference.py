"""Write docs/reference from declarations, docstrings and the command line: ``python scripts/make_reference.py [--check]``."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.util
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
if importlib.util.find_spec("procgraph") is None:  # not installed: the sources beside this script
    sys.path.insert(0, str(ROOT))

import procgraph as pg  # noqa: E402
from procgraph import errors, processes  # noqa: E402
from procgraph.cli.app import EXIT_CODES, app  # noqa: E402
from procgraph.compiler.backend import Backend, Claim, DeviceInfo, Executor, LoadOptions  # noqa: E402
from procgraph.config.arrays import GENERATORS  # noqa: E402
from procgraph.config.models import ChannelEntry, GraphFile, RunSettings  # noqa: E402
from procgraph.config.schema import schema_text  # noqa: E402
from procgraph.config.types import COMMON, Argument, arguments, nested_arguments, nested_types  # noqa: E402
from procgraph.config.views import METHODS  # noqa: E402
from procgraph.models.python.model import Inbox, Outlet  # noqa: E402
from procgraph.runtime.probe import Probe  # noqa: E402
from procgraph.spec.declare import Data, Draw, In, Out, Param, State  # noqa: E402
from procgraph.spec.ports import Connection, InPort, OutPort, Variable  # noqa: E402
from procgraph.spec.process import Process  # noqa: E402
from procgraph.spec.units import UNITS  # noqa: E402

NOTE = "<!-- Made by scripts/make_reference.py; do not edit. -->\n\n"
GROUPS = (
    ("neurons", "Neurons"),
    ("synapses", "Synapses"),
    ("encoders", "Encoders and decoders"),
    ("sources", "Sources and sinks"),
    ("io", "Input and output"),
)

NOT_MADE_BY_USERS = (
    "Backend",
    "Connection",
    "Executor",
    "Inbox",
    "InPort",
    "Outlet",
    "OutPort",
    "Probe",
    "Program",
    "Runtime",
    "Variable",
)
# Members that only the package itself calls.
INTERNAL = {
    **dict.fromkeys(("Box", "Exponential", "Gaussian", "Linear"), ("reach", "value")),
    "InPort": ("index",),
    "LogNormal": ("cdf", "quantile"),
    "Normal": ("cdf", "quantile"),
    "OutPort": ("index",),
    "Process": ("bound", "check_fit", "default_in", "is_inside"),
    "PythonModel": ("attach", "restart", "tick"),
    "Uniform": ("cdf", "quantile"),
}
MET = {c.__name__: c for c in (OutPort, InPort, Connection, Variable, Probe, Outlet, Inbox)}
CONTRACT = {c.__name__: c for c in (Backend, Executor, Claim, DeviceInfo, LoadOptions)}


# -- docstrings to Markdown ----------------------------------------------------------------------------------------------


def markdown(text: str) -> str:
    """A docstring as Markdown: maths, literals, and the lists of ``Args:`` and ``Raises:``."""
    text = text.replace("``", "`").replace("](", "]\\(")  # a_out[j](k) is no link
    text = re.sub(r"\.\. math::\n((?:(?: {4}.*)?\n)*(?: {4}.*)?)", _display_math, text)
    text = re.sub(r":math:`(.+?)`", lambda m: "$" + " ".join(m[1].split()) + "$", text, flags=re.S)
    return re.sub(r"^(Args|Raises|Returns):(.*)\n((?: {4}.*\n?|\n(?= {4}))*)", _section, text, flags=re.M).strip()


def _display_math(match: re.Match[str]) -> str:
    body = "\n".join(line.strip() for line in match[1].strip().splitlines())
    if "\\\\" in body or "&" in body:
        body = "\\begin{aligned}\n" + body + "\n\\end{aligned}"
    return f"```math\n{body}\n```\n\n"


def _section(match: re.Match[str]) -> str:
    title, first, body = match[1], match[2].strip(), inspect.cleandoc(match[3])
    if title == "Returns":
        return f"**Returns:** {' '.join([first, *body.split()]).strip()}\n\n"
    items: list[str] = []
    for line in body.splitlines():
        fresh = re.match(r"(\*{0,2}\w[\w, ]*):(?: (.*))?$", line)
        if fresh:
            items.append(f"* `{fresh[1]}`: {fresh[2] or ''}".rstrip())
        elif items and line.strip():
            items[-1] += f" {line.strip()}"
    return f"**{title}:**\n\n" + "\n".join(items) + "\n\n"


def doc_of(thing: object) -> str:
    """Docstring as Markdown; empty for those that Python makes for dataclasses."""
    text = vars(thing).get("__doc__") if isinstance(thing, type) else getattr(thing, "__doc__", None)
    if not text or (
        isinstance(thing, type) and dataclasses.is_dataclass(thing) and text.startswith(f"{thing.__name__}(")
    ):
        return ""
    return markdown(inspect.cleandoc(text))


def first_line(thing: object) -> str:
    """The first sentence of a docstring, on one line."""
    return summary(doc_of(thing))


def summary(text: str) -> str:
    """The first paragraph of a Markdown text on one line."""
    return " ".join(re.split(r"\n\n|\n```", text)[0].split())


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; empty without rows."""
    cells = [[str(c).replace("|", "\\|").replace("\n", " ") for c in row] for row in rows]
    if not cells:
        return ""
    names = list(head)
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n"


def code(value: object) -> str:
    """Inline code, or nothing."""
    return f"`{value}`" if value not in ("", None) else ""


# -- Processes -----------------------------------------------------------------------------------------------------------


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
    states = [(k, d) for k, d in own.items() if isinstance(d, State)]
    text += table(
        ("state", "initial", "unit", "dtype", "meaning"),
        ((code(k), code(d.init), d.unit, d.dtype, d.doc) for k, d in states),
    )
    draws = [k for k, d in own.items() if isinstance(d, Draw)]
    return text + (f"Draws {len(draws)} random number an element and tick.\n\n" if draws else "")


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


# -- Python ----------------------------------------------------------------------------------------------------------------


def python_page() -> str:
    """Everything in ``procgraph.__all__``."""
    names = [n for n in sorted(pg.__all__, key=str.lower) if n != "__version__"]
    things = {n: getattr(pg, n) for n in names}
    text = "# Python API\n\n`import procgraph as pg`\n\n"
    text += index(things)
    text += (
        "Not in `pg`, but met when using it:\n\n"
        + index(MET)
        + "For authors of backends, `from procgraph.compiler.backend import …`:\n\n"
    )
    return text + index(CONTRACT) + "".join(api_entry(n, t) for n, t in {**things, **MET, **CONTRACT}.items())


def index(things: dict[str, Any]) -> str:
    """A table of links."""
    return table(("name", "what it is"), ((f"[{n}](#{n.lower()})", module_line(t)) for n, t in things.items()))


def module_line(thing: object) -> str:
    """First line of a class, function or module."""
    return summary(markdown(inspect.cleandoc(thing.__doc__ or ""))) if inspect.ismodule(thing) else first_line(thing)


def api_entry(name: str, thing: Any) -> str:
    """A class with its public members, a function, or a module."""
    if inspect.ismodule(thing):
        text = f"## {name}\n\n{markdown(inspect.cleandoc(thing.__doc__ or ''))}\n\n"
        return text + "".join(function_entry(n, getattr(thing, n), 3) for n in thing.__all__)
    if not isinstance(thing, type):
        return function_entry(name, thing, 2)
    made = "" if name in NOT_MADE_BY_USERS else f"```text\n{name}{signature(thing)}\n```\n\n"
    text = f"## {name}\n\n{made}{doc_of(thing)}\n\n"
    for key, member in public_members(thing):
        if key in INTERNAL.get(name, ()):
            continue
        if isinstance(member, property):
            text += f"### {name}.{key}\n\nProperty. {doc_of(member)}\n\n"
        else:
            text += function_entry(f"{name}.{key}", member, 3)
    return text


def public_members(cls: type) -> Iterator[tuple[str, Any]]:
    """Documented public methods and properties, in the order of the source; those of bases of this package as well."""
    seen: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("procgraph"):
            continue
        for key, member in vars(base).items():
            member = getattr(member, "__func__", member)
            if (
                not key.startswith("_")
                and key not in seen
                and (inspect.isfunction(member) or isinstance(member, property))
                and member.__doc__
            ):
                seen.add(key)
                yield key, member


def function_entry(name: str, function: Callable[..., Any], level: int) -> str:
    """Signature and docstring."""
    return f"{'#' * level} {name}\n\n```text\n{name}{signature(function)}\n```\n\n{doc_of(function)}\n\n"


def signature(thing: Any) -> str:
    """The signature as the source has it, without ``self`` and paths of modules."""
    shown, star = [], False
    signed = inspect.signature(thing)
    for name, p in signed.parameters.items():
        if name in ("self", "cls"):
            continue
        if p.kind is p.KEYWORD_ONLY and not star:
            shown.append("*")
        star = star or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        text = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "") + name
        text += "" if p.annotation is p.empty else f": {annotation(p.annotation)}"
        shown.append(text if p.default is p.empty else f"{text} = {default_of(p.default)}")
    made = isinstance(thing, type) or signed.return_annotation in (signed.empty, "None", None)
    return f"({', '.join(shown)})" + ("" if made else f" -> {annotation(signed.return_annotation)}")


def annotation(value: object) -> str:
    """An annotation, as text."""
    return value if isinstance(value, str) else getattr(value, "__name__", str(value))


def default_of(value: object) -> str:
    """A default, as text."""
    if value is ... or callable(value):
        return "..."
    return repr(value).replace("<factory>", "...")


# -- errors, YAML, command line --------------------------------------------------------------------------------------------


def errors_page() -> str:
    """The exceptions, with their bases."""
    text = f"# Errors\n\n{markdown(inspect.cleandoc(errors.__doc__ or ''))}\n\n`from procgraph.errors import …`.\n\n"
    classes = [getattr(errors, n) for n in errors.__all__ if isinstance(getattr(errors, n), type)]
    rows = ((code(c.__name__), ", ".join(f"`{b.__name__}`" for b in c.__bases__), first_line(c)) for c in classes)
    return text + table(("error", "is a", "meaning"), rows)


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


def cli_page() -> str:
    """The commands, their arguments and options."""
    text = f"# Command line\n\n{EXIT_CODES} `procgraph --version` shows the version.\n\n"
    commands = [(c.name or c.callback.__name__, c.callback) for c in app.registered_commands if c.callback is not None]
    text += table(
        ("command", "what it does"), ((f"[procgraph {n}](#procgraph-{n})", first_line(f)) for n, f in commands)
    )
    for name, callback in commands:
        text += f"## procgraph {name}\n\n{doc_of(callback)}\n\n" + table(
            ("argument", "default", "meaning"), options(callback)
        )
    return text


def options(callback: Callable[..., Any]) -> Iterator[tuple[str, str, str]]:
    """Names, defaults and help of a command's arguments."""
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        hint = hints[name]
        if not hasattr(hint, "__metadata__"):  # Python 3.10 puts Optional around what has None for a default
            hint = typing.get_args(hint)[0]
        info = hint.__metadata__[0]
        default = parameter.default
        # With Annotated, the first name of an option stands where a default would.
        declared = [d for d in (info.default, *(info.param_decls or ())) if isinstance(d, str)]
        if type(info).__name__ == "ArgumentInfo":
            many = typing.get_origin(typing.get_args(hints[name])[0]) is list
            shown = name.upper() + (" …" if many else "")
            yield code(shown), "required", info.help or ""
            continue
        flags = ", ".join(declared or [f"--{name.replace('_', '-')}"])
        metavar = f" {info.metavar}" if info.metavar else "" if isinstance(default, bool) else f" {name.upper()}"
        yield code(flags + metavar), "" if default is None or default is False else code(default), info.help or ""


# -- files -----------------------------------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], str]] = {
    "processes.md": processes_page,
    "python.md": python_page,
    "errors.md": errors_page,
    "yaml.md": yaml_page,
    "cli.md": cli_page,
}


def generate() -> dict[str, str]:
    """All files of docs/reference by name."""
    made = {name: NOTE + re.sub(r"\n{3,}", "\n\n", page()).strip() + "\n" for name, page in PAGES.items()}
    return made | {"procgraph.schema.json": schema_text()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    check = parser.parse_args().check
    stale = []
    for name, text in generate().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                REFERENCE.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    print(
        f"docs/reference: {'out of date' if check else 'written'}: {', '.join(stale)}"
        if stale
        else "docs/reference: up to date"
    )
    if check and stale:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
