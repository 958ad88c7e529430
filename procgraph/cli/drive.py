"""Runs a graph in the main thread, where games keep their windows, while a second thread watches progress and Ctrl-C."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from procgraph.cli.progress import Progress
from procgraph.cli.recording import Recording
from procgraph.errors import BackendError, RunStateError
from procgraph.runtime.runtime import Runtime

__all__ = ["End", "Plan", "drive", "is_done"]

TICK_S = 0.1
GRACE_S = 0.7  # how long a Python model may take to return once the run is told to stop


@dataclass(frozen=True)
class End:
    """Why a run ended, and the wall-clock seconds that it took.

    ``reason`` is ``steps``, ``done``, ``interrupted`` (by Ctrl-C, between two steps) or ``killed`` (inside a model).
    """

    reason: str
    elapsed_s: float

    @property
    def ok(self) -> bool:
        """Whether the plan was carried out."""
        return self.reason in ("steps", "done")


@dataclass(frozen=True)
class Plan:
    """How long to run: so many steps, or until every model that can be done is done, or both; and how fast."""

    steps: int | None
    until_done: bool
    realtime: float | None

    def done_models(self, rt: Runtime) -> dict[str, Any]:
        """Models that say whether they are done."""
        return {name: model for name, model in rt.host_models().items() if is_done(model) is not None}


def is_done(model: Any) -> bool | None:
    """What a model says by ``done`` or ``done_all``; None if it says nothing (``done`` may also be a port)."""
    for name in ("done_all", "done"):
        try:
            value = getattr(model, name, None)
        except BackendError:
            continue
        if isinstance(value, bool):
            return value
    return None


class _Interrupts:
    """Counts Ctrl-C: the first asks for a clean end, the next raises ``KeyboardInterrupt``."""

    def __init__(self) -> None:
        self.count = 0
        self._asked: float | None = None  # when the run was first told to stop
        self._before: Any = None

    def __enter__(self) -> _Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt

    def enforce(self, rt: Runtime, main: int) -> None:
        """Carry a Ctrl-C out, from the watching thread: stop between two steps, or break into a model that does not return."""
        if not self.count:
            return
        rt.stop()
        if self._asked is None:
            self._asked = time.monotonic()  # not at Ctrl-C: on a busy machine, this thread may come late
        if time.monotonic() - self._asked > GRACE_S and self.count == 1 and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(main, signal.SIGINT)


def drive(rt: Runtime, plan: Plan, progress: Progress, recording: Recording | None) -> End:
    """Run to the end of the plan.

    Raises:
        ProcgraphError: the run failed.
    """
    over, started = threading.Event(), time.monotonic()
    main = threading.get_ident()
    with _Interrupts() as interrupts, progress:
        # Two threads: the one that shows waits while a model is at work; the one that carries out Ctrl-C never waits.
        threads = [
            _every(over, lambda: interrupts.enforce(rt, main)),
            _every(over, lambda: _show(progress, plan, recording)),
        ]
        try:
            _run(rt, plan, interrupts, recording)
        except KeyboardInterrupt:
            return End("killed", time.monotonic() - started)
        finally:
            over.set()
            for thread in threads:
                thread.join(timeout=1.0)
    elapsed = time.monotonic() - started
    if recording is not None:
        recording.poll()
    if interrupts.count:
        return End("interrupted", elapsed)
    models = plan.done_models(rt) if plan.until_done else {}
    return End("done" if models and all(is_done(m) for m in models.values()) else "steps", elapsed)


def _every(over: threading.Event, act: Callable[[], None]) -> threading.Thread:
    """A thread that acts ten times a second until ``over``; it ends early if the Runtime was closed meanwhile."""

    def loop() -> None:
        with contextlib.suppress(RunStateError):
            while not over.wait(TICK_S):
                act()

    thread = threading.Thread(target=loop, name="procgraph-watch", daemon=True)
    thread.start()
    return thread


def _show(progress: Progress, plan: Plan, recording: Recording | None) -> None:
    progress.update(plan.steps)
    if recording is not None and plan.realtime is not None:
        recording.poll()


def _run(rt: Runtime, plan: Plan, interrupts: _Interrupts, recording: Recording | None) -> None:
    models = plan.done_models(rt) if plan.until_done else {}

    def over() -> bool:
        return interrupts.count > 0 or (bool(models) and all(is_done(m) for m in models.values()))

    if plan.realtime is not None:  # one run, so that one clock paces it
        rt.run(steps=plan.steps, until=lambda _: over(), realtime=plan.realtime)
        return
    left: float = math.inf if plan.steps is None else plan.steps
    chunk = min(_period(rt, models), math.inf if recording is None else recording.chunk)
    while left > 0 and not over():
        steps = int(min(left, chunk, 2**40))
        rt.run(steps=steps)
        left -= steps
        if recording is not None and recording.due(rt.step):
            recording.poll()


def _period(rt: Runtime, models: dict[str, Any]) -> float:
    """Steps between two moments at which a model may become done."""
    periods = [n.period for n in rt.program.ir.nodes if n.name in models]
    return min(periods, default=math.inf)
