"""The shape of the source tree: the links at the root, one home for each optional package, small files."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LINKS = {"processes": "procgraph/processes", "models": "procgraph/models", "channels": "procgraph/channels"}
# Package -> the distribution's extra that installs it.
OPTIONAL = {
    "ale_py": "games",
    "gymnasium": "games",
    "matplotlib": "plot",
    "pygame": "games",
    "scipy": "sparse",
    "vizdoom": "vizdoom",
}
LONGEST_FILE = 400


def _sources() -> list[Path]:
    found = sorted((ROOT / "procgraph").rglob("*.py"))
    assert len(found) > 50, found
    return found


def _imports(source: Path) -> set[str]:
    """Top-level names that a module imports, also late or by ``importlib.import_module("…")``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module or "")
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            names |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.skipif((ROOT / "PKG-INFO").exists(), reason="a source distribution leaves the links out")
@pytest.mark.parametrize(("link", "target"), LINKS.items())
def test_links_at_the_root(link: str, target: str) -> None:
    assert (ROOT / link).is_symlink()
    assert os.readlink(ROOT / link) == target
    assert (ROOT / link).is_dir()


def test_only_the_links_that_the_design_names() -> None:
    assert {p.name for p in ROOT.iterdir() if p.is_symlink()} <= set(LINKS)


def test_optional_packages_have_one_home_each() -> None:
    homes: dict[str, set[str]] = defaultdict(set)
    for source in _sources():
        for name in _imports(source) & set(OPTIONAL):
            homes[name].add(str(source.relative_to(ROOT)))
    assert homes, "no module imports any optional package: the scan is broken"
    twice = {name: sorted(files) for name, files in homes.items() if len(files) > 1}
    assert not twice, f"imported in more than one module: {twice}"


def test_nothing_optional_is_imported_with_the_command() -> None:
    code = "import sys, procgraph.cli, procgraph.processes, procgraph.runtime.compile; print(*sys.modules)"
    loaded = {
        name.partition(".")[0] for name in subprocess.check_output([sys.executable, "-c", code], text=True).split()
    }
    assert "procgraph" in loaded
    assert not loaded & set(OPTIONAL)


def test_files_are_small() -> None:
    folders = [ROOT / name for name in ("procgraph", "native", "tests", "scripts", "bench", "examples")]
    found = [p for folder in folders for kind in ("*.py", "*.cpp", "*.hpp", "*.h") for p in folder.rglob(kind)]
    assert len(found) > 100, "the scan is broken"
    long = {str(p.relative_to(ROOT)): n for p in found if (n := _lines(p)) > LONGEST_FILE}
    assert not long, f"more than {LONGEST_FILE} lines; split them: {long}"


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def test_sources_that_hide_the_installed_package_say_so(tmp_path: Path) -> None:
    """A script in the folder of a clone finds the package there, which is not built."""
    shutil.copytree(
        ROOT / "procgraph", tmp_path / "procgraph", ignore=shutil.ignore_patterns("_native*", "__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    script = "import procgraph as pg\nfrom procgraph.processes import LIF\npg.compile(pg.Graph(LIF(shape=1)), 'cpu')\n"
    (tmp_path / "mine.py").write_text(script)
    # -S: an editable install would bring its module.
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-S", tmp_path / "mine.py"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith(
        f"It was imported from the sources in {tmp_path.resolve()}: run from another folder, or 'pip install -e .' there."
    )
