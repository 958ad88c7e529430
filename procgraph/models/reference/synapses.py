"""Synapse nodes in NumPy: a list of synapses per delay, summed by integer addition."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.ir.connectivity import expand
from procgraph.ir.nodes import Node

__all__ = ["ReferenceSynapse", "quantise"]

Int32 = NDArray[np.int32]


def quantise(weights: NDArray[np.float32], scale: int) -> NDArray[np.int64]:
    """Weights as fixed-point integers at scale 2**scale, ties to even."""
    return np.rint(weights.astype(np.float64) * 2.0**scale).astype(np.int64)


class ReferenceSynapse:
    """History of one synapse node and the sum of what is due."""

    def __init__(self, node: Node, batch: int) -> None:
        self.node = node
        self.batch = batch
        self.n_post = node.outputs[0].n
        self.depth = node.delays[1] + 1
        self.shape = node.attrs["weights"].shape
        given = np.array(node.attrs["weights"], dtype=np.float32)
        if "weight_table" in node.attrs:
            given = np.array(expand(node).weight)
            self.shape = given.shape
        self.reset()
        self.set_weights(given)

    def reset(self) -> None:
        """Forget all history."""
        self.history: NDArray[np.int32] = np.zeros((self.depth, self.batch, self.node.inputs[0].n), np.int32)

    def set_weights(self, weights: NDArray[np.float32]) -> None:
        """Quantise weights and sort the synapses by delay."""
        self.weights = weights.astype(np.float32).reshape(self.shape)
        synapses = expand(self.node, self.weights)
        q = quantise(synapses.weight, self.node.outputs[0].scale)
        self.groups = []
        for delay in np.unique(synapses.delay):
            chosen = synapses.delay == delay
            self.groups.append((int(delay), synapses.pre[chosen], synapses.post[chosen], q[chosen]))

    @property
    def count(self) -> int:
        """Number of synapses."""
        return sum(pre.size for _, pre, _, _ in self.groups)

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """What the synapses are stored in."""
        return [array for group in self.groups for array in group[1:]]

    def absorb(self, step: int, inputs: list[Int32] | None) -> None:
        """Store what entered at this step (None without a tick)."""
        self.history[step % self.depth] = 0 if inputs is None else inputs[0]

    def emit(self, step: int) -> Int32:
        """The output current of this step, fixed point."""
        total = np.zeros((self.batch, self.n_post), np.int64)
        for delay, pre, post, q in self.groups:
            if step < delay:
                continue
            entry = self.history[(step - delay) % self.depth]
            for lane in range(self.batch):
                if entry[lane].any():
                    # Integers below 2**53 are exact in bincount's float64.
                    total[lane] += np.bincount(post, weights=q * entry[lane][pre], minlength=self.n_post).astype(
                        np.int64
                    )
        return total.astype(np.int32)
