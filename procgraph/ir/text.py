"""Text form of Spike IR: what ``procgraph compile --show`` prints and tests compare."""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.ir.nodes import Channel, Node, SpikeIR

__all__ = ["render"]


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size == 1:
            return f"{value.reshape(-1)[0]:g}"
        return f"{value.dtype}{list(value.shape)}"
    return str(value)


def _node(number: int, node: Node) -> list[str]:
    tick = "" if (node.period, node.phase) == (1, 0) else f" every {node.period} from {node.phase}"
    lines = [f"%{number} {node.name}: {node.type} = {node.op}[{node.n}]{tick}"]
    attrs = ", ".join(f"{k}={_value(v)}" for k, v in sorted(node.attrs.items()) if k != "hash")
    if attrs:
        lines.append(f"    {attrs}")
    values = ", ".join(f"{c.name}={_value(c.tensor)}" for c in node.columns)
    if values:
        lines.append(f"    columns {values}")
    states = ", ".join(f"{c.name}={_value(c.tensor)}" for c in node.states)
    if states:
        lines.append(f"    states {states}")
    for p in node.inputs:
        lines.append(
            f"    in {p.name}: {p.kind}[{p.n}]"
            + (
                f" scale 2^{p.scale}"
                if p.kind == "current"
                else f" {p.dtype}"
                if p.kind == "array"
                else f" limit {p.limit}"
            )
        )
    for o in node.outputs:
        lines.append(
            f"    out {o.name}: {o.kind}[{o.n}] depth {o.depth}"
            + (f" scale 2^{o.scale}" if o.kind == "current" else "")
        )
    return lines


def _channel(ir: SpikeIR, c: Channel) -> str:
    source, target = ir.nodes[c.src[0]], ir.nodes[c.dst[0]]
    text = (
        f"{source.name}.{source.outputs[c.src[1]].name} -> {target.name}.{target.inputs[c.dst[1]].name} delay {c.delay}"
    )
    if c.map is not None:
        text += f" map[{c.map[0].size}]"
    return text + (f" capacity {c.capacity} {c.policy}" if c.capacity is not None else "")


def render(ir: SpikeIR) -> str:
    """The graph as text."""
    lines = [f"program dt {ir.dt:g} ms, seed {ir.seed}: {len(ir.nodes)} nodes, {len(ir.channels)} channels"]
    for number, node in enumerate(ir.nodes):
        lines += _node(number, node)
    lines += [_channel(ir, c) for c in ir.channels]
    if ir.schedule:
        lines.append("schedule " + ", ".join(f"{action} %{node}" for action, node in ir.schedule))
    return "\n".join(lines) + "\n"
