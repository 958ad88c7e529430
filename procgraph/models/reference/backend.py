"""The reference backend: NumPy, one step at a time. It defines what every Process means."""

from __future__ import annotations

from procgraph.compiler.backend import Claim, DeviceInfo, LoadOptions
from procgraph.ir.nodes import SpikeIR
from procgraph.ir.program import Program
from procgraph.models.reference.executor import ReferenceExecutor

__all__ = ["ReferenceBackend"]

SECONDS_PER_ELEMENT = 2e-8
SECONDS_PER_NODE = 3e-5


class ReferenceBackend:
    """See ``procgraph.compiler.backend.Backend``."""

    name = "reference"

    def devices(self) -> list[DeviceInfo]:
        return [DeviceInfo("reference", "NumPy, the definition of all Processes (slow)")]

    def claims(self, ir: SpikeIR) -> Claim:
        return Claim(
            {i: SECONDS_PER_NODE + n.n * SECONDS_PER_ELEMENT for i, n in enumerate(ir.nodes) if n.op != "host"}
        )

    def load(self, program: Program, options: LoadOptions) -> ReferenceExecutor:
        return ReferenceExecutor(program, options)
