"""What ``Runtime.storage`` reports: how a backend stores each projection, and what fixed-point weights cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.compiler.backend import Executor
from procgraph.ir.nodes import Node, SpikeIR

__all__ = ["collect_storage", "weight_error"]


def collect_storage(ir: SpikeIR, executor: Executor) -> list[dict[str, Any]]:
    """One entry for each projection, in the order of their names."""
    nodes = {n.name: n for n in ir.nodes}
    rows = []
    for table in executor.storage():
        each = table["bytes"] / max(1, table["synapses"])
        for name, count in zip(table["projections"], table["counts"], strict=True):
            worst, rms = weight_error(nodes[name])
            rows.append(
                {
                    "projection": name,
                    "source": table["source"],
                    "synapses": count,
                    "format": table["format"],
                    "delivery": table["delivery"],
                    "shared_with": len(table["projections"]) - 1,
                    "bytes_per_synapse": each,
                    "bytes": round(each * count),
                    "scale": nodes[name].outputs[0].scale,
                    "weight_error_max": worst,
                    "weight_error_rms": rms,
                }
            )
    return sorted(rows, key=lambda row: str(row["projection"]))


def weight_error(node: Node) -> tuple[float, float]:
    """Largest and root-mean-square relative error of the weights that the Program gives, by rounding them to int32 fixed point.

    Weights of 0 are exact and not counted; weights from a table are taken as often as they occur in it, those of learning
    synapses as they are at the beginning.
    """
    weights = _weights(node).astype(np.float64).reshape(-1)
    weights = weights[weights != 0]
    if not weights.size:
        return 0.0, 0.0
    factor = 2.0 ** node.outputs[0].scale
    error = np.abs(np.rint(weights * factor) / factor - weights) / np.abs(weights)
    return float(error.max()), float(np.sqrt(np.mean(error**2)))


def _weights(node: Node) -> NDArray[np.float32]:
    a = node.attrs
    table: NDArray[np.float32] = a["weight_table"] if "weight_table" in a else a["weights"]
    if "codes" in a and a["coded"] >> 16:
        table = table[a["codes"] >> np.uint32(16)]
    return table
