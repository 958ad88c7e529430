"""The border between two steps, where a run and other callers take turns."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procgraph.runtime.running import Running

__all__ = ["Boundary"]


class Boundary:
    """Holds the runtime between two steps: the run for a window, everybody else for one call.

    Whoever waits for the lock holds the gate, so that a run cannot take the lock again at once. A thread that has the
    lock already (a model or ``until`` that calls ``get``) must not wait at the gate for one that waits for the lock.
    """

    def __init__(self, runtime: Running) -> None:
        self.runtime = runtime

    def __enter__(self) -> None:
        runtime, me = self.runtime, threading.get_ident()
        runtime.check_process()
        if runtime._holder != me:
            with runtime._gate:
                if runtime._running:
                    runtime._executor.interrupt()
                while not runtime._lock.acquire(timeout=runtime.patience):
                    runtime.tell_who_keeps()
            runtime._holder = me
            return
        runtime._lock.acquire()
        runtime._nested += 1

    def __exit__(self, *_: object) -> None:
        runtime = self.runtime
        if runtime._nested:
            runtime._nested -= 1
        else:
            runtime._holder = 0
        runtime._lock.release()
