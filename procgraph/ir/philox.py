"""Counter-based random numbers, as docs/explanation/time-and-numbers.md section 7 defines them.

Philox4x32-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), doi 10.1145/2063384.2063405.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["draw", "feistel", "fnv1a64", "node_key", "philox", "pick", "rule_key", "splitmix64", "words_of"]

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
_MASK = 2**64 - 1
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85


def fnv1a64(name: str) -> int:
    """64-bit FNV-1a hash of a name in UTF-8."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    return value


def splitmix64(x: int) -> int:
    """The finaliser of SplitMix64 (Steele et al. 2014, doi 10.1145/2660193.2660195)."""
    z = (x + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def node_key(seed: int, name: str) -> int:
    """Key of the draws of a node."""
    return splitmix64((seed + fnv1a64(name)) & _MASK)


def rule_key(seed: int, name: str) -> int:
    """Key of a connectivity rule."""
    return splitmix64((seed + fnv1a64(name) + 1) & _MASK)


def philox(c0: ArrayLike, c1: ArrayLike, c2: ArrayLike, c3: ArrayLike, key: int) -> tuple[U32, U32, U32, U32]:
    """Philox4x32-10 of arrays of counters under one 64-bit key."""
    x = [np.asarray(c, dtype=np.uint64) for c in (c0, c1, c2, c3)]
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    low = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    for _ in range(10):
        p0, p1 = _M0 * x[0], _M1 * x[2]
        x = [(p1 >> shift) ^ x[1] ^ np.uint64(k0), p1 & low, (p0 >> shift) ^ x[3] ^ np.uint64(k1), p0 & low]
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    words = np.broadcast_arrays(*x)
    return tuple(w.astype(np.uint32) for w in words)  # type: ignore[return-value]


def draw(key: int, n: int, batch: int, step: int, number: int) -> NDArray[np.int32]:
    """Draw ``number`` of every element and lane at a step: int32 in [0, 2**31), shape (batch, n)."""
    lanes = (np.arange(batch, dtype=np.uint64) * np.uint64(256) + np.uint64(number))[:, None]
    upper = _halves(key, n, step, lanes)
    lower = _halves(key, n, step, lanes | np.uint64(0x80000000))
    return (upper << np.uint32(15) | lower >> np.uint32(1)).astype(np.int32)


def _halves(key: int, n: int, step: int, c3: U64) -> U32:
    """A half word of Philox for each element, eight from a counter, the lower half of a word first."""
    blocks = np.arange((n + 7) // 8, dtype=np.uint64)[None, :]
    words = np.stack(philox(blocks, step & 0xFFFFFFFF, step >> 32, c3, key), axis=-1)
    halves = np.stack((words & np.uint32(0xFFFF), words >> np.uint32(16)), axis=-1)
    return halves.reshape(len(c3), -1)[:, :n]


def words_of(index: U64, t: int, key: int) -> U64:
    """``u(e, t)`` of the connectivity rules, as uint64."""
    words = np.stack(philox((index >> np.uint64(2)) & np.uint64(0xFFFFFFFF), index >> np.uint64(34), 0, t, key))
    picked: U64 = np.take_along_axis(words, (index & np.uint64(3)).astype(np.int64)[None, :], axis=0)[0].astype(
        np.uint64
    )
    return picked


def pick(u: U64, n: int) -> NDArray[np.int64]:
    """A number below n from a 32-bit word."""
    return ((u * np.uint64(n)) >> np.uint64(32)).astype(np.int64)


def _mix32(x: U32) -> U32:
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def feistel(rows: NDArray[np.int64], m: NDArray[np.int64], n: int, t: int, key: int) -> NDArray[np.int64]:
    """``perm_row(m)``: a permutation of [0, n) for every row, by cycle walking a Feistel network."""
    half = max(1, (max(n - 1, 0).bit_length() + 1) // 2)
    mask = np.uint32((1 << half) - 1)
    unique, inverse = np.unique(rows, return_inverse=True)
    keys = np.stack([*philox(unique, 0, t, 5, key), *philox(unique, 1, t, 5, key)])[:, inverse.reshape(-1)]
    value = m.astype(np.uint64)
    todo = np.arange(value.size)
    while todo.size:
        left, right = (value[todo] >> np.uint64(half)).astype(np.uint32), value[todo].astype(np.uint32) & mask
        for r in range(8):
            left, right = right, left ^ (_mix32(right * np.uint32(0x9E3779B1) + keys[r, todo]) & mask)
        value[todo] = (left.astype(np.uint64) << np.uint64(half)) | right.astype(np.uint64)
        todo = todo[value[todo] >= n]
    return value.astype(np.int64)
