"""Each of these ends within a second with an error that names who and why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ChannelBlockedError, ChannelOverflowError, CycleError, ModelError
from procgraph.processes import LIF, Dense, OneToOne, Plastic, PoissonSource, Sparse, SpikeSource
from procgraph.processes.rules import PairSTDP

DEVICES = ("cpu", "reference")
LIMIT_S = 1.0


class Sensor(pg.Process):
    s_out = pg.Out(pg.Spikes)
    s_in = pg.In(pg.Graded)


class Failing(pg.PythonModel, process=Sensor):
    def run_step(self) -> None:
        if self.step == 20:
            raise ValueError("the sensor broke")
        self.s_out.emit(np.ones(self.s_out.shape, bool))


class Writer(pg.Process):
    out = pg.Out(pg.Message)


class WriterModel(pg.PythonModel, process=Writer):
    def run_step(self) -> None:
        self.out.emit({"step": self.step})


class Lazy(pg.Process):
    inbox = pg.In(pg.Message)
    eager = pg.Param(False, dtype="bool")
    got = pg.State(0.0)


class LazyModel(pg.PythonModel, process=Lazy):
    def run_step(self) -> None:
        if self.process.values["eager"]:
            self.got += len(self.inbox.read())


def ends_in_time(call) -> None:
    started = time.perf_counter()
    call()
    assert time.perf_counter() - started < LIMIT_S


@pytest.mark.parametrize("device", DEVICES)
def test_a_python_model_that_raises_while_others_wait(device: str) -> None:
    sensor, pop = Sensor(shape=4, name="sensor"), LIF(name="pop")
    sensor >> Dense(np.ones((4, 4)), name="syn") >> pop
    pop.s_out.connect(sensor.s_in)

    def run() -> None:
        with (
            pg.compile(pg.Graph(pop), device) as rt,
            pytest.raises(
                ModelError, match=r"sensor \(Failing\) raised ValueError at step 20: the sensor broke"
            ) as caught,
        ):
            rt.run(steps=1000)
        assert isinstance(caught.value.__cause__, ValueError)
        assert (
            "run_step" in "".join(t.name for t in caught.traceback) or caught.value.__cause__.__traceback__ is not None
        )

    ends_in_time(run)


@pytest.mark.parametrize("device", DEVICES)
def test_a_cycle_without_delay(device: str) -> None:
    a, b = LIF(shape=3, name="a"), LIF(shape=3, name="b")
    a >> OneToOne(name="ab", delay=0) >> b
    b >> OneToOne(name="ba", delay=0) >> a

    def run() -> None:
        with pytest.raises(
            CycleError,
            match=r"cycle without delay: .*a.*ab.*b.*ba.*Give one of its connections or synapses a delay of at least 1 step",
        ):
            pg.compile(pg.Graph(a), device)

    ends_in_time(run)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("policy", "error"), [("block", ChannelBlockedError), ("error", ChannelOverflowError)])
def test_a_producer_that_overfills_a_bounded_channel(device: str, policy: str, error: type[Exception]) -> None:
    fast = SpikeSource(steps=[0, 1, 2, 3], index=[0, 1, 2, 0], shape=3, cycle=4, name="fast")
    slow = Sensor(shape=3, period=50, name="slow")
    fast.s_out.connect(slow.s_in, capacity=8, when_full=policy)

    def run() -> None:
        with (
            pg.compile(pg.Graph(slow), device) as rt,
            pytest.raises(error, match=r"fast\.s_out.* -> .*slow\.s_in.*full.*step 9") as caught,
        ):
            rt.run(steps=1000)
        if policy == "block":
            assert "wait" in str(caught.value)

    ends_in_time(run)


@pytest.mark.parametrize("policy", ["block", "error"])
def test_a_consumer_that_never_reads(policy: str) -> None:
    writer, lazy = Writer(shape=1, name="writer"), Lazy(shape=1, name="lazy")
    writer.out.connect(lazy.inbox, capacity=16, when_full=policy)

    def run() -> None:
        with (
            pg.compile(pg.Graph(lazy)) as rt,
            pytest.raises((ChannelBlockedError, ChannelOverflowError), match=r"lazy\.inbox has not read them"),
        ):
            rt.run(steps=1000)

    ends_in_time(run)


def test_a_consumer_that_reads_gets_everything() -> None:
    writer, eager = Writer(shape=1, name="writer"), Lazy(shape=1, name="eager", eager=True)
    writer.out.connect(eager.inbox, capacity=2, when_full="block", delay=1)
    with pg.compile(pg.Graph(eager)) as rt:
        rt.run(steps=100)
        assert rt.get(eager.got) == 99
        assert rt.stats()["channels"]["writer.out -> eager.inbox"]["dropped"] == 0


def test_reading_a_variable_of_a_running_graph() -> None:
    source, pop = PoissonSource(shape=100, rate=100.0), LIF(name="pop")
    source >> Dense(np.full((100, 100), 0.1)) >> pop

    def run() -> None:
        with pg.compile(pg.Graph(pop)) as rt:
            rt.run(blocking=False)
            steps = []
            for _ in range(50):
                steps.append(rt.step)
                assert rt.get(pop.v).shape == (100,)
                rt.set(pop.v, 0.25)
            assert steps[-1] > steps[0]
            rt.stop()
            assert not rt.running

    ends_in_time(run)


@pytest.mark.parametrize("device", DEVICES)
def test_closing_while_another_thread_waits_for_a_run(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCGRAPH_DIVIDE", "1")  # so that threads share even this

    def run() -> None:
        for _ in range(5):
            source, pop = PoissonSource(shape=100, rate=100.0), LIF(shape=2000, bias=3.0)
            source >> Dense(np.full((2000, 100), 0.01)) >> pop
            rt = pg.compile(pg.Graph(pop), device, **({"threads": 2} if device == "cpu" else {}))
            waiting = threading.Thread(target=rt.run, args=(10**9,))
            waiting.start()
            while rt.step == 0:
                time.sleep(0.001)
            rt.close()
            waiting.join()

    ends_in_time(run)


def test_resetting_while_another_thread_looks() -> None:
    source, pop = PoissonSource(shape=1000, rate=100.0), LIF(shape=1000)
    synapses = Sparse(0.3, rule="fixed_out_degree", count=300, n_pre=1000, n_post=1000, delay=2)
    learned = Plastic(synapses, PairSTDP())
    source.s_out.connect(learned.s_in)
    learned.a_out.connect(pop.a_in)
    pop.s_out.connect(learned.post_in, delay=1)
    with pg.compile(pg.Graph(pop, seed=1)) as rt:

        def start_again() -> None:
            for _ in range(40):
                rt.run(steps=30)
                rt.reset()

        other = threading.Thread(target=start_again)
        other.start()
        while other.is_alive():
            assert np.isfinite(rt.get(learned.weights)).all()
        other.join()


def test_a_game_that_dies() -> None:
    from procgraph.processes import Gymnasium

    game = Gymnasium(env="CartPole-v1", name="game", episodes=0)
    with pg.compile(pg.Graph(game)) as rt:
        rt.run(steps=10)
        rt.host_models()["game"].env_made.close()
        rt.host_models()["game"].env_made = None

        def run() -> None:
            with pytest.raises(ModelError, match=r"game \(GymnasiumModel\) raised"):
                rt.run(steps=1000)

        ends_in_time(run)


@pytest.mark.parametrize("realtime", ["None", "1.0"])
def test_ctrl_c_in_the_middle_of_a_run(realtime: str) -> None:
    script = textwrap.dedent(f"""
        import procgraph as pg
        from procgraph.processes import LIF
        pop = LIF(shape=10, bias=2.0)
        with pg.compile(pg.Graph(pop)) as rt:
            print("running", flush=True)
            try:
                rt.run(seconds=100_000, realtime={realtime})
            except KeyboardInterrupt:
                before = rt.step
                rt.run(steps=3)  # still usable, at a step border
                print("interrupted", before > 0, rt.step - before, flush=True)
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            time.sleep(0.2)
            started = time.perf_counter()
            os.kill(process.pid, signal.SIGINT)
            assert process.stdout.readline() == "interrupted True 3\n"
            assert time.perf_counter() - started < LIMIT_S
            assert process.wait(timeout=5) == 0
        finally:
            process.kill()  # leaving the block would wait for it for ever


def test_no_thread_or_process_is_left() -> None:
    before = threading.active_count()
    for _ in range(5):
        pop = LIF(shape=10, bias=2.0)
        with pg.compile(pg.Graph(pop)) as rt:
            rt.run(blocking=False, realtime=1.0)
            time.sleep(0.01)
        assert threading.active_count() == before
    children = (
        [p for p in os.listdir("/proc") if p.isdigit() and _parent(p) == os.getpid()] if os.path.isdir("/proc") else []
    )
    assert children == []


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return -1
