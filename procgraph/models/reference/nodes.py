"""Element-wise and structural nodes in NumPy: ``tick`` computes what a node emits from what it sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import BackendError, did_you_mean
from procgraph.ir.nodes import Node
from procgraph.ir.philox import draw, node_key
from procgraph.spec.declare import Draw
from procgraph.spec.process import registry
from procgraph.spec.trace import Namespace, nested, settle

__all__ = [
    "ArgMax",
    "DenseSource",
    "Eager",
    "ElementWise",
    "EventSource",
    "Model",
    "initial_states",
    "make_model",
    "to_fixed",
]

Arrays = dict[str, NDArray[Any]]


class Model(Protocol):
    """Behaviour of a node that is neither a synapse nor on the host."""

    states: Arrays

    def tick(self, step: int, inputs: list[NDArray[Any]]) -> list[NDArray[Any] | None]:
        """What each output emits: (batch, n) payloads, fixed-point currents or array values; None holds an array."""
        ...

    def reset(self, seed: int) -> None:
        """Initial states."""
        ...

    def present(self) -> Arrays:
        """The states as they are after the last tick."""
        ...

    def catch_up(self) -> None:
        """Called before a state or column is set: what was put off is done now."""
        ...


class Eager:
    """A model whose states are always up to date."""

    states: Arrays

    def present(self) -> Arrays:
        return self.states

    def catch_up(self) -> None:
        pass


def initial_states(node: Node, batch: int) -> Arrays:
    """Fresh state arrays (batch, n)."""
    return {c.name: np.array(np.broadcast_to(c.tensor, (batch, max(node.n, c.tensor.size)))) for c in node.states}


def to_fixed(value: NDArray[Any], bound: float, scale: int) -> NDArray[np.int32]:
    """A float32 current as fixed point."""
    limit = np.float32(bound)
    clean = np.where(np.isnan(value), np.float32(0), value.astype(np.float32))
    clipped = np.where(clean < -limit, -limit, np.where(clean > limit, limit, clean))
    return np.rint(clipped * np.float32(2.0**scale)).astype(np.int32)


class ElementWise(Eager):
    """Calls the Process class's own ``step`` on float32 and int32 arrays: it is the definition."""

    def __init__(self, node: Node, batch: int, seed: int) -> None:
        cls = registry.get(node.type)
        if cls is None:
            raise BackendError(
                f"node {node.name!r} is a {node.type!r}, which is not declared here.{did_you_mean(node.type, registry)} Import the module that declares it."
            )
        self.cls: Any = cls
        self.node, self.batch = node, batch
        self.columns = {c.name: c.tensor[0] if c.tensor.size == 1 else c.tensor for c in node.columns}
        self.draws = [k for k, d in cls.declarations.items() if isinstance(d, Draw)]
        self.reset(seed)
        self._try()

    def _try(self) -> None:
        """A step, whose result is thrown away: a Program file may be of another version of the class."""
        inputs = [np.zeros((self.batch, p.n), p.dtype if p.kind == "array" else np.int32) for p in self.node.inputs]
        try:
            self.compute(self.states, 0, inputs)
        except Exception as error:
            raise BackendError(
                f"node {self.node.name!r}: step of {self.cls.__name__} does not fit it ({type(error).__name__}: {error}). "
                "Compile the graph again where its class is as it is here."
            ) from error

    def reset(self, seed: int) -> None:
        self.key = node_key(seed, self.node.name)
        self.states = initial_states(self.node, self.batch)

    def tick(self, step: int, inputs: list[NDArray[Any]]) -> list[NDArray[Any] | None]:
        self.states, emitted = self.compute(self.states, step, inputs)
        return emitted

    def compute(
        self, states: Arrays, step: int, inputs: list[NDArray[Any]]
    ) -> tuple[Arrays, list[NDArray[Any] | None]]:
        """The next states, and what each output emits."""
        name = self.node.type
        values = nested(self.columns)
        x: dict[str, Any] = {}
        for port, array in zip(self.node.inputs, inputs):
            x[port.name] = (
                array.astype(np.float32) * np.float32(2.0**-port.scale) if port.kind == "current" else _readable(array)
            )
        for number, draw_name in enumerate(self.draws):
            x[draw_name] = draw(self.key, self.node.n, self.batch, step, number)
        scope = Namespace(values, name)
        with np.errstate(all="ignore"):
            new, emitted = self.cls.step(scope, scope, Namespace(states, name), Namespace(x, name))
            new = settle(new, {k: v.dtype.name for k, v in states.items()})
        after = {k: self._full(new[k], v.dtype, k) if k in new else v for k, v in states.items()}
        return after, [self._emit(i, emitted[o.name]) for i, o in enumerate(self.node.outputs)]

    def _full(self, value: Any, dtype: Any, what: str) -> NDArray[Any]:
        array = np.asarray(value)
        if array.ndim and array.dtype != dtype:
            raise BackendError(f"{self.node.name}.{what}: step gave {array.dtype}, not {dtype}.")
        return np.array(np.broadcast_to(array.astype(dtype), (self.batch, self.node.n)))

    def _emit(self, number: int, value: Any) -> NDArray[Any]:
        output = self.node.outputs[number]
        parts = value if output.components > 1 else (value,)
        if output.kind == "events":
            full = [
                np.clip(
                    np.broadcast_to(np.asarray(v).astype(np.int32), (self.batch, self.node.n)),
                    -output.limit,
                    output.limit,
                )
                for v in parts
            ]
        else:
            dtype = np.float32 if output.kind == "current" else np.dtype(output.dtype)
            full = [np.broadcast_to(np.asarray(v).astype(dtype), (self.batch, self.node.n)) for v in parts]
        joined = np.concatenate(full, axis=1)
        return to_fixed(joined, output.bound, output.scale) if output.kind == "current" else joined


