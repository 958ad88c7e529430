"""Synapses from files: lists and SciPy matrices, hostile until checked."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.config import load_config
from procgraph.errors import ConfigError, ParameterError
from procgraph.processes import LIF, Dense, PoissonSource, Sparse
from procgraph.processes.synapses.base import kept
from procgraph.processes.synapses.connection_file import read_connections

sparse = pytest.importorskip("scipy.sparse")


def lists(**more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        "source": rng.integers(0, 30, 200),
        "target": rng.integers(0, 20, 200, dtype=np.int32),
        "weight": rng.normal(0.3, 0.1, 200),
        "delay": rng.integers(1, 9, 200, dtype=np.uint8),
        **more,
    }


def test_lists(tmp_path: Path) -> None:
    given = lists()
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "c.npz", **given)
        found = read_connections(tmp_path / "c.npz", "s")
        assert found.source.dtype == found.delay.dtype == np.int32 and found.weight.dtype == np.float32
        for key, values in given.items():
            assert np.array_equal(getattr(found, key), values.astype(getattr(found, key).dtype)), key
    np.savez(tmp_path / "c.npz", source=given["source"], target=given["target"])
    bare = read_connections(tmp_path / "c.npz", "s")
    assert bare.weight is bare.delay is None


def test_long_lists_are_read_in_pieces(tmp_path: Path) -> None:
    source = np.arange(2**21 + 7) % 1000
    np.savez_compressed(tmp_path / "c.npz", source=source, target=source[::-1])
    found = read_connections(tmp_path / "c.npz", "s")
    assert np.array_equal(found.source, source) and np.array_equal(found.target, source[::-1])


def test_what_is_given_can_be_changed_afterwards(tmp_path: Path) -> None:
    given = {k: np.arange(1, 4, dtype=np.int32) for k in ("pre", "post", "delay")}
    weights = np.ones(3, np.float32)
    synapses = Sparse(weights, n_pre=9, n_post=9, **given)
    dense = Dense(np.ones((1, 3), np.float32), delay=given["delay"].reshape(1, 3))
    attrs = synapses.structure({"s_in": (9,), "a_out": (9,)}, 1.0)
    for values in (*given.values(), weights):
        values[:] = 7
    for key, value in (("pre", [1, 2, 3]), ("post", [1, 2, 3]), ("delays", [1, 2, 3]), ("weights", [1, 1, 1])):
        assert attrs[key].tolist() == value, key
    assert np.ravel(dense.delay).tolist() == [1, 2, 3]


def test_lists_of_a_file_are_not_copied(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", source=np.arange(5, dtype=np.int32), target=np.arange(5, dtype=np.int32))
    found = read_connections(tmp_path / "c.npz", "s")
    assert kept(found.source, "int32") is found.source
    with pytest.raises(ValueError, match="read-only"):
        found.source[0] = 1


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_matrices(tmp_path: Path, kind: str) -> None:
    matrix = sparse.random(20, 30, 0.2, kind, dtype=np.float32, random_state=1)
    sparse.save_npz(tmp_path / "m.npz", matrix)
    found = read_connections(tmp_path / "m.npz", "s")
    assert (found.n_target, found.n_source) == (20, 30)
    again = sparse.coo_matrix((found.weight, (found.target, found.source)), (20, 30))
    assert (again != matrix.tocoo()).nnz == 0


def states(backend: str, synapses: Sparse) -> Any:
    source, target = PoissonSource(shape=30, rate=200.0), LIF(name="target", shape=20)
    source >> synapses >> target
    with pg.compile(pg.Graph(source, target, seed=4), devices=backend) as rt:
        rt.run(steps=60)
        return rt.get("target.v"), rt.stats()["events"]["target"]


def test_same_as_listed(backend: str, tmp_path: Path) -> None:
    given = lists()
    np.savez(tmp_path / "c.npz", **given)
    one = states(backend, Sparse(file=tmp_path / "c.npz", n_pre=30, n_post=20))
    other = states(
        backend,
        Sparse(given["weight"], pre=given["source"], post=given["target"], delay=given["delay"], n_pre=30, n_post=20),
    )
    assert np.array_equal(one[0], other[0]) and one[1] == other[1] > 0
    matrix = sparse.random(20, 30, 0.2, "csr", dtype=np.float32, random_state=1)
    sparse.save_npz(tmp_path / "m.npz", matrix)
    one, other = states(backend, Sparse(file=str(tmp_path / "m.npz"))), states(backend, Sparse(matrix))
    assert np.array_equal(one[0], other[0])


def raw(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


BAD: list[tuple[Any, str]] = [
    (lists(source=np.zeros(3, np.int32)), "'target' has 200 values, 'source' 3"),
    (lists(source=np.full(200, -1)), r"'source'\[0\] is -1; allowed: 0 to"),
    (lists(target=np.full(200, 2**40)), r"'target'\[0\] is 1099511627776"),
    (lists(source=np.zeros(200)), "'source' is float64 of shape .*; allowed: a list of whole numbers"),
    (lists(source=np.zeros((20, 10), int)), "allowed: a list"),
    (lists(weight=np.r_[np.ones(150), np.nan, np.ones(49)]), r"'weight'\[150\] is nan; allowed"),
    (lists(weight=np.full(200, 1e39)), r"'weight'\[0\] is 1e\+39"),
    (lists(weight=np.array(["x"] * 200)), "'weight' is <U1"),
    (lists(weight=np.array([{}] * 200, dtype=object)), "holds object"),
    (lists(delay=np.full(200, 200_000)), r"'delay'\[0\] is 200000; allowed: 0 to 100000"),
    (lists(delay=np.full(200, 1.5)), "'delay' is float64"),
    (lists(wieght=np.ones(200)), "unknown array 'wieght'. Did you mean 'weight'"),
    ({"source": np.zeros(3, int)}, "has no array 'target'"),
    (
        {"format": b"csr", "shape": [2, 2], "data": np.ones(1), "indices": [0], "indptr": [0, 1]},
        "'indptr' does not divide",
    ),
    (
        {"format": b"csr", "shape": [2, 2], "data": np.ones(1), "indices": [2], "indptr": [0, 1, 1]},
        r"'indices'\[0\] is 2",
    ),
    ({"format": b"csr", "shape": [2, 2], "data": np.ones(2), "indices": [0], "indptr": [0, 1, 1]}, "'data' has 2"),
    ({"format": b"csr", "shape": [2, 2], "data": np.ones(2), "indices": [0, 1], "indptr": [0, 2, 1]}, "'indptr'"),
    ({"format": b"dia", "shape": [2, 2], "data": np.ones(2)}, "is a 'dia' matrix"),
    ({"format": np.array([{}], object), "shape": [2, 2]}, "object"),
    ({"format": b"coo", "shape": [2], "data": np.ones(2)}, "matrix of shape"),
]


@pytest.mark.parametrize(("arrays", "message"), BAD)
def test_wrong_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "c.npz", allow_pickle=True, **{k: np.asarray(v) for k, v in arrays.items()})
    with pytest.raises(ParameterError, match=message):
        read_connections(tmp_path / "c.npz", "s")


def test_hostile_files(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    good = npy(np.zeros(1000, np.int32))
    huge = good.replace(b"(1000,), }", b"(10**5,)}").replace(b"(1000,)", b"(9999999999999,)")
    for source in (b"", b"not an array", good[:-10], huge, huge[:70], good.replace(b"NUMPY\x01", b"NUMPY\x09")):
        raw(path, source=source, target=good)
        with pytest.raises(ParameterError, match=r"c\.npz"):
            read_connections(path, "s")
    for data in (b"", b"PK\x03\x04junk", good):
        path.write_bytes(data)
        with pytest.raises(ParameterError, match="cannot be read"):
            read_connections(path, "s")
    with pytest.raises(ParameterError, match="no such file"):
        read_connections(tmp_path / "none.npz", "s")
    np.savez_compressed(path, source=np.zeros(5000, int), target=np.zeros(5000, int))
    data = bytearray(path.read_bytes())
    data[60:90] = bytes(30)
    path.write_bytes(data)
    with pytest.raises(ParameterError):
        read_connections(path, "s")


def test_what_excludes_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", **lists())
    for options in ({"pre": [0], "post": [0]}, {"weights": 0.3}, {"delay": 3}, {"rule": "fixed_total", "count": 2}):
        with pytest.raises(ParameterError, match=r"[Ll]eave out|rule= makes"):
            Sparse(file=tmp_path / "c.npz", **options)
    np.savez(tmp_path / "c.npz", **lists(source=np.arange(200)))
    with pytest.raises(ParameterError, match="index 199; allowed: 0 to 29"):
        states("reference", Sparse(file=tmp_path / "c.npz", n_pre=30, n_post=20, name="s"))


FILE = """\
procgraph: 1
processes:
  source: {type: PoissonSource, shape: 30, rate: 200 Hz}
  synapses: {type: Sparse, file: connections.npz}
  target: {type: LIF, shape: 20}
channels: [source.s_out -> synapses.s_in, synapses.a_out -> target.a_in]
"""


def test_graph_file(tmp_path: Path) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text(FILE)
    np.savez(tmp_path / "connections.npz", **lists())
    assert load_config(path).graph.processes["synapses"].pairs[0].size == 200
    np.savez(tmp_path / "connections.npz", **lists(delay=np.full(200, -1)))
    with pytest.raises(ConfigError, match=r"graph\.yaml:4:28: synapses\.file connections\.npz: 'delay'\[0\] is -1"):
        load_config(path)
    (tmp_path / "connections.npz").unlink()
    with pytest.raises(ConfigError, match=r"graph\.yaml:4:28: synapses\.file: no such file"):
        load_config(path)
