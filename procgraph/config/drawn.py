"""Distributions in a graph file, for weights and delays of ``Sparse`` with a rule: ``{normal: {mean: 0.5, sd: 0.05}}``.

``normal`` takes ``mean`` and ``sd``, ``lognormal`` takes ``mu`` and ``sigma``, ``uniform`` takes ``low`` and ``high``;
all take the limits ``low`` and ``high``, and ``grid``. Limits truncate: the values are those that were left if draws outside were repeated, none heap up
at a limit, and ``mean``, ``sd``, ``mu`` and ``sigma`` are those before truncation. ``grid`` rounds values to its multiples within the limits. Delays are
numbers of ms, or times with a unit.

Functions of distance, for the rule ``distance``, are written likewise: ``kernel: {gaussian: {peak: 0.3, sigma: 0.1}}``, ``exponential``
(``peak``, ``length``), ``box`` (``peak``) and ``linear`` (``at_zero``, ``slope``), all with the masks ``inner``, ``outer`` and ``window``.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

from procgraph.config.arrays import GENERATORS
from procgraph.config.problems import Report
from procgraph.config.tree import Entry, Node
from procgraph.errors import ParameterError, ProcgraphError, did_you_mean
from procgraph.spec import units
from procgraph.spec.distance import Box, DistanceKernel, Exponential, Gaussian, Linear
from procgraph.spec.distributions import Distribution, LogNormal, Normal, Uniform

__all__ = ["DISTRIBUTIONS", "KERNELS", "distribution", "keys_of", "looks_drawn"]

DISTRIBUTIONS: dict[str, type[Distribution]] = {"lognormal": LogNormal, "normal": Normal, "uniform": Uniform}
KERNELS: dict[str, type[DistanceKernel]] = {
    "box": Box,
    "exponential": Exponential,
    "gaussian": Gaussian,
    "linear": Linear,
}
MADE: dict[str, type[Distribution | DistanceKernel]] = {**DISTRIBUTIONS, **KERNELS}
PURE = ("mu", "sigma", "length", "inner", "outer", "window")  # logarithms and distances: without unit


def keys_of(kind: str) -> dict[str, bool]:
    """The keys of a distribution or function of distance, and whether each is required."""
    parameters = inspect.signature(MADE[kind]).parameters.values()
    return {p.name: p.default is p.empty for p in parameters}


def looks_drawn(value: object) -> bool:
    """Whether a mapping names one of these, ``{normal: {…}}``; the generator of an array is ``{normal: […], …}``."""
    if not isinstance(value, dict):
        return False
    return any(k in MADE and (isinstance(v, dict) or k not in GENERATORS) for k, v in value.items())


def distribution(node: Node, what: str, unit: str, report: Report) -> Distribution | DistanceKernel | None:
    """The distribution or function of distance that a mapping describes; None if it does not, which is then reported.

    Args:
        unit: of its values, such as ``"ms"``.
    """
    before = len(report.problems)
    kinds = [k for k in node.entries() if k in MADE]
    for key, entry in node.entries().items():
        if key != kinds[0]:
            report.add(entry.key, f"{what} has the key {key!r}; allowed: one distribution and nothing beside it.")
    kind, head = kinds[0], node.entries()[kinds[0]]
    known, given = keys_of(kind), head.node.entries()
    values: dict[str, Any] = {}
    for key, entry in given.items():
        if key not in known:
            report.add(entry.key, f"{what}: {kind} has no key {key!r}.{did_you_mean(key, known)}")
            continue
        try:
            place = f"{what}.{key}"
            if key == "window":
                values[key] = _sides(entry.node.value(), place)
            else:
                values[key] = _number(entry, place, "" if key in PURE else unit, key in ("low", "high", "outer"))
        except ProcgraphError as error:
            report.add(entry.key, str(error))
    for key, required in known.items():
        if required and key not in given:
            report.add(head.key, f"{what}: {kind} needs the key {key!r}.")
    if len(report.problems) > before:
        return None
    try:
        made = MADE[kind](**values)
        if isinstance(made, Distribution):
            made.table()
    except ProcgraphError as error:
        report.add(head.key, f"{what}: {error}")
        return None
    return made


def _sides(value: Any, what: str) -> tuple[float, ...]:
    good = isinstance(value, list) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value)
    if not good:
        raise ParameterError(f"{what} is {value!r}; allowed: a list of side lengths.")
    return tuple(value)


def _number(entry: Entry, what: str, unit: str, endless: bool) -> float:
    value: Any = entry.node.value()
    if isinstance(value, str):
        number, given = units.parse_quantity(value)
        value = units.convert(number, given, unit, what)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise ParameterError(f"{what} is {value!r}; allowed: a number{' of ms, or a time' * (unit == 'ms')}.")
    if not endless and math.isinf(value):
        raise ParameterError(f"{what} is {value!r}; allowed: a finite number.")
    return float(value)
