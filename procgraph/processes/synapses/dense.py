"""Dense, all-to-all and one-to-one synapses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from procgraph.errors import ParameterError
from procgraph.processes.synapses.base import Synapse, check_size, check_weights
from procgraph.spec.ports import Shape

__all__ = ["AllToAll", "Dense", "OneToOne"]


class Dense(Synapse):
    r"""Every source element to every target element: a_out[j](k) = Σ_i weights[j, i] · s_in[i](k − delay[j, i]).

    Args:
        weights: ``(n_post, n_pre)``, as in Lava, NIR and torch.
        delay: steps (or a time), common or ``(n_post, n_pre)``; 1 by default.
    """

    def __init__(self, weights: Any, *, delay: Any = 1, **options: Any) -> None:
        super().__init__(**options)
        array = check_weights(weights, self.label)
        if array.ndim != 2 or not array.size:
            raise ParameterError(
                f"{self.label}.weights has shape {array.shape}; allowed: (n_post, n_pre), both at least 1."
            )
        self.values["weights"] = array
        self.set_delay(delay, array.shape)

    def port_shape(self, name: str) -> Shape | None:
        n_post, n_pre = self.values["weights"].shape
        return (n_pre,) if name == "s_in" else (n_post,)

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        return {}

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        weights = self.values["weights"]
        return {
            "op": "dense",
            "n_pre": weights.shape[1],
            "n_post": weights.shape[0],
            "weights": weights,
            **self.delay_attrs(dt),
        }


class OneToOne(Synapse):
    r"""Element i to element i: a_out[i](k) = weights[i] · s_in[i](k − delay[i]).

    Args:
        weights: one number, or one per element in the port's shape.
        delay: steps (or a time), common or one per element; 1 by default.
    """

    def __init__(self, weights: Any = 1.0, *, delay: Any = 1, **options: Any) -> None:
        super().__init__(**options)
        array = check_weights(weights, self.label)
        if array.ndim:
            self.shape = self.shape or array.shape
        self.values["weights"] = array
        self.set_delay(delay, self.shape)

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        shape = self.shape or next(iter(known.values()), None)
        return {} if shape is None else {"s_in": shape, "a_out": shape}

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        n, weights = int(np.prod(shapes["s_in"])), self.values["weights"].reshape(-1)
        if weights.size not in (1, n):
            raise ParameterError(
                f"{self.label}.weights has {weights.size} values; allowed: one, or one for each of the {n} elements."
            )
        delays = {k: np.reshape(v, -1) if k == "delays" else v for k, v in self.delay_attrs(dt).items()}
        return {"op": "one_to_one", "n": n, "weights": weights, **delays}


class AllToAll(Synapse):
    r"""Every source to every target with one weight: a_out[j](k) = weights · Σ_i s_in[i](k − delay).

    Args:
        weights: one number.
        n_pre, n_post: elements; inferred from connections if absent.
        delay: steps (or a time), common; 1 by default.
    """

    def __init__(
        self, weights: Any = 1.0, *, n_pre: int | None = None, n_post: int | None = None, delay: Any = 1, **options: Any
    ) -> None:
        super().__init__(**options)
        array = check_weights(weights, self.label)
        if array.size != 1:
            raise ParameterError(
                f"{self.label}.weights has shape {array.shape}; allowed: one number. Use Dense for a matrix."
            )
        self.values["weights"] = array.reshape(())
        self.sizes = {
            "s_in": check_size(n_pre, f"{self.label}.n_pre"),
            "a_out": check_size(n_post, f"{self.label}.n_post"),
        }
        self.set_delay(delay, None)

    def port_shape(self, name: str) -> Shape | None:
        size = self.sizes[name]
        return None if size is None else (size,)

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        return {}

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        n_pre, n_post = (int(np.prod(shapes[p])) for p in ("s_in", "a_out"))
        return {
            "op": "all_to_all",
            "n_pre": n_pre,
            "n_post": n_post,
            "weights": self.values["weights"].reshape(1),
            **self.delay_attrs(dt),
        }
