"""Order of actions in a step: topological over the dependencies of delay 0."""

from __future__ import annotations

import heapq

from procgraph.errors import CycleError
from procgraph.ir.nodes import SpikeIR

__all__ = ["schedule"]

Action = tuple[int, str]


def schedule(ir: SpikeIR) -> SpikeIR:
    """Pre: channels have their effective delay. Post: ``schedule`` holds every action of every compiled node once.

    Raises:
        CycleError: a cycle of delay 0; the message names its path.
    """
    actions = [
        (i, a)
        for i, n in enumerate(ir.nodes)
        if n.op != "host"
        for a in (("absorb", "emit") if n.is_synapse else ("tick",))
    ]
    after: dict[Action, set[Action]] = {a: set() for a in actions}
    for i, node in enumerate(ir.nodes):
        if node.is_synapse and node.delays[0] == 0:
            after[i, "absorb"].add((i, "emit"))
    for c in ir.channels:
        source, target = ir.nodes[c.src[0]], ir.nodes[c.dst[0]]
        if c.delay == 0 and "host" not in (source.op, target.op):
            first = (c.src[0], "emit" if source.is_synapse else "tick")
            after[first].add((c.dst[0], "absorb" if target.is_synapse else "tick"))
    ir.schedule = [(action, node) for node, action in _sort(ir, after)]
    return ir


def _sort(ir: SpikeIR, after: dict[Action, set[Action]]) -> list[Action]:
    waiting = dict.fromkeys(after, 0)
    for followers in after.values():
        for f in followers:
            waiting[f] += 1
    ready = [a for a, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    order: list[Action] = []
    while ready:
        action = heapq.heappop(ready)
        order.append(action)
        for f in after[action]:
            waiting[f] -= 1
            if waiting[f] == 0:
                heapq.heappush(ready, f)
    if len(order) < len(after):
        raise CycleError(_describe(ir, after, {a for a, count in waiting.items() if count > 0}))
    return order


def _describe(ir: SpikeIR, after: dict[Action, set[Action]], stuck: set[Action]) -> str:
    before = {a: [b for b in stuck if a in after[b]] for a in stuck}
    path: list[Action] = [min(a for a in stuck if before[a])]
    while path.count(path[-1]) < 2:
        path.append(min(before[path[-1]]))
    cycle = path[path.index(path[-1]) :][::-1]
    names: list[str] = []
    for node, _ in cycle:
        if not names or names[-1] != ir.nodes[node].name:
            names.append(ir.nodes[node].name)
    return f"cycle without delay: {' -> '.join(names)}. Give one of its connections or synapses a delay of at least 1 step."
