"""The option ``threads`` of compile and load."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph import processes as zoo
from procgraph.errors import ParameterError
from procgraph.models.reference.backend import ReferenceBackend
from procgraph.models.reference.executor import ReferenceExecutor


def drive() -> pg.Graph:
    source = zoo.PoissonSource(shape=20_000, rate=100.0, name="source")
    synapse = zoo.OneToOne(0.6, name="synapse")
    neurons = zoo.LIF(shape=20_000, name="neurons")
    source.s_out.connect(synapse.s_in)
    synapse.a_out.connect(neurons.a_in)
    return pg.Graph(source, synapse, neurons, seed=5)


@pytest.mark.parametrize("threads", [0, -1, 256, True, 1.0, "all", None])
def test_other_numbers_are_refused(threads: Any, backend: str) -> None:
    with pytest.raises(ParameterError, match=r"threads is .*allowed: 1 to 255, or 'auto'"):
        pg.compile(drive(), backend, threads=threads)


def test_results_do_not_depend_on_them(backend: str) -> None:
    voltages = []
    for threads in (1, 2, 3, "auto"):
        with pg.compile(drive(), backend, threads=threads) as rt:
            rt.run(steps=20)
            voltages.append(rt.get("neurons.v"))
    assert np.any(voltages[0])
    assert all(np.array_equal(v, voltages[0]) for v in voltages)


def test_auto_is_what_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        ReferenceBackend,
        "load",
        lambda self, program, options: (seen.append(options), ReferenceExecutor(program, options))[1],
    )
    with pg.compile(drive(), "reference", threads="auto"):
        wanted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        assert [options.threads for options in seen] == [min(wanted or 1, 255)]


def test_a_loaded_program_takes_them_too(tmp_path: Path, backend: str, no_native_thread_left: None) -> None:
    path = tmp_path / "drive.pgx"
    with pg.compile(drive(), backend) as rt:
        rt.program.save(path)
        rt.run(steps=10)
        wanted = rt.get("neurons.v")
    with pg.load(path, backend, threads=3) as rt:
        rt.run(steps=10)
        assert np.array_equal(rt.get("neurons.v"), wanted)
    del rt
