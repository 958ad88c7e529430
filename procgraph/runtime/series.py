"""What figures are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

__all__ = ["Events", "Samples"]

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
