"""Everything in ``procgraph.__all__``, and what is met when using it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import procgraph as pg
from procgraph.compiler.backend import Backend, Claim, DeviceInfo, Executor, LoadOptions
from procgraph.models.python.model import Inbox, Outlet
from procgraph.runtime.probe import Probe
from procgraph.spec.distributions import Distribution
from procgraph.spec.ports import Connection, InPort, OutPort, Variable
from reference_pages.text import doc_of, first_line, markdown, summary, table

NOT_MADE_BY_USERS = (
    "Backend",
    "Connection",
    "Distribution",
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
    "Distribution": ("cdf", "quantile"),
    "InPort": ("index",),
    "LogNormal": ("cdf", "quantile"),
    "Normal": ("cdf", "quantile"),
    "OutPort": ("index",),
    "Process": ("bound", "check_fit", "default_in", "is_inside"),
    "PythonModel": ("attach", "restart", "tick"),
    "Uniform": ("cdf", "quantile"),
}
MET = {c.__name__: c for c in (OutPort, InPort, Connection, Variable, Probe, Distribution, Outlet, Inbox)}
CONTRACT = {c.__name__: c for c in (Backend, Executor, Claim, DeviceInfo, LoadOptions)}


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
