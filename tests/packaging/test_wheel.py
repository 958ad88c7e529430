"""Source tree -> sdist -> wheel -> clean environment -> a graph that runs. Needs a C++ compiler and the package index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NEVER_SOURCE = {".git", ".venv", "build", "dist", "__pycache__"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(540)]

RUN_A_GRAPH = """
import numpy as np
import procgraph as pg
from procgraph.processes import LIF, Dense, SpikeSource

stim = SpikeSource(steps=[0, 1, 2, 2], index=[0, 1, 0, 1], shape=2)
syn = Dense(weights=np.full((3, 2), 2.0, np.float32))
pop = LIF(shape=3, v_th=1.0)
stim >> syn >> pop
with pg.compile(pg.Graph(pop), devices="cpu") as rt:
    spikes = rt.probe(pop.s_out)
    rt.run(steps=10)
    assert len(spikes.events) > 0, "no spike"
    print("spikes", len(spikes.events), "from", pg.__file__)
"""


def _run(*command: str | Path, cwd: Path) -> str:
    """Run in an environment that knows nothing of this one, and return what it printed."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV", "VIRTUAL_ENV"))}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    )
    return done.stdout


def _source_files(folder: Path) -> list[Path]:
    """What is under version control, or would be; all files where this is no checkout."""
    listed = subprocess.run(
        ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0 and (folder / ".git").exists():
        return [folder / name for name in listed.stdout.decode().split("\0") if name]
    return [p for p in folder.rglob("*") if not NEVER_SOURCE & set(p.relative_to(folder).parts) and not p.is_dir()]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree with nothing built in it."""
    copy = tmp_path_factory.mktemp("source") / "tree"
    for source in _source_files(ROOT):
        target = copy / source.relative_to(ROOT)
        if os.path.lexists(source):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    assert (copy / "pyproject.toml").exists()
    return copy


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--outdir", out, tree, cwd=out)
    return out


@pytest.fixture(scope="module")
def clean_python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that has the wheel and what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    _run(python, "-m", "pip", "install", "--quiet", _wheel(built), cwd=folder)
    return python


def _wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


def test_the_sdist_is_complete_and_has_no_second_copies(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = {m.name.partition("/")[2] for m in members}
    assert not [m.name for m in members if m.issym() or m.islnk()]
    assert {
        "pyproject.toml",
        "CMakeLists.txt",
        "README.md",
        "LICENSE",
        "native/CMakeLists.txt",
        "tests/conftest.py",
    } <= names
    assert any(n.startswith("procgraph/processes/") for n in names)
    strays = {n.partition("/")[0] for n in names} & {"processes", "models", "channels", "build", "dist", ".git"}
    assert not strays
    assert not [n for n in names if n.endswith((".so", ".pyd", ".pyc"))]


def test_the_wheel_installs_one_name(built: Path) -> None:
    wheel = _wheel(built)
    names = zipfile.ZipFile(wheel).namelist()
    top = {n.partition("/")[0] for n in names}
    assert {t for t in top if not t.endswith(".dist-info")} == {"procgraph"}
    assert len(top) == 2
    assert {"procgraph/py.typed", "procgraph/_native.pyi", "procgraph/include/procgraph/kernel.h"} <= set(names)
    assert len([n for n in names if n.startswith("procgraph/_native.") and n.endswith((".so", ".pyd"))]) == 1
    assert len(names) == len(set(names)), "a file is in the wheel twice"
    assert not [n for n in names if n.endswith((".pyc", ".cpp", ".hpp"))]
    assert [n for n in names if ".dist-info/" in n and n.endswith("LICENSE")]


def test_every_module_of_the_source_tree_is_in_the_wheel(built: Path, tree: Path) -> None:
    names = set(zipfile.ZipFile(_wheel(built)).namelist())
    wanted = {str(p.relative_to(tree).as_posix()) for p in (tree / "procgraph").rglob("*.py")}
    assert wanted
    assert wanted <= names


def test_a_graph_runs_in_a_clean_environment(clean_python: Path, tmp_path: Path) -> None:
    printed = _run(clean_python, "-c", RUN_A_GRAPH, cwd=tmp_path)
    assert "spikes" in printed
    assert str(ROOT) not in printed


def test_the_bare_names_are_not_installed(clean_python: Path, tmp_path: Path) -> None:
    code = "import importlib.util as u; print([n for n in ('processes', 'models', 'channels', 'native') if u.find_spec(n)])"
    assert _run(clean_python, "-c", code, cwd=tmp_path).strip() == "[]"


def test_the_command_is_installed(clean_python: Path, tmp_path: Path) -> None:
    command = next(p for p in clean_python.parent.iterdir() if p.stem == "procgraph")
    assert "run" in _run(command, "--help", cwd=tmp_path)


def test_type_checkers_see_the_types(clean_python: Path, tmp_path: Path) -> None:
    code = "import pathlib, procgraph; print((pathlib.Path(procgraph.__file__).parent / 'py.typed').exists())"
    assert _run(clean_python, "-c", code, cwd=tmp_path).strip() == "True"
