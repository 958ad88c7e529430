"""Host nodes: Python models and I/O Processes, ticked between windows."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from procgraph.channels import BoundedQueue
from procgraph.channels.queue import DEFAULT_CAPACITY
from procgraph.compiler.backend import Executor
from procgraph.errors import BackendError, CheckpointError, ModelError
from procgraph.ir.nodes import Node, SpikeIR
from procgraph.spec.declare import In, Out
from procgraph.spec.ports import Shape
from procgraph.spec.process import Process, to_steps

__all__ = ["Host", "HostModel", "HostNode", "Reader", "model_class"]

Array = NDArray[Any]
T = TypeVar("T")


class HostModel(Protocol):
    """What the runtime needs of a model that runs on the host; ``PythonModel`` is the one users write."""

    states: dict[str, Array]

    def attach(self, process: Process, name: str, shapes: Mapping[str, Shape], batch: int, dt: float) -> None: ...
    def open(self) -> None: ...
    def restart(self, seed: int) -> None: ...
    def tick(self, step: int, inputs: Mapping[str, Any]) -> dict[str, Any]: ...
    def save(self) -> dict[str, Array]: ...
    def load(self, entries: Mapping[str, Array]) -> None: ...
    def close(self) -> None: ...


class Reader:
    """Reads the queues that end at one port."""

    def __init__(self, queues: list[BoundedQueue]) -> None:
        self.queues = queues
        self.step = 0

    def read(self) -> list[Any]:
        """Take all items that have arrived, oldest first."""
        return [item for queue in self.queues for item in queue.read(self.step)]


def model_class(process: Process, name: str) -> type[HostModel]:
    """The Python model of a Process.

    Raises:
        BackendError: there is none.
    """
    model = type(process).model
    if not model:
        raise BackendError(
            f"{name!r} ({type(process).__name__}) has no model: it declares neither step nor structure, and no PythonModel names it. "
            f"Write class {type(process).__name__}Model(pg.PythonModel, process={type(process).__name__})."
        )
    if isinstance(model, str):
        module, _, attribute = model.partition(":")
        model = getattr(importlib.import_module(module), attribute)
    return model


class HostNode:
    """One host node with its model."""

    def __init__(
        self, number: int, node: Node, process: Process, shapes: dict[str, Shape], batch: int, dt: float
    ) -> None:
        self.number, self.node, self.process, self.batch = number, node, process, batch
        self.shapes = shapes
        self.model: HostModel = model_class(process, node.name)()
        self.model.attach(process, node.name, shapes, batch, dt)
        self.readers: dict[str, Reader] = {}
        self.queues: dict[str, list[tuple[BoundedQueue, int]]] = {}
        self.seconds = 0.0

    @property
    def label(self) -> str:
        """The Process and its model, for messages."""
        return f"{self.node.name} ({type(self.model).__name__})"

    def call(self, what: str, method: Callable[..., T], *values: Any) -> T:
        """Call a method of the model other than its tick.

        Raises:
            ModelError: the model raised; the cause is its exception.
            CheckpointError: the model says so.
        """
        try:
            return method(*values)
        except CheckpointError:
            raise
        except Exception as error:
            raise ModelError(f"{self.label} {what}: {type(error).__name__}: {_text(error)}") from error

    def save(self) -> dict[str, Array]:
        """State of the model beyond what it declares, by keys that a file can hold.

        Raises:
            CheckpointError: what the model gives is not arrays of numbers by name.
        """
        arrays = self.call("could not save its state", lambda: {k: np.asarray(v) for k, v in self.model.save().items()})
        for key, array in arrays.items():
            if not isinstance(key, str) or array.dtype.kind not in "biuf":
                raise CheckpointError(
                    f"{self.label}: save gave {array.dtype} as {key!r}; allowed: arrays of numbers by name."
                )
        return arrays

    def ticks(self, step: int) -> bool:
        return step >= self.node.phase and (step - self.node.phase) % self.node.period == 0

    def next_tick(self, step: int) -> int:
        """The first tick after ``step``."""
        n = self.node
        return n.phase if step < n.phase else step + n.period - (step - n.phase) % n.period

    def _lanes(self, value: Array, name: str) -> Array:
        shape = self.shapes[name]
        return value.reshape(shape if self.batch == 1 else (self.batch, *shape))

    def tick(self, executor: Executor, step: int) -> None:
        """Take the inputs, run the model, publish what it emits.

        Raises:
            ModelError: the model raised; the cause is its exception.
        """
        executor.begin_tick(self.number)
        inputs: dict[str, Any] = {}
        for port, entry in enumerate(self.node.inputs):
            value = executor.take_input(self.number, port)
            if entry.kind == "current":
                value = value.astype(np.float32) * np.float32(2.0**-entry.scale)
            inputs[entry.name] = self._lanes(value, entry.name)
        for name, reader in self.readers.items():
            reader.step = step
            inputs[name] = reader
        try:
            emitted = self.model.tick(step, inputs)
        except Exception as error:
            raise ModelError(f"{self.label} raised {type(error).__name__} at step {step}: {_text(error)}") from error
        for name, value in emitted.items():
            if name in self.queues:
                for queue, delay in self.queues[name]:
                    for item in value:
                        queue.push(item, step + delay, step)
            elif name in [o.name for o in self.node.outputs]:
                executor.publish(self.number, self.node.output(name), np.reshape(value, (self.batch, -1)))


class Host:
    """All host nodes of a Program and the queues between them."""

    def __init__(
        self, ir: SpikeIR, processes: Mapping[str, Process], shapes: Mapping[tuple[Process, str], Shape], batch: int
    ) -> None:
        self.nodes: list[HostNode] = []
        for number, node in enumerate(ir.nodes):
            if node.op == "host":
                if node.name not in processes:
                    raise BackendError(
                        f"{node.name!r} ({node.type}) runs in Python, which a Program file does not hold. Compile the graph instead of loading the file."
                    )
                process = processes[node.name]
                own = {k: shapes[process, k] for k, d in process.declarations.items() if isinstance(d, (In, Out))}
                self.nodes.append(HostNode(number, node, process, own, batch, ir.dt))
        self.queues: list[BoundedQueue] = []
        self.opened: list[HostNode] = []

    def join(self, links: list[Any], dt: float) -> None:
        """Make the queues of channels that carry records or messages."""
        by_process = {n.process: n for n in self.nodes}
        for link in links:
            first, last = link.chain[0], link.chain[-1]
            if first.source.type.kind != "queue":
                continue
            capacity = next((c.capacity for c in link.chain if c.capacity is not None), DEFAULT_CAPACITY)
            policy = next((c.policy for c in link.chain if c.capacity is not None), "error")
            delay = max(1, sum(to_steps(c.delay, dt, f"delay of {c}") for c in link.chain))
            queue = BoundedQueue(str(first.source), str(last.target), capacity, policy)
            self.queues.append(queue)
            by_process[first.source.process].queues.setdefault(first.source.name, []).append((queue, delay))
            reader = by_process[last.target.process].readers.setdefault(last.target.name, Reader([]))
            reader.queues.append(queue)

    def open(self, seed: int) -> None:
        """Open and reset every model; on an error those that are open are closed again."""
        for host in self.nodes:
            try:
                self.opened.append(host)
                host.call("could not start", host.model.open)
                host.call("could not start", host.model.restart, seed)
            except BaseException:
                with contextlib.suppress(ModelError):  # the first error is the one to report
                    self.close()
                raise

    def reset(self, seed: int) -> None:
        for queue in self.queues:
            queue.items.clear()
        for host in self.nodes:
            host.call("could not be reset", host.model.restart, seed)

    def ticking(self, step: int) -> list[HostNode]:
        return [h for h in self.nodes if h.ticks(step)]

    def next_tick(self, step: int) -> int | None:
        return min((h.next_tick(step) for h in self.nodes), default=None)

    def export_state(self) -> dict[str, Array]:
        """States of all models, for a checkpoint.

        Raises:
            CheckpointError: a queue holds items, or a model cannot save itself.
        """
        entries: dict[str, Array] = {}
        for queue in self.queues:
            if queue.items:
                raise CheckpointError(
                    f"channel {queue.source} -> {queue.target} holds {len(queue.items)} messages, which a checkpoint does not keep. Read them first."
                )
        for host in self.nodes:
            entries |= {f"host/{host.node.name}/state/{k}": v.copy() for k, v in host.model.states.items()}
            entries |= {f"host/{host.node.name}/own/{k}": v for k, v in host.save().items()}
        return entries

    def entries_in(self, entries: Mapping[str, Array]) -> set[str]:
        """Keys of what ``export_state`` gave; a compiled Process may be called "host", too."""
        own = tuple(f"host/{h.node.name}/{part}/" for h in self.nodes for part in ("state", "own"))
        return {key for key in entries if key.startswith(own)}

    def import_state(self, entries: Mapping[str, Array]) -> None:
        """Take back what ``export_state`` gave."""
        for host in self.nodes:
            base = f"host/{host.node.name}/"
            for key, value in host.model.states.items():
                found = entries.get(f"{base}state/{key}")
                if found is None or found.shape != value.shape or found.dtype != value.dtype:
                    raise CheckpointError(
                        f"checkpoint entry '{base}state/{key}' is missing or does not fit {value.shape}."
                    )
                value[...] = found
            own = f"{base}own/"
            given = {k[len(own) :]: v for k, v in entries.items() if k.startswith(own)}
            host.call("could not take its state back", host.model.load, given)

    def close(self) -> None:
        """Close every model that was opened; the first error is raised after all were closed."""
        problems: list[BaseException] = []
        for host in reversed(self.opened):
            try:
                host.call("raised while closing", host.model.close)
            except BaseException as error:  # also Ctrl-C: the others are closed nevertheless
                problems.append(error)
        self.opened = []
        for problem in problems[:1]:
            raise problem


def _text(error: BaseException) -> str:
    """What an exception of a user says; it may fail to say it."""
    try:
        return str(error)
    except Exception:
        return "(its text cannot be made)"
