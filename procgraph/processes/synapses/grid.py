"""The rule ``distance`` of ``Sparse``: elements lie on grids, and a function of their distance is the probability of a synapse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ParameterError
from procgraph.processes.synapses.base import MAX_DELAY
from procgraph.spec.checks import is_number, is_whole
from procgraph.spec.distance import BANDS, DistanceKernel, band_of
from procgraph.spec.distributions import LEVELS

__all__ = ["GridRule"]

Floats = NDArray[np.float64]
Grid = tuple[int, ...]
MOST_DIMENSIONS = 3
MOST_ENTRIES = 2**24  # of all stencils: 256 MiB of a Program
WEIGHT_BITS, DELAY_BITS = 0xFFFF0000, 0x0000FFFF


@dataclass(frozen=True)
class _Stencil:
    """Possible synapses of a source relative to its place: by phase of source grid against target grid, then by band of probability."""

    begin: NDArray[np.int64]  # (phases · BANDS + 1,)
    offsets: NDArray[np.int32]  # (entries, dimensions), from the target element at the source's place
    displacement: Floats  # (entries, dimensions), in units of the extent
    probability: Floats  # (entries,)


@dataclass(frozen=True)
class GridRule:
    """Element i of a grid of shape (…, N_d, …) lies at ``(i_d + ½) / N_d · extent_d``; a pair is joined with probability kernel(distance)."""

    owner: str
    kernel: DistanceKernel
    pre: Grid
    post: Grid
    extent: tuple[float, ...]
    periodic: bool
    autapses: bool

    @classmethod
    def of(
        cls, owner: str, kernel: Any, pre_grid: Any, post_grid: Any, extent: Any, periodic: bool, autapses: bool
    ) -> GridRule:
        """The rule from the arguments of ``Sparse``.

        Raises:
            ParameterError: not a kernel, not grids of one number of dimensions, or an extent that does not fit.
        """
        if not isinstance(kernel, DistanceKernel):
            raise ParameterError(
                f"{owner}.kernel is {kernel!r}; allowed: Gaussian, Exponential, Box or Linear (graph files: {{gaussian: {{…}}}})."
            )
        pre = _grid(pre_grid, f"{owner}.pre_grid")
        post = pre if post_grid is None else _grid(post_grid, f"{owner}.post_grid")
        if len(pre) != len(post):
            raise ParameterError(f"{owner}.post_grid is {post}; allowed: {len(pre)} dimensions, as pre_grid {pre}.")
        if not autapses and pre != post:
            raise ParameterError(f"{owner}: autapses=False needs equal grids, not {pre} and {post}. Leave it out.")
        sides = tuple(extent) if isinstance(extent, (list, tuple)) else (extent,) * len(pre)
        if len(sides) != len(pre) or not all(is_number(s) and s > 0 for s in sides):
            raise ParameterError(f"{owner}.extent is {extent!r}; allowed: a length above 0, or one for each dimension.")
        return cls(owner, kernel, pre, post, tuple(map(float, sides)), periodic, autapses)

    def attrs(self, weights: Any, delay: Any, dt: float) -> dict[str, Any]:
        """Attributes of the node: stencil, bound of the synapses of a target, and tables of what depends on distance.

        Args:
            weights: a kernel, or anything else, which is then not looked at.
            delay: likewise, in ms.
            dt: length of a step in ms.
        """
        stencil = self._stencil(self.pre, self.post)
        attrs = {
            "rule": "distance",
            "pre_grid": list(self.pre),
            "post_grid": list(self.post),
            "periodic": self.periodic,
            "begin": stencil.begin,
            "offsets": stencil.offsets,
            "thresholds": _thresholds(stencil.probability),
            "terms": self._most_terms(),
        }
        codes, coded = np.zeros(stencil.probability.size, np.uint32), 0
        if isinstance(weights, DistanceKernel):
            table, code = self._levels(weights(stencil.displacement).astype(np.float32), "weights")
            attrs["weight_table"], codes, coded = table, codes | code << np.uint32(16), coded | WEIGHT_BITS
        if isinstance(delay, DistanceKernel):
            steps = np.rint(delay(stencil.displacement) / dt)
            if steps.size and not (0 <= steps.min() and steps.max() <= MAX_DELAY):
                raise ParameterError(
                    f"{self.owner}.delay is {steps.min():g} to {steps.max():g} steps at these distances; allowed: 0 to {MAX_DELAY}."
                )
            table, code = self._levels(steps.astype(np.int32), "delay")
            attrs["delay_table"], codes, coded = table, codes | code, coded | DELAY_BITS
        return {**attrs, "coded": coded, **({"codes": codes} if coded else {})}

    def _levels(self, values: NDArray[Any], what: str) -> tuple[NDArray[Any], NDArray[np.uint32]]:
        """The different values, padded to a whole table, and the number of each."""
        levels, code = np.unique(values, return_inverse=True)
        if levels.size > LEVELS:
            raise ParameterError(
                f"{self.owner}.{what} takes {levels.size} values; allowed: {LEVELS}. Limit the kernel by outer= or window=."
            )
        if not levels.size:
            levels = np.ones(1, values.dtype)  # of no synapses; a delay of 0 could close a cycle
        return np.concatenate([levels, np.full(LEVELS - levels.size, levels[-1])]), code.astype(np.uint32)

    def _most_terms(self) -> int:
        """Bound of the synapses of a target: docs/decisions/0005."""
        stencil = self._stencil(self.post, self.pre)
        bounds = [
            min(math.ceil(mean + 10 * math.sqrt(mean) + 10), int(end - begin))
            for begin, end in zip(stencil.begin[:-1:BANDS], stencil.begin[BANDS::BANDS])
            for mean in (float(stencil.probability[begin:end].sum()),)
        ]
        return min(max(bounds), math.prod(self.pre))

    def _stencil(self, pre: Grid, post: Grid) -> _Stencil:
        cycles = [p // math.gcd(p, q) for p, q in zip(pre, post)]
        found: list[tuple[NDArray[np.int32], Floats, Floats]] = []
        sizes: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        total = 0
        for phase in product(*map(range, cycles)):
            offsets, displacement, probability = self._phase(pre, post, phase)
            band = band_of(_thresholds(probability))
            order = np.argsort(band, kind="stable")
            found.append((offsets[order], displacement[order], probability[order]))
            sizes.append(np.bincount(band, minlength=BANDS))
            total += probability.size
            if total > MOST_ENTRIES:
                raise ParameterError(
                    f"{self.owner}: kernel and grids {pre}, {post} make more than {MOST_ENTRIES} possible synapses of the different "
                    "source places. Limit the kernel by outer= or window=, or take grids with large common divisors."
                )
        return _Stencil(np.cumsum(np.concatenate(sizes)), *(np.concatenate(parts) for parts in zip(*found)))

    def _phase(self, pre: Grid, post: Grid, phase: Grid) -> tuple[NDArray[np.int32], Floats, Floats]:
        """Offsets, displacements and probabilities of the possible targets of a source, in the order of the target grid."""
        reach = self.kernel.reach(2.0**-33)
        sides: list[tuple[NDArray[np.int64], Floats]] = []
        for r, p, q, extent in zip(phase, pre, post, self.extent):
            anchor = (2 * r + 1) * q // (2 * p)
            offset = np.arange(q) if self.periodic else np.arange(1 - q, q)
            away = (anchor + offset + 0.5) / q - (r + 0.5) / p
            away = (away - np.rint(away) if self.periodic else away) * extent
            near = np.abs(away) <= reach * (1 + 1e-9)
            sides.append((offset[near], away[near]))
        if math.prod(o.size for o, _ in sides) > 4 * MOST_ENTRIES:
            raise ParameterError(f"{self.owner}: the kernel reaches too far. Limit it by outer= or window=.")
        offsets = np.stack(np.meshgrid(*(o for o, _ in sides), indexing="ij"), axis=-1).reshape(-1, len(pre))
        away = np.stack(np.meshgrid(*(a for _, a in sides), indexing="ij"), axis=-1).reshape(-1, len(pre))
        chance = self.kernel(away)
        if chance.size and not (chance.min() >= 0 and chance.max() <= 1):
            raise ParameterError(
                f"{self.owner}.kernel is {chance.min():g} to {chance.max():g} at the distances of the grids; allowed: probabilities, 0 to 1."
            )
        keep = np.rint(chance * 2.0**32) >= 1
        if not self.autapses:
            keep &= offsets.any(axis=1)
        return offsets[keep].astype(np.int32), away[keep], chance[keep]


def _thresholds(probability: Floats) -> NDArray[np.uint32]:
    return (np.rint(probability * 2.0**32) - 1).astype(np.uint32)


def _grid(value: Any, what: str) -> Grid:
    sides = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    good = all(is_whole(s, 1, 2**31 - 1) for s in sides)
    if not good or not 1 <= len(sides) <= MOST_DIMENSIONS or math.prod(sides) > 2**31 - 1:
        raise ParameterError(
            f"{what} is {value!r}; allowed: 1 to {MOST_DIMENSIONS} whole numbers from 1, such as [80, 80]."
        )
    return tuple(int(s) for s in sides)
