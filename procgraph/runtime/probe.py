"""Probes: what a port or variable did, recorded by the executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.compiler.backend import Executor
from procgraph.compiler.flat import FlatGraph
from procgraph.errors import ParameterError, UnknownNameError
from procgraph.ir.nodes import SpikeIR
from procgraph.runtime.variables import Variables
from procgraph.spec.checks import as_array
from procgraph.spec.declare import Out
from procgraph.spec.ports import OutPort, Variable

__all__ = ["Probe", "Probes"]

Fetch = Callable[..., tuple[NDArray[Any], ...]]


class Probe:
    """A recording. Events ports have ``events``; others have ``steps`` and ``data``.

    ``elements`` are the flat numbers of those that are recorded, None if that is all; they make ``shape`` flat.
    ``since`` is the first step that is recorded; ``every`` says in which steps.
    """

    def __init__(
        self,
        label: str,
        fetch: Fetch,
        shape: tuple[int, ...],
        batch: int,
        is_events: bool,
        elements: tuple[int, ...] | None = None,
        every: int = 1,
        now: Callable[[], int] = lambda: 0,
    ) -> None:
        self.label, self.batch, self.is_events, self.elements = label, batch, is_events, elements
        self.shape = shape if elements is None else (len(elements),)
        self.every, self.since = every, now()
        self._fetch, self._now = fetch, now

    @property
    def events(self) -> NDArray[np.void]:
        """Structured array with the fields step, index (flat), value, and batch if there are lanes; in order of time."""
        if not self.is_events:
            raise ParameterError(f"{self.label} carries no events; use .steps and .data.")
        steps, lanes, index, payload = self._fetch()
        fields: list[tuple[str, Any]] = [("step", np.int64), ("index", np.int32), ("value", np.int32)]
        if self.batch > 1:
            fields.append(("batch", np.int32))
        result = np.empty(steps.size, dtype=fields)
        order = np.lexsort((index, lanes, steps))
        result["step"], result["index"], result["value"] = steps[order], index[order], payload[order]
        if self.batch > 1:
            result["batch"] = lanes[order]
        return result

    @property
    def steps(self) -> NDArray[np.int64]:
        """Step of each sample (of each event)."""
        return self._fetch()[0]

    @property
    def data(self) -> NDArray[Any]:
        """Samples, (samples, *shape), or (samples, batch, *shape) with lanes. Of events: payloads, one row for each step from ``since`` to now."""
        if self.is_events:
            return self._dense()
        steps, samples = self._fetch()
        lead = (steps.size,) if self.batch == 1 else (steps.size, self.batch)
        return samples.reshape(*lead, *self.shape) if steps.size else np.zeros((*lead, *self.shape), samples.dtype)

    def _dense(self) -> NDArray[np.int32]:
        steps, lanes, index, payload = self._fetch()
        rows = self._now() - self.since
        result = np.zeros((rows, self.batch, int(np.prod(self.shape))), np.int32)
        result[steps - self.since, lanes, index] = payload
        return result.reshape(rows, *(() if self.batch == 1 else (self.batch,)), *self.shape)

    def take(self) -> tuple[NDArray[Any], ...]:
        """All that was recorded since the last ``take``, which is then forgotten, so that a long run needs no more memory.

        Events: (steps, lane, flat index, value) in the order of their steps. Others: (steps, samples of shape (samples, batch, n)).
        """
        self.since = self._now()
        return self._fetch(True)

    def __len__(self) -> int:
        return int(self._fetch()[0].size)

    def __repr__(self) -> str:
        return f"Probe({self.label}, {len(self)} {'events' if self.is_events else 'samples'})"


class Probes:
    """Finds what is to be recorded and asks the executor for it; the caller holds the runtime's lock."""

    def __init__(
        self,
        ir: SpikeIR,
        executor: Executor,
        variables: Variables,
        flat: FlatGraph | None,
        batch: int,
        fetch: Fetch,
    ) -> None:
        self.ir, self.executor, self.variables, self.flat, self.batch, self.fetch = (
            ir,
            executor,
            variables,
            flat,
            batch,
            fetch,
        )
        self.made: list[Probe] = []

    def make(self, what: OutPort | Variable | str, every: int, elements: Sequence[int] | None = None) -> Probe:
        """A probe of an output port or a state variable.

        Raises:
            ParameterError: elements that are not there, or of events.
            UnknownNameError: no such port or variable, or one that cannot be recorded.
        """
        probe = self._new(what, every, elements)
        self.made.append(probe)
        return probe

    def made_of(self, what: Probe | OutPort | Variable | str) -> Probe:
        """The last probe that was made of a port or variable.

        Raises:
            UnknownNameError: no such port or variable, or none was made of it.
        """
        if isinstance(what, Probe):
            return what
        port = self._output(what)
        if port is not None:
            label = f"{self.ir.nodes[port[0]].name}.{self.ir.nodes[port[0]].outputs[port[1]].name}"
        else:
            place = self.variables.find(what)  # type: ignore[arg-type]
            label = f"{self.ir.nodes[place.node].name}.{place.name}"
        for probe in reversed(self.made):
            if probe.label == label:
                return probe
        raise UnknownNameError(f"nothing was recorded of {label}. Call rt.probe(…) before rt.run().")

    def misses_events(self, probe: Probe) -> bool:
        """Whether events may come in steps that are not recorded."""
        return self.ir.nodes[self.ir.index(probe.label.rpartition(".")[0])].period % probe.every != 0

    def unit_of(self, probe: Probe) -> str:
        """Unit of a recorded state; empty if it has none."""
        owner, _, name = probe.label.rpartition(".")
        process = self.variables.processes.get(owner)
        return getattr(process.declarations.get(name), "unit", "") if process is not None else ""

    def _new(self, what: OutPort | Variable | str, every: int, elements: Sequence[int] | None) -> Probe:
        port = self._output(what)
        if port is not None:
            return self._of_output(port[0], port[1], every, elements)
        place = self.variables.find(what)  # type: ignore[arg-type]
        node = self.ir.nodes[place.node]
        weights = place.section == "weights" and node.op == "plastic"
        if place.section != "state" and not weights:
            raise UnknownNameError(
                f"{what} cannot be recorded: probe output ports, state variables of compiled Processes and weights that learn."
            )
        label, shape = f"{node.name}.{place.name}", place.shape or (node.n,)
        chosen = _chosen(label, elements, shape)
        record = self.executor.record_state(place.node, "w" if weights else place.name, every, chosen or ())
        return self._probe(label, record, shape, False, chosen, every)

    def _output(self, what: object) -> tuple[int, int] | None:
        if isinstance(what, OutPort):
            return self._of_port(what)
        if isinstance(what, str):
            owner, _, name = what.rpartition(".")
            parent = self.variables.parent(owner)
            if parent is not None and isinstance(parent.declarations.get(name), Out):
                return self._of_port(parent.bound(name))
            for number, node in enumerate(self.ir.nodes):
                if node.name == owner and name in [o.name for o in node.outputs]:
                    return number, node.output(name)
        return None

    def _of_port(self, port: OutPort) -> tuple[int, int] | None:
        if port.transforms:
            raise UnknownNameError(f"{port} is a view; probe the whole port and select from the result.")
        if port.process.children:
            for connection in port.process.incoming:
                if connection.target.name == port.name and not connection.source.transforms:
                    return self._of_port(connection.source)
            raise UnknownNameError(f"{port}: nothing inside is joined to it as a whole.")
        if port.process not in self.variables.names:
            raise UnknownNameError(f"{port} does not belong to this graph. Connect it, or list it in Graph(…).")
        if port.type.kind == "queue":
            raise UnknownNameError(f"{port} carries {port.type} from model to model, which is not recorded.")
        number = self.ir.index(self.variables.names[port.process])
        return number, self.ir.nodes[number].output(port.name)

    def _of_output(self, number: int, port: int, every: int, elements: Sequence[int] | None) -> Probe:
        node = self.ir.nodes[number]
        output = node.outputs[port]
        process = self.variables.processes.get(node.name)
        shape = self.flat.shapes[process, output.name] if self.flat is not None and process is not None else (output.n,)
        label, events = f"{node.name}.{output.name}", output.kind == "events"
        if events and elements is not None:
            raise ParameterError(f"{label}: events are recorded of all elements. Select some by probe.events['index'].")
        chosen = _chosen(label, elements, shape)
        record = self.executor.record_output(number, port, every, chosen or ())
        return self._probe(label, record, shape, events, chosen, every)

    def _probe(
        self,
        label: str,
        record: int,
        shape: tuple[int, ...],
        is_events: bool,
        elements: tuple[int, ...] | None,
        every: int,
    ) -> Probe:
        def fetch(clear: bool = False) -> tuple[NDArray[Any], ...]:
            return self.fetch(record, clear)

        return Probe(label, fetch, shape, self.batch, is_events, elements, every, lambda: self.executor.step)

    def forget(self) -> None:
        """All records were emptied, by the executor: they begin anew at its step."""
        for probe in self.made:
            probe.since = self.executor.step


def _chosen(label: str, elements: Sequence[int] | None, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    if elements is None:
        return None
    size = int(np.prod(shape))
    numbers = as_array(elements, "elements", f"a list of different whole numbers from 0 to {size - 1}")
    whole = numbers.ndim == 1 and numbers.size > 0 and numbers.dtype.kind in "iu"
    if not whole or numbers.min() < 0 or numbers.max() >= size or np.unique(numbers).size < numbers.size:
        raise ParameterError(
            f"elements is {elements!r}; allowed for {label}: a list of different whole numbers from 0 to {size - 1}."
        )
    return tuple(int(i) for i in numbers)
