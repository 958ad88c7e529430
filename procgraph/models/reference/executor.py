"""The reference executor: docs/explanation/time-and-numbers.md as NumPy code. Slow, and the definition."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.compiler.backend import LoadOptions
from procgraph.errors import BackendError, ChannelBlockedError, ChannelOverflowError, UnknownNameError
from procgraph.ir.nodes import Channel, Node, SpikeIR
from procgraph.ir.program import Program
from procgraph.models.reference import state
from procgraph.models.reference.nodes import Model, make_model, to_fixed
from procgraph.models.reference.plastic import PlasticSynapse
from procgraph.models.reference.records import Records
from procgraph.models.reference.synapses import ReferenceSynapse

__all__ = ["Queue", "ReferenceExecutor"]

Array = NDArray[Any]


class Queue:
    """Arrivals of a bounded channel, one queue a lane, and its counters."""

    def __init__(self, channel: Channel, names: tuple[str, str], batch: int) -> None:
        self.channel, self.names = channel, names
        self.lanes: list[deque[tuple[int, int]]] = [deque() for _ in range(batch)]
        self.high_water = self.dropped = 0

    @property
    def depth(self) -> int:
        return sum(len(lane) for lane in self.lanes)

    def push(self, arrivals: Array, step: int) -> None:
        """Queue the arrivals (batch, n) of one step under the channel's policy."""
        capacity, policy = self.channel.capacity or 0, self.channel.policy
        for number, lane in enumerate(self.lanes):
            index = np.flatnonzero(arrivals[number])
            if policy == "latest" and index.size:
                self.dropped += len(lane)
                lane.clear()
            for i in index.tolist():
                if len(lane) >= capacity:
                    if policy in ("error", "block"):
                        raise self._full(step, policy)
                    self.dropped += 1
                    if policy == "drop_newest":
                        continue
                    lane.popleft()
                lane.append((i, int(arrivals[number, i])))
            self.high_water = max(self.high_water, len(lane))

    def _full(self, step: int, policy: str) -> Exception:
        source, target = self.names
        full = f"channel {source} -> {target} is full ({self.channel.capacity} events) at step {step}"
        if policy == "error":
            return ChannelOverflowError(f"{full}. Raise its capacity, or choose drop_oldest, drop_newest or latest.")
        return ChannelBlockedError(
            f"{full}: {source} would wait for {target}, which reads only at its next tick and so never before the step is over. "
            "Raise the capacity, shorten the reader's period, or choose drop_oldest, drop_newest or latest."
        )

    def drain(self, accumulator: Array) -> None:
        """Move everything into the accumulator."""
        for number, lane in enumerate(self.lanes):
            for index, payload in lane:
                accumulator[number, index] += payload
            lane.clear()


