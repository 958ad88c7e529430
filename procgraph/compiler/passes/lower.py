"""Leaf Processes to Spike IR nodes, links to channels with index maps."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.compiler.codegen.cpp import KERNEL_TABLE, render_table
from procgraph.compiler.event_cost import worth_event_driven
from procgraph.compiler.flat import FlatGraph, Link, PortKey
from procgraph.errors import ConnectionError, Findings, ParameterError, ShapeError
from procgraph.ir.connectivity import binomial_table, rule_size, synapse_count
from procgraph.ir.nodes import Channel, Input, KernelSource, Node, Output, SpikeIR, column
from procgraph.ir.philox import rule_key
from procgraph.spec.declare import In, Out, State
from procgraph.spec.event import event_form
from procgraph.spec.ports import Shape
from procgraph.spec.process import Process, initial_state, to_steps
from procgraph.spec.rules import Rule
from procgraph.spec.trace import Kernel, column_values, is_elementwise, trace

__all__ = ["element_columns", "lower"]

Routes = tuple[NDArray[np.int32], NDArray[np.int32]]


def lower(flat: FlatGraph) -> SpikeIR:
    """Pre: shapes inferred. Post: IR nodes sorted by name, channels sorted; scales, depths and schedule still open.

    Doubtful Processes are left out.

    Raises:
        ProcgraphError: Processes or channels that cannot be compiled; all are named.
    """
    dt = flat.graph.dt
    ir = SpikeIR(dt, flat.graph.seed, [])
    processes: list[Process] = []
    found = Findings()
    for name, process in sorted(flat.leaves.items(), key=itemgetter(0)):
        if process in flat.doubtful:
            continue
        with found.noting():
            ir.nodes.append(_node(name, process, flat, dt))
            processes.append(process)
    numbers = {process: i for i, process in enumerate(processes)}
    for link in flat.links:
        joins = link.source[0] in numbers and link.target[0] in numbers
        if joins and link.chain[0].source.type.kind != "queue":
            with found.noting():
                ir.channels.append(_channel(link, flat.shapes, ir, numbers, dt))
    found.raise_all()
    ir.channels.sort(key=lambda c: c.sort_key)
    for number in worth_event_driven(ir, processes):
        _set_kernel(ir.nodes[number], processes[number], dt, "event")
    ir.kernels = _user_kernels(ir, processes)
    return ir


def _user_kernels(ir: SpikeIR, processes: list[Process]) -> list[KernelSource]:
    """Source of every kernel that is not built in."""
    own = [
        _trace(p, ir.dt, node.attrs["execution"])
        for node, p in zip(ir.nodes, processes, strict=True)
        if is_elementwise(type(p)) and not type(p).builtin
    ]
    for process in processes:
        rule = getattr(process, "rule", None)
        if isinstance(rule, Rule) and (rule.generated or not type(rule).builtin):
            own += rule.kernels(ir.dt).values()
    kernels = {k.hash: k for k in own}
    made = [KernelSource(k.name, k.hash, render_table([k], KERNEL_TABLE)) for k in kernels.values()]
    return sorted(made, key=lambda k: (k.name, k.hash))


def _size(shape: Shape) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _node(name: str, process: Process, flat: FlatGraph, dt: float) -> Node:
    shapes = {k: flat.shapes[process, k] for k, d in process.declarations.items() if isinstance(d, (In, Out))}
    period = to_steps(process.period, dt, f"{name}.period", least=1)
    phase = to_steps(process.phase, dt, f"{name}.phase")
    if phase >= period:
        raise ParameterError(f"{name}.phase is {phase} steps; allowed: 0 to {period - 1}, below the period.")
    node = Node(name, type(process).__name__, "host", 1, period, phase, device=process.device)
    _add_ports(node, process, shapes)
    if is_elementwise(type(process)):
        _element_wise(node, process, shapes, dt)
    elif type(process).structure is not Process.structure:
        attrs = process.structure(shapes, dt)
        node.op = attrs.pop("op")
        node.w_max = process.values.get("w_max", 0.0)
        node.states = [column(k, v, v.dtype.name) for k, v in attrs.pop("states", {}).items()]
        rule = attrs.pop("rule_process", None)
        node.attrs = _complete_rule(attrs, flat.graph.seed, name) if "rule" in attrs else attrs
        node.n = max((s.tensor.size for s in node.states), default=1)
        if rule is not None:
            _plastic(node, rule, dt)
    return node


def _plastic(node: Node, rule: Rule, dt: float) -> None:
    """Functions, columns and variables of a plasticity rule; the node has one element for each synapse."""
    if (node.period, node.phase) != (1, 0):
        raise ParameterError(f"{node.name}.period is {node.period}; allowed for plastic synapses: 1.")
    node.n = max(1, synapse_count(node))
    node.w_max = max(abs(rule.values["w_min"]), abs(rule.values["w_max"]))
    functions, columns = [], {}
    for event, kernel in rule.kernels(dt).items():
        functions.append(
            {
                "event": event,
                "kernel": kernel.name,
                "hash": kernel.hash,
                "columns": [a.name for a in kernel.columns],
                "states": [a.name for a in kernel.states],
                "inputs": [a.name for a in kernel.inputs],
            }
        )
        for made in element_columns(
            rule.as_process(event), 1, dt, rule.values, [(a.name, a.dtype) for a in kernel.columns]
        ):
            columns[made.name] = made
    node.columns = [columns[k] for k in sorted(columns)]
    node.states = [
        _sized(column(k, initial_state(rule, k, d), d.dtype), node.n, rule) for k, d in rule.variables.items()
    ]
    node.attrs["functions"] = functions


def _add_ports(node: Node, process: Process, shapes: dict[str, Shape]) -> None:
    for key, declared in process.declarations.items():
        if not isinstance(declared, (In, Out)) or declared.type.kind == "queue":
            continue
        kind = declared.type.kind
        dtype = declared.type.dtype if kind == "array" else "int32"
        if isinstance(declared, In):
            node.inputs.append(Input(key, kind, _size(shapes[key]), dtype))
        else:
            limit, bound = process.output_limit(key), process.output_bound(key)
            node.outputs.append(
                Output(key, kind, _size(shapes[key]), dtype, components=declared.components, limit=limit, bound=bound)
            )


def _complete_rule(attrs: dict[str, Any], seed: int, name: str) -> dict[str, Any]:
    """Add what executors need to expand a connectivity rule: key, binomial table and number of synapses."""
    attrs["key"] = rule_key(seed, name)
    if attrs["rule"] == "distance":  # too many pairs to count them here
        return attrs
    p = attrs.pop("probability", None)
    others = attrs["n_post"] - (not attrs["autapses"])
    lo, table = binomial_table(others, p) if p is not None else (0, np.zeros(0, np.uint32))
    attrs |= {"lo": lo, "table": table}
    return {**attrs, "synapses": rule_size(attrs)}


def element_columns(
    process: Process, n: int, dt: float, values: dict[str, Any], names: list[tuple[str, str]]
) -> list[Any]:
    """Columns that a kernel reads, from parameter values."""
    flat = column_values(process, dt, values)
    return [_sized(column(k, flat[k], dtype), n, process) for k, dtype in names]


def _sized(made: Any, n: int, process: Process) -> Any:
    if made.tensor.size not in (1, n):
        raise ShapeError(
            f"{process.label}.{made.name} has {made.tensor.size} values; allowed: one number, or one for each of the {n} elements."
        )
    return made


def _element_wise(node: Node, process: Process, shapes: dict[str, Shape], dt: float) -> None:
    lead = {k: d.components for k, d in process.declarations.items() if isinstance(d, Out)}
    port, shape = next(iter(shapes.items()))
    node.op = "elementwise"
    node.n = _size(shape) // lead.get(port, 1)
    _set_kernel(node, process, dt, "event" if process.execution == "event" else "clock")
    for key, declared in process.declarations.items():
        if isinstance(declared, State):
            node.states.append(
                _sized(column(key, initial_state(process, key, declared), declared.dtype), node.n, process)
            )


def _set_kernel(node: Node, process: Process, dt: float, execution: str) -> None:
    """The kernel of a node and the columns that it reads."""
    kernel, ticks = _trace(process, dt, execution), dt * node.period
    names = [(a.name, a.dtype) for a in kernel.columns]
    node.columns = element_columns(process, node.n, ticks, process.values, names)
    node.attrs = {
        "kernel": kernel.name,
        "hash": kernel.hash,
        "draws": len(kernel.draws),
        "execution": execution,
    }


def _trace(process: Process, dt: float, execution: str) -> Kernel:
    return trace(process, dt, event_form(type(process)) if execution == "event" else None)


def _channel(link: Link, shapes: dict[PortKey, Shape], ir: SpikeIR, numbers: dict[Process, int], dt: float) -> Channel:
    routes: Routes | None = None
    delay, capacity, policy = 0, None, "error"
    for c in link.chain:
        step = (
            c.source.index(shapes[c.source.process, c.source.name]).reshape(-1),
            c.target.index(shapes[c.target.process, c.target.name]).reshape(-1),
        )
        routes = step if routes is None else _compose(routes, step)
        delay += to_steps(c.delay, dt, f"delay of {c}")
        if c.capacity is not None:
            capacity, policy = c.capacity, c.policy
    (source, out), (target, into) = link.source, link.target
    src, dst = ir.nodes[numbers[source]], ir.nodes[numbers[target]]
    if dst.op == "host":
        delay = max(1, delay)
    assert routes is not None
    index = Channel(
        (numbers[source], src.output(out)),
        (numbers[target], dst.input(into)),
        delay,
        _canonical(routes, src, out, dst, into),
        capacity,
        policy,
    )
    if dst.inputs[index.dst[1]].kind == "array" and any(c.dst == index.dst for c in ir.channels):
        raise ConnectionError(
            f"{link}: an array input takes one channel, and {dst.name}.{into} has one already. Remove one."
        )
    return index


def _compose(first: Routes, second: Routes) -> Routes:
    """Elements routed by ``first`` and then by ``second`` (a join on the port between them)."""
    order = np.argsort(second[0], kind="stable")
    starts = np.searchsorted(second[0][order], first[1], side="left")
    counts = np.searchsorted(second[0][order], first[1], side="right") - starts
    rows = np.repeat(np.arange(first[0].size), counts)
    inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return first[0][rows], second[1][order][np.repeat(starts, counts) + inner]


def _canonical(routes: Routes, src: Node, out: str, dst: Node, into: str) -> Routes | None:
    n_src, n_dst = src.outputs[src.output(out)].n, dst.inputs[dst.input(into)].n
    identity = np.arange(n_src, dtype=np.int32)
    if n_src == n_dst and all(np.array_equal(r, identity) for r in routes):
        return None
    order = np.lexsort((routes[1], routes[0]))
    return np.ascontiguousarray(routes[0][order], np.int32), np.ascontiguousarray(routes[1][order], np.int32)
