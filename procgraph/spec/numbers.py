"""Numbers as users give them: those of Python and the scalars of NumPy."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np

__all__ = ["is_number", "is_whole"]


def is_whole(value: object) -> TypeGuard[int]:
    """Whether this is a whole number; True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is a real number, NaN and infinity included; True and False are none."""
    return is_whole(value) or isinstance(value, (float, np.floating))
