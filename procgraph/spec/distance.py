"""Functions of the distance between two elements of grids: the probability, weight or delay of a synapse."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ParameterError
from procgraph.spec.checks import is_number

__all__ = ["BANDS", "Box", "DistanceKernel", "Exponential", "Gaussian", "Linear", "band_of"]

Floats = NDArray[np.float64]
BANDS = 10  # of probability, which the rule ``distance`` draws in different ways


def band_of(thresholds: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Band b of the probability p = (threshold + 1) / 2**32, (n,).

    0 where p > 2**-4, else the largest b of 1 ... 9 with p <= 2**-(b + 3).
    """
    bits = np.frexp(thresholds.astype(np.float64))[1]
    band: NDArray[np.int64] = np.clip(29 - bits, 0, BANDS - 1).astype(np.int64)
    return band


@dataclass(frozen=True)
class DistanceKernel:
    """Base of the functions f(r) of the Euclidean distance r, in units of the grids' extent.

    Masks: f is 0 where r is below ``inner`` or above ``outer`` (a disc, or a ring), and outside a rectangle around the source with the side
    lengths ``window``, one for each dimension of the grid.
    """

    inner: float = 0.0
    outer: float = math.inf
    window: tuple[float, ...] = ()

    def __init__(
        self, *, inner: float = 0.0, outer: float = math.inf, window: tuple[float, ...] = (), **values: float
    ) -> None:
        window = tuple(window) if isinstance(window, (list, tuple)) else (window,)
        for key, value in {**values, "inner": inner, "outer": outer, "window": window}.items():
            object.__setattr__(self, key, value)
        numbers = (*values.values(), inner, *window)
        if not all(map(is_number, numbers)) or not is_number(outer, infinite=True) or not 0 <= inner <= outer:
            raise ParameterError(f"{self}: parameters must be finite numbers, with 0 <= inner <= outer.")
        if min((*window, *(values[k] for k in ("sigma", "length") if k in values)), default=1) <= 0:
            raise ParameterError(f"{self}: lengths must be above 0.")
        for key, value in vars(self).items():  # numbers of NumPy would compute with their own precision
            object.__setattr__(self, key, tuple(map(float, value)) if key == "window" else float(value))

    def value(self, r: Floats) -> Floats:
        """f(r) without masks."""
        raise NotImplementedError

    def reach(self, least: float) -> float:
        """Distance from which on \\|f\\| stays below ``least``, masks included."""
        return self.outer

    def __call__(self, displacement: Floats) -> Floats:
        """f for displacements (…, dimensions); (…).

        Raises:
            ParameterError: ``window`` has another number of dimensions.
        """
        if self.window and len(self.window) != displacement.shape[-1]:
            raise ParameterError(
                f"{self} has a window of {len(self.window)} sides; the grid has {displacement.shape[-1]}."
            )
        r = np.sqrt((displacement**2).sum(axis=-1))
        slack = 1 + 1e-9  # distances on the border of a mask belong to it, however they were rounded
        inside = (r * slack >= self.inner) & (r <= self.outer * slack)
        for d, side in enumerate(self.window):
            inside &= np.abs(displacement[..., d]) <= side / 2 * slack
        return np.where(inside, self.value(r), 0.0)

    def __str__(self) -> str:
        given = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if hasattr(self, f.name))
        return f"{type(self).__name__}({', '.join(given)})"


@dataclass(frozen=True, init=False)
class Gaussian(DistanceKernel):
    """f(r) = peak · exp(−r² / 2σ²)."""

    peak: float = 1.0
    sigma: float = 1.0

    def __init__(
        self,
        peak: float,
        sigma: float,
        *,
        inner: float = 0.0,
        outer: float = math.inf,
        window: tuple[float, ...] = (),
    ) -> None:
        super().__init__(peak=peak, sigma=sigma, inner=inner, outer=outer, window=window)

    def value(self, r: Floats) -> Floats:
        return self.peak * np.exp(-(r**2) / (2 * self.sigma**2))

    def reach(self, least: float) -> float:
        return min(self.outer, self.sigma * math.sqrt(2 * _decades(self.peak, least)))


@dataclass(frozen=True, init=False)
class Exponential(DistanceKernel):
    """f(r) = peak · exp(−r / length)."""

    peak: float = 1.0
    length: float = 1.0

    def __init__(
        self,
        peak: float,
        length: float,
        *,
        inner: float = 0.0,
        outer: float = math.inf,
        window: tuple[float, ...] = (),
    ) -> None:
        super().__init__(peak=peak, length=length, inner=inner, outer=outer, window=window)

    def value(self, r: Floats) -> Floats:
        return self.peak * np.exp(-r / self.length)

    def reach(self, least: float) -> float:
        return min(self.outer, self.length * _decades(self.peak, least))


@dataclass(frozen=True, init=False)
class Box(DistanceKernel):
    """f(r) = peak inside the masks."""

    peak: float = 1.0

    def __init__(
        self, peak: float, *, inner: float = 0.0, outer: float = math.inf, window: tuple[float, ...] = ()
    ) -> None:
        super().__init__(peak=peak, inner=inner, outer=outer, window=window)

    def value(self, r: Floats) -> Floats:
        return np.full(r.shape, float(self.peak))


@dataclass(frozen=True, init=False)
class Linear(DistanceKernel):
    """f(r) = at_zero + slope · r; as a delay, the slope is the inverse of the conduction velocity."""

    at_zero: float = 0.0
    slope: float = 1.0

    def __init__(
        self,
        at_zero: float,
        slope: float,
        *,
        inner: float = 0.0,
        outer: float = math.inf,
        window: tuple[float, ...] = (),
    ) -> None:
        super().__init__(at_zero=at_zero, slope=slope, inner=inner, outer=outer, window=window)

    def value(self, r: Floats) -> Floats:
        return self.at_zero + self.slope * r


def _decades(peak: float, least: float) -> float:
    """ln(\\|peak\\| / least), at least 0."""
    return math.log(max(1.0, abs(peak) / least))
