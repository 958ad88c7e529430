"""How a golden is written."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any


def write(path: Path, golden: dict[str, Any]) -> None:
    """A YAML file with short lists and dicts on lines of their own."""
    lines = [f"process: {golden['process']}", "source: |"]
    for paragraph in golden["source"].splitlines():
        lines += textwrap.wrap(" ".join(paragraph.split()), 116, initial_indent="  ", subsequent_indent="  ")
    for key, value in golden.items():
        if key not in ("process", "source"):
            lines += _block(key, value, 0)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return f"{value:.1f}" if isinstance(value, float) and value == round(value) and abs(value) < 1e15 else repr(value)


def _block(key: Any, value: Any, depth: int) -> list[str]:
    indent = "  " * depth
    text = f"{indent}{key}: {_flow(value)}"
    if len(text) <= 120:
        return [text]
    if isinstance(value, dict) and any(isinstance(v, (dict, list)) for v in value.values()):
        return [f"{indent}{key}:", *(line for k, v in value.items() for line in _block(k, v, depth + 1))]
    return [
        f"{indent}{key}:",
        *textwrap.wrap(_flow(value), 120, initial_indent=indent + "  ", subsequent_indent=indent + "   "),
    ]
