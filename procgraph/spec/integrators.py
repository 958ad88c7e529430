"""Integrators for ``step``: forward Euler, exponential Euler and Runge–Kutta over named values.

The right-hand side is a function from a dict of values to a dict of derivatives. The sub-steps are unrolled, so the
same call records operations on symbols and computes on NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from procgraph.spec.functions import exprelr

__all__ = ["euler", "exponential_euler", "rk4", "rk4_driven"]

Named = dict[str, Any]


def _check(substeps: int) -> range:
    if not isinstance(substeps, int) or substeps < 1:
        raise ValueError(f"substeps is {substeps!r}; allowed: whole numbers of at least 1")
    return range(substeps)


def _moved(y: Named, slope: Named, h: Any) -> Named:
    return {name: value + slope[name] * h for name, value in y.items()}


def euler(f: Callable[[Named], Named], y: Named, h: Any, substeps: int = 1) -> Named:
    """``y`` after ``substeps`` forward Euler steps of ``h`` each: y + h f(y)."""
    for _ in _check(substeps):
        y = _moved(y, f(y), h)
    return y


def exponential_euler(f: Callable[[Named], dict[str, tuple[Any, Any]]], y: Named, h: Any, substeps: int = 1) -> Named:
    """``y`` after ``substeps`` steps of ``h``, each exact for dy/dt = drive - rate y with both held.

    ``f`` gives (drive, rate) for every name. First order, and stable for any rate >= 0 (Rush & Larsen 1978).
    """
    for _ in _check(substeps):
        terms = f(y)
        y = {k: v + (terms[k][0] - terms[k][1] * v) * h / exprelr(terms[k][1] * -h) for k, v in y.items()}
    return y


def rk4(f: Callable[[Named], Named], y: Named, h: Any, substeps: int = 1) -> Named:
    """``y`` after ``substeps`` steps of ``h`` each by the classical fourth-order Runge–Kutta method."""
    for _ in _check(substeps):
        y = rk4_driven(lambda y, _: f(y), y, (None, None, None), h)
    return y


def rk4_driven(f: Callable[[Named, Any], Named], y: Named, drive: Sequence[Any], h: Any) -> Named:
    """One Runge–Kutta step of ``h`` where ``f`` also takes a known function of time.

    ``drive`` is that function (any object) at the step's start, middle and end: for example conductances, whose decay
    is exact.
    """
    start, middle, end = drive
    half = h * 0.5
    k1 = f(y, start)
    k2 = f(_moved(y, k1, half), middle)
    k3 = f(_moved(y, k2, half), middle)
    k4 = f(_moved(y, k3, h), end)
    sixth = h * (1 / 6)
    return {k: v + (k1[k] + (k2[k] + k3[k]) * 2.0 + k4[k]) * sixth for k, v in y.items()}
