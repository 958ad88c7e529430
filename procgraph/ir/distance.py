"""Synapses that the rule ``distance`` makes, as docs/explanation/time-and-numbers.md section 7 defines them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.ir.philox import philox
from procgraph.spec.distance import BANDS, band_of

__all__ = ["check_distance", "distance_size", "distance_synapses"]

Indices = NDArray[np.int64]
WORDS_AT_ONCE = 2**22


def distance_synapses(a: dict[str, Any]) -> tuple[Indices, Indices, NDArray[np.uint64]]:
    """Source, target and word of every synapse, by source and then by entry of the stencil."""
    parts = list(_hits(a))
    pre, post, words = (np.concatenate(p) for p in zip(*parts)) if parts else (np.zeros(0, np.int64),) * 3
    order = np.argsort(pre, kind="stable")
    return pre[order], post[order], words[order].astype(np.uint64)


def distance_size(a: dict[str, Any]) -> int:
    """Number of synapses that the rule makes."""
    return sum(pre.size for pre, _, _ in _hits(a))


def _hits(a: dict[str, Any]) -> Iterator[tuple[Indices, Indices, NDArray[np.uint32]]]:
    """Parts of the list: ascending sources of one phase."""
    pre, post = np.array(a["pre_grid"]), np.array(a["post_grid"])
    cycles = pre // np.gcd(pre, post)
    place = np.stack(np.unravel_index(np.arange(a["n_pre"]), tuple(pre)), axis=-1)
    anchor = (2 * place + 1) * post // (2 * pre)
    phase = np.ravel_multi_index(tuple((place % cycles).T), tuple(cycles))
    for number in range(math.prod(cycles.tolist())):
        begin = a["begin"][number * BANDS : (number + 1) * BANDS + 1]
        sources = np.flatnonzero(phase == number)
        chunk = max(1, WORDS_AT_ONCE // max(1, int(begin[1] - begin[0])))
        for first in range(0, sources.size, chunk):
            yield _phase_hits(a, sources[first : first + chunk], anchor, begin)


def _phase_hits(
    a: dict[str, Any], sources: Indices, anchor: Indices, begin: Indices
) -> tuple[Indices, Indices, NDArray[np.uint32]]:
    key, grid = int(a["key"]), np.array(a["post_grid"])
    entries = slice(int(begin[0]), int(begin[-1]))
    row, m = _accepted(sources, a["thresholds"][entries], begin - begin[0], key)
    target = anchor[sources[row]] + a["offsets"][entries][m]
    if a["periodic"]:
        target %= grid
    inside = ((target >= 0) & (target < grid)).all(axis=1)
    row, m, target = row[inside], m[inside], target[inside]
    words = np.zeros(row.size, np.uint32)
    if {"weight_table", "delay_table"} & set(a):
        words = _words(sources[row], m, 9, key)
    if a["coded"]:
        coded = np.uint32(a["coded"])
        words = (words & ~coded) | (a["codes"][entries][m] & coded)
    return sources[row], np.ravel_multi_index(tuple(target.T), tuple(grid)), words


def _accepted(sources: Indices, thresholds: NDArray[np.uint32], begin: Indices, key: int) -> tuple[Indices, Indices]:
    """Row in ``sources`` and entry of the stencil of every accepted pair, by row and then by entry."""
    found = [_common(sources, thresholds[: begin[1]], key)]
    found += [_rare(sources, thresholds, b, slice(*begin[b : b + 2]), key) for b in range(1, BANDS)]
    row, m = (np.concatenate(parts) for parts in zip(*found))
    order = np.lexsort((m, row))
    return row[order], m[order]


def _common(sources: Indices, thresholds: NDArray[np.uint32], key: int) -> tuple[Indices, Indices]:
    """Of band 0: every pair is drawn."""
    drawn, limits = _bytes(sources, thresholds.size, key), (thresholds >> np.uint32(24)).astype(np.uint8)
    row, m = np.nonzero(drawn <= limits)
    rest = _words(sources[row], m, 8, key) >> np.uint32(8)
    sure = (drawn[row, m] < limits[m]) | (rest <= (thresholds[m] & np.uint32(0xFFFFFF)))
    return row[sure], m[sure]


def _rare(
    sources: Indices, thresholds: NDArray[np.uint32], band: int, entries: slice, key: int
) -> tuple[Indices, Indices]:
    """Of another band: the way to the next candidate is drawn, then whether it is accepted."""
    shift = band + 3
    chances = _skip_chances(shift)
    rows, ms = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    row, at, number = np.arange(sources.size), np.full(sources.size, entries.start), 0
    while row.size and entries.start < entries.stop:
        drawn = _words(sources[row], np.full(row.size, 64 * (number >> 2) + 4 * band + (number & 3)), 10, key)
        skip = chances.size - np.searchsorted(chances[::-1], drawn, side="right")
        at = at + skip
        row, at, skip = (x[at < entries.stop] for x in (row, at, skip))
        candidate = skip < chances.size
        rows.append(row[candidate])
        ms.append(at[candidate])
        at = at + candidate
        number += 1
    row, m = np.concatenate(rows), np.concatenate(ms)
    taken = _words(sources[row], m, 8, key) >> np.uint32(shift) <= thresholds[m]
    return row[taken], m[taken]


@lru_cache
def _skip_chances(shift: int) -> NDArray[np.uint64]:
    """Of 2**32: the chances that s = 1, 2, ... pairs in a row are none, where each is one with probability 2**-shift."""
    chances, left = [], 2**60
    for _ in range(2 ** (shift + 1)):
        left -= left >> shift
        chances.append(left >> 28)
    return np.array(chances, np.uint64)


def _bytes(sources: Indices, size: int, key: int) -> NDArray[np.uint8]:
    """Byte m & 15 of ``philox(m >> 4, source, 0, 7)``, (sources, size)."""
    blocks = np.arange((size + 15) // 16)[None, :]
    words = np.stack(philox(blocks, sources[:, None], 0, 7, key), axis=-1)
    return words.astype("<u4").view(np.uint8).reshape(sources.size, 16 * blocks.size)[:, :size]


def _words(sources: Indices, m: Indices, stream: int, key: int) -> NDArray[np.uint32]:
    """Word m & 3 of ``philox(m >> 2, source, 0, stream)`` for each pair."""
    words = np.stack(philox(m >> 2, sources, 0, stream, key))
    picked: NDArray[np.uint32] = np.take_along_axis(words, (m & 3)[None, :], axis=0)[0]
    return picked


def check_distance(a: dict[str, Any]) -> str | None:
    """What is wrong with the attributes of a rule that came from a file."""
    grids, dimensions = (a["pre_grid"], a["post_grid"]), len(a["pre_grid"])
    if not 1 <= dimensions <= 3 or dimensions != len(a["post_grid"]) or min(min(g) for g in grids) < 1:
        return f"grids {grids[0]} and {grids[1]} are not of one to three dimensions"
    if (math.prod(grids[0]), math.prod(grids[1])) != (a["n_pre"], a["n_post"]):
        return f"grids {grids[0]} and {grids[1]} do not have {a['n_pre']} and {a['n_post']} elements"
    begin, entries = a["begin"], a["thresholds"].size
    phases = math.prod(p // math.gcd(p, q) for p, q in zip(*grids))
    if begin.shape != (phases * BANDS + 1,) or begin[0] != 0 or begin[-1] != entries or (np.diff(begin) < 0).any():
        return f"begin does not divide {entries} entries among {phases} phases of {BANDS} bands"
    if not np.array_equal(band_of(a["thresholds"]), np.repeat(np.arange(begin.size - 1) % BANDS, np.diff(begin))):
        return "thresholds are not in their bands"
    least = np.zeros(dimensions, np.int64) if a["periodic"] else 1 - np.array(a["post_grid"])
    if a["offsets"].shape != (entries, dimensions) or ((a["offsets"] < least) | (a["offsets"] >= a["post_grid"])).any():
        return "offsets do not fit the stencil and the grid"
    if a["coded"] and a["codes"].shape != (entries,):
        return "codes do not fit the stencil"
    return None
