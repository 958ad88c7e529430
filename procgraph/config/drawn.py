"""Distributions in a graph file, for weights and delays of ``Sparse`` with a rule: ``{normal: {mean: 0.5, sd: 0.05}}``.

``normal`` takes ``mean`` and ``sd``, ``lognormal`` takes ``mu`` and ``sigma``, ``uniform`` takes ``low`` and ``high``;
all take the limits ``low`` and ``high``, and ``grid``. Delays are numbers of ms, or times with a unit.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

from procgraph.config.problems import Report
from procgraph.config.tree import Entry, Node
from procgraph.errors import ParameterError, ProcgraphError, did_you_mean
from procgraph.spec import units
from procgraph.spec.distributions import Distribution, LogNormal, Normal, Uniform

__all__ = ["DISTRIBUTIONS", "distribution", "keys_of", "looks_drawn"]

DISTRIBUTIONS: dict[str, type[Distribution]] = {"lognormal": LogNormal, "normal": Normal, "uniform": Uniform}
PURE = ("mu", "sigma")  # of the logarithm: without unit


def keys_of(kind: str) -> dict[str, bool]:
    """The keys of a distribution, and whether each is required."""
    parameters = inspect.signature(DISTRIBUTIONS[kind]).parameters.values()
    return {p.name: p.default is p.empty for p in parameters}


def looks_drawn(value: object) -> bool:
    """Whether a mapping names a distribution, ``{normal: {…}}``; the generator of an array is ``{normal: […], …}``."""
    return isinstance(value, dict) and any(isinstance(v, dict) and k in DISTRIBUTIONS for k, v in value.items())


def distribution(node: Node, what: str, unit: str, report: Report) -> Distribution | None:
    """The distribution that a mapping describes; None if it does not, which is then reported.

    Args:
        unit: of its values, such as ``"ms"``.
    """
    before = len(report.problems)
    kinds = [k for k in node.entries() if k in DISTRIBUTIONS]
    for key, entry in node.entries().items():
        if key != kinds[0]:
            report.add(entry.key, f"{what} has the key {key!r}; allowed: one distribution and nothing beside it.")
    kind, head = kinds[0], node.entries()[kinds[0]]
    known, given = keys_of(kind), head.node.entries()
    values: dict[str, float] = {}
    for key, entry in given.items():
        if key not in known:
            report.add(entry.key, f"{what}: {kind} has no key {key!r}.{did_you_mean(key, known)}")
            continue
        try:
            values[key] = _number(entry, f"{what}.{key}", "" if key in PURE else unit, key in ("low", "high"))
        except ProcgraphError as error:
            report.add(entry.key, str(error))
    for key, required in known.items():
        if required and key not in given:
            report.add(head.key, f"{what}: {kind} needs the key {key!r}.")
    if len(report.problems) > before:
        return None
    try:
        made: Distribution = DISTRIBUTIONS[kind](**values)
        made.table()
    except ProcgraphError as error:
        report.add(head.key, f"{what}: {error}")
        return None
    return made


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
