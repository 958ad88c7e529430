"""More threads than processors, and others that want all of them: a run takes longer, but it neither stalls nor collapses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.cli import cli

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors cannot be chosen here")

PROCESSORS = 2
THREADS = 7
STEPS = 3000
LIMIT_S = 8.0  # usually 0.7 s, and 10 to 17 s where threads spin until those they wait for get their turn
BURN = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"
RUN = """
import sys, time
import procgraph as pg
from procgraph.processes import LIF, PoissonSource, Sparse

source, cells = PoissonSource(shape=2000, rate=40.0), LIF(shape=3000, name="cells")
source >> Sparse(0.2, rule="fixed_in_degree", count=40, n_pre=2000, n_post=3000, delay=1) >> cells
cells >> Sparse(-0.1, rule="fixed_in_degree", count=40, n_pre=3000, n_post=3000, delay=1) >> cells
with pg.compile(pg.Graph(cells, seed=2), "cpu", threads=int(sys.argv[1])) as rt:
    started = time.perf_counter()
    rt.run(steps=int(sys.argv[2]))
    print(rt.stats()["events"]["cells"], time.perf_counter() - started)
"""


@contextmanager
def few_processors() -> Iterator[None]:
    """Processes that are started here share two processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:PROCESSORS]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def burning() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-S", "-E", "-c", BURN])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(180)
def test_more_threads_than_processors_beside_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "run.py"
    script.write_text(RUN)
    monkeypatch.setenv("PROCGRAPH_DIVIDE", "1")  # so small a network would run on one thread else
    with few_processors(), ExitStack() as stack:
        alone = cli(1, STEPS, script=script)[1].split()
        for _ in range(PROCESSORS):
            stack.enter_context(burning())
        code, out, err = cli(THREADS, STEPS, script=script)
    assert (code, err) == (0, "")
    events, seconds = out.split()
    assert events == alone[0] and int(events) > 1000
    assert float(seconds) < LIMIT_S
