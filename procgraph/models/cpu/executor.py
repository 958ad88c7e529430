"""The native engine behind the Executor protocol: node and port numbers become names, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from procgraph import _native
from procgraph.compiler.backend import LoadOptions
from procgraph.ir.program import Program

__all__ = ["CpuExecutor"]

Array = NDArray[Any]


class CpuExecutor:
    """See ``procgraph.compiler.backend.Executor`` for the contract."""

    def __init__(self, program: Program, options: LoadOptions) -> None:
        self._nodes = program.ir.nodes
        self._engine = _native.Engine(
            _native.Program.from_bytes(program.data),
            options.seed,
            options.batch,
            options.threads,
            options.profile,
            options.progress,
        )
        self.run = self._engine.run
        self.interrupt = self._engine.interrupt
        self.recorded = self._engine.recorded
        self.reset = self._engine.reset

    @property
    def step(self) -> int:
        return self._engine.step

    @property
    def isa(self) -> str:
        """Instruction set in use."""
        return self._engine.isa

    def begin_tick(self, node: int) -> None:
        self._engine.begin_tick(self._nodes[node].name)

    def take_input(self, node: int, port: int) -> Array:
        entry = self._nodes[node]
        return self._engine.take_input(entry.name, entry.inputs[port].name)

    def publish(self, node: int, port: int, value: Array) -> None:
        entry = self._nodes[node]
        self._engine.publish(entry.name, entry.outputs[port].name, value)

    def read(self, node: int, section: str, name: str) -> Array:
        return self._engine.read(self._nodes[node].name, section, name)

    def write(self, node: int, section: str, name: str, value: Array) -> None:
        self._engine.write(self._nodes[node].name, section, name, value)

    def record_output(self, node: int, port: int, every: int, elements: Sequence[int] = ()) -> int:
        entry = self._nodes[node]
        return self._engine.record_output(entry.name, entry.outputs[port].name, every, list(elements))

    def record_state(self, node: int, name: str, every: int, elements: Sequence[int] = ()) -> int:
        return self._engine.record_state(self._nodes[node].name, name, every, list(elements))

    def export_state(self) -> dict[str, Array]:
        # What was set at run time is the runtime's to keep, for every backend alike.
        return {k: v for k, v in self._engine.export_state().items() if "/column/" not in k}

    def import_state(self, step: int, seed: int, state: Mapping[str, Array]) -> None:
        self._engine.import_state(step, seed, state)

    def stats(self) -> dict[str, Any]:
        found = self._engine.stats()
        counters = {c["channel"]: {k: c[k] for k in ("depth", "high_water", "dropped")} for c in found["channels"]}
        nodes = [found["nodes"][n.name] for n in self._nodes]
        stats: dict[str, Any] = {
            "nodes": [{"events": n["events"], "ticks": n["ticks"]} for n in nodes],
            "channels": counters,
        }
        if found["profiled"]:
            stats["seconds"] = {"delivery": found["delivery_seconds"], "nodes": [n["seconds"] for n in nodes]}
        return stats

    def storage(self) -> list[dict[str, Any]]:
        return [dict(table) for table in self._engine.storage()]

    def close(self) -> None:
        self._engine.interrupt()
        self._engine.release_threads()
