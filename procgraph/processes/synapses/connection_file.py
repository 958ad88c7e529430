"""Synapses from a file: ``.npz`` with lists of connections, or a matrix of ``scipy.sparse.save_npz``.

The file is not trusted: nothing is unpickled, sizes are compared before memory is taken, and values are read and checked in pieces.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from procgraph.errors import ParameterError, did_you_mean
from procgraph.processes.synapses.base import MAX_DELAY
from procgraph.spec.checks import as_path

__all__ = ["UNREADABLE", "Connections", "read_connections"]

MAX_SYNAPSES = 2**31 - 1
PIECE = 2**16  # values read at once, which stay in the caches until they are checked and kept
FINITE = (-float(np.finfo(np.float32).max), float(np.finfo(np.float32).max))
LISTS = ("source", "target", "weight", "delay")
COMPRESSED = ("csr", "csc")
# What NumPy and zipfile raise for files that are damaged or something else; NotImplementedError is a RuntimeError.
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)
Array = NDArray[Any]


@dataclass
class Connections:
    """The synapses of a file, in its order; a matrix also has sizes."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    weight: NDArray[np.float32] | None = None
    delay: NDArray[np.int32] | None = None
    n_source: int | None = None
    n_target: int | None = None


def read_connections(path: str | Path, owner: str) -> Connections:
    """Read ``source``, ``target`` and, if there, ``weight`` and ``delay`` (steps); or a SciPy matrix (n_target, n_source), csr, csc or coo.

    Raises:
        ParameterError: no such file, not such arrays, or values that no synapse can have.
    """
    as_path(path, f"{owner}.file")
    try:
        with zipfile.ZipFile(path) as archive:
            file = _File(archive, f"{owner}.file {Path(path).name}")
            return _matrix(file) if "format" in file.members else _lists(file)
    except ParameterError:
        raise
    except FileNotFoundError:
        raise ParameterError(f"{owner}.file: no such file ({path}).") from None
    except UNREADABLE as error:
        raise ParameterError(
            f"{owner}.file {path} cannot be read: {error}. Write it with numpy.savez or scipy.sparse.save_npz."
        ) from None


