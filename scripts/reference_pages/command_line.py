"""The commands, their options, and variables of the environment."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any

from procgraph.cli.app import EXIT_CODES, app
from reference_pages.text import code, doc_of, first_line, table

ENVIRONMENT = {
    "PROCGRAPH_CACHE": "Folder for compiled kernels of your own Processes, in `procgraph/kernels` below it. Default: `XDG_CACHE_HOME`, else `~/.cache`. "
    "May be deleted at any time; kernels are compiled again when they are needed.",
    "XDG_CACHE_HOME": "The same where `PROCGRAPH_CACHE` is not set.",
    "CXX": "C++ compiler for these kernels, a name or a path. Default: the first of `c++`, `g++` and `clang++` that there is; without any they run as NumPy.",
    "PROCGRAPH_ISA": "Instruction set of the native engine: `baseline`, and where machine and build have them `v3` (AVX2), `v4` (AVX-512) or `neon`. "
    "Default: the most capable. Another one is refused with those that are allowed. Results are the same bits.",
    "PROCGRAPH_RING": "`1` delivers sparse synapses through a ring of sums wherever that is possible, `0` nowhere. Default: where the cost model says so, "
    "[decision 17](../decisions/0017-a-ring-for-short-segments.md). Results are the same bits.",
    "PROCGRAPH_DIVIDE": "Set to anything, it makes threads share even the smallest piece of work: slow, for tests. Results are the same bits.",
    "DISPLAY": "On Linux, `watch` of ViZDoom is refused where neither this nor `WAYLAND_DISPLAY` names a display.",
    "WAYLAND_DISPLAY": "See `DISPLAY`.",
}


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
    text += "## Environment variables\n\nThey hold for the command and for Python alike; `procgraph doctor` shows compiler and instruction set.\n\n"
    return text + table(("variable", "meaning"), ((code(name), meaning) for name, meaning in ENVIRONMENT.items()))


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
