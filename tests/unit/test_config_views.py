"""Port references mean what the same text means in NumPy, and nothing else is accepted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procgraph.config.views import parse_port, split_channel
from procgraph.errors import ConnectionError

BASE = np.arange(24).reshape(2, 3, 4)


class Port:
    """Stands for a port: views select elements."""

    def __init__(self, index: Any) -> None:
        self.index = index

    def __getitem__(self, key: Any) -> Port:
        return Port(self.index[key])

    def reshape(self, *shape: int) -> Port:
        return Port(self.index.reshape(shape))

    def transpose(self, *axes: int) -> Port:
        return Port(self.index.transpose(axes or None))

    def flatten(self) -> Port:
        return Port(self.index.reshape(-1))

    def gather(self, indices: list[int]) -> Port:
        return Port(self.index.reshape(-1)[np.array(indices)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p.x", BASE),
        ("p.x[0]", BASE[0]),
        ("p.x[-1, ..., 2]", BASE[-1, ..., 2]),
        (" p.x [ 0:2 , ::-1, 1: ] ", BASE[0:2, ::-1, 1:]),
        ("p.x[:, :2][1]", BASE[:, :2][1]),
        ("p.x.flatten()", BASE.reshape(-1)),
        ("p.x.reshape(4, -1)", BASE.reshape(4, -1)),
        ("p.x.transpose(2, 0, 1)[0].flatten()", BASE.transpose(2, 0, 1)[0].reshape(-1)),
        ("p.x.transpose()", BASE.transpose()),
        ("p.x.gather([5, 0, 0,])", BASE.reshape(-1)[[5, 0, 0]]),
    ],
)
def test_views(text: str, expected: Any) -> None:
    reference = parse_port(text)
    assert reference.names == ("p", "x")
    assert np.array_equal(reference.apply(Port(BASE)).index, expected)


part = st.integers(-9, 9) | st.none()


@given(st.lists(st.tuples(part, part, st.integers(-3, 3).filter(bool) | st.none()), min_size=1, max_size=3))
def test_slices(items: list[tuple[int | None, int | None, int | None]]) -> None:
    text = ", ".join(":".join("" if p is None else str(p) for p in item) for item in items)
    found = parse_port(f"p.x[{text}]").apply(Port(BASE)).index
    assert np.array_equal(found, BASE[tuple(slice(*item) for item in items)])


@pytest.mark.parametrize(
    "text",
    [
        "p", "", ".x", "p.", "p.x.", "p.x[", "p.x]", "p.x[]", "p.x[a]", "p.x[1.5]", "p.x[1:2:3:4]", "p.x[0)", "p.x[None]", "p.x[[0, 1]]",
        "p.x.sum()", "p.x.flatten(1)", "p.x.reshape(a)", "p.x.gather(3)", "p.x.gather([1)", "p.x[0].y", "p.x()", "p.x.reshape(2, 3",
        "p.x[99999999999]", "p.x; import os", "p.x[0] + 1", "p x", "p.__class__()", "p.x[__import__('os')]", "p.x.flatten().y",
    ],
)  # fmt: skip
def test_nothing_else(text: str) -> None:
    with pytest.raises(ConnectionError, match="is not a port"):
        parse_port(text)


@given(st.text(alphabet="ab.x[]():,-> 01", max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        reference = parse_port(text)
    except ConnectionError:
        return
    assert len(reference.names) >= 2


def test_channel_ends() -> None:
    assert split_channel(" a.x[0:2]->b-c.y ") == ("a.x[0:2]", "b-c.y")
    for text in ("a.x", "a.x -> b.y -> c.z", "-> b.y", "a.x ->", "a.x > b.y"):
        with pytest.raises(ConnectionError, match="is not a channel"):
            split_channel(text)


def test_children() -> None:
    assert parse_port("net.layer.pop.s_out[0]").names == ("net", "layer", "pop", "s_out")
