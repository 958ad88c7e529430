"""Behaviour in plain Python: subclass ``PythonModel`` and write ``run_step``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from procgraph.errors import BackendError, CheckpointError, ShapeError
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.ports import Shape
from procgraph.spec.process import Process, initial_state
from procgraph.spec.types import Events, Message, Spikes

__all__ = ["Inbox", "Outlet", "PythonModel"]

Array = NDArray[Any]


# Attributes that a model has once it is attached.
RESERVED = frozenset({"batch", "dt", "inputs", "name", "outlets", "process", "states", "step"})


class Outlet:
    """An output port inside ``run_step``."""

    def __init__(self, name: str, type: Any, shape: Shape, dtype: str) -> None:
        self.name, self.type, self.shape, self.dtype = name, type, shape, dtype
        self.value: Any = None

    def emit(self, value: Any) -> None:
        """Emit in this step.

        Spikes take a bool array (who fired) or counts; graded ports take integers, currents and arrays take numbers; all in the
        port's shape. Queue ports (``Events``, ``Message``) take one item a call.

        Raises:
            ShapeError: wrong shape.
        """
        if isinstance(self.type, (Events, Message)):
            self.value = [*(self.value or []), value]
            return
        array = np.asarray(value)
        if array.shape != self.shape:
            try:
                array = np.broadcast_to(array, self.shape)
            except ValueError:
                raise ShapeError(f"{self.name}.emit got shape {array.shape}; allowed: {self.shape}.") from None
        self.value = (array != 0 if isinstance(self.type, Spikes) else array).astype(self.dtype)


class Inbox:
    """A queue port inside ``run_step``."""

    def __init__(self, read: Callable[[], list[Any]]) -> None:
        self.read = read
        """Take all items that have arrived, oldest first."""


class PythonModel:
    """Model of a Process in Python, ``class BlinkModel(PythonModel, process=Blink)``.

    Inside its methods every port, parameter and state variable of the Process is an attribute: inputs are arrays of what arrived since the last tick
    (counts for spikes, float32 for currents, the latest value for arrays), outputs have ``emit``, states are arrays to change in place. With
    ``batch > 1`` arrays have a leading lane axis. ``self.step`` is the step, ``self.dt`` its length in ms, ``self.process`` the declaration.
    """

    process_class: ClassVar[type[Process]]

    def __init_subclass__(cls, process: type[Process] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if process is not None:
            taken = sorted(name for name in process.declarations if hasattr(PythonModel, name) or name in RESERVED)
            if taken:
                raise BackendError(
                    f"{process.__name__}.{taken[0]} has the name of a member of PythonModel, which would hide it. Rename it."
                )
            cls.process_class = process
            process.model = cls

    # -- for the author ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Once, before the first step: acquire what is needed."""

    def run_step(self) -> None:
        """At every tick."""
        raise NotImplementedError(f"{type(self).__name__} must define run_step.")

    def on_reset(self, seed: int) -> None:
        """Back to the beginning, under a seed; also called before the first step."""

    def close(self) -> None:
        """Once, at the end: release what ``open`` acquired."""

    def save(self) -> dict[str, Array]:
        """State beyond the declared variables, for checkpoints.

        Raises:
            CheckpointError: the state cannot be saved.
        """
        return {}

    def load(self, entries: Mapping[str, Array]) -> None:
        """Take back what ``save`` gave."""
        if entries:
            raise CheckpointError(
                f"{type(self).__name__} does not define load, but the checkpoint holds {sorted(entries)} for it."
            )

    # -- for the runtime --------------------------------------------------------------------------------------------

    def attach(self, process: Process, name: str, shapes: Mapping[str, Shape], batch: int, dt: float) -> None:
        """Bind to a Process of a graph."""
        self.process, self.name, self.dt, self.batch, self.step = process, name, dt, batch, 0
        self.states: dict[str, Array] = {}
        self.outlets: dict[str, Outlet] = {}
        lead = (batch,) if batch > 1 else ()
        for key, declared in process.declarations.items():
            if isinstance(declared, Param):
                setattr(self, f"_{key}", process.values[key])
            elif isinstance(declared, Out):
                self.outlets[key] = Outlet(f"{name}.{key}", declared.type, (*lead, *shapes[key]), declared.type.dtype)
        element = process.shape or next(iter(shapes.values()), ())
        self._state_shape = (*lead, *element)
        self._initial()

    def _initial(self) -> None:
        for key, declared in self.process.declarations.items():
            if isinstance(declared, State):
                init = initial_state(self.process, key, declared)
                value = np.array(np.broadcast_to(np.asarray(init, dtype=declared.dtype), self._state_shape))
                if key in self.states:
                    self.states[key][...] = value
                else:
                    self.states[key] = value

    def restart(self, seed: int) -> None:
        """Initial states, then ``on_reset``."""
        self.step = 0
        self._initial()
        self.on_reset(seed)

    def tick(self, step: int, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run one tick and return what was emitted."""
        self.step = step
        self.inputs = inputs
        for outlet in self.outlets.values():
            outlet.value = None
        self.run_step()
        return {k: o.value for k, o in self.outlets.items() if o.value is not None}

    def __getattr__(self, name: str) -> Any:
        scope = self.__dict__
        for place in ("states", "outlets", "inputs"):
            if name in scope.get(place, {}):
                return scope[place][name]
        process = scope.get("process")
        if process is not None and name in process.values:
            return process.values[name]
        if process is not None and isinstance(process.declarations.get(name), In):
            raise BackendError(f"{scope['name']}.{name} can be read in run_step only.")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("states", {}):
            self.states[name][...] = value
        else:
            object.__setattr__(self, name, value)
