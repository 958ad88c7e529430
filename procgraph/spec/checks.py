"""Questions about plain values of users, asked in one way everywhere."""

from __future__ import annotations

import math
import os
from collections.abc import Container
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ParameterError

__all__ = ["as_array", "as_flag", "as_path", "is_choice", "is_number", "is_whole"]


def is_number(value: object, *, infinite: bool = False) -> TypeGuard[float]:
    """A real number, also a scalar of NumPy, that a float can hold, no bool and not NaN; ``infinite``: or infinity."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    try:
        return math.isfinite(value) or (infinite and math.isinf(value))
    except OverflowError:  # an int beyond the largest float
        return False


def is_whole(value: object, low: int, high: int) -> TypeGuard[int]:
    """A whole number from ``low`` to ``high``, also a scalar of NumPy, no bool."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and low <= int(value) <= high


def is_choice(value: object, choices: Container[str]) -> TypeGuard[str]:
    """A text that is one of ``choices``; arrays and what has no hash are not."""
    return isinstance(value, str) and value in choices


def as_path(value: object, what: str = "path") -> Path:
    """A path of a file.

    Raises:
        ParameterError: neither text nor a path, or not one that a file can have.
    """
    if not isinstance(value, (str, os.PathLike)) or "\0" in str(value):
        raise ParameterError(f"{what} is {value!r}; allowed: the path of a file, such as 'net.yaml'.")
    return Path(value)


def as_array(value: object, what: str, allowed: str) -> NDArray[Any]:
    """An array of whatever dtype NumPy finds.

    Raises:
        ParameterError: nested lists of different lengths.
    """
    try:
        return np.asarray(value)
    except ValueError:
        raise ParameterError(f"{what} are lists of different lengths; allowed: {allowed}.") from None


def as_flag(value: object, what: str) -> bool:
    """A bool.

    Raises:
        ParameterError: anything else, 0 and 1 included.
    """
    if not isinstance(value, bool):
        raise ParameterError(f"{what} is {value!r}; allowed: true or false.")
    return value
