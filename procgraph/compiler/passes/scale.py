"""Fixed point: the worst sum of every input, and the binary scale at which it cannot overflow int32.

The rules are those of docs/explanation/time-and-numbers.md, section 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from procgraph.errors import Findings, ParameterError
from procgraph.ir.connectivity import synapse_load
from procgraph.ir.nodes import Channel, Output, SpikeIR

__all__ = ["Load", "assign_scales", "scale_for"]

INT32_MAX = 2**31 - 1
SCALE_LIMIT = 100
FLOAT32_SLACK = 1 + 1e-6  # a float32 current of the size of its bound may round up
Port = tuple[int, int]


@dataclass
class Load:
    """Worst absolute sum at one element, and how many rounded numbers it has."""

    bound: float = 0.0
    terms: float = 0.0


def assign_scales(ir: SpikeIR) -> SpikeIR:
    """Pre: lowered. Post: every port has its payload limit, bound and scale.

    Raises:
        ParameterError: payloads of an input may exceed int32, or an output current has no bound; all are named.
    """
    found = Findings()
    for number, node in enumerate(ir.nodes):
        for port, entry in enumerate(node.inputs):
            if entry.kind == "events":
                entry.limit = node.period * sum(_multiplicity(c) * _source(ir, c).limit for c in ir.into(number, port))
                if entry.limit > INT32_MAX:
                    found.errors.append(
                        ParameterError(
                            f"{node.name}.{entry.name}: payloads may add up to {entry.limit}; allowed: {INT32_MAX}. Lower a Graded limit or the period."
                        )
                    )
    outputs: dict[Port, Load] = {}
    for number, node in enumerate(ir.nodes):
        for port, output in enumerate(node.outputs):
            if output.kind == "current":
                with found.noting():
                    outputs[number, port] = _output_load(ir, number, port)
    found.raise_all()
    for (i, p), load in outputs.items():
        if ir.nodes[i].is_synapse:
            ir.nodes[i].outputs[p].bound = load.bound
    _share_scales(ir, outputs)
    return ir


def _source(ir: SpikeIR, c: Channel) -> Output:
    return ir.nodes[c.src[0]].outputs[c.src[1]]


def _multiplicity(c: Channel) -> int:
    """How many source elements meet at one target element, at most."""
    return 1 if c.map is None else int(np.bincount(c.map[1]).max(initial=0))


def _output_load(ir: SpikeIR, number: int, port: int) -> Load:
    node, output = ir.nodes[number], ir.nodes[number].outputs[port]
    if node.is_synapse:
        limit = node.inputs[0].limit
        weight, terms = synapse_load(node, room=node.w_max)
        return Load(weight * limit, terms * limit)
    if not math.isfinite(output.bound) or output.bound <= 0:
        if output.bound == 0 and node.op == "dense_source":
            return Load(0.0, 1.0)
        raise ParameterError(
            f"{node.name}.{output.name} emits a current of unknown size. Declare Out(Current, bound=…) with its largest magnitude."
        )
    return Load(output.bound * FLOAT32_SLACK, 1.0)


def scale_for(load: Load) -> int:
    """The largest scale at which the worst sum (above 0) fits int32."""
    scale = min(SCALE_LIMIT, math.floor(math.log2(INT32_MAX / load.bound)) + 1)
    while scale > -SCALE_LIMIT and load.bound * 2.0**scale + load.terms / 2 > INT32_MAX:
        scale -= 1
    return scale


def _share_scales(ir: SpikeIR, outputs: dict[Port, Load]) -> None:
    groups: dict[tuple[str, int, int], tuple[str, int, int]] = {}

    def find(key: tuple[str, int, int]) -> tuple[str, int, int]:
        while groups.setdefault(key, key) != key:
            key = groups[key]
        return key

    best: dict[tuple[str, int, int], int] = {}
    ports: list[tuple[str, int, int]] = []

    def add(key: tuple[str, int, int], load: Load) -> None:
        """A port that never carries anything but zeros puts no limit on its group."""
        ports.append(key)
        if load.bound > 0:
            best[key] = scale_for(load)

    for (i, p), load in outputs.items():
        add(("out", i, p), load)
    for i, node in enumerate(ir.nodes):
        for p, entry in enumerate(node.inputs):
            if entry.kind == "current":
                total = Load()
                for c in ir.into(i, p):
                    factor = node.period * _multiplicity(c)
                    total.bound += outputs[c.src].bound * factor
                    total.terms += outputs[c.src].terms * factor
                    groups[find(("out", *c.src))] = find(("in", i, p))
                add(("in", i, p), total)
    lowest: dict[tuple[str, int, int], int] = {}
    for key, scale in best.items():
        lowest[find(key)] = min(scale, lowest.get(find(key), SCALE_LIMIT))
    for kind, i, p in ports:
        entries = ir.nodes[i].outputs if kind == "out" else ir.nodes[i].inputs
        entries[p].scale = lowest.get(find((kind, i, p)), 0)
