"""A compiled graph that runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from procgraph.compiler.backend import Executor, LoadOptions
from procgraph.compiler.flat import FlatGraph
from procgraph.errors import ParameterError, RunStateError
from procgraph.ir.program import Program
from procgraph.runtime.checkpoint import read_checkpoint, write_checkpoint
from procgraph.runtime.figures import Figures
from procgraph.runtime.host import Host, HostModel
from procgraph.runtime.probe import Probe, Probes
from procgraph.runtime.running import Running
from procgraph.runtime.stats import collect
from procgraph.runtime.storage import collect_storage
from procgraph.runtime.variables import Variables
from procgraph.spec.checks import is_whole
from procgraph.spec.graph import check_seed
from procgraph.spec.ports import OutPort, Variable

__all__ = ["Runtime"]


class Runtime(Running, Figures):
    """Made by ``compile`` or ``load``. A context manager: leaving it closes models, threads and memory.

    Every method may be called from any thread; while a run is going on, variables are read and written between two steps.
    """

    def __init__(self, program: Program, executor: Executor, options: LoadOptions, flat: FlatGraph | None) -> None:
        host = Host(program.ir, {} if flat is None else flat.leaves, {} if flat is None else flat.shapes, options.batch)
        super().__init__(executor, host, program.ir.dt)
        self.program = program
        self._seed = program.ir.seed if options.seed is None else options.seed
        self._batch = options.batch
        self._flat = flat
        if flat is not None:
            self._host.join(flat.links, program.ir.dt)
        self._variables = Variables(program.ir, executor, self._host, flat, options.batch)
        self._probes = Probes(program.ir, executor, self._variables, flat, options.batch, self._recorded)
        self._host.open(self._seed)

    @property
    def seed(self) -> int:
        """Seed of the random numbers of this run."""
        return self._seed

    # -- variables, probes -------------------------------------------------------------------------------------------

    def get(self, what: Variable | str) -> Any:
        """A copy of a parameter, state variable or weights, in the Process's shape; between two steps if a run is going on.

        Raises:
            UnknownNameError: no such variable in this graph.
        """
        self._check_open()
        place = self._variables.find(what)
        with self._boundary():
            return self._variables.read(place)

    def set(self, what: Variable | str, value: Any) -> None:
        """Set a parameter, state variable or weights; a number fills all elements.

        Raises:
            UnknownNameError: no such variable in this graph.
            ParameterError, ShapeError: the value is not allowed.
        """
        self._check_open()
        place = self._variables.find(what)
        with self._boundary():
            self._variables.write(place, value)

    def probe(self, what: OutPort | Variable | str, every: int = 1, elements: Sequence[int] | None = None) -> Probe:
        """Record an output port or a state variable from now on.

        Args:
            what: ``pop.s_out``, ``pop.v``, or ``"pop.v"``.
            every: samples are taken at the end of steps k with (k + 1) % every == 0.
            elements: flat numbers of the elements whose values are recorded, in this order; all if absent. Events are
                recorded of all.

        Raises:
            ParameterError: ``every`` or ``elements`` is not allowed.
            UnknownNameError: no such port or variable, or one that cannot be recorded.
        """
        self._check_open()
        if not is_whole(every, 1, 2**63 - 1):
            raise ParameterError(f"probe(every={every!r}): allowed: whole numbers from 1 to 2**63 - 1.")
        with self._boundary():
            return self._probes.make(what, int(every), elements)

    def host_models(self) -> dict[str, HostModel]:
        """The Python models by full name of their Process."""
        return {h.node.name: h.model for h in self._host.nodes}

    def _recorded(self, record: int, clear: bool = False) -> tuple[Any, ...]:
        if self._closed:
            raise RunStateError(
                "this Runtime is closed, and with it went what its probes recorded. Read them before, inside the 'with' block."
            )
        with self._boundary():
            return self._executor.recorded(record, clear)

    # -- state -------------------------------------------------------------------------------------------------------

    def reset(self, seed: int | None = None) -> None:
        """Back to step 0 and the initial states, under the same or another seed; what was ``set`` on parameters and weights stays.

        Weights that learn are states here: they go back to those of the Program.

        Raises:
            RunStateError: a run is going on.
        """
        seed = self._seed if seed is None else check_seed(seed)
        with self._idle("reset"):
            self._seed = seed
            self._executor.reset(seed)
            self._host.reset(seed)
            self._begin()

    def checkpoint(self, path: str | Path) -> None:
        """Write the whole state between two steps to a file; ``restore`` continues from it with the same bits, on any device.

        Raises:
            CheckpointError: a model cannot save its state, or the file cannot be written.
        """
        self._check_open()
        with self._boundary():
            state = {**self._executor.export_state(), **self._variables.export_changed(), **self._host.export_state()}
            write_checkpoint(path, self.program.digest, self.step, self._seed, self._batch, state)

    def restore(self, path: str | Path) -> None:
        """Continue from a checkpoint of the same Program, with the seed, parameters and weights of then.

        Probes go on, but forget what they have recorded.

        Raises:
            CheckpointError: corrupt, or from another Program or batch size.
            RunStateError: a run is going on.
        """
        with self._idle("restore"):
            step, seed, state = read_checkpoint(path, self.program.digest, self._batch)
            self._host.reset(seed)
            # First: a state may only be put in place where its parameters hold.
            state = self._variables.import_changed(state)
            hosts = self._host.entries_in(state)
            self._executor.import_state(step, seed, {k: v for k, v in state.items() if k not in hosts})
            self._host.import_state(state)
            self._seed = seed
            self._begin()

    def _begin(self) -> None:
        self._wall, self._steps_run = 0.0, 0
        self._probes.forget()

    def stats(self) -> dict[str, Any]:
        """Steps, wall-clock time, real-time factor, spikes per Process, channel counters, and pacing of a ``realtime`` run.

        With ``profile=True`` the native engine adds ``"seconds"``, on all threads together: ``"nodes"``, what each node took, and ``"delivery"``, what
        the sparse projections took that are delivered together. A Poisson background that its target draws for itself counts there.
        """
        self._check_open()
        with self._boundary():
            return collect(self.program.ir, self._executor, self._host, self._steps_run, self._wall, self._pacer)

    def storage(self) -> list[dict[str, Any]]:
        """How the device stores each projection: format, bytes, delivery, and the relative error of its fixed-point weights.

        Keys are explained in docs/explanation/storage.md.
        """
        self._check_open()
        with self._boundary():
            return collect_storage(self.program.ir, self._executor)

    def close(self) -> None:
        """End a run, close all models and release everything. May be called twice."""
        if self._closed:
            return
        if os.getpid() != self._process:  # what a fork inherits stays the parent's to close
            self._closed = True
            return
        self._halt()
        with self._boundary():  # then a run that another thread waits for is over, too
            if self._closed:
                return
            self._closed = True
            self._error = None
        try:
            self._host.close()
        finally:
            self._executor.close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "running" if self._running else "idle"
        return f"Runtime({len(self.program.ir.nodes)} nodes, step {self.step}, {state})"