def _readable(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.dtype in (np.float32, np.int32, np.bool_) else array.astype(np.int32)


class EventSource(Eager):
    """Emits listed events."""

    def __init__(self, node: Node, batch: int, seed: int) -> None:
        self.node, self.batch = node, batch
        self.states: dict[str, NDArray[Any]] = {}

    def reset(self, seed: int) -> None:
        pass

    def tick(self, step: int, inputs: list[NDArray[Any]]) -> list[NDArray[Any] | None]:
        a, output = self.node.attrs, self.node.outputs[0]
        number = (step - self.node.phase) // self.node.period
        number = number % a["cycle"] if a["cycle"] else number
        chosen = slice(*np.searchsorted(a["ticks"], [number, number + 1]))
        total = np.zeros(output.n, np.int64)
        np.add.at(total, a["index"][chosen], a["payload"][chosen])
        payload = np.clip(total, -output.limit, output.limit).astype(np.int32)
        return [np.broadcast_to(payload, (self.batch, output.n))]


class DenseSource(Eager):
    """Emits rows of a table."""

    def __init__(self, node: Node, batch: int, seed: int) -> None:
        self.node, self.batch = node, batch
        self.states: dict[str, NDArray[Any]] = {}
        self.values = np.array(node.attrs["values"])

    def reset(self, seed: int) -> None:
        pass

    def tick(self, step: int, inputs: list[NDArray[Any]]) -> list[NDArray[Any] | None]:
        output, rows = self.node.outputs[0], self.values.shape[0]
        number = (step - self.node.phase) // self.node.period
        number = number % rows if self.node.attrs["cycle"] else number
        if number >= rows:
            return [None if output.kind == "array" else np.zeros((self.batch, output.n), np.int32)]
        row = np.broadcast_to(self.values[number], (self.batch, output.n))
        return [to_fixed(row, output.bound, output.scale) if output.kind == "current" else row]


class ArgMax(Eager):
    """Counts events and emits the index of the largest count."""

    def __init__(self, node: Node, batch: int, seed: int) -> None:
        self.node, self.batch = node, batch
        self.reset(seed)

    def reset(self, seed: int) -> None:
        sizes = {"counts": self.node.attrs["classes"], "decision": 1}
        self.states = {
            c.name: np.array(np.broadcast_to(c.tensor, (self.batch, sizes[c.name]))) for c in self.node.states
        }

    def tick(self, step: int, inputs: list[NDArray[Any]]) -> list[NDArray[Any] | None]:
        a, counts, decision = self.node.attrs, self.states["counts"], self.states["decision"]
        counts += inputs[0]
        number = (step - self.node.phase) // self.node.period
        if (number + 1) % a["window"]:
            return [None]
        quiet = counts.max(axis=1) <= 0
        held = decision[:, 0] if a["idle"] < 0 else np.int32(a["idle"])
        decision[:, 0] = np.where(quiet, held, counts.argmax(axis=1))
        counts[:] = 0
        return [decision.copy()]


MODELS: dict[str, Callable[[Node, int, int], Model]] = {
    "elementwise": ElementWise,
    "event_source": EventSource,
    "dense_source": DenseSource,
    "argmax": ArgMax,
}


def make_model(node: Node, batch: int, seed: int) -> Model:
    """The model of a node."""
    if node.attrs.get("execution") == "event":
        from procgraph.models.reference.event_driven import EventDriven

        return EventDriven(node, batch, seed)
    return MODELS[node.op](node, batch, seed)