class _File:
    """The arrays of an archive, read in pieces."""

    def __init__(self, archive: zipfile.ZipFile, what: str) -> None:
        self.archive, self.what = archive, what
        self.members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}

    def fail(self, why: str) -> ParameterError:
        return ParameterError(f"{self.what}: {why}")

    def numbers(self, key: str, dtype: str, kinds: str, low: float, high: float) -> Array:
        """A list of numbers of ``kinds`` from low to high, as ``dtype``."""
        with self._open(key) as stream:
            shape, found = self._header(key, stream)
            if found.kind not in kinds or len(shape) != 1:
                wanted = "whole numbers" if "f" not in kinds else "numbers"
                raise self.fail(f"{key!r} is {found} of shape {shape}; allowed: a list of {wanted}.")
            return self._values(key, stream, shape[0], found, np.dtype(dtype), (low, high))

    def text(self, key: str) -> str:
        """A short text, as SciPy stores the format of a matrix."""
        with self._open(key) as stream:
            shape, found = self._header(key, stream)
            if shape != () or found.kind not in "SU" or found.itemsize > 64:
                raise self.fail(f"{key!r} is {found} of shape {shape}; allowed: the name of a format.")
            value = np.frombuffer(stream.read(found.itemsize), found)[0]
            return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)

    def _open(self, key: str) -> IO[bytes]:
        if key not in self.members:
            raise self.fail(f"has no array {key!r}.{did_you_mean(key, self.members)}")
        return self.archive.open(self.members[key])

    def _header(self, key: str, stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
        version = npy.read_magic(stream)
        read: dict[tuple[int, int], Callable[..., Any]] = {
            (1, 0): npy.read_array_header_1_0,
            (2, 0): npy.read_array_header_2_0,
        }
        if version not in read:
            raise self.fail(f"{key!r} has .npy version {version}; allowed: {', '.join(map(str, read))}.")
        shape, fortran, dtype = read[version](stream)
        if dtype.hasobject or (fortran and len(shape) > 1):
            raise self.fail(f"{key!r} holds {dtype}; allowed: numbers.")
        return shape, dtype

    def _values(
        self,
        key: str,
        stream: IO[bytes],
        count: int,
        found: np.dtype[Any],
        dtype: np.dtype[Any],
        limits: tuple[float, float],
    ) -> Array:
        if count > MAX_SYNAPSES or count * found.itemsize > self.members[key].file_size:
            raise self.fail(f"{key!r} says that it has {count} values; it has {self.members[key].file_size} bytes.")
        out = np.empty(count, dtype)
        for first in range(0, count, PIECE):
            size = min(PIECE, count - first)
            data = stream.read(size * found.itemsize)
            if len(data) != size * found.itemsize:
                raise self.fail(f"{key!r} is truncated after {first} of {count} values.")
            piece = np.frombuffer(data, found)
            if not (limits[0] <= piece.min() and piece.max() <= limits[1]):  # also of NaN
                at = int(np.argmin((piece >= limits[0]) & (piece <= limits[1])))
                raise self.fail(f"{key!r}[{first + at}] is {piece[at]}; allowed: {limits[0]:g} to {limits[1]:g}.")
            out[first : first + size] = piece
        out.flags.writeable = False  # so that nobody has to copy it
        return out


def _lists(file: _File) -> Connections:
    for key in file.members:
        if key not in LISTS:
            raise file.fail(f"has an unknown array {key!r}.{did_you_mean(key, LISTS)}")
    lists = {k: _numbers_of(file, k) for k in LISTS if k in file.members or k in ("source", "target")}
    for key, values in lists.items():
        if values.size != lists["source"].size:
            raise file.fail(
                f"{key!r} has {values.size} values, 'source' {lists['source'].size}; allowed: equal numbers."
            )
    return Connections(lists["source"], lists["target"], lists.get("weight"), lists.get("delay"))


def _numbers_of(file: _File, key: str) -> Array:
    if key == "weight":
        return file.numbers(key, "float32", "iuf", *FINITE)
    return file.numbers(key, "int32", "iu", 0, MAX_DELAY if key == "delay" else 2**31 - 2)


def _matrix(file: _File) -> Connections:
    kind = file.text("format")
    shape = file.numbers("shape", "int64", "iu", 1, 2**31 - 1)
    if shape.size != 2 or kind not in (*COMPRESSED, "coo"):
        raise file.fail(
            f"is a {kind!r} matrix of shape {shape.tolist()}; allowed: csr, csc or coo, (n_target, n_source)."
        )
    n_target, n_source = int(shape[0]), int(shape[1])
    weight = file.numbers("data", "float32", "biuf", *FINITE)
    if kind == "coo":
        target = file.numbers("row", "int32", "iu", 0, n_target - 1)
        source = file.numbers("col", "int32", "iu", 0, n_source - 1)
    else:
        rows, others = (n_target, n_source) if kind == "csr" else (n_source, n_target)
        other = file.numbers("indices", "int32", "iu", 0, others - 1)
        begin = file.numbers("indptr", "int64", "iu", 0, other.size)
        counts = np.diff(begin)
        if begin.size != rows + 1 or begin[0] != 0 or begin[-1] != other.size or (counts < 0).any():
            raise file.fail(f"'indptr' does not divide {other.size} values among {rows} rows.")
        own = np.repeat(np.arange(rows, dtype=np.int32), counts)
        target, source = (own, other) if kind == "csr" else (other, own)
    if not weight.size == source.size == target.size:
        raise file.fail(
            f"'data' has {weight.size} values, the indices {source.size} and {target.size}; allowed: equal numbers."
        )
    return Connections(source, target, weight, None, n_source, n_target)
