"""Messages between a model and its helper process: msgpack over a connection, whole even where Ctrl-C comes in between."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import msgpack
import numpy as np

__all__ = ["receive", "send", "uninterrupted"]

ARRAY = 1  # the msgpack extension of a NumPy array: dtype, shape, bytes
DTYPES = ("uint8", "int16", "int32", "int64", "float32", "float64")


def send(connection: Connection, message: Any) -> None:
    """Send what msgpack knows, and arrays."""
    connection.send_bytes(msgpack.packb(message, default=_pack))


def receive(connection: Connection) -> Any:
    """The next message, whose tuples have become lists.

    Raises:
        EOFError: the other end is closed.
        ValueError: it is no message.
    """
    return msgpack.unpackb(connection.recv_bytes(), ext_hook=_unpack)


def _pack(value: Any) -> Any:
    array = np.ascontiguousarray(value)
    return msgpack.ExtType(ARRAY, msgpack.packb([array.dtype.name, np.shape(value), array.tobytes()]))


def _unpack(code: int, data: bytes) -> Any:
    if code != ARRAY:
        raise ValueError(f"extension {code}")
    dtype, shape, values = msgpack.unpackb(data)
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype!r}")
    return np.frombuffer(values, dtype).reshape(shape).copy()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the end of the block, which therefore must be short: half a message would spoil all that follow."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python interrupts the main thread only
        return
    waiting: list[tuple[int, Any]] = []
    previous = signal.signal(signal.SIGINT, lambda *call: waiting.append(call))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if waiting and callable(previous):
            previous(*waiting[0])
