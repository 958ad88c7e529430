"""A checkpoint restores what was set on parameters and weights, too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import CheckpointError
from procgraph.ir.container import TensorStore, read_container, write_container
from procgraph.processes import LIF, CurrentSource, Dense, PoissonSource


def _network(name: str = "cells") -> pg.Graph:
    source = PoissonSource(shape=20, rate=50.0, name="source")
    synapses = Dense(np.full((5, 20), 0.05), w_max=1.0, name="synapses")
    cells = LIF(shape=5, tau_m=20.0, v_th=50.0, name=name)
    source >> synapses >> cells
    CurrentSource(np.full((1, 5), 0.1), name="current") >> cells
    return pg.Graph(cells, seed=1)


SET: dict[str, Any] = {
    "cells.tau_m": 5.0,
    "cells.bias": np.arange(5.0),
    "synapses.weights": 0.2,
    "current.values": 0.05,
}


def _run_on(rt: pg.Runtime) -> Any:
    rt.run(steps=50)
    return rt.get("cells.v")


def test_what_was_set_after_a_checkpoint_is_undone(backend: str, tmp_path: Path) -> None:
    with pg.compile(_network(), devices=backend) as rt:
        rt.run(steps=50)
        rt.checkpoint(tmp_path / "early.ckpt")
        before = {name: rt.get(name) for name in SET}
        early = _run_on(rt)
        for name, value in SET.items():
            rt.set(name, value)
        rt.checkpoint(tmp_path / "late.ckpt")
        late = _run_on(rt)
        for _ in range(2):
            rt.restore(tmp_path / "early.ckpt")
            assert all(np.array_equal(rt.get(name), value) for name, value in before.items())
            assert np.array_equal(_run_on(rt), early)
            rt.restore(tmp_path / "late.ckpt")
            assert np.array_equal(_run_on(rt), late)


def test_a_fresh_runtime_knows_the_parameters_of_a_checkpoint(backend: str, tmp_path: Path) -> None:
    with pg.compile(_network(), devices=backend) as rt:
        for name, value in SET.items():
            rt.set(name, value)
        rt.checkpoint(tmp_path / "set.ckpt")
        expected = _run_on(rt)
    with pg.compile(_network(), devices=backend) as rt:
        rt.restore(tmp_path / "set.ckpt")
        assert all(np.allclose(rt.get(name), value) for name, value in SET.items())
        rt.set("cells.v_rest", 0.0)  # computes the columns anew, of all parameters
        assert np.array_equal(_run_on(rt), expected)


def test_figures_of_a_run_begin_at_the_checkpoint(backend: str, tmp_path: Path) -> None:
    with pg.compile(_network(), devices=backend) as rt:
        rt.run(steps=50)
        rt.checkpoint(tmp_path / "a.ckpt")
        rt.run(steps=30)
        rt.restore(tmp_path / "a.ckpt")
        assert (rt.stats()["steps_run"], sum(rt.stats()["events"].values())) == (0, 0)


def test_a_neuron_may_be_called_host(backend: str, tmp_path: Path) -> None:
    with pg.compile(_network("host"), devices=backend) as rt:
        rt.set("host.bias", 0.5)
        rt.run(steps=50)
        rt.checkpoint(tmp_path / "a.ckpt")
        rt.run(steps=50)
        v = rt.get("host.v")
        rt.restore(tmp_path / "a.ckpt")
        rt.run(steps=50)
        assert np.array_equal(rt.get("host.v"), v)


@pytest.mark.parametrize("value", [np.zeros(1), np.ones(3)], ids=["not above 0", "three for five"])
def test_a_parameter_that_does_not_fit_is_refused(value: Any, tmp_path: Path) -> None:
    with pg.compile(_network(), devices="reference") as rt:
        rt.set("cells.tau_m", 5.0)
        rt.checkpoint(tmp_path / "a.ckpt")
        header, tensors = read_container((tmp_path / "a.ckpt").read_bytes(), "a")
        store = TensorStore()
        state = {k: value if k == "cells/param/tau_m" else tensors[i] for k, i in header["state"].items()}
        header["state"] = {k: store.add(v) for k, v in state.items()}
        (tmp_path / "a.ckpt").write_bytes(write_container(header, store))
        with pytest.raises(CheckpointError, match="cells/param/tau_m"):
            rt.restore(tmp_path / "a.ckpt")


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of the size of a file")
def test_a_checkpoint_that_finds_no_room_leaves_the_old_one(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "a.ckpt"
    with pg.compile(_network(), devices="reference") as rt:
        rt.checkpoint(path)
        before = path.read_bytes()
        rt.run(steps=5)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
        try:
            with pytest.raises(CheckpointError, match="a.ckpt cannot be written"):
                rt.checkpoint(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
        rt.checkpoint(path)
        assert path.read_bytes() != before
