"""Synapses that learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from procgraph.errors import ParameterError
from procgraph.processes.synapses.base import Synapse
from procgraph.processes.synapses.dense import AllToAll
from procgraph.spec.declare import Data, In, Out, Param
from procgraph.spec.ports import Shape
from procgraph.spec.process import Process
from procgraph.spec.rules import MAX_DENDRITIC, MODULATOR, Rule
from procgraph.spec.types import Array, Current, Graded

__all__ = ["Plastic"]


class Plastic(Process):
    r"""A projection whose weights follow a plasticity rule.

    In a step: traces decay; each event of ``s_in`` transmits the present weight (it arrives after the synapse's delay); then ``on_pre`` for the synapses
    of sources with an event, ``on_post`` for those of targets with an event in ``post_in``; then events join the traces (before ``on_pre`` if the rule is
    ``joined``); ``on_epoch`` at the end of an epoch. The rule sees events when they have arrived at the synapse: the delay of the channel into ``s_in`` is axonal, that into ``post_in`` is what
    the target's events take back to all synapses, and the delay of a synapse, common or its own, lies between the synapse and ``a_out``. With
    ``dendritic=True`` the target's events take the synapse's own delay as well, on top of the channel's, and the rule sees the target's traces as
    they were so long ago. In a batch each lane learns for itself.

    Args:
        synapses: ``Dense``, ``Sparse``, ``OneToOne``: connectivity, initial weights and delays. It is only a description and stays unconnected.
        rule: such as ``PairSTDP(w_max=0.3)``.
        sign: 1, or -1 for a projection that inhibits with weights kept as magnitudes.
    """

    s_in = In(Graded, flat=True)
    post_in = In(Graded, flat=True)
    m = In(Array("float32"), flat=True)
    a_out = Out(Current, flat=True)
    weights = Data("float32", doc="weights now")
    dendritic = Param(
        False, dtype="bool", doc="whether each synapse's own delay is dendritic: the target's events take it back, too"
    )

    def __init__(self, synapses: Synapse, rule: Rule, *, sign: int = 1, **options: Any) -> None:
        super().__init__(**options)
        if self.values["weights"] is not None:
            raise ParameterError(f"{self.label}.weights: give the initial weights to its synapses.")
        if (
            not isinstance(synapses, Synapse)
            or isinstance(synapses, AllToAll)
            or synapses.connections
            or synapses.incoming
        ):
            raise ParameterError(
                f"{self.label}: synapses is {synapses!r}; allowed: an unconnected Dense, Sparse or OneToOne."
            )
        if not isinstance(rule, Rule) or not rule.handlers:
            raise ParameterError(f"{self.label}: rule is {rule!r}; allowed: a plasticity rule such as PairSTDP().")
        if sign not in (1, -1):
            raise ParameterError(f"{self.label}.sign is {sign!r}; allowed: 1, -1.")
        self.synapses, self.rule, self.sign = synapses, rule, sign

    def port_shape(self, name: str) -> Shape | None:
        if name == MODULATOR:
            return None
        return self.synapses.port_shape("s_in" if name == "s_in" else "a_out")

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        result = self.synapses.infer({k: v for k, v in known.items() if k in ("s_in", "a_out")})
        after = known.get("a_out") or result.get("a_out")
        if after is not None:
            result["post_in"] = after
        if not any(c.target.name == MODULATOR for c in self.incoming):
            result[MODULATOR] = (1,)
        return result

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        attrs = self.synapses.structure(shapes, dt)
        n_post, n_mod = (int(np.prod(shapes[p])) for p in ("a_out", MODULATOR))
        if "storage" in attrs:
            raise ParameterError(
                f"{self.label}: synapses that learn are stored. Leave out storage= of {self.synapses.label}."
            )
        if attrs["op"] == "conv2d":
            raise ParameterError(f"{self.label}: shared weights cannot be plastic; allowed: Dense, Sparse, OneToOne.")
        if n_mod not in (1, n_post):
            raise ParameterError(
                f"{self.label}.m has {n_mod} elements; allowed: one, or one for each of the {n_post} targets."
            )
        rule = self.rule
        self.check_limits(np.asarray(attrs.get("weight_table", attrs["weights"]), np.float32))
        epoch = rule.epoch_steps(dt)
        if self.values["dendritic"]:
            self._check_dendritic(attrs, epoch)
            attrs["dendritic"] = True
        traces = [
            {"name": k, "side": t.side, "mode": t.mode, "decay": float(rule.decay(k, dt))}
            for k, t in rule.traces.items()
        ]
        return {
            **attrs,
            "op": "plastic",
            "pattern": attrs["op"],
            "sign": self.sign,
            "epoch": epoch,
            "traces": traces,
            "rule_process": rule,
            **({"joined": True} if rule.joined else {}),
        }

    def check_limits(self, weights: Any) -> None:
        """Weights beyond the limits of the rule, which would move them there at the first event, with no word.

        Raises:
            ParameterError: some are.
        """
        low, high = (np.float32(self.rule.values[key]) for key in ("w_min", "w_max"))
        if weights.size and (weights.min() < low or weights.max() > high):
            raise ParameterError(
                f"{self.label}: the weights are from {weights.min():g} to {weights.max():g}; allowed by its rule: "
                f"{low:g} to {high:g}. Give {type(self.rule).__name__} w_min= and w_max= that hold them (sign=-1 makes inhibition)."
            )

    def _check_dendritic(self, attrs: Mapping[str, Any], epoch: int) -> None:
        delays = np.unique(next(attrs[key] for key in ("delay", "delays", "delay_table") if key in attrs))
        if delays.size and delays[-1] > MAX_DENDRITIC:
            raise ParameterError(
                f"{self.label}: its synapses have delays up to {delays[-1]} steps; allowed with dendritic=True: up to "
                f"{MAX_DENDRITIC}. Give what they have in common to the channels from a_out and into post_in."
            )
        flags = [k for k, t in self.rule.traces.items() if t.side == "post" and t.mode == "flag"]
        between = delays[delays % epoch != 0]
        if flags and between.size:
            raise ParameterError(
                f"{self.label}: {flags[0]} of {self.rule.label} marks events of the target until an epoch of {epoch} steps ends, and "
                f"a delay is {between[0]} steps; allowed with dendritic=True: multiples of the epoch. Make the epoch shorter."
            )

    def output_bound(self, name: str) -> float:
        return 0.0
