"""Sparse synapses: listed (SciPy matrix or triples), or made by a connectivity rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ParameterError
from procgraph.processes.synapses.base import MAX_DELAY, Synapse, check_weights
from procgraph.spec.declare import Param
from procgraph.spec.distributions import Distribution
from procgraph.spec.ports import Shape

__all__ = ["Sparse"]

RULES = ("fixed_probability", "fixed_in_degree", "fixed_out_degree", "fixed_total")


class Sparse(Synapse):
    r"""Some sources to some targets: a_out[j](k) = Σ over synapses (i → j) of weight · s_in[i](k − delay).

    Either ``weights`` is a SciPy sparse matrix ``(n_post, n_pre)`` (CSR, COO, …; explicit zeros are synapses), or ``pre`` and ``post``
    list the synapses, or ``rule`` makes them: ``fixed_probability`` (``p``), ``fixed_in_degree``, ``fixed_out_degree`` or
    ``fixed_total`` (``count``). Rules are stored in the Program as rules and give the same synapses everywhere.

    Args:
        weights: sparse matrix, or one number, or one per synapse; of a rule also a ``Distribution``.
        pre, post: element numbers of sources and targets.
        n_pre, n_post: elements; inferred from connections if absent.
        delay: steps (or a time), common or one per synapse (in the order of the COO form or of ``pre``); of a rule also a ``Distribution`` in
            ms, rounded to whole steps; 1 by default.
        multapses: whether a rule may join a pair several times (not for ``fixed_probability``).
        autapses: whether a rule may join element i to element i; without them both ends must be of one size.
    """

    rule = Param("", dtype="str", choices=("", *RULES))
    p = Param(None, ge=0.0, le=1.0, scalar=True)
    count = Param(None, dtype="int32", ge=0, scalar=True)
    multapses = Param(True, dtype="bool")
    autapses = Param(True, dtype="bool")

    def __init__(
        self,
        weights: Any = 1.0,
        *,
        pre: Any = None,
        post: Any = None,
        n_pre: int | None = None,
        n_post: int | None = None,
        delay: Any = 1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.sizes: dict[str, int | None] = {"s_in": n_pre, "a_out": n_post}
        self.pairs: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None
        if hasattr(weights, "tocoo"):
            weights, pre, post = self._from_matrix(weights)
        if self.values["rule"]:
            self._check_rule(pre, post)
        elif pre is None or post is None:
            raise ParameterError(
                f"{self.label} needs a sparse matrix, pre= and post=, or rule= (one of {', '.join(RULES)})."
            )
        else:
            self.pairs = (_indices(pre, f"{self.label}.pre"), _indices(post, f"{self.label}.post"))
            if self.pairs[0].size != self.pairs[1].size:
                raise ParameterError(
                    f"{self.label}: pre has {self.pairs[0].size} entries, post {self.pairs[1].size}; allowed: equal numbers."
                )
        self.drawn_weights, self.drawn_delay = self._distributions(weights, delay)
        array = check_weights([] if self.drawn_weights else weights, self.label).reshape(-1)
        if not self.drawn_weights and array.size != 1 and (self.pairs is None or array.size != self.pairs[0].size):
            many = "as many as synapses" if self.pairs is not None else "one, since a rule makes the synapses"
            raise ParameterError(f"{self.label}.weights has {array.size} values; allowed: {many}.")
        self.values["weights"] = array
        self.set_delay(0 if self.drawn_delay else delay, None if self.pairs is None else self.pairs[0].shape)

    def _distributions(self, weights: Any, delay: Any) -> tuple[Distribution | None, Distribution | None]:
        drawn = tuple(d if isinstance(d, Distribution) else None for d in (weights, delay))
        if any(drawn) and not self.values["rule"]:
            raise ParameterError(
                f"{self.label}: a distribution needs rule= (one of {', '.join(RULES)}). Give numbers for listed synapses."
            )
        return drawn[0], drawn[1]

    def _from_matrix(self, matrix: Any) -> tuple[Any, Any, Any]:
        coo = matrix.tocoo()
        for key, size in zip(("a_out", "s_in"), coo.shape):
            if self.sizes[key] not in (None, size):
                raise ParameterError(
                    f"{self.label}: the matrix has shape {coo.shape} (n_post, n_pre), but n_pre or n_post says {self.sizes[key]}."
                )
            self.sizes[key] = int(size)
        return coo.data, coo.col, coo.row

    def _check_rule(self, pre: Any, post: Any) -> None:
        v = self.values
        wanted, other = ("p", "count") if v["rule"] == "fixed_probability" else ("count", "p")
        if v[wanted] is None or v[other] is not None or pre is not None or post is not None:
            raise ParameterError(
                f"{self.label}: rule {v['rule']!r} takes {wanted}=, and neither {other}= nor pre= and post=."
            )
        if v["rule"] == "fixed_total" and not v["multapses"]:
            raise ParameterError(
                f"{self.label}: fixed_total draws with multapses; allowed: multapses=True, or another rule."
            )

    def port_shape(self, name: str) -> Shape | None:
        size = self.sizes[name]
        return None if size is None else (size,)

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        return {}

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        n_pre, n_post = (int(np.prod(shapes[p])) for p in ("s_in", "a_out"))
        delays = {} if self.drawn_delay else self.delay_attrs(dt)
        common = {"op": "sparse", "n_pre": n_pre, "n_post": n_post, "weights": self.values["weights"], **delays}
        if self.pairs is None:
            return {**common, **self._rule_attrs(n_pre, n_post), **self._tables(dt)}
        for key, index, n in (("pre", self.pairs[0], n_pre), ("post", self.pairs[1], n_post)):
            if index.size and index.max() >= n:
                raise ParameterError(f"{self.label}.{key} has the index {index.max()}; allowed: 0 to {n - 1}.")
        return {**common, "pre": self.pairs[0], "post": self.pairs[1]}

    def _rule_attrs(self, n_pre: int, n_post: int) -> dict[str, Any]:
        v = self.values
        if not v["autapses"] and (n_pre != n_post or n_pre < 2):
            raise ParameterError(
                f"{self.label}: autapses=False needs equal sizes of at least 2, not {n_pre} and {n_post}. Leave it out between different populations."
            )
        others = {"fixed_in_degree": n_pre, "fixed_out_degree": n_post}.get(v["rule"])
        if others is not None and not v["multapses"] and v["count"] > others - (not v["autapses"]):
            raise ParameterError(
                f"{self.label}.count is {v['count']}; allowed without multapses: at most {others - (not v['autapses'])}."
            )
        attrs = {"rule": v["rule"], "count": v["count"] or 0, "multapses": v["multapses"], "autapses": v["autapses"]}
        return attrs if v["p"] is None else {**attrs, "probability": v["p"]}

    def _tables(self, dt: float) -> dict[str, Any]:
        tables: dict[str, Any] = {}
        if self.drawn_weights is not None:
            tables["weight_table"] = self.drawn_weights.table().astype(np.float32)
        if self.drawn_delay is not None:
            steps = np.rint(self.drawn_delay.table() / dt)
            if steps[0] < 0 or steps[-1] > MAX_DELAY:
                raise ParameterError(
                    f"{self.label}.delay is drawn from {steps[0]:g} to {steps[-1]:g} steps; allowed: 0 to {MAX_DELAY}. Set low= and high= (ms)."
                )
            tables["delay_table"] = steps.astype(np.int32)
        return tables


def _indices(value: Any, what: str) -> NDArray[np.int32]:
    array = np.asarray(value)
    if (
        array.ndim != 1
        or (array.size and array.dtype.kind not in "iu")
        or (array.size and not (0 <= array.min() and array.max() < 2**31))
    ):
        raise ParameterError(f"{what} must list element numbers from 0; got {array.dtype} of shape {array.shape}.")
    return array.astype(np.int32)
