"""Arrays in a graph file: ``w.npy``, ``w.npz:key``, and small generators.

``{uniform: [low, high], shape: […], seed: 3}`` is ``numpy.random.default_rng(3).uniform(low, high, shape)``, ``normal`` likewise with
mean and standard deviation; ``{constant: x, shape: […]}`` and ``{eye: n}`` are what they say.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ParameterError, did_you_mean
from procgraph.processes.synapses.connection_file import UNREADABLE

__all__ = ["GENERATORS", "MAX_ELEMENTS", "generate", "is_array_path", "load_array", "looks_generated"]

GENERATORS = ("constant", "eye", "normal", "uniform")
MAX_ELEMENTS = 2**28
Array = NDArray[Any]


def is_array_path(value: object) -> bool:
    """Whether a text names an array file."""
    return isinstance(value, str) and (value.endswith((".npy", ".npz")) or ".npz:" in value)


def load_array(text: str, folder: Path) -> Array:
    """Load ``w.npy`` or ``w.npz:key``, relative to ``folder``; nothing is unpickled.

    Raises:
        ParameterError: no such file or key, or not an array of numbers.
    """
    name, archive, key = (text, "", "") if text.endswith(".npy") else text.partition(".npz")
    key = key.removeprefix(":")
    path = folder / f"{name}{archive}"
    if not path.is_file():
        raise ParameterError(f"{text}: no such file ({path}). Paths are relative to the YAML file.")
    try:
        array = (
            _from_archive(path, key, text) if archive else np.array(np.load(path, mmap_mode="r", allow_pickle=False))
        )
    except UNREADABLE as error:
        raise ParameterError(
            f"{text} cannot be read as an array: {error}. Write it with numpy.save, without objects."
        ) from None
    if array.dtype.kind not in "biuf":
        raise ParameterError(f"{text} holds {array.dtype}; allowed: numbers.")
    return array


def _from_archive(path: Path, key: str, text: str) -> Array:
    with zipfile.ZipFile(path) as archive:
        members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
        if not key:
            raise ParameterError(f"{text} holds several arrays; name one: {text}:key.{did_you_mean(key, members)}")
        if key not in members:
            raise ParameterError(f"{text}: {path.name} has no array {key!r}.{did_you_mean(key, members)}")
        if members[key].file_size > 8 * MAX_ELEMENTS:
            raise ParameterError(
                f"{text} has {members[key].file_size} bytes; allowed: {8 * MAX_ELEMENTS}. Save it as .npy."
            )
        with archive.open(members[key]) as stream:
            return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def looks_generated(value: object) -> bool:
    """Whether a mapping names a generator."""
    return isinstance(value, dict) and any(g in value for g in GENERATORS)


def generate(value: dict[str, Any], what: str) -> Array:
    """The array that a generator describes.

    Raises:
        ParameterError: an unknown generator or key, or a bad argument.
    """
    kinds = [g for g in GENERATORS if g in value]
    if len(kinds) != 1:
        first = next(iter(value), "")
        raise ParameterError(
            f"{what} is a mapping with {first!r}; allowed: one generator.{did_you_mean(first, GENERATORS)}"
        )
    kind = kinds[0]
    allowed = {"eye": ["eye"], "constant": ["constant", "shape"]}.get(kind, [kind, "shape", "seed"])
    for key in value:
        if key not in allowed:
            raise ParameterError(f"{what}: generator {kind!r} has no key {key!r}.{did_you_mean(key, allowed)}")
    if kind == "eye":
        return np.eye(_size([value["eye"], value["eye"]], what)[0], dtype=np.float32)
    if "shape" not in value:
        raise ParameterError(
            f"{what}: the generator {kind!r} has no shape; add one, such as shape: [128, 784]. "
            "What a rule draws for each synapse is written {normal: {mean: 0.5, sd: 0.05}}."
        )
    shape = _size(value["shape"], what)
    if kind == "constant":
        return np.full(shape, _numbers([value["constant"]], 1, f"{what}.constant")[0])
    return _random(kind, value, shape, what)


def _random(kind: str, value: dict[str, Any], shape: tuple[int, ...], what: str) -> Array:
    first, second = _numbers(value[kind], 2, f"{what}.{kind}")
    seed = value.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise ParameterError(f"{what}.seed is {seed!r}; allowed: whole numbers from 0 to 2**64 - 1.")
    rng = np.random.default_rng(seed)
    if kind == "normal":
        if second < 0:
            raise ParameterError(f"{what}.normal has the standard deviation {second:g}; allowed: at least 0.")
        return rng.normal(first, second, shape)
    if second < first:
        raise ParameterError(f"{what}.uniform is [{first:g}, {second:g}]; allowed: [low, high] with low <= high.")
    return rng.uniform(first, second, shape)


def _numbers(value: Any, count: int, what: str) -> list[float]:
    good = isinstance(value, list) and len(value) == count
    if not good or not all(isinstance(v, (int, float)) and not isinstance(v, bool) and np.isfinite(v) for v in value):
        raise ParameterError(
            f"{what} is {value!r}; allowed: {'two finite numbers' if count == 2 else 'a finite number'}."
        )
    return [float(v) for v in value]


def _size(value: Any, what: str) -> tuple[int, ...]:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(i, int) and not isinstance(i, bool) and i >= 1 for i in items):
        raise ParameterError(
            f"{what}: the generator's shape is {value!r}; allowed: whole numbers of at least 1, such as [128, 784]."
        )
    if math.prod(items) > MAX_ELEMENTS:
        raise ParameterError(f"{what}: the generator's shape is {value!r}; allowed: up to {MAX_ELEMENTS} elements.")
    return tuple(items)
