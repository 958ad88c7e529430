"""The canonical state of a run, as docs/explanation/program-format.md lists it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import CheckpointError
from procgraph.models.reference.event_driven import AWAKE, MOST_IDLE, EventDriven
from procgraph.models.reference.plastic import PlasticSynapse

if TYPE_CHECKING:
    from procgraph.models.reference.executor import Queue, ReferenceExecutor

__all__ = ["export_state", "import_state"]

Array = NDArray[Any]


def _by_age(ring: Array, step: int, depth: int) -> Array:
    """Ring entries by age; age a is step − 1 − a, zeros before step 0."""
    ages = [ring[(step - 1 - a) % len(ring)] if step - 1 - a >= 0 else np.zeros_like(ring[0]) for a in range(depth)]
    return np.stack(ages) if ages else np.zeros((0, *ring.shape[1:]), ring.dtype)


def _rows(aged: Array) -> Array:
    age, lane, index = np.nonzero(aged)
    return np.stack([age, lane, index, aged[age, lane, index]], axis=1).astype(np.int32).reshape(-1, 4)


def export_state(executor: ReferenceExecutor) -> dict[str, Array]:
    """All state between two steps."""
    entries: dict[str, Array] = {}
    step = executor.step
    for i, node in enumerate(executor.ir.nodes):
        if i in executor.models:
            entries |= {f"{node.name}/state/{k}": v.copy() for k, v in executor.models[i].states.items()}
        model = executor.models.get(i)
        if isinstance(model, EventDriven):
            entries[f"{node.name}/idle"] = model.idle.copy()
        for port, accumulator in zip(node.inputs, executor.accumulators[i]):
            if port.kind != "array":
                entries[f"{node.name}/in/{port.name}"] = accumulator.copy()
        for output, ring in zip(node.outputs, executor.rings[i]):
            aged = _by_age(ring, step, output.depth)
            entries[f"{node.name}/out/{output.name}"] = _rows(aged) if output.kind == "events" else aged
        synapse = executor.synapses.get(i)
        if isinstance(synapse, PlasticSynapse):
            entries |= {f"{node.name}/{k}": v for k, v in synapse.export_state(step).items()}
        elif synapse is not None:
            entries[f"{node.name}/history/s_in"] = _rows(_by_age(synapse.history, step, synapse.depth - 1))
    for number, queue in _queues(executor).items():
        rows = [(lane, index, payload) for lane, items in enumerate(queue.lanes) for index, payload in items]
        entries[f"channel/{number}/queue"] = np.array(rows, np.int32).reshape(-1, 3)
    return entries


def _queues(executor: ReferenceExecutor) -> dict[int, Queue]:
    found = {id(c): q for ports in executor.incoming for c, q in ports if q is not None}
    return {n: found[id(c)] for n, c in enumerate(executor.ir.channels) if id(c) in found}


def _take(entries: Mapping[str, Array], key: str, shape: tuple[int, ...], dtype: Any) -> Array:
    if key not in entries:
        raise CheckpointError(f"checkpoint lacks {key!r}. It was made from another Program.")
    value = np.asarray(entries[key])
    fits = value.shape == shape or (
        len(shape) == 2 and shape[0] == -1 and value.ndim == 2 and value.shape[1] == shape[1]
    )
    if not fits or value.dtype != dtype:
        raise CheckpointError(
            f"checkpoint entry {key!r} is {value.dtype} of shape {value.shape}; wanted {np.dtype(dtype)} of {shape}."
        )
    return value


def _fill(ring: Array, step: int, aged: Array) -> None:
    for a, value in enumerate(aged):
        if step - 1 - a >= 0:
            ring[(step - 1 - a) % len(ring)] = value


def _dense(rows: Array, depth: int, like: Array, key: str) -> Array:
    aged = np.zeros((depth, *like.shape[1:]), np.int32)
    limits = (depth, *like.shape[1:])
    for column, limit in enumerate(limits):
        if rows.size and not (0 <= rows[:, column].min() and rows[:, column].max() < limit):
            raise CheckpointError(
                f"checkpoint entry {key!r} has an index out of range in column {column}; allowed: 0 to {limit - 1}."
            )
    aged[rows[:, 0], rows[:, 1], rows[:, 2]] = rows[:, 3]
    return aged


def import_state(executor: ReferenceExecutor, entries: Mapping[str, Array]) -> None:
    """Put a canonical state into a fresh executor whose step is set.

    Raises:
        CheckpointError: an entry is missing, has a wrong shape or an index out of range.
    """
    step, batch = executor.step, executor.batch
    for i, node in enumerate(executor.ir.nodes):
        for key, value in getattr(executor.models.get(i), "states", {}).items():
            value[...] = _take(entries, f"{node.name}/state/{key}", value.shape, value.dtype)
        model = executor.models.get(i)
        if isinstance(model, EventDriven):
            idle = _take(entries, f"{node.name}/idle", model.idle.shape, np.int64)
            model.idle = np.clip(idle, AWAKE, MOST_IDLE)
        for port, accumulator in zip(node.inputs, executor.accumulators[i]):
            if port.kind != "array":
                accumulator[...] = _take(entries, f"{node.name}/in/{port.name}", accumulator.shape, np.int32)
        for output, ring in zip(node.outputs, executor.rings[i]):
            key = f"{node.name}/out/{output.name}"
            if output.kind == "events":
                _fill(ring, step, _dense(_take(entries, key, (-1, 4), np.int32), output.depth, ring, key))
            else:
                _fill(ring, step, _take(entries, key, (output.depth, batch, output.n), ring.dtype))
        synapse = executor.synapses.get(i)
        if isinstance(synapse, PlasticSynapse):
            own = synapse.export_state(step)
            found = {k: _take(entries, f"{node.name}/{k}", v.shape, v.dtype) for k, v in own.items()}
            synapse.import_state(step, found)
        elif synapse is not None:
            key = f"{node.name}/history/s_in"
            _fill(
                synapse.history,
                step,
                _dense(_take(entries, key, (-1, 4), np.int32), max(synapse.depth - 1, 0), synapse.history, key),
            )
    for number, queue in _queues(executor).items():
        rows = _take(entries, f"channel/{number}/queue", (-1, 3), np.int32)
        n = executor.ir.nodes[queue.channel.dst[0]].inputs[queue.channel.dst[1]].n
        if rows.size and not (0 <= rows[:, :2].min() and rows[:, 0].max() < batch and rows[:, 1].max() < n):
            raise CheckpointError(f"checkpoint entry 'channel/{number}/queue' has an index out of range.")
        queue.lanes = [deque() for _ in range(batch)]
        for lane, index, payload in rows.tolist():
            queue.lanes[lane].append((index, payload))
