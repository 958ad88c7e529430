"""Event-driven element-wise nodes in NumPy: only elements with input, or that may spike by themselves, are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.ir.nodes import Node
from procgraph.models.reference.nodes import Arrays, ElementWise
from procgraph.spec.event import IDLE, MOST_TICKS, event_form

__all__ = ["AWAKE", "MOST_IDLE", "EventDriven"]

AWAKE = -1  # in ``idle``: computed at the next tick whatever comes
MOST_IDLE = 2**61


class EventDriven(ElementWise):
    """docs/explanation/time-and-numbers.md section 10. ``states`` are those after the last tick that computed an element.

    ``idle`` (batch, n) counts the ticks since then; ``AWAKE`` stands for none, and that the next one will compute it.
    """

    def __init__(self, node: Node, batch: int, seed: int) -> None:
        super().__init__(node, batch, seed)
        self.cls = event_form(self.cls)

    def reset(self, seed: int) -> None:
        super().reset(seed)
        self.idle = np.full((self.batch, self.node.n), AWAKE, np.int64)

    def _computed(
        self, idle: NDArray[np.int64], step: int, inputs: list[NDArray[Any]]
    ) -> tuple[Arrays, NDArray[np.int32], list[NDArray[Any] | None]]:
        """All elements after one tick more than ``idle``: states, which stay awake, and what they emit."""
        ticks = np.clip(idle, 0, MOST_TICKS).astype(np.int32)
        after, emitted = self.compute({**self.states, IDLE: ticks}, step, inputs)
        return after, after.pop(IDLE), emitted

    def tick(self, step: int, inputs: list[NDArray[Any]]) -> list[NDArray[Any] | None]:
        active = self.idle == AWAKE
        for array in inputs:
            active |= array != 0
        after, awake, emitted = self._computed(self.idle, step, inputs)
        self.states = {k: np.where(active, after[k], v) for k, v in self.states.items()}
        self.idle = np.where(active, -awake, np.minimum(self.idle + 1, MOST_IDLE)).astype(np.int64)
        outputs: list[NDArray[Any] | None] = []
        for output, value in zip(self.node.outputs, emitted):
            # Only events wait for a computed element; an array shows what the others would emit as well.
            seen = value if output.kind == "array" or value is None else value * np.tile(active, output.components)
            outputs.append(seen)
        return outputs

    def present(self) -> Arrays:
        """A look ahead from the stored states, which stay as they are: looking changes no results."""
        nothing = [np.zeros((self.batch, p.n), np.int32) for p in self.node.inputs]
        after, _, _ = self._computed(self.idle - 1, 0, nothing)
        return {k: np.where(self.idle > 0, after[k], v) for k, v in self.states.items()}

    def catch_up(self) -> None:
        self.states = {k: np.array(v) for k, v in self.present().items()}
        self.idle[...] = AWAKE
