"""Program and checkpoint files whose checksums are right and whose content is not: typed errors on every device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import CheckpointError, ProcgraphError, ProgramFormatError
from procgraph.ir.container import TensorStore, read_container, write_container
from procgraph.processes import LIF, Argmax, Conv2d, Dense, PoissonSource, Sparse


def changed(data: bytes, change: Callable[[dict[str, Any], list[np.ndarray[Any, Any]]], None]) -> bytes:
    """A file with correct checksums and other content."""
    header, tensors = read_container(data)
    change(header, tensors)
    store = TensorStore()
    for tensor in tensors:
        store.add(tensor)
    del header["tensors"]
    return write_container(header, store)


def of(header: dict[str, Any], name: str) -> dict[str, Any]:
    return next(n for n in header["nodes"] if n["name"] == name)


FIELDS: list[Callable[[dict[str, Any], list[np.ndarray[Any, Any]]], None]] = [
    lambda h, t: of(h, "pop")["columns"][0].update(name=0),
    lambda h, t: of(h, "pop").update(type=-1),
    lambda h, t: of(h, "pop")["outputs"][0].update(name=0.5),
    lambda h, t: of(h, "pop")["outputs"][0].update(limit={}),
    lambda h, t: of(h, "rule")["attrs"].pop("table", None) or of(h, "rule")["attrs"].update(key="x"),
    lambda h, t: of(h, "conv")["attrs"].update(stride=[1]),
    lambda h, t: t.__setitem__(of(h, "conv")["attrs"]["weights"], np.ones(9, np.float32)),
    lambda h, t: of(h, "best")["attrs"].update(classes=False),
    lambda h, t: of(h, "pop").update(type="Argmax"),
    lambda h, t: of(h, "pop")["columns"].pop(),
]


@pytest.fixture(scope="module")
def program() -> bytes:
    source = PoissonSource(shape=(1, 4, 4), rate=100.0, name="source")
    source >> Conv2d(np.ones((1, 1, 3, 3)), name="conv") >> LIF(name="pop") >> Argmax(name="best", shape=(1, 2, 2))
    source.s_out.flatten().connect(Sparse(1.0, rule="fixed_probability", p=0.5, name="rule").s_in)
    graph = pg.Graph(source, LIF(name="other", shape=3))
    graph.processes["rule"].bound("a_out").connect(graph.processes["other"].bound("a_in"))
    with pg.compile(graph) as rt:
        return rt.program.data


def test_truth_values_are_true_or_false(program: bytes) -> None:
    from procgraph import _native

    data = changed(program, lambda h, t: t.__setitem__(0, np.frombuffer(bytes([0, 1, 2]), bool)))
    with pytest.raises(ProgramFormatError, match="has other values than true and false"):
        _native.Program.from_bytes(data)


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("number", range(len(FIELDS)))
def test_programs_with_fields_of_another_type(tmp_path: Path, program: bytes, number: int, device: str) -> None:
    path = tmp_path / "a.pgx"
    path.write_bytes(changed(program, FIELDS[number]))
    try:
        with pg.load(path, device) as rt:
            rt.run(steps=10)
    except ProcgraphError as error:
        assert "a.pgx" in str(error) or "pop" in str(error)
    else:
        assert device == "cpu" and number >= 8, "the engine knows kernels by their hash, and not by class"


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_checkpoints_with_weights_of_another_size(tmp_path: Path, device: str) -> None:
    source, path = PoissonSource(shape=3, rate=10.0, name="source"), tmp_path / "a.ckpt"
    source >> Dense(np.eye(3), name="syn") >> LIF(name="pop")
    graph = pg.Graph(source)
    with pg.compile(graph, device) as rt:
        rt.set("syn.weights", 0.25)
        rt.checkpoint(path)
        key = "syn/column/weights"
        data = path.read_bytes()
        for wrong in (np.ones(8, np.float32), np.ones((3, 3)), np.ones(0, np.float32)):
            path.write_bytes(changed(data, lambda h, t, w=wrong: t.__setitem__(h["state"][key], w)))
            with pytest.raises(CheckpointError, match=f"{key}.* does not fit"):
                rt.restore(path)
        path.write_bytes(changed(data, lambda h, t: h["state"].update({"nobody/column/weights": h["state"].pop(key)})))
        with pytest.raises(CheckpointError, match=r"nobody/column/weights.* does not fit"):
            rt.restore(path)
