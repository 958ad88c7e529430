"""Distributions of weights and delays, as tables of equally likely values.

Synapse number e takes entry u of the table, with a 16-bit random u, so that a draw is the same on every backend.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ParameterError
from procgraph.spec.checks import is_number

__all__ = ["LEVELS", "Distribution", "LogNormal", "Normal", "Uniform"]

LEVELS = 65536
LEAST = 1e-9  # probability that truncation leaves


@dataclass(frozen=True)
class Distribution:
    """Base of the distributions ``Normal``, ``LogNormal`` and ``Uniform``: what their limits and ``grid`` do.

    Values outside [low, high] do not occur: the distribution is truncated there, as if draws outside were repeated, so that its density keeps its form
    in between and no values heap up at the limits; mean and spread are then others than the parameters say. Without limits the 65,536 values of the
    table end at the probabilities 1/131,072 and 1 - 1/131,072 (of a normal distribution at 4.3 standard deviations). ``grid`` rounds values to its
    multiples within the limits, which makes the storage of a synapse smaller where it is a power of two; the error is at most half of it.
    """

    low: float = -math.inf
    high: float = math.inf
    grid: float = 0.0

    def __post_init__(self) -> None:
        numbers = [v for k, v in vars(self).items() if k not in ("low", "high")]
        limits = all(is_number(v, infinite=True) for v in (self.low, self.high))
        if not limits or not all(map(is_number, numbers)) or not self.low < self.high or self.grid < 0:
            raise ParameterError(f"{self} is no distribution: parameters must be finite, low below high, grid from 0.")
        for key, value in vars(self).items():
            object.__setattr__(self, key, float(value))  # of NumPy, too

    def cdf(self, x: float) -> float:
        """Distribution function without truncation."""
        raise NotImplementedError

    def quantile(self) -> Callable[[float], float]:
        """Inverse of ``cdf``."""
        raise NotImplementedError

    def table(self) -> NDArray[np.float64]:
        """The values at probabilities (i + 1/2) / 65536, (65536,), ascending.

        Raises:
            ParameterError: there is next to no probability between low and high, or no multiple of grid.
        """
        return _table(self).copy()


@lru_cache(maxsize=64)
def _table(d: Distribution) -> NDArray[np.float64]:
    below = d.cdf(d.low) if math.isfinite(d.low) else 0.0
    above = d.cdf(d.high) if math.isfinite(d.high) else 1.0
    inverse = d.quantile()
    if above - below < LEAST:
        raise ParameterError(
            f"{d} has a probability of {above - below:.1g} between low and high; allowed: {LEAST:g} or more. Move low and high "
            f"to where its values are: half of them lie between {inverse(0.25):.4g} and {inverse(0.75):.4g}."
        )
    p = below + (np.arange(LEVELS) + 0.5) / LEVELS * (above - below)
    try:
        values: NDArray[np.float64] = np.clip(np.array([inverse(float(x)) for x in p]), d.low, d.high)
    except OverflowError:
        raise ParameterError(f"{d} has values beyond 1.8e308. Give smaller parameters, or high=.") from None
    return values if not d.grid else _on_grid(values, d)


def _on_grid(values: NDArray[np.float64], d: Distribution) -> NDArray[np.float64]:
    # Limits that are multiples but for rounding, as 0.3 is of 0.1, count as such.
    first, last = np.ceil(d.low / d.grid - 1e-9), np.floor(d.high / d.grid + 1e-9)
    if first > last:
        raise ParameterError(f"{d} has no multiple of grid between low and high. Move them, or take a finer grid.")
    rounded: NDArray[np.float64] = np.clip(np.clip(np.rint(values / d.grid), first, last) * d.grid, d.low, d.high)
    return rounded


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal distribution, truncated to [low, high] as if draws outside were repeated; ``mean`` and ``sd`` are those before truncation."""

    mean: float = 0.0
    sd: float = 1.0

    def __init__(
        self, mean: float, sd: float, *, low: float = -math.inf, high: float = math.inf, grid: float = 0.0
    ) -> None:
        _set(self, mean=mean, sd=sd, low=low, high=high, grid=grid)

    def cdf(self, x: float) -> float:
        return NormalDist(self.mean, self.sd).cdf(x)

    def quantile(self) -> Callable[[float], float]:
        return NormalDist(self.mean, self.sd).inv_cdf


@dataclass(frozen=True)
class LogNormal(Distribution):
    """exp of a normal distribution with mean ``mu`` and standard deviation ``sigma``, truncated to [low, high] as if draws outside were repeated."""

    mu: float = 0.0
    sigma: float = 1.0

    def __init__(self, mu: float, sigma: float, *, low: float = 0.0, high: float = math.inf, grid: float = 0.0) -> None:
        _set(self, mu=mu, sigma=sigma, low=low, high=high, grid=grid)

    def cdf(self, x: float) -> float:
        return NormalDist(self.mu, self.sigma).cdf(math.log(x)) if x > 0 else 0.0

    def quantile(self) -> Callable[[float], float]:
        normal = NormalDist(self.mu, self.sigma)
        return lambda p: math.exp(normal.inv_cdf(p))


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform distribution between ``low`` and ``high``."""

    def __init__(self, low: float, high: float, *, grid: float = 0.0) -> None:
        _set(self, low=low, high=high, grid=grid)

    def cdf(self, x: float) -> float:
        return min(1.0, max(0.0, (x - self.low) / (self.high - self.low)))

    def quantile(self) -> Callable[[float], float]:
        return lambda p: self.low + p * (self.high - self.low)


def _set(target: Distribution, **values: float) -> None:
    for key, value in values.items():
        object.__setattr__(target, key, value)
    Distribution.__post_init__(target)
    for key in ("sd", "sigma"):
        if values.get(key, 1.0) <= 0:
            raise ParameterError(
                f"{target}: {key} is {values[key]!r}; allowed: numbers above 0. Without any spread, give the number itself."
            )
