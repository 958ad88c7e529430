"""What figures are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Events", "Samples", "some"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """Values over time: ``steps`` and one row each."""

    label: str
    steps: Array
    values: Array


@dataclass(frozen=True)
class Events:
    """Events of one population of ``size`` elements."""

    label: str
    steps: Array
    index: Array
    size: int


def some(count: int, share: float) -> slice | Array:
    """What selects that share of so many values: at random, since every m-th of regular ones makes a pattern."""
    if share >= 1:
        return slice(None)
    return np.sort(np.random.default_rng(count).choice(count, round(count * share), replace=False, shuffle=False))
