"""Recording of outputs and states for probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from procgraph.models.reference.executor import ReferenceExecutor

__all__ = ["Records"]

Array = NDArray[Any]
Source = tuple[str, int, Any]


class Records:
    """Samples taken at the end of steps k with (k + 1) % every == 0."""

    def __init__(self, executor: ReferenceExecutor) -> None:
        self._executor = executor
        self.sources: list[tuple[Source, int, list[int]]] = []
        self.samples: list[list[tuple[int, Array]]] = []
        self.shapes: list[tuple[tuple[int, ...], Any]] = []

    def add(self, source: Source, every: int, elements: Sequence[int]) -> int:
        self.sources.append((source, every, list(elements)))
        self.samples.append([])
        self.shapes.append(((0,), np.float32))
        return len(self.sources) - 1

    def clear(self) -> None:
        for samples in self.samples:
            samples.clear()

    def sample(self) -> None:
        executor, step = self._executor, self._executor.step
        for number, ((kind, node, what), every, elements) in enumerate(self.sources):
            if (step + 1) % every == 0:
                if kind == "state":
                    owner = executor.owner_of_states(node)
                    value = (owner.present() if node in executor.models else owner.states)[what]
                else:
                    ring = executor.rings[node][what]
                    value = ring[step % len(ring)]
                    output = executor.ir.nodes[node].outputs[what]
                    if output.kind == "current":
                        value = value.astype(np.float32) * np.float32(2.0**-output.scale)
                self.samples[number].append((step, np.array(value[:, elements] if elements else value)))

    def get(self, record: int, clear: bool) -> tuple[Array, ...]:
        samples = self.samples[record]
        (kind, node, what), *_ = self.sources[record]
        events = kind == "output" and self._executor.ir.nodes[node].outputs[what].kind == "events"
        result = _events(samples) if events else _dense(samples)
        if clear:
            samples.clear()
        return result


def _dense(samples: list[tuple[int, Array]]) -> tuple[Array, ...]:
    steps = np.array([k for k, _ in samples], np.int64)
    return steps, (np.stack([v for _, v in samples]) if samples else np.zeros((0, 0, 0), np.float32))


def _events(samples: list[tuple[int, Array]]) -> tuple[Array, ...]:
    columns: list[list[Array]] = [[], [], [], []]
    for step, value in samples:
        lane, index = np.nonzero(value)
        parts: list[Array] = [np.full(lane.size, step, np.int64), lane, index, value[lane, index]]
        for column, part in zip(columns, parts):
            column.append(part)
    dtypes = (np.int64, np.int32, np.int32, np.int32)
    return tuple(np.concatenate(c).astype(d) if c else np.zeros(0, d) for c, d in zip(columns, dtypes))
