"""Plastic synapses on every backend: long silences and bursts, delays of their own, lanes, and what is recorded of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ParameterError
from procgraph.processes import LIF, Dense, Plastic, PoissonSource, Sparse, SpikeSource
from procgraph.processes.loihi import LoihiRule
from procgraph.processes.rules import PairSTDP, TripletSTDP

BACKENDS = ("cpu", "reference")


@pytest.fixture(autouse=True)
def shared_down_to_single_synapses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCGRAPH_DIVIDE", "1")


def learning(rates: Any, target_rates: Any, synapses: Any, rule: Any, dendritic: bool = False) -> pg.Graph:
    """Poisson sources and an equal number of driving ones for the targets' side."""
    source = PoissonSource(shape=len(rates), rate=rates, name="source")
    target = PoissonSource(shape=len(target_rates), rate=target_rates, name="target")
    learned, population = (
        Plastic(synapses, rule, name="learned", dendritic=dendritic),
        LIF(shape=len(target_rates), name="population"),
    )
    source.s_out.connect(learned.s_in, delay=1)
    target.s_out.connect(learned.post_in, delay=2)
    learned.a_out.connect(population.a_in)
    return pg.Graph(population, seed=4)


def final(graph: pg.Graph, device: str, steps: int, split: int, **options: Any) -> dict[str, Any]:
    with pg.compile(graph, device, **options) as rt:
        rt.run(steps=split)
        saved = rt._executor.export_state()
        rt.run(steps=steps - split)
        return {f"{k} at {split}": v for k, v in saved.items()} | rt._executor.export_state()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("dendritic", [False, True])
def test_silences_of_sources_and_bursts_of_targets(dendritic: bool) -> None:
    """Rows that are not visited for thousands of steps, targets with an event in nearly every one of them."""

    def build() -> pg.Graph:
        weights = np.random.default_rng(1).uniform(0.0, 0.5, (3, 9)).astype(np.float32)
        rates = [0.0, 0.0, 0.02, 0.1, 1.0, 5.0, 20.0, 100.0, 800.0]
        delays = np.arange(27).reshape(3, 9) + 2 if dendritic else 2
        rule = TripletSTDP(a2_plus=0.01, w_min=-1.0)
        return learning(rates, [0.5, 40.0, 2500.0], Dense(weights, delay=delays), rule, dendritic)

    reference = final(build(), "reference", 9_000, 300)
    assert reference["learned/state/w"].std() > 0.1
    for threads in (1, 3):
        native = final(build(), "cpu", 9_000, 300, threads=threads)
        assert all(reference[k].tobytes() == native[k].tobytes() for k in reference)


def test_traces_at_events_of_an_epoch() -> None:
    """Events of both sides in one step, several in an epoch, rows that are visited in it or not: one state for any number of threads."""

    def build() -> pg.Graph:
        weights = np.random.default_rng(1).uniform(0.0, 0.5, (3, 7)).astype(np.float32)
        rule = LoihiRule(
            dw="2^-5 * x1 * y0 - 2^-6 * y1 * x0 * w - 0.01 * x1 * y2 * u1 * sgn(w)",
            dd="2^-3 * y0 * y1 - 2^-4 * x0 * x1 * d",
            dt="2^-4 * x2 * y0 - 2^-2 * t * u2",
            t_epoch=6,
            w_min=-1.0,
            d=1.0,
        )
        return learning([0.0, 2.0, 10.0, 50.0, 200.0, 500.0, 900.0], [5.0, 300.0, 900.0], Dense(weights), rule)

    reference = final(build(), "reference", 300, 151, batch=2)
    assert all(
        reference[f"learned/state/{v}"].std() > 0.01 for v in ("w", "d", "t", "x1_at_y0", "y1_at_x0", "x1_at_x0")
    )
    for threads in (1, 3):
        native = final(build(), "cpu", 300, 151, batch=2, threads=threads)
        assert all(reference[k].tobytes() == native[k].tobytes() for k in reference)


