"""Which populations are worth running event-driven: the cost model behind ``execution="auto"``.

An event-driven population does nothing for elements without input, and several times the work for the others, because
they do not lie side by side in memory. So it pays if few elements are computed at a tick. How many is estimated from
the numbers of synapses and from the rates of the sources; neurons are assumed to fire at ``ASSUMED_RATE``.
"""

from __future__ import annotations

import math

import numpy as np

from procgraph.ir.connectivity import synapse_count
from procgraph.ir.nodes import Node, SpikeIR
from procgraph.spec.event import why_not_event_driven
from procgraph.spec.process import Process
from procgraph.spec.trace import Namespace, column_values, is_elementwise, nested

__all__ = ["ASSUMED_RATE", "PAYS_BELOW", "expected_activity", "worth_event_driven"]

ASSUMED_RATE = 5.0  # Hz, of a neuron: most recordings of cortex lie between 0.1 and 20
# Fraction of elements that are computed at a tick. bench/event_driven.py finds equal times at 0.014 where all fits into
# a core's cache (10,000 LIF) and 0.009 where it does not (a million); the estimate is rough.
PAYS_BELOW = 0.005


def worth_event_driven(ir: SpikeIR, processes: list[Process]) -> list[int]:
    """Numbers of the nodes with ``execution="auto"`` for which running event-driven is expected to be faster."""
    wanted = [
        i
        for i, (node, process) in enumerate(zip(ir.nodes, processes, strict=True))
        if process.execution == "auto" and node.op == "elementwise" and not why_not_event_driven(type(process))
    ]
    return [i for i in wanted if not _is_read(ir, i) and expected_activity(ir, processes, i) < PAYS_BELOW]


def _is_read(ir: SpikeIR, number: int) -> bool:
    """Whether somebody reads an array output, which then has to be computed for all elements at every tick."""
    return any(o.kind == "array" and ir.out_of(number, p) for p, o in enumerate(ir.nodes[number].outputs))


def expected_activity(ir: SpikeIR, processes: list[Process], number: int) -> float:
    """Expected fraction of the elements of a node that are computed at a tick, were it run event-driven."""
    node = ir.nodes[number]
    arrivals = node.period * sum(_arrivals(ir, processes, number, port) for port in range(len(node.inputs)))
    return 1 - (1 - _awake(processes[number], node, ir.dt)) * math.exp(-arrivals)


def _arrivals(ir: SpikeIR, processes: list[Process], number: int, port: int) -> float:
    """Expected events per element and step at an input, each counted once for every synapse that it passes."""
    total = 0.0
    for c in ir.into(number, port):
        source, share = ir.nodes[c.src[0]], 1.0
        if c.map is not None:
            share = c.map[0].size / ir.nodes[number].inputs[port].n
        if source.is_synapse:
            share *= synapse_count(source) / source.outputs[0].n
            total += share * _arrivals(ir, processes, c.src[0], 0)
        elif source.outputs[c.src[1]].kind == "events":
            rate = processes[c.src[0]].event_rate(ir.dt * source.period)
            total += share * (ASSUMED_RATE * ir.dt / 1000 if rate is None else rate / source.period)
        else:
            return math.inf  # a current arrives at every step
    return total


def _awake(process: Process, node: Node, dt: float) -> float:
    """Fraction of the elements that do not rest in their initial state, such as those with a bias above threshold."""
    cls = type(process)
    assert is_elementwise(cls)
    flat = column_values(process, dt * node.period)
    scope = Namespace(nested({k: np.asarray(v, np.float32).reshape(-1) for k, v in flat.items()}), cls.__name__)
    states = Namespace({c.name: c.tensor for c in node.states}, cls.__name__)
    rests = np.broadcast_to(cls.rests(scope, scope, states), node.n)  # type: ignore[attr-defined]
    return float(1 - np.mean(rests))
