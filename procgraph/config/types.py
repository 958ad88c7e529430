"""Which Process types a file may use, and which arguments each takes."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from procgraph.config.problems import Report
from procgraph.config.tree import Node
from procgraph.processes import loihi, rules
from procgraph.processes.synapses.dense import Dense, OneToOne
from procgraph.processes.synapses.sparse import Sparse
from procgraph.spec.declare import Data, Param, State
from procgraph.spec.process import Process, registry
from procgraph.spec.rules import Rule

__all__ = [
    "COMMON",
    "NESTED",
    "Argument",
    "arguments",
    "default_of",
    "import_user_code",
    "known_types",
    "nested_arguments",
    "nested_types",
]

COMMON = ("shape", "period", "phase", "device", "execution")
NESTED = {
    "Synapse": "type of synapses that can learn",
    "Rule": "plasticity rule",
}  # annotation: what such an argument holds
NOT_GIVEN = {
    "Plastic": ("weights",),
    "LoihiRule": ("epoch",),
}  # the synapses hold the weights; t_epoch stands for epoch
Types = Mapping[str, type[Process]]


@dataclass(frozen=True)
class Argument:
    """An argument of a Process type: declared by a Param, State or Data, or else a parameter of ``__init__``."""

    name: str
    declared: object = None
    default: object = None
    annotation: str = ""
    required: bool = False
    drawn: bool = False  # may be a distribution or a function of distance

    @property
    def takes_array(self) -> bool:
        """Whether array files and generators are read for it."""
        if isinstance(self.declared, Param):
            return self.declared.dtype not in ("str", "bool")
        return self.declared is not None or (self.annotation not in ("str", "str | None") and not self.is_path)

    @property
    def is_path(self) -> bool:
        """Whether it names a file; paths are relative to the graph file."""
        return self.annotation.startswith("str | Path")


def known_types() -> dict[str, type[Process]]:
    """Built-in types and all that were declared so far, without plasticity rules."""
    importlib.import_module("procgraph.processes")
    return {name: cls for name, cls in registry.items() if not issubclass(cls, Rule)}


def nested_types(kind: str, types: Mapping[str, type[Process]]) -> dict[str, type[Process]]:
    """The types that an argument annotated as ``kind`` takes; ``types`` are those of the file."""
    if kind != "Rule":
        return {n: cls for n, cls in types.items() if issubclass(cls, (Dense, OneToOne, Sparse))}
    builtin = {n: getattr(module, n) for module in (rules, loihi) for n in module.__all__}
    return {n: cls for n, cls in {**builtin, **registry, **types}.items() if issubclass(cls, Rule) and cls is not Rule}


def nested_arguments(cls: type[Process]) -> dict[str, Argument]:
    """Arguments of a description inside another Process: it neither ticks nor has a shape or a device of its own."""
    known = {k: a for k, a in arguments(cls).items() if k not in COMMON}
    if not issubclass(cls, Rule):
        return known
    return {k: a for k, a in known.items() if isinstance(a.declared, (Param, State))}


def arguments(cls: type[Process]) -> dict[str, Argument]:
    """What the constructor of a type takes, by name; ``name`` is left out, it is the key in the file."""
    found: dict[str, Argument] = {}
    takes_rest = True
    for base in cls.__mro__:
        if not takes_rest or base is object:
            break
        init = vars(base).get("__init__")
        if init is None:
            continue
        parameters = list(inspect.signature(init).parameters.values())[1:]
        takes_rest = any(p.kind is p.VAR_KEYWORD for p in parameters)
        for p in parameters:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "name":
                annotation = "" if p.annotation is p.empty else inspect.formatannotation(p.annotation).strip("'")
                required = p.default is p.empty
                found.setdefault(
                    p.name,
                    Argument(
                        p.name,
                        _declared(cls, p.name),
                        None if required else p.default,
                        annotation,
                        required,
                        drawn=issubclass(cls, Sparse) and p.name in ("weights", "delay", "kernel"),
                    ),
                )
    if takes_rest:
        for key in cls.declarations:
            declared = _declared(cls, key)
            if declared is not None:
                found.setdefault(key, Argument(key, declared))
    for base in cls.__mro__:
        for key in NOT_GIVEN.get(base.__name__, ()):
            found.pop(key, None)
    return found


def _declared(cls: type[Process], name: str) -> Param | State | Data | None:
    declared = cls.declarations.get(name)
    return declared if isinstance(declared, (Param, State, Data)) else None


def import_user_code(node: Node, folder: Path, report: Report, allowed: bool) -> dict[str, type[Process]]:
    """Execute the ``imports`` of a file and return the Process types that they hold; failures are reported."""
    found: dict[str, type[Process]] = {}
    for item in node.content if isinstance(node.content, list) else ():
        if not allowed:
            report.add(
                item.mark,
                f"imports {item.content!r}, and user code was refused. Leave --no-imports out if you trust the file.",
            )
            continue
        module = _import(str(item.content), item, folder, report)
        for value in vars(module).values() if module is not None else ():
            if isinstance(value, type) and issubclass(value, Process) and value is not Process:
                found[value.__name__] = value
    return found


def _import(name: str, item: Node, folder: Path, report: Report) -> ModuleType | None:
    try:
        return _import_file(folder / name) if name.endswith(".py") else importlib.import_module(name)
    except FileNotFoundError:
        report.add(item.mark, f"imports {name!r}: no such file ({folder / name}). Paths are relative to the YAML file.")
    except Exception as error:
        report.add(item.mark, f"imports {name!r}: {_origin(error)}{type(error).__name__}: {error}")
    return None


def _import_file(path: Path) -> ModuleType:
    source = path.read_bytes()
    name = f"procgraph_user_{path.stem}_{hashlib.blake2b(str(path.resolve()).encode() + source, digest_size=6).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _origin(error: BaseException) -> str:
    """``file:line: `` of the user's line that raised."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename and f.filename != __file__
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""


def default_of(argument: Argument) -> Any:
    """The default value; None if there is none."""
    value: Any = argument.declared.default if isinstance(argument.declared, Param) else argument.default
    return None if value is ... else value
