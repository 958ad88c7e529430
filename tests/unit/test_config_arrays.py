"""Arrays of graph files: files are read without unpickling, generators are NumPy's."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from procgraph.config.arrays import generate, load_array
from procgraph.errors import ParameterError


def test_files(tmp_path: Path) -> None:
    w = np.arange(6).reshape(2, 3)
    np.save(tmp_path / "w.npy", w)
    np.savez(tmp_path / "many.npz", a=w, b=w + 1)
    np.savez_compressed(tmp_path / "small.npz", a=w)
    assert np.array_equal(load_array("w.npy", tmp_path), w)
    assert type(load_array("w.npy", tmp_path)) is np.ndarray
    assert np.array_equal(load_array("many.npz:b", tmp_path), w + 1)
    assert np.array_equal(load_array("small.npz:a", tmp_path), w)


def test_hostile_files(tmp_path: Path) -> None:
    np.save(tmp_path / "object.npy", np.array([{}, "x"], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "object.npz", a=np.array([{}], dtype=object))
    np.save(tmp_path / "text.npy", np.array(["a", "b"]))
    np.save(tmp_path / "cut.npy", np.zeros(1000))
    data = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(data[:-10])
    (tmp_path / "huge.npy").write_bytes(
        data.replace(b"(1000,), }", b"(10**5,)}").replace(b"(1000,)", b"(9999999999999,)")
    )
    (tmp_path / "none.npy").write_bytes(b"")
    (tmp_path / "junk.npz").write_bytes(b"PK\x03\x04junk")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("a.npy", b"not an array")
    for text in (
        "object.npy",
        "object.npz:a",
        "text.npy",
        "cut.npy",
        "huge.npy",
        "none.npy",
        "junk.npz:a",
        "other.npz:a",
        "missing.npy",
        ".",
    ):
        with pytest.raises(ParameterError, match=text.partition(":")[0]):
            load_array(text if text != "." else "..npy", tmp_path)
    np.savez(tmp_path / "many.npz", weights=np.zeros(2))
    with pytest.raises(ParameterError, match=r"name one: many.npz:key. Known: weights"):
        load_array("many.npz", tmp_path)
    with pytest.raises(ParameterError, match="Did you mean 'weights'"):
        load_array("many.npz:weigths", tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"uniform": [-1, 2], "shape": [3, 2], "seed": 5}, np.random.default_rng(5).uniform(-1, 2, (3, 2))),
        ({"normal": [1.0, 0.5], "shape": 4}, np.random.default_rng(0).normal(1, 0.5, 4)),
        ({"constant": 2, "shape": [2]}, np.array([2.0, 2.0])),
        ({"eye": 3}, np.eye(3)),
    ],
)
def test_generators(value: dict[str, Any], expected: Any) -> None:
    assert np.array_equal(generate(value, "syn.weights"), expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"uniforn": [0, 1]}, "Did you mean 'uniform'"),
        ({"uniform": [0, 1], "eye": 3}, "allowed: one generator"),
        ({"uniform": [0, 1], "shap": 3}, "has no key 'shap'. Did you mean 'shape'"),
        ({"uniform": [0, 1]}, "no shape; add one, .* draws for each synapse is written"),
        ({"uniform": [1, 0], "shape": 3}, "low <= high"),
        ({"uniform": [0], "shape": 3}, "two finite numbers"),
        ({"uniform": [0, float("inf")], "shape": 3}, "two finite numbers"),
        ({"normal": [0, -1], "shape": 3}, "at least 0"),
        ({"constant": "x", "shape": 3}, "a finite number"),
        ({"constant": 1, "shape": [100000, 100000]}, "elements"),
        ({"constant": 1, "shape": [0]}, "whole numbers of at least 1"),
        ({"eye": 10**9}, "elements"),
        ({"uniform": [0, 1], "shape": 3, "seed": -1}, "seed is -1"),
    ],
)
def test_wrong_generators(value: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        generate(value, "syn.weights")
