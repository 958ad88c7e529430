"""Running, pausing, pacing, variables, probes, checkpoints, hierarchy and views."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import CheckpointError, ParameterError, RunStateError, ShapeError, UnknownNameError
from procgraph.processes import (
    LIF,
    ArraySink,
    Conv2d,
    Dense,
    FrameSource,
    OneToOne,
    Plastic,
    PoissonSource,
    SpikeSource,
)
from procgraph.processes.rules import PairSTDP

DEVICES = ("cpu", "reference")


def small(seed: int = 1) -> tuple[pg.Graph, LIF, Dense]:
    rng = np.random.default_rng(0)
    source, pop = PoissonSource(shape=20, rate=200.0, name="source"), LIF(name="pop", tau_m=10.0)
    syn = Dense(rng.normal(0.2, 0.2, (10, 20)), name="syn", delay=2)
    source >> syn >> pop
    return pg.Graph(pop, dt=0.5, seed=seed), pop, syn


@pytest.mark.parametrize("device", DEVICES)
class TestRuns:
    def test_steps_seconds_and_until(self, device: str) -> None:
        graph, pop, _ = small()
        with pg.compile(graph, device) as rt:
            rt.run(steps=7)
            rt.run(seconds=0.005)
            assert rt.step == 17
            rt.run(until=lambda r: r.step == 23)
            assert (rt.step, rt.time) == (23, 11.5)
            rt.run(steps=100, until=lambda r: False)
            assert rt.step == 123

    def test_background_run_pauses_resumes_and_stops(self, device: str) -> None:
        graph, pop, _ = small()
        with pg.compile(graph, device) as rt:
            rt.run(blocking=False)
            while rt.step < 10:
                time.sleep(0.001)
            rt.pause()
            held = rt.step
            time.sleep(0.05)
            assert rt.step == held and rt.running
            rt.resume()
            while rt.step < held + 10:
                time.sleep(0.001)
            rt.stop()
            assert not rt.running
            rt.run(steps=5, blocking=False)
            assert rt.wait(timeout=5.0)

    def test_a_paused_run_has_the_bits_of_an_unbroken_one(self, device: str) -> None:
        graph, pop, _ = small()
        with pg.compile(graph, device) as a, pg.compile(graph, device) as b:
            a.run(steps=400)
            b.run(steps=400, blocking=False)
            while b.running:
                try:
                    b.pause()
                except RunStateError:
                    break
                b.get(pop.v)
                b.resume()
            b.wait()
            assert a.get(pop.v).tobytes() == b.get(pop.v).tobytes()

    def test_calls_in_a_wrong_state(self, device: str) -> None:
        graph, pop, _ = small()
        rt = pg.compile(graph, device)
        with pytest.raises(ParameterError, match="never end"):
            rt.run()
        with pytest.raises(ParameterError, match="not both"):
            rt.run(steps=1, seconds=1)
        with pytest.raises(RunStateError, match="no run is going on"):
            rt.pause()
        rt.run(blocking=False)
        with pytest.raises(RunStateError, match="a run is going on"):
            rt.run(steps=1)
        with pytest.raises(RunStateError, match="a run is going on"):
            rt.reset()
        rt.close()
        rt.close()
        with pytest.raises(RunStateError, match="closed"):
            rt.run(steps=1)
        with pytest.raises(RunStateError, match="closed"):
            rt.get(pop.v)

    def test_real_time_is_kept_and_reported(self, device: str) -> None:
        graph, _, _ = small()
        with pg.compile(graph, device) as rt:
            started = time.perf_counter()
            rt.run(seconds=0.2, realtime=2.0)
            assert time.perf_counter() - started > 0.09
            pacing = rt.stats()["pacing"]
            assert pacing["windows"] > 10
            assert pacing["jitter_ms_mean"] <= pacing["jitter_ms_max"]
            assert set(pacing) == {"jitter_ms_mean", "jitter_ms_p99", "jitter_ms_max", "deadline_misses", "windows"}

    def test_a_profile_names_the_nodes_that_take_time(self, device: str) -> None:
        graph, _, pop = small()
        with pg.compile(graph, device, profile=True) as rt:
            rt.run(steps=50)
            found = rt.stats().get("seconds")
            assert (found is None) == (device != "cpu")
            if found is not None:
                assert 0 < found["nodes"][pop.name] < 10
                rt.reset()
                assert found["nodes"].keys() == rt.stats()["seconds"]["nodes"].keys()
                assert set(rt.stats()["seconds"]["nodes"].values()) == {0.0}
        with pg.compile(small()[0], device) as rt:
            assert "seconds" not in rt.stats()


@pytest.mark.parametrize("device", DEVICES)
class TestVariables:
    def test_get_and_set_every_kind(self, device: str) -> None:
        graph, pop, syn = small()
        with pg.compile(graph, device) as rt:
            rt.set(pop.v, np.arange(10) / 100)
            assert np.array_equal(rt.get("pop.v"), (np.arange(10) / 100).astype(np.float32))
            weights = rt.get(syn.weights)
            rt.set(syn.weights, weights / 2)
            assert np.array_equal(rt.get(syn.weights), weights / 2)
            rt.set(pop.tau_m, 20.0)
            assert rt.get(pop.tau_m) == 20.0
            rt.set(pop.v_th, np.linspace(1, 2, 10))
            rt.set("pop.bias", 30.0)
            before = rt.get(pop.v)
            rt.run(steps=1)
            decay = np.float32(np.exp(-0.5 / 20.0))
            drive = np.float32(30.0 * (1 - np.exp(-0.5 / 20.0)))
            assert np.array_equal(rt.get(pop.v), before * decay + drive)

    def test_what_cannot_be_set(self, device: str) -> None:
        graph, pop, syn = small()
        with pg.compile(graph, device) as rt:
            with pytest.raises(ShapeError, match=r"pop\.v has shape \(10,\)"):
                rt.set(pop.v, np.zeros(3))
            with pytest.raises(ParameterError, match="NaN"):
                rt.set(pop.v, np.nan)
            with pytest.raises(ParameterError, match=r"pop\.tau_m is -1; allowed: > 0 ms"):
                rt.set(pop.tau_m, -1.0)
            with pytest.raises(ParameterError, match="fixed-point scale allows"):
                rt.set(syn.weights, rt.get(syn.weights) * 100)
            with pytest.raises(UnknownNameError, match="Did you mean 'pop'"):
                rt.get("popp.v")
            with pytest.raises(UnknownNameError, match="no variable 'u'"):
                rt.get("pop.u")
            with pytest.raises(UnknownNameError, match="does not belong to this graph"):
                rt.get(LIF(shape=3).v)

    def test_w_max_leaves_room_for_larger_weights(self, device: str) -> None:
        pop = LIF(name="pop")
        source, syn = SpikeSource(steps=[0], index=[0], shape=2), Dense(np.full((3, 2), 0.1), w_max=4.0)
        source >> syn >> pop
        with pg.compile(pg.Graph(pop), device) as rt:
            rt.set(syn.weights, 4.0)
            rt.run(steps=2)
            with pytest.raises(ParameterError, match="w_max"):
                rt.set(syn.weights, 4.5)

    def test_a_million_floats(self, device: str) -> None:
        pop = LIF(shape=1_000_000)
        with pg.compile(pg.Graph(pop), device) as rt:
            values = np.random.default_rng(1).random(1_000_000, np.float32)
            rt.set(pop.v, values)
            assert np.array_equal(rt.get(pop.v), values)


@pytest.mark.parametrize("device", DEVICES)
class TestProbes:
    def test_strides(self, device: str) -> None:
        graph, pop, syn = small()
        with pg.compile(graph, device) as rt:
            each, tenth, current = rt.probe(pop.v), rt.probe(pop.v, every=10), rt.probe(syn.a_out)
            spikes = rt.probe(pop.s_out)
            rt.run(steps=100)
            assert tenth.steps.tolist() == list(range(9, 100, 10))
            assert np.array_equal(each.data[9::10], tenth.data)
            assert current.data.shape == (100, 10)
            assert len(spikes) == spikes.events.size > 0
            assert spikes.data.sum() == spikes.events["value"].sum()
            assert np.all(np.diff(spikes.events["step"]) >= 0)

    @pytest.mark.parametrize("batch", [1, 3])
    def test_some_elements(self, device: str, batch: int) -> None:
        """Of a state, by the clock and event-driven, of a current and of weights that learn; as a probe of all shows them."""
        source, chosen = PoissonSource(shape=(4, 5), rate=100.0), [7, 0, 12]
        made = {x: LIF(shape=20, tau_m=10.0, execution=x, name=x) for x in ("clock", "event")}
        learns = Plastic(OneToOne(np.full(20, 0.7)), PairSTDP(w_max=1.0), name="learns")
        source.s_out.flatten().connect(learns.s_in)
        for cells in made.values():
            learns.a_out.connect(cells.a_in)
        made["clock"].s_out.connect(learns.post_in)
        looked = [made["clock"].v, made["event"].v, learns.a_out, learns.weights]
        with pg.compile(pg.Graph(*made.values(), dt=0.5), device, batch=batch) as rt:
            probes = [(rt.probe(w, every=3), rt.probe(w, every=3, elements=chosen)) for w in looked]
            rt.run(steps=300)
            for whole, some in probes:
                assert some.elements == (7, 0, 12) and some.shape == (3,) and np.unique(some.data).size > 3
                flat = whole.data.reshape(*whole.data.shape[: 1 + (batch > 1)], 20)
                assert np.array_equal(some.data, flat[..., chosen]) and np.array_equal(some.steps, whole.steps)

    @pytest.mark.parametrize("elements", [[], [10], [-1], [1, 1], [0.5], [True], 3, [[1]], "ab"])
    def test_elements_that_are_not_there(self, device: str, elements: Any) -> None:
        graph, pop, _ = small()
        with pg.compile(graph, device) as rt:
            with pytest.raises(ParameterError, match=r"elements is .*; allowed for pop.v: a list of .* from 0 to 9\."):
                rt.probe(pop.v, elements=elements)
            with pytest.raises(
                ParameterError, match=r"pop.s_out: events are recorded of all elements\. Select some by"
            ):
                rt.probe(pop.s_out, elements=[1])

    def test_what_cannot_be_probed(self, device: str) -> None:
        graph, pop, syn = small()
        with pg.compile(graph, device) as rt:
            with pytest.raises(UnknownNameError):
                rt.probe(pop.tau_m)
            with pytest.raises(UnknownNameError, match="view"):
                rt.probe(pop.s_out[2:4])
            with pytest.raises(ParameterError, match="every"):
                rt.probe(pop.v, every=0)


@pytest.mark.parametrize("device", DEVICES)
class TestCheckpoints:
    def test_corrupt_truncated_and_foreign_files(self, device: str, tmp_path: Path) -> None:
        graph, pop, _ = small()
        path = tmp_path / "a.ckpt"
        with pg.compile(graph, device) as rt:
            rt.run(steps=20)
            rt.checkpoint(path)
            data = path.read_bytes()
            for length in (0, 10, 31, 100, len(data) - 1):
                path.write_bytes(data[:length])
                with pytest.raises(CheckpointError, match=r"a\.ckpt"):
                    rt.restore(path)
            # Magic, version, header checksum, length, header, and the bytes of a tensor.
            for place in (3, 9, 14, 20, 40, data.index(rt.get(pop.v).tobytes())):
                path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
                with pytest.raises(CheckpointError):
                    rt.restore(path)
            with pytest.raises(CheckpointError, match="cannot be read"):
                rt.restore(tmp_path / "missing.ckpt")
            rt.program.save(tmp_path / "p.pgx")
            with pytest.raises(CheckpointError, match="wanted a checkpoint"):
                rt.restore(tmp_path / "p.pgx")
        path.write_bytes(data)
        with (
            pg.compile(pg.Graph(LIF(shape=3)), device) as other,
            pytest.raises(CheckpointError, match="another Program"),
        ):
            other.restore(path)
        with pg.compile(graph, device, batch=2) as wide, pytest.raises(CheckpointError, match="lanes"):
            wide.restore(path)

    def test_values_set_at_run_time_are_kept(self, device: str, tmp_path: Path) -> None:
        graph, pop, syn = small()
        with pg.compile(graph, device) as a, pg.compile(graph, device) as b:
            a.set(pop.tau_m, 3.0)
            a.set(syn.weights, a.get(syn.weights) * 0.5)
            a.run(steps=50)
            a.checkpoint(tmp_path / "a.ckpt")
            a.run(steps=50)
            b.restore(tmp_path / "a.ckpt")
            b.run(steps=50)
            assert a.get(pop.v).tobytes() == b.get(pop.v).tobytes()


class Pair(pg.Process):
    """Two populations in a row."""

    s_in = pg.In(pg.Graded)
    s_out = pg.Out(pg.Spikes)
    v = pg.State(0.0)

    def build(self) -> None:
        self.first = LIF(tau_m=10.0)
        self.second = LIF(tau_m=5.0)
        self.into = OneToOne(1.5, delay=0)
        self.between = OneToOne(1.5, delay=1)
        self.s_in.connect(self.into.s_in)
        self.into.a_out.connect(self.first.a_in)
        self.first.s_out.connect(self.between.s_in)
        self.between.a_out.connect(self.second.a_in)
        self.second.s_out.connect(self.s_out)
        self.alias(v=self.second.v)


@pytest.mark.parametrize("device", DEVICES)
def test_hierarchical_processes(device: str) -> None:
    source = SpikeSource(steps=[0, 4], index=[0, 2], shape=3)
    outer, sink = Pair(name="outer"), Dense(np.eye(3), name="sink")
    source.s_out.connect(outer.s_in)
    outer.s_out.connect(sink.s_in)
    with pg.compile(pg.Graph(source), device) as rt:
        assert [n.name for n in rt.program.ir.nodes] == [
            "outer.between",
            "outer.first",
            "outer.into",
            "outer.second",
            "sink",
            "spikesource_0",
        ]
        spikes = rt.probe(outer.s_out)
        rt.run(steps=10)
        assert spikes.events[["step", "index"]].tolist() == [(1, 0), (5, 2)]
        assert rt.get(outer.v).shape == (3,)


@pytest.mark.parametrize("device", DEVICES)
def test_views(device: str) -> None:
    frames = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    views = {
        "reshape": (lambda p: p.reshape(6, 4), lambda a: a.reshape(6, 4)),
        "flatten": (lambda p: p.flatten(), lambda a: a.reshape(-1)),
        "transpose": (lambda p: p.transpose(), lambda a: a.T),
        "slice": (lambda p: p[1:3, ::2], lambda a: a[1:3, ::2]),
        "gather": (lambda p: p.gather([5, 5, 0]), lambda a: a.reshape(-1)[[5, 5, 0]]),
        "chain": (lambda p: p[1:].transpose(1, 0).flatten()[3:9], lambda a: a[1:].T.reshape(-1)[3:9]),
    }
    for label, (view, expected) in views.items():
        source, sink = FrameSource(frames), ArraySink(name="sink")
        view(source.frame).connect(sink.bound(next(k for k, d in sink.declarations.items() if isinstance(d, pg.In))))
        with pg.compile(pg.Graph(sink), device) as rt:
            out = next(k for k, d in sink.declarations.items() if isinstance(d, pg.Out))
            probe = rt.probe(sink.bound(out))
            rt.run(steps=1)
            assert np.array_equal(probe.data[0], expected(frames[0])), label


@pytest.mark.parametrize("device", DEVICES)
def test_concatenate_and_views_of_inputs(device: str) -> None:
    a, b = SpikeSource(steps=[0], index=[1], shape=2), SpikeSource(steps=[0], index=[2], shape=3)
    syn, pop = Dense(np.eye(5) * 2, delay=0), LIF(name="pop")
    pg.concatenate([a.s_out, b.s_out], syn.s_in)
    syn.a_out.connect(pop.a_in)
    with pg.compile(pg.Graph(pop), device) as rt:
        spikes = rt.probe(pop.s_out)
        rt.run(steps=2)
        assert spikes.events["index"].tolist() == [1, 4]
    with pytest.raises(ShapeError, match="add up"):
        pg.concatenate([a.s_out], syn.s_in)


def test_loading_a_program_file(tmp_path: Path) -> None:
    graph, pop, _ = small()
    with pg.compile(graph) as rt:
        rt.program.save(tmp_path / "a.pgx")
        rt.run(steps=100)
        wanted = rt.get(pop.v)
    for device in DEVICES:
        with pg.load(tmp_path / "a.pgx", device) as rt:
            rt.run(steps=100)
            assert rt.get("pop.v").tobytes() == wanted.tobytes()


def test_conv2d_shape_inference() -> None:
    source = SpikeSource(steps=[0], index=[0], shape=(2, 8, 8))
    conv, pop = Conv2d(np.ones((3, 2, 3, 3)), padding=1, stride=2), LIF()
    source >> conv >> pop
    with pg.compile(pg.Graph(pop)) as rt:
        assert rt.get(pop.v).shape == (3, 4, 4)
