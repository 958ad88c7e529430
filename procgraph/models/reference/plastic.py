"""Plastic synapse nodes in NumPy: one array entry for each synapse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import BackendError
from procgraph.ir.connectivity import expand
from procgraph.ir.nodes import Node
from procgraph.models.reference.kernels import run_kernel
from procgraph.models.reference.synapses import quantise
from procgraph.spec.functions import flush

__all__ = ["PlasticSynapse"]

Int32 = NDArray[np.int32]


class PlasticSynapse:
    """Weights, further variables and traces of one plastic projection."""

    def __init__(self, node: Node, batch: int) -> None:
        if batch != 1:
            raise BackendError(
                f"{node.name}: plastic synapses run with batch=1, since lanes would share their weights."
            )
        self.node = node
        synapses = expand(node)
        self.pre, self.post = synapses.pre, synapses.post
        self.initial = np.array(synapses.weight, np.float32)
        self.depth = int(node.attrs["delay"]) + 1
        self.functions = {f["event"]: f for f in node.attrs["functions"]}
        self.columns = {c.name: c.tensor[0] for c in node.columns}
        self.reset()

    def reset(self) -> None:
        """Initial weights and variables, traces and pending output zero."""
        n_pre, n_post = self.node.inputs[0].n, self.node.outputs[0].n
        m = self.initial.size
        self.variables = {
            "w": self.initial.copy(),
            **{c.name: np.array(np.broadcast_to(c.tensor, m)) for c in self.node.states},
        }
        self.traces = {
            t["name"]: np.zeros(n_pre if t["side"] == "pre" else n_post, np.float32) for t in self.node.attrs["traces"]
        }
        self.pending = np.zeros((self.depth, n_post), np.int64)

    @property
    def count(self) -> int:
        """Number of synapses."""
        return int(self.initial.size)

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """What the synapses are stored in."""
        return [self.pre, self.post, *self.variables.values()]

    @property
    def states(self) -> dict[str, NDArray[Any]]:
        """Per-synapse variables besides the weight, and traces, with the lane axis of states."""
        named = {k: v for k, v in self.variables.items() if k != "w"} | self.traces
        return {k: v[None, :] for k, v in named.items()}

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights now, in the shape of the initial ones."""
        shape = self.node.attrs["weights"].shape
        return self.variables["w"].reshape(shape if int(np.prod(shape)) == self.initial.size else -1)

    def set_weights(self, weights: NDArray[np.float32]) -> None:
        """Replace the weights."""
        self.variables["w"][:] = np.broadcast_to(weights.reshape(-1), self.initial.size)

    def absorb(self, step: int, inputs: list[NDArray[Any]] | None) -> None:
        """One step, as docs/explanation/time-and-numbers.md section 4 orders it."""
        assert inputs is not None
        events, posts, modulator = inputs[0][0], inputs[1][0], inputs[2][0]
        for trace in self.node.attrs["traces"]:
            values = self.traces[trace["name"]]
            values[...] = flush(values * np.float32(trace["decay"]))
        fired = events[self.pre] != 0
        self._transmit(step, events, fired)
        self._apply("pre", fired, modulator)
        self._apply("post", posts[self.post] != 0, modulator)
        self._join(events, posts)
        if (step + 1) % self.node.attrs["epoch"] == 0:
            self._apply("epoch", np.ones(self.pre.size, bool), modulator)
            for trace in self.node.attrs["traces"]:
                if trace["mode"] == "flag":
                    self.traces[trace["name"]][:] = 0

    def _transmit(self, step: int, events: Int32, fired: NDArray[np.bool_]) -> None:
        q = quantise(self.variables["w"][fired] * np.float32(self.node.attrs["sign"]), self.node.outputs[0].scale)
        bound = 2**31 - 1
        contribution = np.clip(q, -bound, bound) * events[self.pre[fired]]
        np.add.at(self.pending[(step + self.depth - 1) % self.depth], self.post[fired], contribution)

    def _apply(self, event: str, chosen: NDArray[np.bool_], modulator: NDArray[np.float32]) -> None:
        function = self.functions.get(event)
        index = np.flatnonzero(chosen)
        if function is None or not index.size:
            return
        inputs = {}
        for name in function["inputs"]:
            if name == "m":
                inputs[name] = (
                    np.broadcast_to(modulator[0], index.size) if modulator.size == 1 else modulator[self.post[index]]
                )
            else:
                side = next(t["side"] for t in self.node.attrs["traces"] if t["name"] == name)
                inputs[name] = self.traces[name][(self.pre if side == "pre" else self.post)[index]]
        before = {k: self.variables[k][index] for k in function["states"]}
        for key, value in run_kernel(self.node.type, function, self.columns, before, inputs).items():
            self.variables[key][index] = value

    def _join(self, events: Int32, posts: Int32) -> None:
        for trace in self.node.attrs["traces"]:
            payload = events if trace["side"] == "pre" else posts
            values = self.traces[trace["name"]]
            if trace["mode"] == "add":
                values += payload.astype(np.float32)
            else:
                values[payload != 0] = 1

    def emit(self, step: int) -> Int32:
        """What is due, which is then forgotten."""
        slot = step % self.depth
        due: Int32 = self.pending[slot].astype(np.int32)[None, :]
        self.pending[slot] = 0
        return due

    def export_state(self, step: int) -> dict[str, NDArray[Any]]:
        """Canonical state: variables and traces (1, n), and the output that is due in the next ``delay`` steps (delay, 1, n_post)."""
        entries = {f"state/{k}": v[None, :].copy() for k, v in (self.variables | self.traces).items()}
        due = [self.pending[(step + d) % self.depth] for d in range(self.depth - 1)]
        entries["pending/a_out"] = np.array(due, np.int32).reshape(self.depth - 1, 1, self.node.outputs[0].n)
        return entries

    def import_state(self, step: int, entries: dict[str, NDArray[Any]]) -> None:
        """Take back what ``export_state`` gave."""
        for values in (self.variables, self.traces):
            for key, value in values.items():
                value[...] = entries[f"state/{key}"][0]
        for d in range(self.depth - 1):
            self.pending[(step + d) % self.depth] = entries["pending/a_out"][d, 0]
