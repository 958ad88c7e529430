"""``procgraph validate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from procgraph.cli.output import Code, print_json
from procgraph.config.load import load_config
from procgraph.config.types import known_types
from procgraph.errors import ConfigError
from procgraph.spec.process import registry

__all__ = ["validate_files"]


def validate_files(files: list[Path], as_json: bool, imports: bool) -> None:
    """Check every file and print all problems; types that one file imports do not reach the next.

    Raises:
        SystemExit: with code 2 if a file has problems.
    """
    results: list[dict[str, Any]] = []
    for file in files:
        known_types()
        before = dict(registry)
        problems = _problems(file, imports)
        registry.clear()
        registry.update(before)
        for problem in problems:
            print(problem, file=sys.stderr)
        if not problems and not as_json:
            print(f"{file}: ok")
        results.append({"file": str(file), "ok": not problems, "problems": [p.__dict__ for p in problems]})
    good = all(r["ok"] for r in results)
    if as_json:
        print_json({"ok": good, "files": results})
    if not good:
        raise SystemExit(int(Code.USAGE))


def _problems(file: Path, imports: bool) -> list[Any]:
    try:
        load_config(file, imports=imports).compile()
    except ConfigError as error:
        return error.problems
    return []
