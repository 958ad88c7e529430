"""Plastic synapse nodes in NumPy: one array entry for each synapse.

What synapses see of their targets comes from rings over the last steps, the events and every trace before they join it. Without dendritic delays
the rings hold the present step only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.ir.connectivity import expand
from procgraph.ir.nodes import Node
from procgraph.models.reference.kernels import run_kernel
from procgraph.models.reference.synapses import quantise
from procgraph.spec.functions import flush

__all__ = ["PlasticSynapse"]

Int32 = NDArray[np.int32]


class PlasticSynapse:
    """Weights, further variables and traces of one plastic projection, of each lane its own."""

    def __init__(self, node: Node, batch: int) -> None:
        self.node, self.batch = node, batch
        synapses = expand(node)
        self.pre, self.post = synapses.pre, synapses.post
        self.initial = np.array(synapses.weight, np.float32)
        self.delay = np.asarray(synapses.delay, np.int64)  # added to the step, which outgrows int32
        self.depth = node.delays[1] + 1
        self.dendritic = bool(node.attrs.get("dendritic", False))
        self.joined = bool(node.attrs.get("joined", False))
        self.lag = self.delay if self.dendritic else np.zeros_like(self.delay)
        self.functions = {f["event"]: f for f in node.attrs["functions"]}
        self.columns = {c.name: c.tensor[0] for c in node.columns}
        self.reset()

    def reset(self) -> None:
        """Initial weights and variables, traces and pending output zero."""
        n = {"pre": self.node.inputs[0].n, "post": self.node.outputs[0].n}
        shape = (self.batch, self.initial.size)
        initial = {"w": self.initial, **{c.name: c.tensor for c in self.node.states}}
        self.variables = {k: np.array(np.broadcast_to(v, shape)) for k, v in initial.items()}
        self.traces = {t["name"]: np.zeros((self.batch, n[t["side"]]), np.float32) for t in self.node.attrs["traces"]}
        self.pending = np.zeros((self.depth, self.batch, n["post"]), np.int64)
        ring = (self.depth if self.dendritic else 1, self.batch, n["post"])
        self.posts = np.zeros(ring, np.int32)
        self.seen = {t["name"]: np.zeros(ring, np.float32) for t in self.node.attrs["traces"] if t["side"] == "post"}

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
        """Variables of the synapses and traces, (B, n)."""
        return self.variables | self.traces

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights now, in the shape of the initial ones if there is one lane."""
        shape = self.node.attrs["weights"].shape
        own = self.batch == 1 and int(np.prod(shape)) == self.initial.size
        return self.variables["w"].reshape(shape if own else (self.batch, -1))

    def set_weights(self, weights: NDArray[np.float32]) -> None:
        """Replace the weights, of all lanes or of each."""
        values = weights.reshape(-1)
        same = values.size in (1, self.initial.size)
        self.variables["w"][...] = values if same else values.reshape(self.batch, -1)

    def absorb(self, step: int, inputs: list[NDArray[Any]] | None) -> None:
        """One step, as docs/explanation/time-and-numbers.md section 4 orders it."""
        assert inputs is not None
        for lane in range(self.batch):
            self._absorb(step, lane, *(values[lane] for values in inputs))

    def _absorb(self, step: int, lane: int, events: Int32, posts: Int32, modulator: NDArray[np.float32]) -> None:
        specs = self.node.attrs["traces"]
        for trace in specs:
            values = self.traces[trace["name"]][lane]
            values[...] = flush(values * np.float32(trace["decay"]))
        self.posts[step % len(self.posts), lane] = posts
        for name, ring in self.seen.items():
            ring[step % len(ring), lane] = self.traces[name][lane]
        fired = events[self.pre] != 0
        self._transmit(step, lane, events, fired)
        if self.joined:
            self._join(lane, events, posts)
        self._apply("pre", step, lane, fired, modulator)
        self._apply("post", step, lane, self.posts[self._arriving(step, lane)] != 0, modulator)
        if not self.joined:
            self._join(lane, events, posts)
        if (step + 1) % self.node.attrs["epoch"] == 0:
            self._apply("epoch", step, lane, np.ones(self.pre.size, bool), modulator)
            for trace in specs:
                if trace["mode"] == "flag":
                    self.traces[trace["name"]][lane] = 0

    def _transmit(self, step: int, lane: int, events: Int32, fired: NDArray[np.bool_]) -> None:
        weights = self.variables["w"][lane, fired] * np.float32(self.node.attrs["sign"])
        bound = 2**31 - 1
        contribution = np.clip(quantise(weights, self.node.outputs[0].scale), -bound, bound) * events[self.pre[fired]]
        place: Any = ((step + self.delay[fired]) % self.depth, lane, self.post[fired])
        np.add.at(self.pending, place, contribution)

    def _arriving(self, step: int, lane: int, index: Any = slice(None)) -> Any:
        """Places in a ring, of what comes to synapses from their targets in a step."""
        return (step - self.lag[index]) % len(self.posts), lane, self.post[index]

    def _apply(
        self, event: str, step: int, lane: int, chosen: NDArray[np.bool_], modulator: NDArray[np.float32]
    ) -> None:
        function = self.functions.get(event)
        index = np.flatnonzero(chosen)
        if function is None or not index.size:
            return
        modes = {t["name"]: t["mode"] for t in self.node.attrs["traces"]}
        inputs = {}
        for name in function["inputs"]:
            if name == "m":
                inputs[name] = (
                    np.broadcast_to(modulator[0], index.size) if modulator.size == 1 else modulator[self.post[index]]
                )
            elif name in self.seen:
                place = self._arriving(step, lane, index)
                seen = self.seen[name][place]
                after = self.joined or event == "epoch"
                inputs[name] = _joined(modes[name], seen, self.posts[place]) if after else seen
            else:
                inputs[name] = self.traces[name][lane, self.pre[index]]
        before = {k: self.variables[k][lane, index] for k in function["states"]}
        for key, value in run_kernel(self.node.type, function, self.columns, before, inputs).items():
            self.variables[key][lane, index] = value

    def _join(self, lane: int, events: Int32, posts: Int32) -> None:
        for trace in self.node.attrs["traces"]:
            values = self.traces[trace["name"]][lane]
            values[...] = _joined(trace["mode"], values, events if trace["side"] == "pre" else posts)

    def emit(self, step: int) -> Int32:
        """What is due, which is then forgotten."""
        slot = step % self.depth
        due: Int32 = self.pending[slot].astype(np.int32)
        self.pending[slot] = 0
        return due

    def export_state(self, step: int) -> dict[str, NDArray[Any]]:
        """Canonical state: variables and traces (B, n); (largest delay, B, n_post): the output due in the next steps and, of dendritic delays, the rings."""
        entries = {f"state/{k}": v.copy() for k, v in self.states.items()}
        due = [self.pending[(step + d) % self.depth] for d in range(self.depth - 1)]
        entries["pending/a_out"] = np.array(due, np.int32).reshape(self.depth - 1, *self.pending.shape[1:])
        for key, ring in self._rings.items():
            entries[key] = ring[(step - 1 - np.arange(len(ring) - 1)) % len(ring)]
        return entries

    def import_state(self, step: int, entries: dict[str, NDArray[Any]]) -> None:
        """Take back what ``export_state`` gave."""
        for key, value in self.states.items():
            value[...] = entries[f"state/{key}"]
        for d in range(self.depth - 1):
            self.pending[(step + d) % self.depth] = entries["pending/a_out"][d]
        for key, ring in self._rings.items():
            ring[(step - 1 - np.arange(len(ring) - 1)) % len(ring)] = entries[key]

    @property
    def _rings(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint holds of the last steps."""
        rings = {"history/post_in": self.posts, **{f"seen/{k}": v for k, v in self.seen.items()}}
        return rings if self.dendritic else {}


def _joined(mode: str, values: NDArray[np.float32], payload: Int32) -> NDArray[np.float32]:
    """A trace after events have joined it."""
    return values + payload.astype(np.float32) if mode == "add" else np.where(payload != 0, np.float32(1), values)
