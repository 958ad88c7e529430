"""The passes in their order; ``verify`` runs between them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from procgraph.compiler.flat import FlatGraph
from procgraph.compiler.passes.allocate import allocate
from procgraph.compiler.passes.flatten import flatten
from procgraph.compiler.passes.infer_shapes import infer_shapes
from procgraph.compiler.passes.lower import lower
from procgraph.compiler.passes.scale import assign_scales
from procgraph.compiler.passes.schedule import schedule
from procgraph.errors import Findings
from procgraph.ir.nodes import SpikeIR
from procgraph.ir.program import Program
from procgraph.ir.verify import verify
from procgraph.spec.graph import Graph
from procgraph.spec.process import Process

__all__ = ["check", "compile_flat", "compile_graph", "front"]

PASSES: tuple[Callable[[SpikeIR], SpikeIR], ...] = (assign_scales, schedule, allocate)


def front(graph: Graph) -> FlatGraph:
    """Leaves, links and shapes of a graph."""
    return infer_shapes(flatten(graph))


def check(graph: Graph, doubtful: Collection[Process] = (), whole: bool = True) -> Findings:
    """What is wrong with a graph, as far as one error does not cause another.

    Args:
        graph: the graph.
        doubtful: Processes whose errors are known, and which are left out.
        whole: False where other Processes or channels are missing for errors that are known.
    """
    found = Findings()
    with found.noting():
        flat = flatten(graph)
        flat.doubtful.update(doubtful)
        flat.whole = whole
        with found.noting():
            infer_shapes(flat)
        compile_flat(flat)
    return found


def compile_flat(flat: FlatGraph) -> Program:
    """A Program from a flattened graph; the errors are those of the passes."""
    ir = lower(flat)
    found = Findings()
    for number, run in enumerate(PASSES):
        verify(ir, values=number == 0)  # later passes change no synapses
        with found.noting():
            ir = run(ir)
    found.raise_all()
    verify(ir, final=True, values=False)
    return Program.from_ir(ir)


def compile_graph(graph: Graph) -> Program:
    """Compile a graph to a Program."""
    return compile_flat(front(graph))
