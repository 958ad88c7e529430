"""A compiled graph that runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from procgraph.compiler.backend import Executor, LoadOptions
from procgraph.compiler.flat import FlatGraph
from procgraph.errors import ParameterError, RunStateError
from procgraph.ir.program import Program
from procgraph.runtime.boundary import Boundary
from procgraph.runtime.checkpoint import read_checkpoint, write_checkpoint
from procgraph.runtime.figures import Figures
from procgraph.runtime.host import Host, HostModel
from procgraph.runtime.pacing import Pacer
from procgraph.runtime.probe import Probe, Probes
from procgraph.runtime.stats import collect
from procgraph.runtime.storage import collect_storage
from procgraph.runtime.variables import Variables
from procgraph.spec.graph import check_seed
from procgraph.spec.ports import OutPort, Variable

__all__ = ["Runtime"]

BUDGET_NS = 20_000_000  # how long a window may keep Ctrl-C, get() and pause() waiting


class Runtime(Figures):
    """Made by ``compile`` or ``load``. A context manager: leaving it closes models, threads and memory.

    Every method may be called from any thread; while a run is going on, variables are read and written between two steps.
    """

    def __init__(self, program: Program, executor: Executor, options: LoadOptions, flat: FlatGraph | None) -> None:
        self.program = program
        self._executor = executor
        self._seed = program.ir.seed if options.seed is None else options.seed
        self._batch = options.batch
        self._flat = flat
        self._host = Host(
            program.ir, {} if flat is None else flat.leaves, {} if flat is None else flat.shapes, options.batch
        )
        if flat is not None:
            self._host.join(flat.links, program.ir.dt)
        self._variables = Variables(program.ir, executor, self._host, flat, options.batch)
        self._probes = Probes(program.ir, executor, self._variables, flat, options.batch, self._recorded)
        self._lock = threading.RLock()
        self._gate = threading.Lock()
        self._holder = self._nested = 0
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._resumed = threading.Event()
        self._resumed.set()
        self._wake = threading.Event()
        self._closed = self._running = False
        self._pacer: Pacer | None = None
        self._wall = 0.0
        self._steps_run = 0
        self._host.open(self._seed)

    # -- running -----------------------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """The next step."""
        return self._executor.step

    @property
    def dt(self) -> float:
        """Length of a step in ms."""
        return self.program.ir.dt

    @property
    def time(self) -> float:
        """Simulated time in ms."""
        return self.step * self.dt

    @property
    def running(self) -> bool:
        """Whether a run is going on (paused or not)."""
        return self._running

    def run(
        self,
        steps: int | None = None,
        *,
        seconds: float | None = None,
        until: Callable[[Runtime], bool] | None = None,
        realtime: float | None = None,
        blocking: bool = True,
    ) -> None:
        """Run for a number of steps, for simulated seconds, until a condition holds at a step border, or (with ``blocking=False``) until ``stop``.

        Args:
            steps, seconds: how long; at most one of them.
            until: called with this Runtime after every step; True ends the run.
            realtime: simulated time over wall-clock time to keep to, 1.0 is real time; None runs as fast as possible.
            blocking: False runs in a thread of its own: see ``wait``, ``pause``, ``resume``, ``stop``.

        Raises:
            RunStateError: closed, or running already.
            ModelError: a Python model raised.
            ChannelOverflowError, ChannelBlockedError: a bounded channel was full.
        """
        last = self._last_step(steps, seconds, until, blocking)
        if realtime is not None and not (isinstance(realtime, (int, float)) and np.isfinite(realtime) and realtime > 0):
            raise ParameterError(f"run(realtime={realtime!r}): allowed: numbers above 0, 1.0 is real time.")
        self._claim()
        self._pacer = None if realtime is None else Pacer(self.dt, float(realtime))
        if blocking:
            try:
                self._loop(last, until)
            finally:
                self._running = False
            return
        self._thread = threading.Thread(target=self._background, args=(last, until), name="procgraph-run", daemon=True)
        self._thread.start()

    def _last_step(self, steps: int | None, seconds: float | None, until: object, blocking: bool) -> int | None:
        if steps is not None and seconds is not None:
            raise ParameterError("run() takes steps or seconds, not both.")
        if steps is None and seconds is None:
            if until is None and blocking:
                raise ParameterError("run() would never end: give steps=, seconds= or until=, or blocking=False.")
            return None
        if seconds is not None:
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e9:
                raise ParameterError(f"run(seconds={seconds!r}): allowed: numbers from 0.")
            steps = round(seconds * 1e3 / self.dt)
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
            raise ParameterError(f"run(steps={steps!r}): allowed: whole numbers from 0.")
        return self.step + int(steps)

    def _claim(self) -> None:
        with self._boundary():
            self._check_open()
            if self._running:
                raise RunStateError("a run is going on. Call stop() or wait() first.")
            self._join()
            self._running = True
            self._stop.clear()
            self._wake.clear()
            self._resumed.set()

    def _background(self, last: int | None, until: Callable[[Runtime], bool] | None) -> None:
        try:
            self._loop(last, until)
        except BaseException as error:
            self._error = error
        finally:
            self._running = False

    def _loop(self, last: int | None, until: Callable[[Runtime], bool] | None) -> None:
        if self._pacer is not None:
            self._pacer.start(self.step)
        while not self._stop.is_set() and (last is None or self.step < last):
            if not self._resumed.is_set():
                self._resumed.wait()
                if self._pacer is not None:
                    self._pacer.start(self.step)
                continue
            started = time.perf_counter()
            due = self._pacer is None or self._pacer.wait(self.step, self._sleep)
            self._wall += time.perf_counter() - started
            if not due:
                continue
            with self._boundary():
                self._window(last, until is not None)
                if until is not None and until(self):
                    return
            if self._pacer is not None:
                self._pacer.done(self.step)

    def _sleep(self, seconds: float) -> None:
        self._wake.wait(min(seconds, 0.1))

    def _window(self, last: int | None, single: bool) -> None:
        """One round of the scheduler: host nodes that tick now, then the executor up to the next host tick."""
        started, step = time.perf_counter(), self.step
        for host in self._host.ticking(step):
            begun = time.perf_counter()
            host.tick(self._executor, step)
            host.seconds += time.perf_counter() - begun
        ends = [e for e in (last, self._host.next_tick(step)) if e is not None]
        if single:
            ends.append(step + 1)
        if self._pacer is not None:
            ends.append(step + self._pacer.window)
        end = min(ends, default=step + 1_000_000)
        # At least one step follows the host ticks, so that between windows no host node is half done.
        while not self._executor.run(end - step, BUDGET_NS):
            pass
        self._steps_run += self.step - step
        self._wall += time.perf_counter() - started

    def _boundary(self) -> Boundary:
        return Boundary(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a run with ``blocking=False`` to end and raise its error, if any; False if ``timeout`` seconds were not enough."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                return False
        self._raise_error()
        return True

    def pause(self) -> None:
        """Stop at the next step border and keep the run; ``resume`` goes on.

        Raises:
            RunStateError: no run is going on in the background.
        """
        if not self._running:
            self._raise_error()
            raise RunStateError("pause(): no run is going on. Start one with run(blocking=False).")
        self._resumed.clear()
        self._wake.set()
        self._executor.interrupt()
        with self._boundary():
            self._wake.clear()

    def resume(self) -> None:
        """Go on after ``pause``."""
        self._check_open()
        self._resumed.set()

    def stop(self) -> None:
        """End a run at the next step border and raise its error, if any."""
        self._halt()
        self._raise_error()

    def _halt(self) -> None:
        self._stop.set()
        self._wake.set()
        self._resumed.set()
        self._executor.interrupt()
        self._join()

    def _join(self) -> None:
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
            self._thread = None

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _check_open(self) -> None:
        if self._closed:
            raise RunStateError("this Runtime is closed. Compile the graph again.")

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

    def probe(self, what: OutPort | Variable | str, every: int = 1) -> Probe:
        """Record an output port or a state variable from now on.

        Args:
            what: ``pop.s_out``, ``pop.v``, or ``"pop.v"``.
            every: samples are taken at the end of steps k with (k + 1) % every == 0.

        Raises:
            UnknownNameError: no such port or variable, or one that cannot be recorded.
        """
        self._check_open()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ParameterError(f"probe(every={every!r}): allowed: whole numbers from 1.")
        with self._boundary():
            return self._probes.make(what, every)

    def host_models(self) -> dict[str, HostModel]:
        """The Python models by full name of their Process."""
        return {h.node.name: h.model for h in self._host.nodes}

    def _recorded(self, record: int, clear: bool = False) -> tuple[Any, ...]:
        self._check_open()
        with self._boundary():
            return self._executor.recorded(record, clear)

    # -- state -------------------------------------------------------------------------------------------------------

    def reset(self, seed: int | None = None) -> None:
        """Back to step 0 and the initial states, under the same or another seed; what was ``set`` on parameters and weights stays.

        Raises:
            RunStateError: a run is going on.
        """
        self._check_idle("reset")
        self._seed = self._seed if seed is None else check_seed(seed)
        self._executor.reset(self._seed)
        self._host.reset(self._seed)
        self._wall, self._steps_run = 0.0, 0

    def checkpoint(self, path: str | Path) -> None:
        """Write the whole state between two steps to a file; ``restore`` continues from it with the same bits, on any device.

        Raises:
            CheckpointError: a model cannot save its state.
        """
        self._check_open()
        with self._boundary():
            state = {**self._executor.export_state(), **self._variables.export_changed(), **self._host.export_state()}
            write_checkpoint(path, self.program.digest, self.step, self._seed, self._batch, state)

    def restore(self, path: str | Path) -> None:
        """Continue from a checkpoint of the same Program.

        Raises:
            CheckpointError: corrupt, or from another Program or batch size.
            RunStateError: a run is going on.
        """
        self._check_idle("restore")
        step, seed, state = read_checkpoint(path, self.program.digest, self._batch)
        self._host.reset(seed)
        self._variables.import_changed(state)  # first: a state may only be put in place where its parameters hold
        self._executor.import_state(step, seed, state)
        self._host.import_state(state)
        self._seed = seed

    def _check_idle(self, call: str) -> None:
        self._check_open()
        if self._running:
            raise RunStateError(f"{call}(): a run is going on. Call stop() first.")

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
        self._halt()
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
