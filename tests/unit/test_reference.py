"""docs/reference is what scripts/make_reference.py makes of the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "scripts" / "make_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_pages_are_up_to_date(script: ModuleType) -> None:
    made = script.generate()
    committed = {p.name for p in REFERENCE.iterdir()}
    assert committed == set(made), "files that the script does not make, or that are missing"
    stale = [n for n, text in made.items() if (REFERENCE / n).read_text(encoding="utf-8") != text]
    assert not stale, f"out of date: {stale}; run python scripts/make_reference.py"


def test_every_process_and_every_public_name_has_an_entry(script: ModuleType) -> None:
    import procgraph as pg
    from procgraph import errors, processes

    made = script.generate()
    assert all(f"### {name}\n" in made["processes.md"] for name in processes.__all__)
    assert all(f"## {name}\n" in made["python.md"] for name in pg.__all__ if name != "__version__")
    assert all(f"`{n}`" in made["errors.md"] for n in errors.__all__ if isinstance(getattr(errors, n), type))


def test_directives_and_addresses_do_not_leak(script: ModuleType) -> None:
    for name, text in script.generate().items():
        for mark in (".. math::", ":math:", " at 0x", "<factory>", str(ROOT)):
            assert mark not in text, f"{name} holds {mark!r}"


def test_every_variable_of_the_environment_is_listed(script: ModuleType) -> None:
    read = re.compile(r"""(?:getenv\(|environ(?:\.get\(|\[))"(\w+)\"""")
    sources = [*(ROOT / "procgraph").rglob("*.py"), *(ROOT / "native" / "src").rglob("*.cpp")]
    names = {name for source in sources for name in read.findall(source.read_text(encoding="utf-8"))}
    assert {"CXX", "PROCGRAPH_ISA"} <= names
    assert not [name for name in names if f"| `{name}` |" not in script.generate()["cli.md"]]
