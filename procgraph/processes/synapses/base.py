"""What all synapse Processes share: ports, and checks of weights and delays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ParameterError
from procgraph.spec.checks import as_array, is_whole
from procgraph.spec.declare import Data, In, Out, Param
from procgraph.spec.process import Process, to_steps
from procgraph.spec.types import Current, Graded

__all__ = ["Synapse", "check_delays", "check_size", "check_weights", "kept"]

MAX_DELAY = 100_000


class Synapse(Process):
    """Base of the synapses: ``a_out[j](k) = sum_i w_ji * s_in[i](k - delay_ji)``."""

    register = False

    s_in = In(Graded, flat=True)
    a_out = Out(Current, flat=True)
    weights = Data("float32", doc="synaptic weights, in the unit of the target's input")
    w_max = Param(
        0.0, ge=0.0, scalar=True, doc="largest magnitude that weights may be set to while running; 0: the initial one"
    )

    def output_bound(self, name: str) -> float:
        return 0.0

    @property
    def delay(self) -> int | str | NDArray[np.int32]:
        """Delay as given: common, or one per synapse."""
        return self._delay

    def set_delay(self, delay: Any, shape: tuple[int, ...] | None) -> None:
        """Keep a common delay or an array of delays; ``shape`` is what an array must have."""
        self._delay: int | str | NDArray[np.int32] = check_delays(delay, shape, self.label)

    def delay_attrs(self, dt: float) -> dict[str, Any]:
        """``delay`` or ``delays`` of the node, in steps."""
        if isinstance(self._delay, np.ndarray):
            return {"delays": self._delay}
        return {"delay": to_steps(self._delay, dt, f"{self.label}.delay")}


def kept(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """The values as ``dtype``, in C order, in memory that nobody changes: a copy, unless the array itself holds them and is read-only."""
    fixed = array.flags.owndata and not array.flags.writeable
    return np.array(array, dtype, order="C", copy=None if fixed else True)


def check_weights(weights: Any, owner: str) -> NDArray[np.float32]:
    """Finite float32 weights.

    Raises:
        ParameterError: not numbers, or NaN or infinite as float32.
    """
    try:
        array = np.asarray(weights)
        if array.dtype.kind not in "iufb":
            raise TypeError
        with np.errstate(over="ignore"):
            result = kept(array, "float32")
    except (TypeError, ValueError):
        raise ParameterError(f"{owner}.weights is {type(weights).__name__}; allowed: an array of numbers.") from None
    bad = ~np.isfinite(result)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ParameterError(
            f"{owner}.weights{list(place)} is {array[place]}; allowed: finite float32 numbers. {int(bad.sum())} of {bad.size} are not."
        )
    return result


def check_size(value: Any, what: str) -> int | None:
    """A number of elements, or None where connections tell it.

    Raises:
        ParameterError: no whole number from 1.
    """
    if value is None:
        return None
    if not is_whole(value, 1, 2**31 - 1):
        raise ParameterError(f"{what} is {value!r}; allowed: whole numbers from 1 to 2**31 - 1.")
    return int(value)


def check_delays(delay: Any, shape: tuple[int, ...] | None, owner: str) -> int | str | NDArray[np.int32]:
    """A common delay (steps or a time) or an int32 array of ``shape`` with one delay per synapse.

    Raises:
        ParameterError: not whole steps, out of range, or of another shape.
    """
    allowed = f"0 to {MAX_DELAY} steps, a time such as '2 ms', or one of these per synapse"
    if isinstance(delay, str):
        return delay
    array = as_array(delay, f"{owner}.delay", allowed)
    if array.dtype.kind not in "iu" or (array.size and not (0 <= array.min() and array.max() <= MAX_DELAY)):
        worst = "" if array.dtype.kind not in "iuf" or not array.size else f" (from {array.min()} to {array.max()})"
        raise ParameterError(
            f"{owner}.delay is {delay!r}{worst}; allowed: {allowed}."
            if array.ndim == 0
            else f"{owner}.delay has values out of range{worst}; allowed: {allowed}."
        )
    if array.ndim == 0:
        return int(array)
    if array.shape != shape:
        raise ParameterError(
            f"{owner}.delay has shape {array.shape}; allowed: one delay, or shape {shape} as the weights."
        )
    return kept(array, "int32")
