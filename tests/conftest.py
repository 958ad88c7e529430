"""Options and fixtures of all tests: the backends under test, seeds, and the check that no thread is left behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
BACKENDS = ("reference", "cpu")
GRACE = 1.0  # seconds in which a thread that was told to stop must be gone


def _prefer_installed_package() -> None:
    """``python -m pytest`` puts the source tree first, which has no compiled module; an installed procgraph goes before it."""
    others = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    if len(others) < len(sys.path) and PathFinder.find_spec("procgraph", others) is not None:
        sys.path[:] = others


_prefer_installed_package()


def _has_native() -> bool:
    return importlib.util.find_spec("procgraph._native") is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("procgraph")
    group.addoption("--backend", action="append", choices=BACKENDS, help="test only this backend (may be given twice)")
    group.addoption("--seeds", type=int, default=2, help="how many seeds a test with the fixture 'seed' runs with")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a job in the background; what tests start would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    wanted = config.getoption("--backend") or (BACKENDS if _has_native() or "CI" in os.environ else ("reference",))
    if "cpu" in wanted and not _has_native():
        raise pytest.UsageError(
            "procgraph._native is not installed. Run pip install -e '.[test]', or choose --backend reference."
        )
    config.stash[_selected] = tuple(wanted)


_selected = pytest.StashKey[tuple[str, ...]]()


def pytest_report_header(config: pytest.Config) -> str:
    import procgraph

    chosen = config.stash[_selected]
    missing = [b for b in BACKENDS if b not in chosen]
    return f"procgraph: {Path(procgraph.__file__).parent}, backends: {', '.join(chosen)}" + (
        f" (not tested: {', '.join(missing)})" if missing else ""
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    given = {n.strip() for m in metafunc.definition.iter_markers("parametrize") for n in _names(m.args[0])}
    if "backend" in metafunc.fixturenames and "backend" not in given:
        metafunc.parametrize("backend", metafunc.config.stash[_selected])
    if "seed" in metafunc.fixturenames and "seed" not in given:
        metafunc.parametrize("seed", [2**k - 1 for k in range(1, metafunc.config.getoption("--seeds") + 1)])


def _names(argument: str | Sequence[str]) -> Sequence[str]:
    return argument.split(",") if isinstance(argument, str) else argument


@pytest.fixture(scope="session", autouse=True)
def _away_from_the_source_tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Interpreters that tests start import from their folder first; in the source tree there is no compiled module."""
    import procgraph

    if Path(procgraph.__file__).is_relative_to(ROOT / "procgraph"):
        yield  # an editable install, or none
        return
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("folder"))
    yield
    os.chdir(before)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that depend on the name of the test only."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(autouse=True)
def no_thread_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """No Python thread outlives a test."""
    before = set(threading.enumerate())
    yield
    left = _wait_for(lambda: [t for t in threading.enumerate() if t not in before])
    assert not left, f"{request.node.nodeid} left threads behind: {left}"


@pytest.fixture
def no_native_thread_left() -> Iterator[None]:
    """No thread of any kind outlives the test. Ask for it after whatever may start a thread pool for good."""
    if not Path("/proc/self/task").exists():
        pytest.skip("threads of the OS are counted in /proc/self/task, which this system does not have")
    before = set(os.listdir("/proc/self/task"))
    yield
    left = _wait_for(lambda: sorted(set(os.listdir("/proc/self/task")) - before))
    assert not left, f"threads left behind: {left}"


def _wait_for(left: Callable[[], list[object]]) -> list[object]:
    deadline = time.monotonic() + GRACE
    while left() and time.monotonic() < deadline:
        time.sleep(0.01)
    return left()
