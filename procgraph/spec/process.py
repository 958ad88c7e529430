"""The Process base class: an entity with ports, parameters and state, and no behaviour for a device."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from procgraph.errors import ConnectionError, ParameterError, ShapeError, UnknownNameError, did_you_mean
from procgraph.spec.checks import is_choice
from procgraph.spec.declare import Data, Declaration, In, Out, Param, State
from procgraph.spec.ports import Connection, InPort, OutPort, Port, Shape, Variable

__all__ = ["Process", "check_device", "check_shapes", "initial_state", "normalise_shape", "registry", "to_steps"]

registry: dict[str, type[Process]] = {}
_building: contextvars.ContextVar[Process | None] = contextvars.ContextVar("building", default=None)


def normalise_shape(shape: object, owner: str, key: str = "shape") -> Shape:
    """An int or a sequence of ints as a tuple.

    Raises:
        ParameterError: not whole numbers of at least 1, or more than 2**31 - 1 elements.
    """
    items = shape if isinstance(shape, (tuple, list)) else (shape,)
    if not all(isinstance(i, (int, np.integer)) and not isinstance(i, bool) and i >= 1 for i in items):
        raise ParameterError(
            f"{owner}.{key} is {shape!r}; allowed: whole numbers of at least 1, such as 128 or (2, 64, 64)."
        )
    result = tuple(int(i) for i in items)
    if int(np.prod(result, dtype=object)) >= 2**31:
        raise ParameterError(f"{owner}.{key} is {shape!r}; allowed: fewer than 2**31 elements. Split the population.")
    return result


def to_steps(value: int | str, dt: float, what: str, least: int = 0) -> int:
    """A delay or period in steps from steps or from a time such as ``"16 ms"``.

    Raises:
        ParameterError: not a whole number of steps, or below ``least``.
    """
    from procgraph.spec import units

    if isinstance(value, str):
        number, unit = units.parse_quantity(value)
        if unit in ("", "step", "steps"):
            steps = number
        else:
            steps = units.convert(number, unit, "ms", what) / dt
            near = max(least, round(steps)) * dt
            if abs(steps - round(steps)) > 1e-6 * max(1.0, steps):
                raise ParameterError(
                    f"{what} is {value!r}, {steps:g} steps of {dt:g} ms; allowed: whole steps, such as '{near:g} ms'."
                )
    elif isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ParameterError(f"{what} is {value!r}; allowed: whole steps, or a time such as '16 ms'.")
    else:
        steps = value
    if round(steps) != steps and not isinstance(value, str):
        raise ParameterError(f"{what} is {value!r}; allowed: whole steps.")
    if not least <= round(steps) <= 1_000_000_000:
        raise ParameterError(f"{what} is {value!r}; allowed: {least} to 1000000000 steps.")
    return round(steps)


class Process:
    """An entity of a graph.

    Subclasses declare ports, parameters and state as class attributes. An element-wise Process has ``derive`` and
    ``step``; a hierarchical one has ``build``; a structural one (synapses, sources) has ``structure``; others need a ``PythonModel``.

    Args:
        name: unique name in the graph; made from the class name if absent.
        shape: elements, e.g. ``128`` or ``(2, 64, 64)``; inferred from connections if absent.
        period: steps between ticks, or a time such as ``"16 ms"``.
        phase: step of the first tick, below the period.
        device: pins the Process, e.g. ``"cpu"``.
        execution: ``"clock"`` computes every element at every tick, ``"event"`` only elements that have input or may
            spike by themselves, and ``"auto"`` what the compiler expects to be faster.
        values: parameters, and initial values of state variables.

    Raises:
        ParameterError: an argument has a wrong type, shape, range or unit.
        UnknownNameError: no such parameter.
    """

    declarations: ClassVar[dict[str, Declaration[Any]]] = {}
    ops: ClassVar[str] = ""
    model: ClassVar[str | type] = ""
    builtin: ClassVar[bool] = False
    register: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found: dict[str, Declaration[Any]] = {}
        for base in reversed(cls.__mro__):
            found.update({k: v for k, v in vars(base).items() if isinstance(v, Declaration)})
        cls.declarations = found
        cls.builtin = cls.__module__.startswith("procgraph.processes.")
        if "register" not in vars(cls) or cls.register:
            registry[cls.__name__] = cls

    def __init__(
        self,
        *,
        name: str | None = None,
        shape: int | tuple[int, ...] | list[int] | None = None,
        period: int | str = 1,
        phase: int | str = 0,
        device: str | None = None,
        execution: str = "clock",
        **values: Any,
    ) -> None:
        self.name = _check_name(name, type(self).__name__)
        self.device = None if device is None else check_device(device, type(self).__name__)
        self.execution = _check_execution(type(self), execution)
        self.period, self.phase = period, phase
        self.connections: list[Connection] = []
        self.incoming: list[Connection] = []
        self.children: dict[str, Process] = {}
        self.aliases: dict[str, Variable] = {}
        self._bound: dict[str, Any] = {}
        self.parent = _building.get()
        self.shape = None if shape is None else normalise_shape(shape, self.label)
        self.values = self._check_values(values)
        if self.parent is not None:
            self.parent._adopt(self, name)
        if type(self).build is not Process.build:
            token = _building.set(self)
            try:
                self.build()
            finally:
                _building.reset(token)

    # -- what a subclass may define ---------------------------------------------------------------------------------

    def build(self) -> None:
        """Hierarchical Processes: create children, and pass ports and variables through."""

    def structure(self, shapes: Mapping[str, Shape], dt: float) -> dict[str, Any]:
        """Structural Processes: ``{"op": …, attributes of the node}`` once all shapes are known."""
        raise NotImplementedError

    def port_shape(self, name: str) -> Shape | None:
        """Shape of a port as far as the constructor's arguments tell."""
        if self.shape is None:
            return None
        declared = self.declarations[name]
        lead = declared.components if isinstance(declared, Out) else 1
        return self.shape if lead == 1 else (lead, *self.shape)

    def infer(self, known: Mapping[str, Shape]) -> dict[str, Shape]:
        """Shapes of further ports that follow from known ones. Here: all ports have one shape."""
        base = self.shape
        for port, shape in known.items():
            declared = self.declarations[port]
            base = base or (shape[1:] if isinstance(declared, Out) and declared.components > 1 else shape)
        if base is None:
            return {}
        lead = {k: d.components for k, d in self.declarations.items() if isinstance(d, Out) and d.components > 1}
        return {
            k: ((lead[k], *base) if k in lead else base)
            for k, d in self.declarations.items()
            if isinstance(d, (In, Out))
        }

    def output_bound(self, name: str) -> float:
        """Largest magnitude of an output current; 0 if the Process does not know."""
        declared = self.declarations[name]
        bound = declared.bound if isinstance(declared, Out) else None
        if isinstance(bound, str):
            return float(np.max(np.abs(self.values[bound])))
        return float(bound or 0.0)

    def output_limit(self, name: str) -> int:
        """Largest magnitude of the payloads of an events output; 0 for outputs of another kind."""
        declared = self.declarations[name]
        if isinstance(declared, Out) and declared.limit is not None:
            return int(np.max(np.abs(self.values[declared.limit])))
        return int(getattr(declared.type, "limit", 0)) if isinstance(declared, Out) else 0

    def event_rate(self, dt: float) -> float | None:
        """Expected events per element in ``dt`` ms, as far as parameters tell; None if they do not."""
        return None

    # -- names, ports, variables -------------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """Name for messages: the full name, or the class name while there is none."""
        own = self.name or type(self).__name__
        return f"{self.parent.label}.{own}" if self.parent is not None else own

    def bound(self, name: str) -> Any:
        """The port or variable of this instance for a declaration."""
        if name not in self._bound:
            declared = self.declarations[name]
            if isinstance(declared, In):
                self._bound[name] = InPort(self, name, declared.type)
            elif isinstance(declared, Out):
                self._bound[name] = OutPort(self, name, declared.type)
            else:
                self._bound[name] = self.aliases.get(name) or Variable(self, name)
        return self._bound[name]

    def port(self, name: str) -> Port:
        """A port by name.

        Raises:
            UnknownNameError: there is none of that name.
        """
        ports = [k for k, d in self.declarations.items() if isinstance(d, (In, Out))]
        if not is_choice(name, ports):
            raise UnknownNameError(f"{self.label} has no port {name!r}.{did_you_mean(str(name), ports)}")
        bound: Port = self.bound(name)
        return bound

    def _only(self, sort: type[Declaration[Any]], fits: Any = None) -> list[Any]:
        return [
            self.bound(k) for k, d in self.declarations.items() if isinstance(d, sort) and (fits is None or fits(d))
        ]

    def default_in(self, source: Port) -> InPort:
        """The only input that takes what ``source`` carries."""
        from procgraph.spec.types import accepts

        found = self._only(In, lambda d: accepts(d.type, source.type))
        if len(found) != 1:
            raise ConnectionError(
                f"{source} >> {self.label}: {len(found)} inputs take {source.type}; write source.connect(process.port)."
            )
        port: InPort = found[0]
        return port

    def __rshift__(self, other: InPort | Process) -> Process:
        """Join the only output of this Process to the default input of another."""
        found = self._only(Out)
        if len(found) != 1:
            raise ConnectionError(f"{self.label} >> …: it has {len(found)} outputs; write process.port.connect(…).")
        source: OutPort = found[0]
        return source >> other

    def is_inside(self, other: Process) -> bool:
        """Whether ``other`` is the parent that contains this Process, directly or through others."""
        parent = self.parent
        while parent is not None and parent is not other:
            parent = parent.parent
        return parent is other

    def check_fit(self, source: Port, target: Port) -> None:
        """Compare the shapes of two ports where both are known.

        Raises:
            ShapeError: they differ.
        """
        a, b = source.shape, target.shape
        if a is None or b is None:
            return
        check_shapes(source, target, a, b)

    def alias(self, **variables: Variable) -> None:
        """Inside ``build``: give variables of children under names of this Process."""
        self.aliases.update(variables)

    # -- construction ------------------------------------------------------------------------------------------------

    def _adopt(self, child: Process, name: str | None) -> None:
        base = name or type(child).__name__.lower()
        unique, number = base, 1
        while unique in self.children:
            if name is not None:
                raise ParameterError(f"{self.label} has two children named {name!r}. Rename one.")
            unique, number = f"{base}_{number}", number + 1
        child.name = unique
        self.children[unique] = child

    def __setattr__(self, name: str, value: object) -> None:
        if (
            isinstance(value, Process)
            and value.parent is self
            and value.name in self.children
            and _building.get() is self
        ):
            generated = value.name is not None and value.name.startswith(type(value).__name__.lower())
            if generated and name not in self.children:
                self.children = {name if child is value else key: child for key, child in self.children.items()}
                object.__setattr__(value, "name", name)
        object.__setattr__(self, name, value)

    def _check_values(self, given: dict[str, Any]) -> dict[str, Any]:
        settable = {k: d for k, d in self.declarations.items() if isinstance(d, (Param, State, Data))}
        for key in given:
            if key not in settable:
                raise UnknownNameError(
                    f"{self.label} has no parameter {key!r}.{did_you_mean(key, [*settable, 'name', 'shape', 'period', 'phase', 'device', 'execution'])}"
                )
        values: dict[str, Any] = {}
        for key, declared in settable.items():
            if isinstance(declared, Param):
                value = given.get(key, declared.default)
                if value is ...:
                    raise ParameterError(f"{self.label} needs {key!r}; allowed: {declared.describe_range()}.")
                values[key] = value if value is None and declared.default is None else declared.check(value, self.label)
            elif key in given:
                values[key] = _check_state(given[key], f"{self.label}.{key}", declared.dtype)
            else:
                values[key] = None
        self._check_element_shapes(values)
        return values

    def _check_element_shapes(self, values: dict[str, Any]) -> None:
        if self.shape is None:
            return
        for key, value in values.items():
            if (
                isinstance(value, np.ndarray)
                and not isinstance(self.declarations[key], Data)
                and value.shape not in ((), self.shape)
            ):
                raise ShapeError(
                    f"{self.label}.{key} has shape {value.shape}; allowed: one number, or shape {self.shape}."
                )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r}, shape={self.shape})"