class ReferenceExecutor:
    """Runs a Program step by step; see ``procgraph.compiler.backend.Executor`` for the contract."""

    def __init__(self, program: Program, options: LoadOptions) -> None:
        self.ir: SpikeIR = program.ir
        self.batch = options.batch
        self.seed = program.ir.seed if options.seed is None else options.seed
        self.models: dict[int, Model] = {}
        self.synapses: dict[int, ReferenceSynapse | PlasticSynapse] = {}
        for i, node in enumerate(self.ir.nodes):
            if node.op == "plastic":
                self.synapses[i] = PlasticSynapse(node, self.batch)
            elif node.is_synapse:
                self.synapses[i] = ReferenceSynapse(node, self.batch)
            elif node.op != "host":
                self.models[i] = make_model(node, self.batch, self.seed)
        self.incoming = [[(c, self._queue(c)) for c in self.ir.into(i)] for i in range(len(self.ir.nodes))]
        self.records = Records(self)
        self._stop = False
        self._clear()

    def _queue(self, c: Channel) -> Queue | None:
        if c.capacity is None:
            return None
        source, target = self.ir.nodes[c.src[0]], self.ir.nodes[c.dst[0]]
        names = (f"{source.name}.{source.outputs[c.src[1]].name}", f"{target.name}.{target.inputs[c.dst[1]].name}")
        return Queue(c, names, self.batch)

    def _clear(self) -> None:
        self._step = 0
        self.accumulators = [
            [np.zeros((self.batch, p.n), np.int32 if p.kind != "array" else p.dtype) for p in n.inputs]
            for n in self.ir.nodes
        ]
        self.rings = [
            [np.zeros((o.depth, self.batch, o.n), o.dtype if o.kind == "array" else np.int32) for o in n.outputs]
            for n in self.ir.nodes
        ]
        self.counts = [{"events": 0, "ticks": 0} for _ in self.ir.nodes]
        for ports in self.incoming:
            for c, queue in ports:
                if queue is not None:
                    queue.__init__(c, queue.names, self.batch)  # type: ignore[misc]

    # -- running -----------------------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        return self._step

    def run(self, steps: int, budget_ns: int = 0) -> int:
        started, done = time.perf_counter_ns(), 0
        while done < steps:
            if self._stop or (budget_ns and done and time.perf_counter_ns() - started > budget_ns):
                break
            if done and any(n.op == "host" and self._ticks(n) for n in self.ir.nodes):
                break
            self._one_step()
            done += 1
        self._stop = False
        return done

    def interrupt(self) -> None:
        self._stop = True

    def _ticks(self, node: Node) -> bool:
        return self._step >= node.phase and (self._step - node.phase) % node.period == 0

    def _one_step(self) -> None:
        for i, node in enumerate(self.ir.nodes):
            if node.op == "host" and not self._ticks(node):
                self._pull(i)
                self._begin_outputs(i)
        for action, i in self.ir.schedule:
            getattr(self, f"_{action}")(i, self.ir.nodes[i])
        self.records.sample()
        self._step += 1

    def _pull(self, i: int, tick: bool = False) -> None:
        for c, queue in self.incoming[i]:
            accumulator = self.accumulators[i][c.dst[1]]
            kind = self.ir.nodes[i].inputs[c.dst[1]].kind
            if self._step >= c.delay:
                ring = self.rings[c.src[0]][c.src[1]]
                arrived = self._route(c, ring[(self._step - c.delay) % len(ring)], accumulator)
                if kind == "array":
                    accumulator[...] = arrived
                elif queue is not None:
                    queue.push(arrived, self._step)
                else:
                    accumulator += arrived
            elif kind == "array":
                accumulator[...] = 0
            if tick and queue is not None:
                queue.drain(accumulator)

    @staticmethod
    def _route(c: Channel, value: Array, like: Array) -> Array:
        if c.map is None:
            return value.astype(like.dtype)
        routed = np.zeros_like(like)
        target: Any = (slice(None), c.map[1])
        np.add.at(routed, target, value[:, c.map[0]].astype(like.dtype))
        return routed

    def _begin_outputs(self, i: int) -> None:
        """Slots of this step: events and currents are empty, arrays hold."""
        for output, ring in zip(self.ir.nodes[i].outputs, self.rings[i]):
            slot = self._step % len(ring)
            ring[slot] = ring[slot - 1] if output.kind == "array" else 0

    def _emit_into(self, i: int, port: int, value: Array) -> None:
        ring, output = self.rings[i][port], self.ir.nodes[i].outputs[port]
        ring[self._step % len(ring)] = value
        if output.kind == "events":
            self.counts[i]["events"] += int(np.count_nonzero(value))

    def _tick(self, i: int, node: Node) -> None:
        due = self._ticks(node)
        self._pull(i, due)
        self._begin_outputs(i)
        if due:
            self.counts[i]["ticks"] += 1
            for port, value in enumerate(self.models[i].tick(self._step, self.accumulators[i])):
                if value is not None:
                    self._emit_into(i, port, value)
            self._empty_inputs(i)

    def _empty_inputs(self, i: int) -> None:
        for port, accumulator in zip(self.ir.nodes[i].inputs, self.accumulators[i]):
            if port.kind != "array":
                accumulator[...] = 0

    def _absorb(self, i: int, node: Node) -> None:
        due = self._ticks(node)
        self._pull(i, due)
        self.synapses[i].absorb(self._step, self.accumulators[i] if due else None)
        if due:
            self.counts[i]["ticks"] += 1
            self._empty_inputs(i)

    def _emit(self, i: int, node: Node) -> None:
        self._emit_into(i, 0, self.synapses[i].emit(self._step))

    # -- host nodes --------------------------------------------------------------------------------------------------

    def begin_tick(self, node: int) -> None:
        self._pull(node, True)
        self._begin_outputs(node)
        self.counts[node]["ticks"] += 1

    def take_input(self, node: int, port: int) -> Array:
        value = self.accumulators[node][port].copy()
        if self.ir.nodes[node].inputs[port].kind != "array":
            self.accumulators[node][port][...] = 0
        return value

    def publish(self, node: int, port: int, value: Array) -> None:
        output = self.ir.nodes[node].outputs[port]
        if output.kind == "events":
            value = np.clip(value, -output.limit, output.limit).astype(np.int32)
        self._emit_into(node, port, to_fixed(value, output.bound, output.scale) if output.kind == "current" else value)

    # -- variables ---------------------------------------------------------------------------------------------------

    def owner_of_states(self, i: int) -> Any:
        """The model or the synapses of a node."""
        return self.models.get(i) or self.synapses.get(i)

    def _section(self, i: int, section: str, name: str) -> tuple[Any, str]:
        node = self.ir.nodes[i]
        places: dict[str, Any] = {
            "state": getattr(self.owner_of_states(i), "states", {}),
            "column": getattr(self.models.get(i), "columns", {}),
            "weights": {"weights": None} if i in self.synapses else {},
            "values": vars(self.models[i]) if node.op == "dense_source" else {},
        }
        if name not in places.get(section, {}):
            raise UnknownNameError(f"node {node.name!r} has no {section} {name!r}.")
        return places[section], name

    def read(self, node: int, section: str, name: str) -> Array:
        place, key = self._section(node, section, name)
        if section == "weights":
            return np.array(self.synapses[node].weights)
        return np.array(self.models[node].present()[key] if section == "state" and node in self.models else place[key])

    def write(self, node: int, section: str, name: str, value: Array) -> None:
        if node in self.models:
            self.models[node].catch_up()
        place, key = self._section(node, section, name)
        if section == "weights":
            self.synapses[node].set_weights(value)
        elif section == "column":
            dtype = next(c.dtype for c in self.ir.nodes[node].columns if c.name == name)
            flat = np.array(value, dtype=dtype).reshape(-1)
            place[key] = flat[0] if flat.size == 1 else flat
        else:
            place[key][...] = np.reshape(value, np.shape(place[key]))

    # -- records, state, statistics ----------------------------------------------------------------------------------

    def record_output(self, node: int, port: int, every: int, elements: Sequence[int] = ()) -> int:
        return self.records.add(("output", node, port), every, elements)

    def record_state(self, node: int, name: str, every: int, elements: Sequence[int] = ()) -> int:
        self._section(node, "state", name)
        return self.records.add(("state", node, name), every, elements)

    def recorded(self, record: int, clear: bool = False) -> tuple[Array, ...]:
        return self.records.get(record, clear)

    def reset(self, seed: int | None = None) -> None:
        self.seed = self.seed if seed is None else seed
        for synapse in self.synapses.values():
            synapse.reset()
        for model in self.models.values():
            model.reset(self.seed)
        self.records.clear()
        self._clear()

    def export_state(self) -> dict[str, Array]:
        return state.export_state(self)

    def import_state(self, step: int, seed: int, entries: Mapping[str, Array]) -> None:
        self.reset(seed)
        self._step = step
        state.import_state(self, entries)

    def stats(self) -> dict[str, Any]:
        numbers = {id(c): n for n, c in enumerate(self.ir.channels)}
        queues = {numbers[id(c)]: q for ports in self.incoming for c, q in ports if q is not None}
        counters = {n: {"depth": q.depth, "high_water": q.high_water, "dropped": q.dropped} for n, q in queues.items()}
        return {"nodes": [dict(c) for c in self.counts], "channels": counters}

    def storage(self) -> list[dict[str, Any]]:
        rows = []
        for i, synapse in self.synapses.items():
            name, arrays = self.ir.nodes[i].name, synapse.arrays
            rows.append(
                {
                    "source": f"{name}.s_in",
                    "projections": [name],
                    "counts": [synapse.count],
                    "synapses": synapse.count,
                    "bytes": sum(a.nbytes for a in arrays),
                    "format": "arrays",
                    "delivery": "node",
                }
            )
        return rows

    def close(self) -> None:
        if self._step < 0:
            raise BackendError("closed")
