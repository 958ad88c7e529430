"""Units of parameters: parsing ``"5 ms"`` and converting to the unit that a parameter declares."""

from __future__ import annotations

import math
import re

from procgraph.errors import UnitError, did_you_mean

__all__ = ["UNITS", "convert", "parse_quantity"]

# unit -> (dimension, factor to the base unit of that dimension)
UNITS: dict[str, tuple[str, float]] = {
    "s": ("time", 1e3),
    "ms": ("time", 1.0),
    "us": ("time", 1e-3),
    "Hz": ("rate", 1.0),
    "kHz": ("rate", 1e3),
    "V": ("voltage", 1e3),
    "mV": ("voltage", 1.0),
    "uV": ("voltage", 1e-3),
    "nA": ("current", 1e3),
    "pA": ("current", 1.0),
    "nS": ("conductance", 1.0),
    "pF": ("capacitance", 1.0),
    "nF": ("capacitance", 1e3),
    "MOhm": ("resistance", 1.0),
    "GOhm": ("resistance", 1e3),
    "step": ("steps", 1.0),
    "steps": ("steps", 1.0),
}

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]+)?\s*")


def parse_quantity(text: str) -> tuple[float, str]:
    """Split ``"5 ms"`` into ``(5.0, "ms")``; without a unit the second part is empty.

    Raises:
        UnitError: the text is not a number with an optional unit, or the unit is unknown.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UnitError(f"{text!r} is not a quantity. Write a number and a unit, such as '5 ms'.")
    unit = match.group(2) or ""
    if unit and unit not in UNITS:
        raise UnitError(f"{text!r} has the unknown unit {unit!r}.{did_you_mean(unit, UNITS)}")
    number = float(match.group(1))
    if not math.isfinite(number):
        raise UnitError(f"{text[:40]!r} is beyond the largest number, 1.8e308. Write a smaller one.")
    return number, unit


def convert(value: float, unit: str, to: str, what: str = "quantity") -> float:
    """Convert ``value`` from ``unit`` to ``to``; an empty ``unit`` means that it is already in ``to``.

    Raises:
        UnitError: the two units measure different things.
    """
    if not unit or unit == to:
        return value
    allowed = [u for u, (dim, _) in UNITS.items() if to in UNITS and dim == UNITS[to][0]]
    if not allowed or unit not in allowed:
        wanted = f"one of {', '.join(allowed)}" if allowed else "no unit (it is a plain number)"
        raise UnitError(f"{what} is given in {unit!r}; allowed: {wanted}.")
    return value * UNITS[unit][1] / UNITS[to][1]