@pytest.mark.parametrize("device", BACKENDS)
def test_delays_of_synapses_and_channels(device: str) -> None:
    """An event is learnt from when it arrives at the synapse, and arrives at the target after the synapse's own delay."""
    source, target = SpikeSource([10], [0], shape=1), SpikeSource([11], [0], shape=1)
    learned = Plastic(Sparse(0.5, pre=[0, 0], post=[0, 0], delay=[3, 7]), PairSTDP(a_plus=0.02), name="learned")
    population = LIF(shape=1, v_th=1e6)
    source.s_out.connect(learned.s_in, delay=2)  # axonal: at the synapse in step 12
    target.s_out.connect(learned.post_in, delay=4)  # dendritic: at the synapse in step 15
    learned.a_out.connect(population.a_in, delay=1)
    with pg.compile(pg.Graph(population), device) as rt:
        current = rt.probe(learned.a_out)
        rt.run(steps=30)
        assert np.flatnonzero(current.data[:, 0]).tolist() == [15, 19]
        assert rt.get(learned.weights) == pytest.approx(0.5 + 0.02 * np.exp(-3 / 20.0), abs=2e-7)


@pytest.mark.parametrize("device", BACKENDS)
@pytest.mark.parametrize("late", [2**31, 2**32, 2**40])
@pytest.mark.parametrize("dendritic", [False, True])
def test_a_step_may_outgrow_32_bits(device: str, late: int, dendritic: bool) -> None:
    def learnt(start: int) -> Any:
        source, target = SpikeSource([4], [0], shape=1, cycle=16), SpikeSource([6], [0], shape=1, cycle=16)
        synapses = Sparse(0.5, pre=[0, 0], post=[0, 0], delay=[1, 5])
        learned = Plastic(synapses, PairSTDP(a_plus=0.02), dendritic=dendritic, name="learned")
        source.s_out.connect(learned.s_in)
        target.s_out.connect(learned.post_in)
        learned.a_out.connect(LIF(shape=1, v_th=1e6).a_in)
        with pg.compile(pg.Graph(learned), device) as rt:
            rt._executor.import_state(start, 0, rt._executor.export_state())
            current = rt.probe(learned.a_out)
            rt.run(steps=40)
            return current.data.tobytes(), rt.get(learned.weights).tobytes()

    assert learnt(late - 16) == learnt(0)


@pytest.mark.parametrize("device", BACKENDS)
def test_lanes_learn_apart_and_weights_are_recorded(device: str) -> None:
    def run(batch: int) -> tuple[Any, Any, Any]:
        graph = learning([40.0] * 6, [30.0] * 4, Dense(np.full((4, 6), 0.5)), PairSTDP(a_plus=0.05))
        with pg.compile(graph, device, batch=batch) as rt:
            weights, trace = rt.probe("learned.weights", every=100), rt.probe("learned.x", every=100)
            rt.run(steps=300)
            assert np.array_equal(weights.data[-1], rt.get("learned.weights"))
            return weights.data, trace.data, rt.get("learned.weights")

    alone, trace, _ = run(1)
    assert alone.shape == (3, 4, 6)
    assert trace.shape == (3, 6)
    assert not np.array_equal(alone[0], alone[1])
    lanes, traces, last = run(2)
    assert last.shape == (2, 4, 6)
    assert np.array_equal(lanes[:, 0], alone)
    assert np.array_equal(traces[:, 0], trace)
    assert not np.array_equal(last[0], last[1])


@pytest.mark.parametrize("device", BACKENDS)
def test_weights_of_a_batch_are_set_for_all_lanes_or_for_each(device: str) -> None:
    graph = learning([1.0] * 2, [1.0] * 3, Dense(np.full((3, 2), 0.5)), PairSTDP())
    each = np.arange(12, dtype=np.float32).reshape(2, 3, 2) / 20
    with pg.compile(graph, device, batch=2) as rt:
        for value in (0.25, each[0], each):
            rt.set("learned.weights", value)
            assert np.array_equal(rt.get("learned.weights"), np.broadcast_to(np.float32(value), (2, 3, 2)))
        with pytest.raises(ParameterError, match="learned: the weights are from 0 to 1.1; allowed by its rule: 0 to 1"):
            rt.set("learned.weights", each * 2)


@pytest.mark.parametrize(("weights", "text"), [(2.0, "from 2 to 2"), (pg.Normal(0.5, 0.4), "from -1"), (-0.1, "-0.1")])
def test_weights_beyond_the_limits_of_the_rule_are_refused(weights: Any, text: str) -> None:
    learn = Plastic(Sparse(weights, rule="fixed_in_degree", count=2, n_pre=9, n_post=4), PairSTDP(), name="learn")
    with pytest.raises(ParameterError, match=f"learn: the weights are .*{text}.*allowed by its rule: 0 to 1"):
        pg.compile(pg.Graph(learn), "reference")
