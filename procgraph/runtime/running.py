"""Running a Runtime: here or in a thread of its own, with pauses, and to the wall clock."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from procgraph.compiler.backend import Executor
from procgraph.errors import ParameterError, RunStateError
from procgraph.runtime.boundary import Boundary
from procgraph.runtime.host import Host, HostNode
from procgraph.runtime.pacing import Pacer
from procgraph.spec.checks import is_number, is_whole

if TYPE_CHECKING:
    from procgraph.runtime.runtime import Runtime

__all__ = ["Running"]

BUDGET_NS = 20_000_000  # how long a window may keep Ctrl-C, get() and pause() waiting


class Running:
    """The loop over windows of steps, and the locks that let other callers in between two steps."""

    patience = 5.0  # seconds that somebody waits for a model before a warning says so

    def __init__(self, executor: Executor, host: Host, dt: float) -> None:
        self._executor, self._host, self._dt = executor, host, dt
        self._lock = threading.RLock()
        self._gate = threading.Lock()
        self._holder = self._nested = 0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()  # held while _thread changes
        self._runner = 0  # the thread of a run with blocking=True
        self._ticking: HostNode | None = None
        self._process = os.getpid()
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._resumed = threading.Event()
        self._resumed.set()
        self._wake = threading.Event()
        self._closed = self._running = False
        self._pacer: Pacer | None = None
        self._wall = 0.0
        self._steps_run = 0

    @property
    def step(self) -> int:
        """The next step."""
        return self._executor.step

    @property
    def dt(self) -> float:
        """Length of a step in ms."""
        return self._dt

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
        steps = self._length(steps, seconds, until, blocking)
        if realtime is not None and not (is_number(realtime) and realtime > 0):
            raise ParameterError(f"run(realtime={realtime!r}): allowed: numbers above 0, 1.0 is real time.")
        if until is not None and not callable(until):
            raise ParameterError(f"run(until={until!r}): allowed: a function of the Runtime that says whether to end.")
        if not isinstance(blocking, bool):
            raise ParameterError(f"run(blocking={blocking!r}): allowed: True or False.")
        self._claim()
        last = None if steps is None else self.step + steps  # not before: a reset may have come in between
        self._pacer = None if realtime is None else Pacer(self.dt, float(realtime))
        if blocking:
            self._runner = threading.get_ident()
            try:
                self._loop(last, until)
            finally:
                self._runner, self._running = 0, False
            return
        thread = threading.Thread(target=self._background, args=(last, until), name="procgraph-run", daemon=True)
        with self._starting:
            thread.start()
            self._thread = thread

    def _length(self, steps: int | None, seconds: float | None, until: object, blocking: bool) -> int | None:
        if steps is not None and seconds is not None:
            raise ParameterError("run() takes steps or seconds, not both.")
        if steps is None and seconds is None:
            if until is None and blocking:
                raise ParameterError("run() would never end: give steps=, seconds= or until=, or blocking=False.")
            return None
        if seconds is not None:
            if not (is_number(seconds) and 0 <= seconds < 1e9):
                raise ParameterError(f"run(seconds={seconds!r}): allowed: numbers from 0.")
            steps = round(float(seconds) * 1e3 / self.dt)
        if not is_whole(steps, 0, 2**63 - 1):
            raise ParameterError(f"run(steps={steps!r}): allowed: whole numbers from 0.")
        return int(steps)

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
                if self._stop.is_set():  # since it was asked for
                    return
                self._window(last, until is not None)
                if until is not None and until(cast("Runtime", self)):
                    return
            if self._pacer is not None:
                self._pacer.done(self.step)

    def _sleep(self, seconds: float) -> None:
        self._wake.wait(min(seconds, 0.1))

    def _window(self, last: int | None, single: bool) -> None:
        """One round of the scheduler: host nodes that tick now, then the executor up to the next host tick."""
        started, step = time.perf_counter(), self.step
        for host in self._host.ticking(step):
            self._ticking, begun = host, time.perf_counter()
            host.tick(self._executor, step)
            host.seconds += time.perf_counter() - begun
        self._ticking = None
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
        if timeout is not None and not (is_number(timeout) and 0 <= timeout <= threading.TIMEOUT_MAX):
            raise ParameterError(
                f"wait(timeout={timeout!r}): allowed: seconds from 0, or None for as long as it takes."
            )
        with self._starting:
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                return False
        self._raise_error()
        return True

    def pause(self) -> None:
        """Stop at the next step border and keep the run; ``resume`` goes on.

        Raises:
            RunStateError: no run is going on, or it is this thread that runs, which nobody could resume.
        """
        if self._runner == threading.get_ident():
            raise RunStateError(
                "pause(): this thread itself runs, and could not resume. Start with run(blocking=False), or end by stop()."
            )
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
        with self._starting:
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        thread.join(self.patience)
        while thread.is_alive():
            self.tell_who_keeps()
            thread.join(self.patience)
        with self._starting:
            if self._thread is thread:
                self._thread = None

    def tell_who_keeps(self) -> None:
        """Warn of the model that has not returned while somebody waits."""
        host = self._ticking
        if host is not None:
            warnings.warn(
                f"{host.label} has not returned from step {self.step} for {self.patience:g} s, and all that stop, close or ask "
                "between two steps wait for it.",
                RuntimeWarning,
                stacklevel=4,
            )

    def check_process(self) -> None:
        """Locks and threads do not outlive a fork.

        Raises:
            RunStateError: this is another process than the one that made this Runtime.
        """
        if os.getpid() != self._process:
            raise RunStateError(
                "this Runtime belongs to the process that was forked. Compile the graph again in this one."
            )

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _check_open(self) -> None:
        if self._closed:
            raise RunStateError("this Runtime is closed. Compile the graph again.")

    @contextmanager
    def _idle(self, call: str) -> Iterator[None]:
        """Keeps a run from beginning while the state changes; none may be going on."""
        self._check_open()
        if not self._running:  # else a run that is busy for long would be waited for
            with self._boundary():
                self._check_open()
                if not self._running:
                    yield
                    return
        raise RunStateError(f"{call}(): a run is going on. Call stop() first.")
