"""Probes: what a port or variable did, recorded by the executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Probe"]

Fetch = Callable[..., tuple[NDArray[Any], ...]]


class Probe:
    """A recording. Events ports have ``events``; others have ``steps`` and ``data``."""

    def __init__(self, label: str, fetch: Fetch, shape: tuple[int, ...], batch: int, is_events: bool) -> None:
        self.label, self.shape, self.batch, self.is_events = label, shape, batch, is_events
        self._fetch = fetch

    @property
    def events(self) -> NDArray[np.void]:
        """Structured array with the fields step, index (flat), value, and batch if there are lanes; in order of time."""
        if not self.is_events:
            raise TypeError(f"{self.label} carries no events; use .steps and .data.")
        steps, lanes, index, payload = self._fetch()
        fields: list[tuple[str, Any]] = [("step", np.int64), ("index", np.int32), ("value", np.int32)]
        if self.batch > 1:
            fields.append(("batch", np.int32))
        result = np.empty(steps.size, dtype=fields)
        order = np.lexsort((index, lanes, steps))
        result["step"], result["index"], result["value"] = steps[order], index[order], payload[order]
        if self.batch > 1:
            result["batch"] = lanes[order]
        return result

    @property
    def steps(self) -> NDArray[np.int64]:
        """Step of each sample (of each event)."""
        return self._fetch()[0]

    @property
    def data(self) -> NDArray[Any]:
        """Samples, (samples, *shape), or (samples, batch, *shape) with lanes. Of events: payloads, dense over the steps recorded."""
        if self.is_events:
            return self._dense()
        steps, samples = self._fetch()
        lead = (steps.size,) if self.batch == 1 else (steps.size, self.batch)
        return samples.reshape(*lead, *self.shape) if steps.size else np.zeros((*lead, *self.shape), samples.dtype)

    def _dense(self) -> NDArray[np.int32]:
        steps, lanes, index, payload = self._fetch()
        rows = int(steps.max()) + 1 if steps.size else 0
        result = np.zeros((rows, self.batch, int(np.prod(self.shape))), np.int32)
        result[steps, lanes, index] = payload
        return result.reshape(rows, *(() if self.batch == 1 else (self.batch,)), *self.shape)

    def take(self) -> tuple[NDArray[Any], ...]:
        """All that was recorded since the last ``take``, which is then forgotten, so that a long run needs no more memory.

        Events: (steps, lane, flat index, value) in the order of their steps. Others: (steps, samples of shape (samples, batch, n)).
        """
        return self._fetch(True)

    def __len__(self) -> int:
        return int(self._fetch()[0].size)

    def __repr__(self) -> str:
        return f"Probe({self.label}, {len(self)} {'events' if self.is_events else 'samples'})"
