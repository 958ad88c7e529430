"""Sources that play what they are given: events, currents, frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ParameterError
from procgraph.spec.checks import as_array, as_flag
from procgraph.spec.declare import Out
from procgraph.spec.ports import Shape
from procgraph.spec.process import Process
from procgraph.spec.types import Array, Current, Graded

__all__ = ["CurrentSource", "FrameSource", "SpikeSource"]

INT32_MAX = 2**31 - 1


class SpikeSource(Process):
    r"""Listed events: at tick ``steps[m]`` element ``index[m]`` emits ``payload[m]``.

    Args:
        steps: tick numbers (steps, at the default period of 1), in any order.
        index: flat element numbers, one for all or one per event.
        payload: whole numbers, one for all or one per event; 1 if absent. Entries for one element and tick add up.
        shape: elements.
        cycle: ticks after which the list starts again; 0: never.
    """

    s_out = Out(Graded)

    def __init__(
        self, steps: Any, index: Any, payload: Any = None, *, shape: Any, cycle: int = 0, **options: Any
    ) -> None:
        super().__init__(shape=shape, **options)
        ticks = _whole(steps, f"{self.label}.steps", 0, 2**62)
        size = int(np.prod(self.shape or ()))
        self.index = _per_event(_whole(index, f"{self.label}.index", 0, size - 1), ticks, f"{self.label}.index")
        payloads = _whole(1 if payload is None else payload, f"{self.label}.payload", -INT32_MAX, INT32_MAX)
        self.payload = _per_event(payloads, ticks, f"{self.label}.payload")
        self.cycle = int(_whole(cycle, f"{self.label}.cycle", 0, 2**62)[0])
        if self.cycle and ticks.size and ticks.max() >= self.cycle:
            raise ParameterError(
                f"{self.label}.steps has {ticks.max()}; allowed: below the cycle of {self.cycle} ticks."
            )
        order = np.lexsort((self.index, ticks))
        self.ticks, self.index, self.payload = ticks[order], self.index[order], self.payload[order]

    def output_limit(self, name: str) -> int:
        keys = np.stack([self.ticks, self.index.astype(np.int64)])
        _, groups = np.unique(keys, axis=1, return_inverse=True)
        totals = np.bincount(groups.reshape(-1), weights=np.abs(self.payload), minlength=1)
        return max(1, min(INT32_MAX, int(totals.max())))

    def event_rate(self, dt: float) -> float:
        """The same for any ``dt``: events are listed by tick."""
        ticks = self.cycle or int(self.ticks.max(initial=0)) + 1
        return self.ticks.size / ticks / int(np.prod(self.shape or ()))

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        return {
            "op": "event_source",
            "ticks": self.ticks,
            "index": self.index,
            "payload": self.payload,
            "cycle": self.cycle,
        }


def _whole(value: Any, what: str, low: int, high: int) -> NDArray[np.int64]:
    array = as_array(value, what, f"whole numbers from {low} to {high}")
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.dtype.kind not in "iu" or array.min() < low or array.max() > high:
        worst = f" (from {array.min()} to {array.max()})" if array.dtype.kind in "iuf" else ""
        raise ParameterError(f"{what} is {array.dtype}{worst}; allowed: whole numbers from {low} to {high}.")
    return array.astype(np.int64).reshape(-1)


def _per_event(values: NDArray[np.int64], ticks: NDArray[np.int64], what: str) -> NDArray[np.int32]:
    if values.size not in (1, ticks.size):
        raise ParameterError(
            f"{what} has {values.size} values; allowed: one, or one for each of the {ticks.size} events."
        )
    return np.ascontiguousarray(np.broadcast_to(values, ticks.shape), dtype=np.int32)


class _Dense(Process):
    """What sources of dense values share: ``frames`` is ``(T, *shape)``, or one value that all elements hold."""

    register = False

    def _keep(self, values: Any, what: str) -> None:
        try:
            self.frames = np.asarray(values, dtype=np.float32)
        except (TypeError, ValueError, OverflowError):
            raise ParameterError(f"{what} is {type(values).__name__}; allowed: numbers, by time and element.") from None
        if not self.frames.size or not np.isfinite(self.frames).all():
            raise ParameterError(f"{what} is empty, or has NaN or infinity; allowed: at least one value, all finite.")

    def _attrs(self, shape: Shape, cycle: bool) -> dict[str, Any]:
        frames = np.broadcast_to(self.frames, (1, *shape)) if self.frames.ndim == 0 else self.frames
        values = np.ascontiguousarray(frames.reshape(len(frames), -1))
        return {"op": "dense_source", "values": values, "cycle": cycle}


class CurrentSource(_Dense):
    r"""A given current: ``c_out(t) = values[t]``, zero after the end unless ``cycle``; a constant is held for ever.

    Args:
        values: one number for all elements, one per element (constant in time), or ``(T, n)`` by tick and element;
        with ``shape``
            of several axes ``shape`` or ``(T, *shape)``.
        cycle: start again after the last row.
    """

    c_out = Out(Current)

    def __init__(self, values: Any, *, cycle: bool = False, shape: Any = None, **options: Any) -> None:
        super().__init__(shape=shape, **options)
        self._keep(values, f"{self.label}.values")
        given = self.frames.shape
        elements = self.shape or (given[-1:] if len(given) in (1, 2) else given[1:])
        self.constant = given in ((), elements)
        if not self.constant and given[1:] != elements:
            raise ParameterError(
                f"{self.label}.values has shape {given}; allowed: a number, {elements}, or (T, {elements})."
            )
        if given:
            self.shape = elements
            self.frames = self.frames.reshape(-1, *elements)
        self.cycle = as_flag(cycle, f"{self.label}.cycle") or self.constant

    def output_bound(self, name: str) -> float:
        return float(np.abs(self.frames).max())

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        return self._attrs(shapes["c_out"], self.cycle)


class FrameSource(_Dense):
    r"""Given frames: ``frame(t) = frames[t]``; after the end the last one stays, unless ``cycle``.

    Args:
        frames: ``(T, ...)``, any numbers; emitted as float32.
        cycle: start again after the last frame.
    """

    frame = Out(Array)

    def __init__(self, frames: Any, *, cycle: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._keep(frames, f"{self.label}.frames")
        if self.frames.ndim < 2 or self.shape not in (None, self.frames.shape[1:]):
            wanted = "(T, ...) with at least one element axis" if self.shape is None else f"(T, *{self.shape})"
            raise ParameterError(f"{self.label}.frames has shape {self.frames.shape}; allowed: {wanted}.")
        self.shape = self.frames.shape[1:]
        self.cycle = as_flag(cycle, f"{self.label}.cycle")

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        return self._attrs(shapes["frame"], self.cycle)
