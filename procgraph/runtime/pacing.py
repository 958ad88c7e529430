"""Pacing a run against the wall clock, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Pacer"]

QUANTUM_S = 1e-3


@dataclass
class Pacer:
    """Lets step k begin no earlier than ``k·dt / factor`` after the start.

    ``jitter`` is how late a window began, ``misses`` counts windows that ended after the next one was due.
    """

    dt: float
    factor: float
    lateness: list[float] = field(default_factory=list)
    misses: int = 0
    windows: int = 0
    _origin: float = 0.0
    _step: int = 0

    def start(self, step: int) -> None:
        """The clock begins now, at this step (also after a pause)."""
        self._origin, self._step = time.perf_counter(), step

    def due(self, step: int) -> float:
        """Wall-clock time at which a step may begin."""
        return self._origin + (step - self._step) * self.dt * 1e-3 / self.factor

    @property
    def window(self) -> int:
        """Steps that may run between two looks at the clock."""
        return max(1, round(QUANTUM_S * self.factor / (self.dt * 1e-3)))

    def wait(self, step: int, sleep: Callable[[float], Any]) -> bool:
        """Sleep until the step is due; False if it is not due yet (the sleep was cut short)."""
        remaining = self.due(step) - time.perf_counter()
        if remaining > 0:
            sleep(remaining)
        late = time.perf_counter() - self.due(step)
        if late < 0:
            return False
        self.windows += 1
        if len(self.lateness) < 1_000_000:
            self.lateness.append(late)
        return True

    def done(self, step: int) -> None:
        """A window ended; ``step`` is the next one."""
        if time.perf_counter() > self.due(step):
            self.misses += 1

    def stats(self) -> dict[str, float]:
        """Jitter in ms (mean, 99th percentile, worst) and the share of missed deadlines."""
        late = np.asarray(self.lateness or [0.0]) * 1e3
        return {
            "jitter_ms_mean": float(late.mean()),
            "jitter_ms_p99": float(np.percentile(late, 99)),
            "jitter_ms_max": float(late.max()),
            "deadline_misses": self.misses,
            "windows": self.windows,
        }
