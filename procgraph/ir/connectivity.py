"""Which synapses a node has: rules expanded, matrices and kernels listed, and the worst load that they can cause."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ProgramFormatError
from procgraph.ir.distance import distance_size, distance_synapses
from procgraph.ir.nodes import Node
from procgraph.ir.philox import feistel, philox, pick, words_of

__all__ = ["SynapseList", "binomial_table", "expand", "rule_size", "synapse_count", "synapse_load"]

LOAD_PIECE = 2**16  # synapses whose numbers stay in the caches while they are added up


class SynapseList(NamedTuple):
    """Source and target element, weight and delay of every synapse, in the node's own order."""

    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    weight: NDArray[np.float32]
    delay: NDArray[np.int32]


def _rule_pairs(a: dict[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rule, key, count = a["rule"], int(a["key"]), int(a["count"])
    n_pre, n_post = int(a["n_pre"]), int(a["n_post"])
    shift = 0 if a["autapses"] else 1
    if rule == "fixed_total":
        e = np.arange(count, dtype=np.uint64)
        words = philox(e & np.uint64(0xFFFFFFFF), e >> np.uint64(32), 0, 3, key)
        pre = pick(words[0].astype(np.uint64), n_pre)
        post = pick(words[1].astype(np.uint64), n_post - shift)
        return pre, _skip(post, pre, shift)
    if rule == "fixed_probability":
        counts = _row_counts(a)
        rows = np.repeat(np.arange(n_pre), counts)
        m = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, _skip(feistel(rows, m, n_post - shift, 4, key), rows, shift)
    t, n_rows, n_other = (1, n_post, n_pre) if rule == "fixed_in_degree" else (2, n_pre, n_post)
    rows = np.repeat(np.arange(n_rows), count)
    if a["multapses"]:
        other = pick(words_of(np.arange(rows.size, dtype=np.uint64), t, key), n_other - shift)
    else:
        other = feistel(rows, np.tile(np.arange(count), n_rows), n_other - shift, t, key)
    other = _skip(other, rows, shift)
    return (other, rows) if rule == "fixed_in_degree" else (rows, other)


def _row_counts(a: dict[str, Any]) -> NDArray[np.int64]:
    """Synapses of every source under ``fixed_probability``."""
    words = philox(np.arange(int(a["n_pre"])), 0, 0, 4, int(a["key"]))[0]
    return int(a["lo"]) + np.searchsorted(a["table"], words, side="right")


def rule_size(a: dict[str, Any]) -> int:
    """Number of synapses that a rule makes."""
    if a["rule"] == "distance":
        return distance_size(a)
    if a["rule"] == "fixed_probability":
        return int(_row_counts(a).sum())
    rows = {"fixed_in_degree": a["n_post"], "fixed_out_degree": a["n_pre"], "fixed_total": 1}[a["rule"]]
    return int(rows * a["count"])


def _skip(partner: NDArray[np.int64], own: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    return partner + (partner >= own) if shift else partner


def _pairs(node: Node) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    a = node.attrs
    if node.pattern == "sparse":
        return _rule_pairs(a) if "rule" in a else (a["pre"].astype(np.int64), a["post"].astype(np.int64))
    n_in, n_out = node.inputs[0].n, node.outputs[0].n
    if node.pattern == "one_to_one":
        return np.arange(n_in), np.arange(n_in)
    if node.pattern in ("dense", "all_to_all"):
        return np.tile(np.arange(n_in), n_out), np.repeat(np.arange(n_out), n_in)
    raise ProgramFormatError(f"node {node.name!r}: op {node.op!r} has no list of pairs.")


def _conv(node: Node) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Source, target and kernel tap of every synapse of a convolution."""
    a = node.attrs
    c_in, h, w = a["in_shape"]
    c_out, h_out, w_out = a["out_shape"]
    o, c, u, v, y, x = np.meshgrid(
        *(np.arange(s) for s in (*a["weights"].shape, h_out, w_out)), indexing="ij", sparse=True
    )
    row = y * a["stride"][0] + u * a["dilation"][0] - a["padding"][0]
    col = x * a["stride"][1] + v * a["dilation"][1] - a["padding"][1]
    channel = o // (c_out // a["groups"]) * (c_in // a["groups"]) + c
    kernel = a["weights"].shape
    tap = ((o * kernel[1] + c) * kernel[2] + u) * kernel[3] + v
    source = (channel * h + row) * w + col
    target = (o * h_out + y) * w_out + x
    inside = (row >= 0) & (row < h) & (col >= 0) & (col < w)
    shape = np.broadcast_shapes(source.shape, target.shape, tap.shape, inside.shape)
    keep = np.broadcast_to(inside, shape)
    found = [np.broadcast_to(x, shape)[keep].astype(np.int64) for x in (source, target, tap)]
    return found[0], found[1], found[2]


def expand(node: Node, weights: NDArray[np.float32] | None = None) -> SynapseList:
    """All synapses of a node, with other weights if given."""
    a = node.attrs
    if "rule" in a:
        return _expand_rule(node, weights)
    weights = (a["weights"] if weights is None else weights).reshape(-1)
    delays = a["delays"].reshape(-1) if "delays" in a else np.asarray([a["delay"]], np.int32)
    if node.op == "conv2d":
        pre, post, tap = _conv(node)
        return SynapseList(pre, post, weights[tap], np.broadcast_to(delays, a["weights"].size)[tap])
    pre, post = _pairs(node)
    return SynapseList(pre, post, np.broadcast_to(weights, pre.size), np.broadcast_to(delays, pre.size))


def _expand_rule(node: Node, weights: NDArray[np.float32] | None) -> SynapseList:
    a = node.attrs
    words = np.zeros(0, np.uint64)
    if a["rule"] == "distance":
        pre, post, words = distance_synapses(a)
    else:
        pre, post = _rule_pairs(a)
        if {"weight_table", "delay_table"} & set(a):
            words = words_of(np.arange(pre.size, dtype=np.uint64), 6, int(a["key"]))
    if weights is None or not weights.size:
        weights = a["weight_table"][(words >> np.uint64(16)).astype(np.int64)] if "weight_table" in a else a["weights"]
    if "delay_table" in a:
        delays = a["delay_table"][(words & np.uint64(0xFFFF)).astype(np.int64)]
    else:
        delays = a["delays"].reshape(-1) if "delays" in a else np.asarray([a["delay"]], np.int32)
    return SynapseList(pre, post, np.broadcast_to(weights.reshape(-1), pre.size), np.broadcast_to(delays, pre.size))


def _rule_load(a: dict[str, Any], w: NDArray[np.float64]) -> tuple[float, int]:
    """Bounds without listing the synapses: docs/explanation/time-and-numbers.md, section 5."""
    n_pre, n_post = int(a["n_pre"]), int(a["n_post"])
    if a["rule"] in ("fixed_in_degree", "distance"):
        terms = int(a["count"] if a["rule"] == "fixed_in_degree" else a["terms"])
    else:
        mean = int(a["synapses"]) / n_post
        terms = math.ceil(mean + 10 * math.sqrt(mean) + 10)
        if a["rule"] == "fixed_probability" or not a["multapses"]:
            terms = min(terms, n_pre)
        terms = min(terms, int(a["synapses"]))
    return terms * float(w.max(initial=0.0)), terms


def synapse_count(node: Node) -> int:
    """Number of synapses of a node."""
    a = node.attrs
    if node.pattern == "sparse":
        if "rule" not in a:
            return int(a["pre"].size)
        return int(a["synapses"]) if "synapses" in a else rule_size(a)
    return node.inputs[0].n * (1 if node.pattern == "one_to_one" else node.outputs[0].n)


def synapse_load(node: Node, weights: NDArray[np.float32] | None = None, room: float = 0.0) -> tuple[float, int]:
    """Largest sum of absolute weights at one target, each counted as ``room`` at least, and the largest number of synapses there."""
    a = node.attrs
    if node.pattern == "sparse" and "rule" not in a:
        given = (a["weights"] if weights is None else weights).reshape(-1)
        return _listed_load(a["post"], np.broadcast_to(given, a["post"].size), room, node.outputs[0].n)
    if weights is None or not weights.size:
        weights = a["weight_table"] if "weight_table" in a else a["weights"]
    if node.op == "conv2d":
        synapses = expand(node, weights)
        return _listed_load(synapses.post, synapses.weight, room, node.outputs[0].n)
    w = _magnitudes(weights, room)
    if "rule" in a:
        return _rule_load(a, w)
    if node.pattern == "dense":
        return float(w.sum(axis=1).max(initial=0.0)), int(a["n_pre"])
    if node.pattern == "all_to_all":
        return float(w[0]) * int(a["n_pre"]), int(a["n_pre"])
    return float(w.max(initial=0.0)), 1


def _magnitudes(weights: NDArray[np.float32], room: float) -> NDArray[np.float64]:
    w = weights.astype(np.float64)
    return np.maximum(np.abs(w, out=w), np.float32(room), out=w)


def _listed_load(post: NDArray[Any], weights: NDArray[np.float32], room: float, n_post: int) -> tuple[float, int]:
    terms, total = np.zeros(n_post, np.int64), np.zeros(n_post)
    piece = max(LOAD_PIECE, n_post)
    for first in range(0, post.size, piece):
        places = post[first : first + piece].astype(np.intp)  # once: bincount would do it each time
        terms += np.bincount(places, minlength=n_post)
        total += np.bincount(places, weights=_magnitudes(weights[first : first + piece], room), minlength=n_post)
    return float(total.max(initial=0.0)), int(terms.max(initial=0))


def binomial_table(n: int, p: float) -> tuple[int, NDArray[np.uint32]]:
    """``lo`` and ascending uint32 thresholds: Binomial(n, p) is ``lo`` plus the number of thresholds not above a 32-bit word."""
    from math import exp, lgamma, log, log1p

    if p in (0.0, 1.0):
        return (n if p == 1.0 else 0), np.zeros(0, np.uint32)
    k = np.arange(n + 1)
    spread = 8 * (n * p * (1 - p)) ** 0.5 + 12
    k = k[(k >= n * p - spread) & (k <= n * p + spread)]
    head = lgamma(n + 1)
    mass = np.array(
        [exp(head - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log1p(-p)) for i in k.tolist()]
    )
    cumulative = np.cumsum(mass) / mass.sum()
    thresholds = np.floor(cumulative[:-1] * 2.0**32)
    return int(k[0]), np.minimum(thresholds, 2**32 - 1).astype(np.uint32)
