"""What ``Runtime.stats`` reports."""

from __future__ import annotations

from typing import Any

from procgraph.compiler.backend import Executor
from procgraph.ir.nodes import SpikeIR
from procgraph.runtime.host import Host
from procgraph.runtime.pacing import Pacer

__all__ = ["collect"]


def collect(
    ir: SpikeIR, executor: Executor, host: Host, steps: int, wall: float, pacer: Pacer | None
) -> dict[str, Any]:
    """Counters of a run; times in seconds, rates per simulated or wall-clock second as named."""
    counts = executor.stats()
    simulated = steps * ir.dt * 1e-3
    events = {
        n.name: c["events"]
        for n, c in zip(ir.nodes, counts["nodes"], strict=True)
        if any(o.kind == "events" for o in n.outputs)
    }
    channels = {}
    for number, counters in counts["channels"].items():
        c = ir.channels[number]
        source, target = ir.nodes[c.src[0]], ir.nodes[c.dst[0]]
        channels[f"{source.name}.{source.outputs[c.src[1]].name} -> {target.name}.{target.inputs[c.dst[1]].name}"] = (
            dict(counters)
        )
    for queue in host.queues:
        channels[f"{queue.source} -> {queue.target}"] = {
            "depth": len(queue.items),
            "high_water": queue.high_water,
            "dropped": queue.dropped,
        }
    result: dict[str, Any] = {
        "step": executor.step,
        "steps_run": steps,
        "simulated_s": simulated,
        "wall_s": wall,
        "realtime_factor": simulated / wall if wall > 0 else 0.0,
        "events": events,
        "events_per_wall_s": sum(events.values()) / wall if wall > 0 else 0.0,
        "channels": channels,
        "host_s": {h.node.name: h.seconds for h in host.nodes},
    }
    if "seconds" in counts:
        nodes = {n.name: s for n, s in zip(ir.nodes, counts["seconds"]["nodes"], strict=True)}
        result["seconds"] = {"delivery": counts["seconds"]["delivery"], "nodes": nodes}
    if pacer is not None:
        result["pacing"] = pacer.stats()
    return result
