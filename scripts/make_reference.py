"""Write docs/reference from declarations, docstrings and the command line: ``python scripts/make_reference.py [--check]``."""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
sys.path.insert(0, str(Path(__file__).parent))
if importlib.util.find_spec("procgraph") is None:  # not installed: the sources beside this script
    sys.path.insert(0, str(ROOT))

from reference_pages.command_line import cli_page  # noqa: E402
from reference_pages.errors import errors_page  # noqa: E402
from reference_pages.graph_files import yaml_page  # noqa: E402
from reference_pages.processes import processes_page  # noqa: E402
from reference_pages.python_api import python_page  # noqa: E402

from procgraph.config.schema import schema_text  # noqa: E402

NOTE = "<!-- Made by scripts/make_reference.py; do not edit. -->\n\n"
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
