"""The container of Programs and checkpoints: a MessagePack header and aligned tensors with checksums.

Format: ``docs/explanation/program-format.md``. Reading trusts nothing.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ProgramFormatError

__all__ = ["MAGIC", "TensorStore", "read_container", "write_container", "write_whole"]

MAGIC = b"PROCGRPH"
VERSION = 1
_FIXED = struct.Struct("<8sIIQQ")
ALIGN = 64
DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
MAX_HEADER = 1 << 30


class TensorStore:
    """Collects tensors while a header is built; ``add`` gives the index that the header stores."""

    def __init__(self) -> None:
        self.tensors: list[NDArray[Any]] = []

    def add(self, array: NDArray[Any]) -> int:
        array = np.ascontiguousarray(array)
        if array.dtype.name not in DTYPES:
            raise ProgramFormatError(f"tensor dtype {array.dtype} cannot be stored; allowed: {', '.join(DTYPES)}.")
        self.tensors.append(array.astype(array.dtype.newbyteorder("<"), copy=False))
        return len(self.tensors) - 1


def _pad(n: int) -> int:
    return -n % ALIGN


def write_container(header: dict[str, Any], store: TensorStore) -> bytes:
    """The file's bytes; ``header`` gets the key ``tensors``."""
    checksums = [zlib.crc32(array.data) if array.size else 0 for array in store.tensors]
    packed = b""
    start = 0
    # Offsets stand in the header, whose length depends on them: two or three rounds settle it.
    for _ in range(8):
        offset = start
        table = []
        for array, checksum in zip(store.tensors, checksums):
            table.append(
                {
                    "dtype": array.dtype.name,
                    "shape": list(array.shape),
                    "offset": offset,
                    "nbytes": array.nbytes,
                    "crc": checksum,
                }
            )
            offset += array.nbytes + _pad(array.nbytes)
        packed = msgpack.packb({**header, "tensors": table})
        wanted = _FIXED.size + len(packed) + _pad(_FIXED.size + len(packed))
        if wanted == start:
            break
        start = wanted
    chunks: list[Any] = [
        _FIXED.pack(MAGIC, VERSION, zlib.crc32(packed), len(packed), offset),
        packed,
        b"\0" * _pad(_FIXED.size + len(packed)),
    ]
    for array in store.tensors:
        chunks += [array.data, b"\0" * _pad(array.nbytes)]
    return b"".join(chunks)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is either there as a whole or as it was before, whatever happens in between.

    Raises:
        OSError: it cannot be written.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():  # a pipe or a device
        path.write_bytes(data)
        return
    part = path.with_name(f".{path.name[:64]}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        if path.exists():
            part.chmod(path.stat().st_mode)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_container(data: bytes | memoryview, what: str = "file") -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Header and tensors (read-only views of ``data``).

    Raises:
        ProgramFormatError: not such a file, corrupt, truncated, or of another version.
    """
    view = memoryview(data)
    if len(view) < _FIXED.size:
        raise ProgramFormatError(
            f"{what} has {len(view)} bytes; a Program or checkpoint has at least {_FIXED.size}. It is truncated."
        )
    magic, version, crc, length, total = _FIXED.unpack_from(view)
    if magic != MAGIC:
        raise ProgramFormatError(f"{what} begins with {bytes(magic)!r}, not {MAGIC!r}: it is no Program or checkpoint.")
    if version != VERSION:
        raise ProgramFormatError(
            f"{what} has container version {version}; this release reads {VERSION}. Compile the graph again."
        )
    if total != len(view):
        raise ProgramFormatError(f"{what} has {len(view)} bytes, but says {total}. It is truncated or was changed.")
    if length > min(MAX_HEADER, len(view) - _FIXED.size):
        raise ProgramFormatError(f"{what}: header length {length} exceeds the file.")
    packed = view[_FIXED.size : _FIXED.size + length]
    if zlib.crc32(packed) != crc:
        raise ProgramFormatError(f"{what}: header checksum is wrong. The file is corrupt; compile or save it again.")
    try:
        header = msgpack.unpackb(packed, strict_map_key=True)
    except Exception as error:
        raise ProgramFormatError(f"{what}: header is not MessagePack ({error}).") from None
    if not isinstance(header, dict) or not isinstance(header.get("tensors"), list):
        raise ProgramFormatError(f"{what}: header is not a map with a list of tensors.")
    return header, [_tensor(view, entry, i, what) for i, entry in enumerate(header["tensors"])]


def _tensor(view: memoryview, entry: Any, number: int, what: str) -> NDArray[Any]:
    label = f"{what}: tensor {number}"
    try:
        dtype, shape = entry["dtype"], entry["shape"]
        offset, nbytes, crc = int(entry["offset"]), int(entry["nbytes"]), int(entry["crc"])
        if dtype not in DTYPES or not all(type(s) is int and 0 <= s < 2**40 for s in shape) or len(shape) > 8:
            raise ValueError(f"dtype {dtype!r}, shape {shape!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise ProgramFormatError(f"{label} is described wrongly ({error}).") from None
    count = 1
    for size in shape:
        count *= size
    if count * np.dtype(dtype).itemsize != nbytes or offset % ALIGN or offset < 0 or offset + nbytes > len(view):
        raise ProgramFormatError(
            f"{label}: {nbytes} bytes at {offset} do not fit shape {shape} of {dtype} or the file."
        )
    raw = view[offset : offset + nbytes]
    if (zlib.crc32(raw) if nbytes else 0) != crc:
        raise ProgramFormatError(f"{label}: checksum is wrong. The file is corrupt; compile or save it again.")
    return np.frombuffer(raw, dtype=np.dtype(dtype).newbyteorder("<")).reshape(shape)
