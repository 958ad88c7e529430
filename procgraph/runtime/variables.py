"""Reading and writing variables of a running graph: parameters, states, weights."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procgraph.compiler.backend import Executor
from procgraph.compiler.flat import FlatGraph
from procgraph.compiler.passes.lower import element_columns
from procgraph.errors import CheckpointError, ParameterError, ShapeError, UnknownNameError, did_you_mean
from procgraph.ir.connectivity import expand, synapse_count, synapse_load
from procgraph.ir.nodes import Node, SpikeIR
from procgraph.processes.synapses.plastic import Plastic
from procgraph.runtime.host import Host
from procgraph.spec.checks import as_array
from procgraph.spec.declare import In, Out, Param
from procgraph.spec.ports import OutPort, Port, Shape, Variable
from procgraph.spec.process import Process

__all__ = ["Place", "Variables"]

Array = NDArray[Any]


class Place:
    """Where a variable lives: node, section of the executor (or ``host``, ``param``), name and shape of one lane."""

    def __init__(self, node: int, section: str, name: str, shape: Shape | None) -> None:
        self.node, self.section, self.name, self.shape = node, section, name, shape


class Variables:
    """Finds, checks, reads and writes variables; the caller holds the runtime's lock."""

    def __init__(self, ir: SpikeIR, executor: Executor, host: Host, flat: FlatGraph | None, batch: int) -> None:
        self.ir, self.executor, self.host, self.batch = ir, executor, host, batch
        self.names = {} if flat is None else {p: name for name, p in flat.graph.processes.items()}
        self.processes: dict[str, Process] = {} if flat is None else flat.leaves
        self.flat = flat
        self.changed: set[tuple[str, str]] = set()  # node and column, "weights" or "values"
        self.given: set[tuple[str, str]] = set()  # node and parameter
        self.values = self._initial_values()

    def _initial_values(self) -> dict[str, dict[str, Any]]:
        return {name: dict(p.values) for name, p in self.processes.items()}

    def find(self, what: Variable | str) -> Place:
        """Locate a variable given as ``pop.v`` or ``"pop.v"``.

        Raises:
            UnknownNameError: no such Process or variable in this graph.
        """
        if isinstance(what, Variable):
            alias = what.process.aliases.get(what.name)
            if alias is not None:
                return self.find(alias)
            if what.process not in self.names:
                raise UnknownNameError(f"{what} does not belong to this graph. Connect it, or list it in Graph(…).")
            owner, name = self.names[what.process], what.name
        elif isinstance(what, str) and "." in what:
            owner, _, name = what.rpartition(".")
        else:
            raise UnknownNameError(self._no_variable(what))
        parent = self.parent(owner)
        if parent is not None:
            if name in parent.aliases:
                return self.find(parent.aliases[name])
            raise UnknownNameError(
                f"{owner} is made of other Processes and has no variable {name!r} of its own."
                + did_you_mean(f"{owner}.{name}", [f"{owner}.{k}" for k in (*parent.aliases, *parent.children)])
            )
        known = [n.name for n in self.ir.nodes]
        if owner not in known:
            raise UnknownNameError(f"no Process {owner!r} in this graph.{did_you_mean(owner, known)}")
        return self._place(known.index(owner), name)

    def parent(self, name: str) -> Process | None:
        """The hierarchical Process of that full name, if there is one."""
        return next((p for p, n in self.names.items() if n == name and p.children), None)

    def _no_variable(self, what: object) -> str:
        """What is wrong with something that names no variable."""
        if isinstance(what, Port):
            return _of_port(str(what), isinstance(what, OutPort))
        for process, name in self.names.items():
            if what is process or (isinstance(what, str) and what == name):
                owned = [k for k, d in process.declarations.items() if not isinstance(d, In)]
                return f"{name} is a Process. Say what of it: {', '.join(f'{name}.{k}' for k in owned)}."
        return f"{what!r} names no port or variable; allowed: one of a Process, such as pop.v or 'pop.v'."

    def _place(self, number: int, name: str) -> Place:
        node = self.ir.nodes[number]
        shape = self._shape(node.name)
        if any(h.number == number and name in h.model.states for h in self.host.nodes):
            return Place(number, "host", name, None)
        if node.op == "plastic":
            sizes = {c.name: synapse_count(node) for c in node.states}
            elements = {"pre": node.inputs[0].n, "post": node.outputs[0].n}
            sizes |= {t["name"]: elements[t["side"]] for t in node.attrs["traces"]}
            if name in sizes:
                return Place(number, "state", name, (sizes[name],))
        elif name in [c.name for c in node.states]:
            size = next(c.tensor.size for c in node.states if c.name == name)
            return Place(number, "state", name, shape if node.op == "elementwise" else (max(size, 1),))
        if name == "weights" and node.is_synapse:
            own = node.attrs["weights"].shape
            count = synapse_count(node)
            each = "weight_table" in node.attrs or (node.op == "plastic" and int(np.prod(own)) != count)
            return Place(number, "weights", name, (count,) if each else own)
        if name == "values" and node.op == "dense_source":
            return Place(number, "values", name, node.attrs["values"].shape)
        process = self.processes.get(node.name)
        if process is not None and isinstance(process.declarations.get(name), Param):
            return Place(number, "param", name, shape)
        if process is None and name in [c.name for c in node.columns]:
            return Place(number, "column", name, None)
        for ports in (node.inputs, node.outputs):
            if name in [p.name for p in ports]:
                raise UnknownNameError(_of_port(f"{node.name}.{name}", ports is node.outputs))
        known = [c.name for c in node.states] + (["weights"] if node.is_synapse else [])
        known += [t["name"] for t in node.attrs.get("traces", ())]
        known += (
            [k for k, d in process.declarations.items() if isinstance(d, Param)]
            if process
            else [c.name for c in node.columns]
        )
        raise UnknownNameError(f"{node.name!r} has no variable {name!r}.{did_you_mean(name, known)}")

    def _shape(self, name: str) -> Shape | None:
        process = self.processes.get(name)
        if process is None or self.flat is None:
            return None
        base = process.infer({k: s for (p, k), s in self.flat.shapes.items() if p is process})
        return process.shape or next(
            (s for k, s in base.items() if getattr(process.declarations[k], "components", 1) == 1), None
        )

    def read(self, place: Place) -> Any:
        """A copy of the value: in the Process's shape, with a leading lane axis if there are several lanes."""
        if place.section == "param":
            return copy(self.values[self.ir.nodes[place.node].name][place.name])
        if place.section == "host":
            return self._host_state(place).copy()
        value = self.executor.read(place.node, place.section, place.name)
        if place.section == "state" or self._learnt(place):
            return self._lanes(value, place.shape)
        return value if place.shape is None else value.reshape(place.shape)

    def _learnt(self, place: Place) -> bool:
        """Whether these are weights that each lane has for itself."""
        return place.section == "weights" and self.ir.nodes[place.node].op == "plastic"

    def _lanes(self, value: Array, shape: Shape | None) -> Array:
        shape = shape if shape is not None else value.shape[1:]
        return value.reshape(shape) if self.batch == 1 else value.reshape(self.batch, *shape)

    def _host_state(self, place: Place) -> Array:
        return next(h.model.states[place.name] for h in self.host.nodes if h.number == place.node)

    def write(self, place: Place, value: Any) -> None:
        """Set a value; a number fills all elements.

        Raises:
            ParameterError: out of range, NaN, or weights beyond what the input's scale allows.
            ShapeError: wrong shape.
        """
        node = self.ir.nodes[place.node]
        label = f"{node.name}.{place.name}"
        if place.section == "param":
            self._write_param(place, value)
        elif place.section == "host":
            state = self._host_state(place)
            state[...] = _fit(value, state.shape, label, state.dtype)
        elif place.section == "state":
            current = self.executor.read(place.node, "state", place.name)
            lanes = self._lanes(current, place.shape)
            fitted = _fit(value, lanes.shape, label, current.dtype)
            self.executor.write(place.node, "state", place.name, fitted.reshape(current.shape))
        else:
            current = self.executor.read(place.node, place.section, place.name)
            own = self._learnt(place) and self.batch > 1 and np.shape(value) != place.shape
            shape = place.shape or current.shape
            fitted = _fit(value, (self.batch, *shape) if own else shape, label, current.dtype)
            if place.section == "weights":
                process = self.processes.get(node.name)
                if isinstance(process, Plastic):
                    process.check_limits(fitted)
                for weights in fitted if own else (fitted,):
                    self._check_weights(place, weights)
            self.executor.write(place.node, place.section, place.name, np.ascontiguousarray(fitted))
        if place.section in ("weights", "values", "column"):
            self.changed.add((node.name, place.name))

    def _check_weights(self, place: Place, weights: Array) -> None:
        node = self.ir.nodes[place.node]
        bound = node.outputs[0].bound
        load, _ = synapse_load(node, weights)
        load *= node.inputs[0].limit
        if load > bound * (1 + 1e-6):
            raise ParameterError(
                f"{node.name}.weights: the worst sum at a target would be {load:g}; the input's fixed-point scale allows {bound:g}. "
                f"Declare room when building the synapse, w_max= (largest magnitude of a weight), or build it with the new weights."
            )

    def _write_param(self, place: Place, value: Any) -> None:
        node = self.ir.nodes[place.node]
        process = self.processes[node.name]
        declared = process.declarations[place.name]
        assert isinstance(declared, Param)
        checked = declared.check(value, node.name)
        if isinstance(checked, np.ndarray) and checked.size != node.n:
            raise ShapeError(
                f"{node.name}.{place.name} has shape {checked.shape}; allowed: one number, or one for each of the {node.n} elements."
            )
        if node.op != "elementwise":
            raise ParameterError(
                f"{node.name}.{place.name} is fixed when the graph is compiled. Build the graph with the new value."
            )
        _check_outputs(node, process, place.name, checked)
        values = {**self.values[node.name], place.name: checked}
        columns = element_columns(
            process, node.n, self.ir.dt * node.period, values, [(c.name, c.dtype) for c in node.columns]
        )
        for made in columns:
            self.executor.write(place.node, "column", made.name, made.tensor)
            self.changed.add((node.name, made.name))
        self.values[node.name] = values
        self.given.add((node.name, place.name))

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def export_changed(self) -> dict[str, Array]:
        """Parameters, columns, weights and values that were set at run time."""
        entries = {}
        for owner, name in sorted(self.changed):
            number = self.ir.index(owner)
            entries[f"{owner}/column/{name}"] = self.executor.read(number, self._section(number, name), name)
        return entries | {f"{o}/param/{k}": _packed(self.values[o][k]) for o, k in sorted(self.given)}

    def _section(self, number: int, name: str) -> str:
        return name if name in ("weights", "values") else "column"

    def import_changed(self, entries: Mapping[str, Array]) -> dict[str, Array]:
        """Take back what ``export_changed`` gave, and undo what was set since; the entries that are left for others.

        Raises:
            CheckpointError: an entry does not fit, or a parameter has a value that is not allowed.
        """
        columns, given = self._entries(entries, "column"), self._entries(entries, "param")
        for owner, name in sorted(self.changed - set(columns)):
            number = self.ir.index(owner)
            if self.ir.nodes[number].op != "plastic":  # there the state holds the weights
                self.executor.write(number, self._section(number, name), name, self._compiled(number, name))
        for (owner, name), value in columns.items():
            self._put_back(owner, name, value)
        self.changed, self.given, self.values = set(columns), set(), self._initial_values()
        for (owner, name), value in given.items():
            if owner in self.processes:  # else this Program came from a file, which knows columns only
                self.values[owner][name] = self._unpacked(owner, name, value)
                self.given.add((owner, name))
        taken = {f"{owner}/column/{name}" for owner, name in columns} | {f"{o}/param/{k}" for o, k in given}
        return {key: value for key, value in entries.items() if key not in taken}

    def _entries(self, entries: Mapping[str, Array], kind: str) -> dict[tuple[str, str], Array]:
        """Those of one kind, by node and name. Python models may use such words, in longer keys."""
        names, found = {node.name for node in self.ir.nodes}, {}
        for key, value in entries.items():
            owner, *middle, name = key.split("/")
            if middle != [kind]:
                continue
            if owner not in names:
                raise CheckpointError(f"checkpoint entry '{key}' does not fit: there is no node of that name.")
            found[owner, name] = value
        return found

    def _put_back(self, owner: str, name: str, value: Array) -> None:
        number = self.ir.index(owner)
        section, what = self._section(number, name), f"checkpoint entry '{owner}/column/{name}'"
        try:
            own = self.executor.read(number, section, name)
            sizes = (1, self.ir.nodes[number].n) if section == "column" else (own.size,)
            if value.dtype != own.dtype or value.size not in sizes:
                raise ShapeError(f"{value.size} values of {value.dtype}; wanted {sizes[-1]} of {own.dtype}.")
            self.executor.write(number, section, name, value)
        except (ParameterError, ShapeError, UnknownNameError) as error:
            raise CheckpointError(f"{what} does not fit: {error}") from None

    def _unpacked(self, owner: str, name: str, value: Array) -> Any:
        declared, what = self.processes[owner].declarations.get(name), f"checkpoint entry '{owner}/param/{name}'"
        text = isinstance(declared, Param) and declared.dtype == "str"
        sizes = (1, self.ir.nodes[self.ir.index(owner)].n)
        if not isinstance(declared, Param) or not (text or value.size in sizes):
            raise CheckpointError(f"{what} does not fit the Program.")
        try:
            plain = value.tobytes().decode() if text else value.item() if value.size == 1 else value
            return declared.check(plain, owner)
        except (ParameterError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{what}: {error}") from None

    def _compiled(self, number: int, name: str) -> Array:
        """What a column, or weights or values, were in the Program."""
        node = self.ir.nodes[number]
        made: Array
        if name not in ("weights", "values"):
            made = next(c.tensor for c in node.columns if c.name == name)
        else:
            made = expand(node).weight if "weight_table" in node.attrs else node.attrs[name]
        return np.ascontiguousarray(made)


def _check_outputs(node: Node, process: Process, name: str, value: Any) -> None:
    """A parameter that limits an output may shrink only: beyond what was compiled, payloads and currents would be cut off."""
    for output in node.outputs:
        declared = process.declarations[output.name]
        if not isinstance(declared, Out) or name not in (declared.limit, declared.bound):
            continue
        room = output.limit if declared.limit == name else output.bound
        if np.max(np.abs(value)) > room:
            raise ParameterError(
                f"{node.name}.{name} is {np.max(np.abs(value)):g}; allowed while running: up to {room:g}, for which {output.name} "
                f"was compiled. Build the graph with the larger value."
            )


def _packed(value: Any) -> Array:
    """A parameter as a tensor; text as its bytes."""
    return np.frombuffer(value.encode(), np.uint8) if isinstance(value, str) else np.asarray(value)


def _of_port(label: str, is_output: bool) -> str:
    if is_output:
        return f"{label} is an output port, not a variable. rt.probe() records it."
    return f"{label} is an input port, which is not recorded. Probe the outputs that are joined to it."


def _fit(value: Any, shape: Shape, label: str, dtype: Any) -> Array:
    array = as_array(value, f"the new values of {label}", f"a number or an array of shape {shape}")
    if array.dtype.kind not in "iufb":
        raise ParameterError(
            f"{label} cannot be set to {type(value).__name__}; allowed: a number or an array of shape {shape}."
        )
    if array.shape != shape and array.ndim:
        raise ShapeError(
            f"{label} has shape {shape}, but the new value has {array.shape}. Give that shape, or one number."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ParameterError(f"{label}: the new value contains NaN or infinity; allowed: finite numbers.")
    return np.broadcast_to(array.astype(dtype, copy=False), shape)
