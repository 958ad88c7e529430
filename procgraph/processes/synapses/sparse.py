"""Sparse synapses: listed (SciPy matrix, triples or a file), or made by a connectivity rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import ParameterError
from procgraph.processes.synapses.base import MAX_DELAY, Synapse, check_size, check_weights, kept
from procgraph.processes.synapses.connection_file import read_connections
from procgraph.processes.synapses.grid import GridRule
from procgraph.spec.checks import as_array
from procgraph.spec.declare import Param
from procgraph.spec.distance import DistanceKernel
from procgraph.spec.distributions import Distribution
from procgraph.spec.ports import Shape

__all__ = ["Sparse"]

RULES = ("fixed_probability", "fixed_in_degree", "fixed_out_degree", "fixed_total", "distance")
PROCEDURAL = ("fixed_probability", "fixed_out_degree")  # rules that make the synapses of one source for themselves
TAKES = {"fixed_probability": "p", "distance": "kernel"}  # others take count


class Sparse(Synapse):
    r"""Some sources to some targets: a_out[j](k) = Σ over synapses (i → j) of weight · s_in[i](k − delay).

    Either ``weights`` is a SciPy sparse matrix ``(n_post, n_pre)`` (CSR, COO, …; explicit zeros are synapses), or ``pre`` and ``post``
    list the synapses, or ``file`` does, or ``rule`` makes them: ``fixed_probability`` (``p``), ``fixed_in_degree``, ``fixed_out_degree`` or
    ``fixed_total`` (``count``), or ``distance`` (``kernel``). Rules are stored in the Program as rules and give the same synapses everywhere.

    With ``distance`` the elements lie on grids over a common extent, element i of N along a side at (i + ½) / N of it, and each pair is joined
    once with the probability kernel(Euclidean distance).

    Args:
        weights: sparse matrix, or one number, or one per synapse; of a rule also a ``Distribution``, of ``distance`` also a ``DistanceKernel``.
        pre, post: element numbers of sources and targets.
        n_pre, n_post: elements; inferred from connections if absent.
        delay: steps (or a time), common or one per synapse (in the order of the COO form or of ``pre``); of a rule also a ``Distribution`` in
            ms, of ``distance`` also a ``DistanceKernel`` in ms, rounded to whole steps; 1 by default.
        multapses: whether a rule may join a pair several times (not for ``fixed_probability`` and ``distance``).
        autapses: whether a rule may join element i to element i; without them both ends must be of one size.
        file: ``.npz`` with the arrays source, target and, if wanted, weight and delay (steps); or a matrix of ``scipy.sparse.save_npz``.
        kernel: probability of a synapse as a function of distance: ``Gaussian``, ``Exponential``, ``Box`` or ``Linear``, with masks.
        pre_grid, post_grid: shapes of the grids, one to three sides; ``post_grid`` is ``pre_grid`` if absent.
        extent: length of the grids' sides, one for all or one each.
        storage: ``auto`` lets the device choose; ``procedural`` stores no synapses but makes those of a source anew at each of its events, which
            takes longer, for ``fixed_probability`` and ``fixed_out_degree`` with one delay. The native engine also does so where the
            synapses would take more memory than is free.
        periodic: whether distance is taken across the borders, on a torus.
    """

    rule = Param("", dtype="str", choices=("", *RULES))
    p = Param(None, ge=0.0, le=1.0, scalar=True)
    count = Param(None, dtype="int32", ge=0, scalar=True)
    multapses = Param(True, dtype="bool")
    autapses = Param(True, dtype="bool")
    periodic = Param(True, dtype="bool")
    storage = Param("auto", dtype="str", choices=("auto", "procedural"))

    def __init__(
        self,
        weights: Any = 1.0,
        *,
        pre: Any = None,
        post: Any = None,
        n_pre: int | None = None,
        n_post: int | None = None,
        delay: Any = 1,
        file: str | Path | None = None,
        kernel: Any = None,
        pre_grid: Any = None,
        post_grid: Any = None,
        extent: Any = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.sizes = {
            "s_in": check_size(n_pre, f"{self.label}.n_pre"),
            "a_out": check_size(n_post, f"{self.label}.n_post"),
        }
        self.grid: GridRule | None = None
        if hasattr(weights, "tocoo"):
            weights, pre, post = self._from_matrix(weights)
        if file is not None:
            weights, pre, post, delay = self._from_file(file, weights, pre, post, delay)
        self.pairs = self._listed(pre, post)
        if self.values["rule"]:
            self._check_rule(kernel)
        if self.values["rule"] == "distance":
            v = self.values
            self.grid = GridRule.of(self.label, kernel, pre_grid, post_grid, extent, v["periodic"], v["autapses"])
            self._set_size("s_in", math.prod(self.grid.pre), "pre_grid")
            self._set_size("a_out", math.prod(self.grid.post), "post_grid")
        elif not kernel is pre_grid is post_grid is None:
            raise ParameterError(f"{self.label}: kernel=, pre_grid= and post_grid= need rule='distance'.")
        self.drawn_weights, self.drawn_delay = self._drawn(weights, "weights"), self._drawn(delay, "delay")
        array = check_weights([] if self.drawn_weights else weights, self.label).reshape(-1)
        if not self.drawn_weights and array.size != 1 and (self.pairs is None or array.size != self.pairs[0].size):
            many = "as many as synapses" if self.pairs is not None else "one, since a rule makes the synapses"
            raise ParameterError(f"{self.label}.weights has {array.size} values; allowed: {many}.")
        self.values["weights"] = array
        self.set_delay(0 if self.drawn_delay else delay, None if self.pairs is None else self.pairs[0].shape)

    def _listed(self, pre: Any, post: Any) -> tuple[NDArray[np.int32], NDArray[np.int32]] | None:
        if self.values["rule"] and pre is post is None:
            return None
        if self.values["rule"]:
            raise ParameterError(f"{self.label}: rule= makes the synapses. Leave out pre=, post=, file= and matrices.")
        if pre is None or post is None:
            raise ParameterError(
                f"{self.label} needs a sparse matrix, pre= and post=, file=, or rule= (one of {', '.join(RULES)})."
            )
        pairs = (_indices(pre, f"{self.label}.pre"), _indices(post, f"{self.label}.post"))
        if pairs[0].size != pairs[1].size:
            raise ParameterError(
                f"{self.label}: pre has {pairs[0].size} entries, post {pairs[1].size}; allowed: equal numbers."
            )
        return pairs

    def _drawn(self, value: Any, what: str) -> Distribution | DistanceKernel | None:
        if isinstance(value, Distribution) and not self.values["rule"]:
            raise ParameterError(
                f"{self.label}: a distribution needs rule= (one of {', '.join(RULES)}). Give numbers for listed synapses."
            )
        if isinstance(value, DistanceKernel) and self.grid is None:
            raise ParameterError(f"{self.label}.{what} depends on distance, which needs rule='distance'.")
        return value if isinstance(value, (Distribution, DistanceKernel)) else None

    def _set_size(self, port: str, size: int, what: str) -> None:
        if self.sizes[port] not in (None, size):
            own = "n_pre" if port == "s_in" else "n_post"
            raise ParameterError(f"{self.label}: {what} makes {size} elements, but {own} is {self.sizes[port]}.")
        self.sizes[port] = size

    def _from_matrix(self, matrix: Any) -> tuple[Any, Any, Any]:
        coo = matrix.tocoo()
        for port, size in zip(("a_out", "s_in"), coo.shape):
            self._set_size(port, int(size), f"a matrix of shape {coo.shape} (n_post, n_pre)")
        return coo.data, coo.col, coo.row

    def _from_file(self, file: Any, weights: Any, pre: Any, post: Any, delay: Any) -> tuple[Any, Any, Any, Any]:
        if not pre is post is None:
            raise ParameterError(f"{self.label}: file= lists the synapses. Leave out pre=, post= and matrices.")
        found = read_connections(file, self.label)
        for port, size in (("s_in", found.n_source), ("a_out", found.n_target)):
            if size is not None:
                self._set_size(port, size, f"{file}")
        for key, own, given, default in (("weights", found.weight, weights, 1.0), ("delay", found.delay, delay, 1)):
            if own is not None and not (np.ndim(given) == 0 and given == default):
                raise ParameterError(
                    f"{self.label}: {file} has a {key.rstrip('s')} for each synapse. Leave out {key}=."
                )
        return (
            weights if found.weight is None else found.weight,
            found.source,
            found.target,
            delay if found.delay is None else found.delay,
        )

    def _check_rule(self, kernel: Any) -> None:
        v = self.values
        given = {"p": v["p"] is not None, "count": v["count"] is not None, "kernel": kernel is not None}
        wanted = TAKES.get(v["rule"], "count")
        others = [key for key in given if key != wanted]
        if not given[wanted] or any(given[key] for key in others):
            raise ParameterError(
                f"{self.label}: rule {v['rule']!r} takes {wanted}=, and neither {'= nor '.join(others)}=."
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
        common |= self._storage_attrs(delays)
        if self.pairs is None:
            return {**common, **self._rule_attrs(n_pre, n_post), **self._tables(dt), **self._grid_attrs(dt)}
        for key, index, n in (("pre", self.pairs[0], n_pre), ("post", self.pairs[1], n_post)):
            if index.size and index.max() >= n:
                raise ParameterError(f"{self.label}.{key} has the index {index.max()}; allowed: 0 to {n - 1}.")
        return {**common, "pre": self.pairs[0], "post": self.pairs[1]}

    def _grid_attrs(self, dt: float) -> dict[str, Any]:
        return {} if self.grid is None else self.grid.attrs(self.drawn_weights, self.drawn_delay, dt)

    def _storage_attrs(self, delays: Mapping[str, Any]) -> dict[str, Any]:
        if self.values["storage"] == "auto":
            return {}
        if self.values["rule"] not in PROCEDURAL or "delay" not in delays:
            raise ParameterError(
                f"{self.label}.storage is 'procedural'; allowed with rule= {' or '.join(PROCEDURAL)} and one delay. Leave it out otherwise."
            )
        return {"storage": "procedural"}

    def _rule_attrs(self, n_pre: int, n_post: int) -> dict[str, Any]:
        v = self.values
        if self.grid is not None:
            return {}
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
        if isinstance(self.drawn_weights, Distribution):
            tables["weight_table"] = self.drawn_weights.table().astype(np.float32)
        if isinstance(self.drawn_delay, Distribution):
            steps = np.rint(self.drawn_delay.table() / dt)
            if steps[0] < 0 or steps[-1] > MAX_DELAY:
                raise ParameterError(
                    f"{self.label}.delay is drawn from {steps[0]:g} to {steps[-1]:g} steps; allowed: 0 to {MAX_DELAY}. Set low= and high= (ms)."
                )
            tables["delay_table"] = steps.astype(np.int32)
        return tables


def _indices(value: Any, what: str) -> NDArray[np.int32]:
    array = as_array(value, what, "a list of element numbers")
    if (
        array.ndim != 1
        or (array.size and array.dtype.kind not in "iu")
        or (array.size and not (0 <= array.min() and array.max() < 2**31))
    ):
        raise ParameterError(f"{what} must list element numbers from 0; got {array.dtype} of shape {array.shape}.")
    return kept(array, "int32")
