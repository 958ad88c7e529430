"""Convolution and pooling of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from procgraph.errors import ParameterError
from procgraph.processes.synapses.base import Synapse, check_weights
from procgraph.spec.checks import is_whole
from procgraph.spec.ports import Shape
from procgraph.spec.process import normalise_shape

__all__ = ["AvgPool2d", "Conv2d", "SumPool2d"]


def _pair(value: Any, what: str, least: int) -> list[int]:
    items = list(value) if isinstance(value, (tuple, list)) else [value, value]
    if len(items) != 2 or not all(
        isinstance(i, (int, np.integer)) and not isinstance(i, bool) and least <= i < 2**15 for i in items
    ):
        raise ParameterError(f"{what} is {value!r}; allowed: a whole number from {least}, or two (rows, columns).")
    return [int(i) for i in items]


class _Spatial(Synapse):
    """What convolution and pooling share: shapes in and out."""

    register = False
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    kernel_size: tuple[int, int]
    in_shape: Shape | None

    def _set_geometry(self, in_shape: Any, kernel: tuple[int, int], stride: Any, padding: Any, dilation: Any) -> None:
        self.kernel_size = kernel
        self.stride = _pair(stride, f"{self.label}.stride", 1)
        self.padding = _pair(padding, f"{self.label}.padding", 0)
        self.dilation = _pair(dilation, f"{self.label}.dilation", 1)
        self.in_shape = None
        if in_shape is not None:
            self.in_shape = normalise_shape(in_shape, self.label, "in_shape")
            self._out_shape(self.in_shape)

    def _out_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise ParameterError(
                f"{self.label} takes events of shape (channels, rows, columns), not {shape}. Reshape the port."
            )
        size = [
            (shape[1 + i] + 2 * self.padding[i] - self.dilation[i] * (self.kernel_size[i] - 1) - 1) // self.stride[i]
            + 1
            for i in range(2)
        ]
        if min(size) < 1:
            raise ParameterError(
                f"{self.label}: a kernel of {self.kernel_size} does not fit an input of shape {shape}. Add padding or a smaller kernel."
            )
        return (self._channels(shape[0]), *size)

    def _channels(self, c_in: int) -> int:
        raise NotImplementedError

    def port_shape(self, name: str) -> Shape | None:
        if self.in_shape is None:
            return None
        return self.in_shape if name == "s_in" else self._out_shape(self.in_shape)

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        shape = self.in_shape or known.get("s_in")
        return {} if shape is None else {"s_in": shape, "a_out": self._out_shape(shape)}

    def geometry(self, shapes: Mapping[str, Shape], groups: int) -> dict[str, Any]:
        shape = shapes["s_in"]
        return {
            "op": "conv2d",
            "in_shape": list(shape),
            "out_shape": list(self._out_shape(shape)),
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": groups,
        }


class Conv2d(_Spatial):
    r"""Cross-correlation of events, as torch's ``conv2d`` with zero padding.

    a_out[o, y, x](k) = Σ_{c,u,v} weights[o, c, u, v] · s_in[c, y·stride + u·dilation − padding, …](k − delay[o, c, u, v])

    Args:
        weights: ``(channels out, channels in / groups, rows, columns)``.
        in_shape: ``(channels, rows, columns)``; inferred from the source if absent.
        stride, padding, dilation: one number or (rows, columns).
        groups: channel groups.
        delay: steps (or a time), common or in the shape of the weights; 1 by default.
    """

    def __init__(
        self,
        weights: Any,
        *,
        in_shape: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        delay: Any = 1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        array = check_weights(weights, self.label)
        if array.ndim != 4 or not array.size:
            raise ParameterError(
                f"{self.label}.weights has shape {array.shape}; allowed: (channels out, channels in / groups, rows, columns)."
            )
        if not is_whole(groups, 1, array.shape[0]) or array.shape[0] % groups:
            raise ParameterError(
                f"{self.label}.groups is {groups!r}; allowed: divisors of the {array.shape[0]} output channels."
            )
        self.values["weights"] = array
        self.groups = int(groups)
        self._set_geometry(in_shape, array.shape[2:], stride, padding, dilation)
        self.set_delay(delay, array.shape)

    def _channels(self, c_in: int) -> int:
        c_out, c_group = self.values["weights"].shape[:2]
        if c_in != c_group * self.groups:
            raise ParameterError(
                f"{self.label}: the input has {c_in} channels; allowed: {c_group * self.groups} (weights {c_group} x groups {self.groups})."
            )
        return int(c_out)

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        return {**self.geometry(shapes, self.groups), "weights": self.values["weights"], **self.delay_attrs(dt)}


class _Pool(_Spatial):
    """Pooling is a convolution of each channel with constant weights."""

    register = False

    def __init__(
        self, kernel: Any, *, in_shape: Any = None, stride: Any = None, padding: Any = 0, delay: Any = 1, **options: Any
    ) -> None:
        super().__init__(**options)
        size = _pair(kernel, f"{self.label}.kernel", 1)
        self._set_geometry(in_shape, (size[0], size[1]), size if stride is None else stride, padding, 1)
        self.set_delay(delay, None)

    def _channels(self, c_in: int) -> int:
        return c_in

    def weight(self) -> float:
        raise NotImplementedError

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        channels = shapes["s_in"][0]
        weights = np.full((channels, 1, *self.kernel_size), self.weight(), np.float32)
        return {**self.geometry(shapes, channels), "weights": weights, **self.delay_attrs(dt)}


class SumPool2d(_Pool):
    """Sum of the events in each window; ``kernel`` and ``stride`` in elements, ``stride`` is the kernel if absent."""

    def weight(self) -> float:
        return 1.0


class AvgPool2d(_Pool):
    """Mean of the events in each window; ``kernel`` and ``stride`` in elements, ``stride`` is the kernel if absent."""

    def weight(self) -> float:
        return 1.0 / (self.kernel_size[0] * self.kernel_size[1])
