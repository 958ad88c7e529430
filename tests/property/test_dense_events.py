"""Graded events that go element by element through one-to-one synapses: no lists are made, and nothing else changes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import procgraph as pg
from procgraph import processes as zoo

sys.path.insert(0, str(Path(__file__).parent))
from random_graphs import differences

STEPS = 25
seeds = st.integers(0, 2**32 - 1)
slow = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def build(seed: int) -> pg.Graph:
    """A Poisson source, one or two chains behind it with or without loops."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 5, 513, 1500]))
    rate = float(rng.uniform(0, 3000)) if rng.random() < 0.7 else rng.uniform(0, 3000, n)
    source = zoo.PoissonSource(shape=n, rate=rate, name="source")
    processes: list[pg.Process] = [source]
    for i in range(int(rng.integers(1, 3))):
        weights = rng.normal(0.1, 0.3, n).astype(np.float32) if rng.random() < 0.5 else float(rng.normal(0.1, 0.3))
        synapse = zoo.OneToOne(weights, shape=n, delay=int(rng.choice([0, 0, 1, 3])), name=f"synapse{i}")
        target = zoo.LIF(shape=n, name=f"target{i}", period=int(rng.choice([1, 1, 1, 2])))
        source.s_out.connect(synapse.s_in, delay=int(rng.choice([0, 0, 1, 3])))
        synapse.a_out.connect(target.a_in)
        processes += [synapse, target]
        if rng.random() < 0.5:
            back = zoo.Sparse(
                float(rng.normal(0.1, 0.3)),
                n_pre=n,
                n_post=n,
                rule="fixed_total",
                count=2 * n,
                delay=int(rng.integers(1, 4)),
                name=f"back{i}",
            )
            target.s_out.connect(back.s_in)
            back.a_out.connect(target.a_in)
            processes.append(back)
    return pg.Graph(*processes, dt=1.0, seed=seed)


def run(seed: int, device: str, probe_at: int | None = None, **options: int) -> dict[str, object]:
    with pg.compile(build(seed), device, **options) as rt:
        if probe_at is not None:
            rt.run(steps=probe_at)
            rt.probe("source.s_out")
            rt.probe("synapse0.a_out")
        rt.run(steps=STEPS - (probe_at or 0))
        return {**rt._executor.export_state(), "stats": rt._executor.stats()}


class TestDenseEvents:
    @slow
    @given(seeds, st.integers(1, 3), st.sampled_from([1, 2, 3, 7]), st.sampled_from([None, 0, 6]))
    def test_same_bits(
        self, monkeypatch: pytest.MonkeyPatch, seed: int, batch: int, threads: int, probe_at: int | None
    ) -> None:
        monkeypatch.setenv("PROCGRAPH_DIVIDE", "1")
        reference = run(seed, "reference", batch=batch)
        assert differences(reference, run(seed, "cpu", probe_at, batch=batch, threads=threads)) == []

    @slow
    @given(seeds, st.sampled_from([("cpu", "reference"), ("reference", "cpu"), ("cpu", "cpu")]), st.integers(0, STEPS))
    def test_a_checkpoint_may_be_taken_at_any_step(self, seed: int, devices: tuple[str, str], when: int) -> None:
        with pg.compile(build(seed), devices[0]) as first:
            first.run(steps=when)
            saved = first._executor.export_state()
            step = first.step
            first.run(steps=STEPS - when)
            wanted = first._executor.export_state()
        with pg.compile(build(seed), devices[1]) as second:
            second.run(steps=3)
            second._executor.import_state(step, second.program.ir.seed, saved)
            assert differences(saved, second._executor.export_state()) == []
            second._executor.run(STEPS - when)
            assert differences(wanted, second._executor.export_state()) == []

    def test_weights_may_change(self) -> None:
        results = []
        for device in ("reference", "cpu"):
            with pg.compile(build(3), device) as rt:
                rt.run(steps=4)
                rt.set("synapse0.weights", rt.get("synapse0.weights") * np.float32(0.5))
                rt.run(steps=6)
                results.append({k: v for k, v in rt._executor.export_state().items() if "/column/" not in k})
        assert differences(*results) == []

    @pytest.mark.parametrize("threads", [1, 2])
    def test_the_rate_of_a_drawn_background_may_change(self, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
        """Taken in its own step by one target, so that no payload is kept: what a checkpoint needs is drawn again, with the rate of then."""
        monkeypatch.setenv("PROCGRAPH_DIVIDE", "1")
        results = []
        for device in ("reference", "cpu"):
            source = zoo.PoissonSource(shape=1500, rate=900.0, name="source")
            target = zoo.LIF(shape=1500, name="target")
            source >> zoo.OneToOne(0.3, shape=1500, delay=0, name="synapse") >> target
            with pg.compile(pg.Graph(source, target, dt=1.0, seed=3), device, threads=threads) as rt:
                states = []
                for rate in (2500.0, np.linspace(0.0, 3000.0, 1500), 100.0):
                    rt.run(steps=4)
                    rt.set("source.rate", rate)
                    states.append(rt._executor.export_state() | {"stats": rt._executor.stats()})
                rt.reset(seed=5)
                rt.run(steps=2)
                states.append(rt._executor.export_state() | {"stats": rt._executor.stats()})
                results.append(states)
        for wanted, found in zip(*results, strict=True):
            assert differences(wanted, {k: v for k, v in found.items() if "/column/" not in k}) == []
