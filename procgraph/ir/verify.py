"""Typing rules of Spike IR, as a table; ``verify`` runs between compiler passes and on every Program that is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from procgraph.errors import ProgramFormatError
from procgraph.ir.distance import check_distance
from procgraph.ir.nodes import Channel, Input, Node, Output, SpikeIR
from procgraph.spec.rules import MAX_DENDRITIC

__all__ = ["verify"]

OPS = (
    "elementwise",
    "dense",
    "sparse",
    "one_to_one",
    "all_to_all",
    "conv2d",
    "plastic",
    "event_source",
    "dense_source",
    "argmax",
    "host",
)
POLICIES = ("block", "drop_oldest", "drop_newest", "latest", "error")
MAX_N = 2**31 - 1
MAX_DELAY = 1_000_000


def _nodes(ir: SpikeIR) -> Iterator[str]:
    names = [n.name for n in ir.nodes]
    if len(set(names)) != len(names):
        yield f"node names repeat: {sorted({n for n in names if names.count(n) > 1})}"
    for node in ir.nodes:
        if node.op not in OPS:
            yield f"node {node.name!r}: op {node.op!r}; allowed: {', '.join(OPS)}"
        if not (1 <= node.period <= 10**9 and 0 <= node.phase < node.period):
            yield f"node {node.name!r}: period {node.period} and phase {node.phase}; allowed: 0 <= phase < period <= 1e9"
        if not 1 <= node.n <= MAX_N:
            yield f"node {node.name!r}: {node.n} elements; allowed: 1 to {MAX_N}"
        yield from _ports(node)


def _ports(node: Node) -> Iterator[str]:
    ports: list[Input | Output] = [*node.inputs, *node.outputs]
    for port in ports:
        what = f"port {node.name}.{port.name}"
        if port.kind not in ("events", "current", "array"):
            yield f"{what}: kind {port.kind!r}; allowed: events, current, array"
        if not 1 <= port.n <= MAX_N:
            yield f"{what}: {port.n} elements; allowed: 1 to {MAX_N}"
        if not -100 <= port.scale <= 100:
            yield f"{what}: scale {port.scale}; allowed: -100 to 100"
    for output in node.outputs:
        if not 1 <= output.depth <= MAX_DELAY + 1:
            yield f"port {node.name}.{output.name}: depth {output.depth}; allowed: 1 to {MAX_DELAY + 1}"
        if node.op == "elementwise" and output.n != node.n * output.components:
            yield f"port {node.name}.{output.name}: {output.n} elements; the node has {node.n} x {output.components}"
    for column in [*node.columns, *node.states]:
        if column.tensor.size not in (1, node.n) or column.tensor.dtype.name != column.dtype:
            yield f"{node.name}.{column.name}: {column.tensor.size} values of {column.tensor.dtype}; wanted 1 or {node.n} of {column.dtype}"


def _synapses(ir: SpikeIR) -> Iterator[str]:
    for node in ir.nodes:
        if not node.is_synapse:
            continue
        wanted = 3 if node.op == "plastic" else 1
        if len(node.inputs) != wanted or len(node.outputs) != 1:
            yield f"synapse {node.name!r} has {len(node.inputs)} inputs and {len(node.outputs)} outputs; wanted {wanted} and 1"
        else:
            yield from _synapse_sizes(node)


def _synapse_values(ir: SpikeIR) -> Iterator[str]:
    """Looks at every synapse that is listed."""
    for node in ir.nodes:
        if not node.is_synapse:
            continue
        low, high = node.delays
        if not 0 <= low <= high <= MAX_DELAY:
            yield f"synapse {node.name!r}: delays {low} to {high}; allowed: 0 to {MAX_DELAY}"
        if node.attrs.get("dendritic") and high > MAX_DENDRITIC:
            yield f"synapse {node.name!r}: delays up to {high}; allowed for dendritic ones: {MAX_DENDRITIC}"
        weights = node.attrs["weights"]
        for table in ("weight_table", "delay_table"):
            if table in node.attrs and (
                "rule" not in node.attrs
                or node.attrs[table].shape != (65536,)
                or not np.isfinite(node.attrs[table]).all()
            ):
                yield f"synapse {node.name!r}: {table} must be 65536 finite values of a rule"
        if weights.dtype != np.float32 or not np.isfinite(weights).all():
            yield f"synapse {node.name!r}: weights must be finite float32"
        if node.pattern == "sparse" and "rule" not in node.attrs:
            pre, post, n_in, n_out = node.attrs["pre"], node.attrs["post"], node.inputs[0].n, node.outputs[0].n
            if pre.size and (pre.min() < 0 or pre.max() >= n_in or post.min() < 0 or post.max() >= n_out):
                yield f"synapse {node.name!r}: an index lies outside {n_in} sources or {n_out} targets"


def _synapse_sizes(node: Node) -> Iterator[str]:
    a, n_in, n_out = node.attrs, node.inputs[0].n, node.outputs[0].n
    what = f"synapse {node.name!r}"
    if node.pattern in ("dense", "sparse", "all_to_all") and (a["n_pre"], a["n_post"]) != (n_in, n_out):
        yield f"{what}: {a['n_pre']} to {a['n_post']} elements, but its ports have {n_in} and {n_out}"
    if node.pattern == "dense" and a["weights"].shape != (n_out, n_in):
        yield f"{what}: weights of shape {a['weights'].shape}; wanted {(n_out, n_in)}"
    if node.pattern == "sparse" and "rule" not in a:
        pre, post = a["pre"], a["post"]
        if pre.shape != post.shape or a["weights"].size not in (1, pre.size):
            yield f"{what}: {pre.size} sources, {post.size} targets, {a['weights'].size} weights do not belong together"
    if node.pattern == "sparse" and a.get("rule") == "distance":
        wrong = check_distance(a)
        if wrong is not None:
            yield f"{what}: {wrong}"
    if node.pattern == "one_to_one" and (n_in != n_out or a["weights"].size not in (1, n_in)):
        yield f"{what}: {n_in} sources, {n_out} targets, {a['weights'].size} weights do not belong together"
    if node.pattern == "conv2d" and (np.prod(a["in_shape"]), np.prod(a["out_shape"])) != (n_in, n_out):
        yield f"{what}: shapes {a['in_shape']} and {a['out_shape']} do not fit ports of {n_in} and {n_out}"


def _channels(ir: SpikeIR) -> Iterator[str]:
    arrays: set[tuple[int, int]] = set()
    for number, c in enumerate(ir.channels):
        if not (0 <= c.src[0] < len(ir.nodes) and 0 <= c.src[1] < len(ir.nodes[c.src[0]].outputs)):
            yield f"channel {number}: source {c.src} does not exist"
        elif not (0 <= c.dst[0] < len(ir.nodes) and 0 <= c.dst[1] < len(ir.nodes[c.dst[0]].inputs)):
            yield f"channel {number}: target {c.dst} does not exist"
        else:
            yield from _channel(ir, c, arrays)


def _channel(ir: SpikeIR, c: Channel, arrays: set[tuple[int, int]]) -> Iterator[str]:
    source, target = ir.nodes[c.src[0]].outputs[c.src[1]], ir.nodes[c.dst[0]].inputs[c.dst[1]]
    what = f"channel {ir.nodes[c.src[0]].name}.{source.name} -> {ir.nodes[c.dst[0]].name}.{target.name}"
    if source.kind != target.kind:
        yield f"{what}: joins {source.kind} to {target.kind}"
    if not 0 <= c.delay <= MAX_DELAY:
        yield f"{what}: delay {c.delay}; allowed: 0 to {MAX_DELAY}"
    if c.policy not in POLICIES or (
        c.capacity is not None and (source.kind != "events" or not 1 <= c.capacity <= MAX_N)
    ):
        yield f"{what}: capacity {c.capacity}, policy {c.policy!r}"
    if target.kind == "array" and c.dst in arrays:
        yield f"{what}: an array input takes one channel"
    arrays.add(c.dst)
    if c.map is None and source.n != target.n:
        yield f"{what}: {source.n} and {target.n} elements"
    if c.map is not None:
        src, dst = c.map
        if src.shape != dst.shape or src.dtype != np.int32 or dst.dtype != np.int32 or src.ndim != 1:
            yield f"{what}: index map of {src.shape} {src.dtype} and {dst.shape} {dst.dtype}"
        elif src.size and (src.min() < 0 or src.max() >= source.n or dst.min() < 0 or dst.max() >= target.n):
            yield f"{what}: an index lies outside {source.n} sources or {target.n} targets"
        elif target.kind == "array" and len(np.unique(dst)) < dst.size:
            yield f"{what}: the index map routes two elements to one; an array element takes one value"


def _final(ir: SpikeIR) -> Iterator[str]:
    for c in ir.channels:
        source, node = ir.nodes[c.src[0]].outputs[c.src[1]], ir.nodes[c.dst[0]]
        if c.delay >= source.depth:
            yield f"channel into {node.name!r}: delay {c.delay}, but its source keeps {source.depth} steps"
        if node.op == "host" and c.delay < 1:
            yield f"channel into host node {node.name!r}: delay 0; allowed: at least 1"
        if source.kind == "current" and source.scale != node.inputs[c.dst[1]].scale:
            yield f"channel into {node.name!r}: scales {source.scale} and {node.inputs[c.dst[1]].scale} differ"
    wanted = sorted(
        (a, i)
        for i, n in enumerate(ir.nodes)
        if n.op != "host"
        for a in (("absorb", "emit") if n.is_synapse else ("tick",))
    )
    if sorted((str(a), i) for a, i in ir.schedule) != wanted:
        yield "the schedule does not hold every action of every node once"


RULES: tuple[Callable[[SpikeIR], Iterator[str]], ...] = (_nodes, _synapses, _channels)


def verify(ir: SpikeIR, final: bool = False, values: bool = True) -> None:
    """Check the rules; ``final`` adds those that hold after the last pass. Without ``values``, those of single synapses are left out.

    Raises:
        ProgramFormatError: lists every broken rule.
    """
    problems: list[Any] = [p for rule in RULES for p in rule(ir)]
    if values and not problems:
        problems = list(_synapse_values(ir))
    if final and not problems:
        problems = list(_final(ir))
    if problems:
        raise ProgramFormatError("Spike IR breaks its rules:\n  " + "\n  ".join(problems[:20]))
