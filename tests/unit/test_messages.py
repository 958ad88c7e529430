"""Messages between a model and its helper: what goes in comes out, nothing else gets in, Ctrl-C waits."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import Pipe
from typing import Any

import msgpack
import numpy as np
import pytest

from procgraph.models.python.messages import ARRAY, DTYPES, receive, send, uninterrupted


def echo(message: Any) -> Any:
    ours, theirs = Pipe()
    with ours, theirs:
        send(ours, message)
        return receive(theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_arrays_arrive_as_they_were(dtype: str, shape: tuple[int, ...]) -> None:
    sent = np.arange(np.prod(shape, dtype=int), dtype=dtype).reshape(shape)
    got = echo({"screen": sent})["screen"]
    assert got.dtype == sent.dtype and got.shape == sent.shape and np.array_equal(got, sent) and got.flags.writeable


def test_numbers_and_texts() -> None:
    assert echo([0.5, True, {"a": "ä"}, None, 2**63]) == [0.5, True, {"a": "ä"}, None, 2**63]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgpack.packb(msgpack.ExtType(7, b"")),
        msgpack.packb(msgpack.ExtType(ARRAY, msgpack.packb(["object", [1], b"12345678"]))),
        msgpack.packb(msgpack.ExtType(ARRAY, msgpack.packb(["uint8", [3], b"12"]))),
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    ours, theirs = Pipe()
    with ours, theirs:
        ours.send_bytes(data)
        with pytest.raises(ValueError):
            receive(theirs)


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
def test_ctrl_c_waits_for_the_end_of_the_block() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt):
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append(1)
    assert reached and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_change_no_handler() -> None:
    def block() -> None:
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    seen: list[Any] = []
    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
