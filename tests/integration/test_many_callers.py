"""Several threads, a fork and the model itself call one Runtime: nothing hangs, and what cannot be is said."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import procgraph as pg
from procgraph.errors import ModelError, RunStateError
from procgraph.processes import LIF
from procgraph.runtime import runtime as runtime_module

ACT: list[Callable[[], object]] = []


class Busy(pg.Process):
    register = False
    level = pg.State(0.0)


class BusyModel(pg.PythonModel, process=Busy):
    def run_step(self) -> None:
        for act in ACT:
            act()


@pytest.fixture(autouse=True)
def acts() -> Any:
    ACT.clear()
    yield ACT
    ACT.clear()


def within(seconds: float, call: Callable[[], object]) -> BaseException | None:
    """What a call raised; fails if it has not ended by then."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "hangs"
    return raised[0] if raised else None


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_a_run_cannot_pause_itself(device: str) -> None:
    with pg.compile(Busy(shape=1, name="busy"), device) as rt:
        error = within(5.0, lambda: rt.run(steps=3, until=lambda r: r.pause()))
        assert isinstance(error, RunStateError) and "could not resume" in str(error)
        ACT.append(rt.pause)
        error = within(5.0, lambda: rt.run(steps=3))
        assert isinstance(error, RunStateError | ModelError)


def test_a_run_counts_from_where_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    with pg.compile(LIF(shape=1)) as rt:
        rt.run(steps=10)
        claim = rt._claim
        monkeypatch.setattr(rt, "_claim", lambda: (rt.reset(), claim()))  # as another thread may
        rt.run(steps=5)
        assert rt.step == 5


def test_a_run_does_not_begin_within_a_restore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pg.compile(LIF(shape=1)) as rt:
        rt.run(steps=1000)
        rt.checkpoint(tmp_path / "a.ckpt")
        rt.reset()
        read, runner = runtime_module.read_checkpoint, threading.Thread(target=lambda: rt.run(steps=5), daemon=True)

        def slowly(*args: Any) -> Any:
            runner.start()
            runner.join(0.3)
            return read(*args)

        monkeypatch.setattr(runtime_module, "read_checkpoint", slowly)
        rt.restore(tmp_path / "a.ckpt")
        runner.join(5.0)
        assert not runner.is_alive()
        assert rt.step == 1005


def test_stop_comes_before_the_thread_of_a_run_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    start, errors = threading.Thread.start, []

    def late(thread: threading.Thread) -> None:
        if thread.name == "procgraph-run":
            stopper = threading.Thread(target=lambda: errors.append(within(5.0, rt.stop)), name="stopper")
            start(stopper)
            stopper.join(0.2)
        start(thread)

    with pg.compile(LIF(shape=1)) as rt:
        monkeypatch.setattr(threading.Thread, "start", late)
        rt.run(blocking=False)
        rt.wait(5.0)
        rt.stop()
    deadline = time.monotonic() + 5.0
    while not errors and time.monotonic() < deadline:
        time.sleep(0.01)
    assert errors == [None]


def test_who_keeps_others_waiting_is_named() -> None:
    ACT.append(lambda: time.sleep(0.4))
    with pg.compile(Busy(shape=1, name="busy")) as rt:
        rt.patience = 0.05
        rt.run(blocking=False)
        time.sleep(0.05)
        with pytest.warns(RuntimeWarning, match=r"busy \(BusyModel\) has not returned from step \d+ for 0.05 s"):
            rt.stats()
        time.sleep(0.05)  # now it is in the next step
        with pytest.warns(RuntimeWarning, match=r"busy \(BusyModel\) has not returned"):
            rt.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_is_told_that_the_runtime_is_not_its_own() -> None:
    with pg.compile(LIF(shape=1)) as rt:
        rt.run(blocking=False)
        child = os.fork()
        if child == 0:
            signal.alarm(5)
            refused = 0
            for call in (rt.stats, lambda: rt.run(steps=1), rt.pause, lambda: rt.get("lif_0.v")):
                try:
                    call()
                except RunStateError as error:
                    refused += "belongs to the process that was forked" in str(error)
            rt.close()
            os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
        rt.stop()
