"""How many steps of history every output keeps."""

from __future__ import annotations

from procgraph.ir.nodes import SpikeIR

__all__ = ["allocate"]


def allocate(ir: SpikeIR) -> SpikeIR:
    """Pre: channels final. Post: an output's ``depth`` is 1 + the largest delay of its channels."""
    for i, node in enumerate(ir.nodes):
        for p, output in enumerate(node.outputs):
            output.depth = 1 + max((c.delay for c in ir.out_of(i, p)), default=0)
    return ir
