"""Docstrings as Markdown, and tables."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable


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