def initial_state(process: Process, key: str, declared: State) -> Any:
    """Initial value of a state: the constructor's, or the declared one (a number or a parameter's name).

    Raises:
        ParameterError: there is no parameter of that name.
    """
    given = process.values.get(key)
    if given is not None or not isinstance(declared.init, str):
        return declared.init if given is None else given
    known = [k for k, d in process.declarations.items() if isinstance(d, Param)]
    if declared.init not in process.values:
        raise ParameterError(
            f"{process.label}.{key} begins as the parameter {declared.init!r}, which does not exist."
            + did_you_mean(declared.init, known)
        )
    return process.values[declared.init]


def check_shapes(source: Port, target: Port, a: Shape, b: Shape) -> None:
    """Compare two known shapes; a flat port takes any shape of its size.

    Raises:
        ShapeError: they differ.
    """
    declared = (source.process.declarations[source.name], target.process.declarations[target.name])
    flat = any(getattr(d, "flat", False) for d in declared)
    if a != b and not (flat and int(np.prod(a)) == int(np.prod(b))):
        raise ShapeError(
            f"{source} has shape {a}, but {target} takes shape {b}. Use reshape(), flatten(), a slice or gather(), or change a shape."
        )


def _check_name(name: str | None, kind: str) -> str | None:
    if name is not None and (not isinstance(name, str) or not name or not all(c.isalnum() or c in "_-" for c in name)):
        raise ParameterError(f"{kind}.name is {name!r}; allowed: letters, digits, '_' and '-'.")
    return name


def check_device(device: object, owner: str) -> str:
    """The name of a device; whether there is such a one shows when the graph is compiled.

    Raises:
        ParameterError: no text.
    """
    if not isinstance(device, str):
        raise ParameterError(
            f"{owner}.device is {device!r}; allowed: a name such as 'cpu'; 'procgraph devices' lists them."
        )
    return device


def _check_execution(cls: type[Process], execution: str) -> str:
    from procgraph.spec.event import check_execution

    return check_execution(cls, execution)


def _check_state(value: Any, what: str, dtype: str) -> Any:
    try:
        array = np.asarray(value, dtype=np.float64 if dtype == "float32" else np.int64)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{what} is {value!r}; allowed: a number or an array.") from None
    if dtype == "float32" and not np.isfinite(array).all():
        raise ParameterError(f"{what} contains NaN or infinity; allowed: finite numbers.")
    return array.astype(dtype)
