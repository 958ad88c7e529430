"""The native engine gives the reference's bits on random graphs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import procgraph as pg

sys.path.insert(0, str(Path(__file__).parent))
from random_graphs import Builder, differences, run_graph

GRAPHS = 520
STEPS = 60
seeds = st.integers(0, 2**32 - 1)
slow = settings(max_examples=GRAPHS, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
few = settings(slow, max_examples=60)


@pytest.fixture(autouse=True)
def shared_down_to_single_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs as small as these would run on one thread else."""
    monkeypatch.setenv("PROCGRAPH_DIVIDE", "1")


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestRandomGraphs:
    total_events = 0
    graphs = 0

    @slow
    @given(seeds, st.integers(1, 3), st.sampled_from([None, 7, 30]), st.sampled_from([1, 2, 3, 4, 7]))
    def test_same_bits(self, seed: int, batch: int, split: int | None, threads: int) -> None:
        reference = run_graph(Builder(seed).build(), "reference", STEPS, batch)
        native = run_graph(Builder(seed).build(), "cpu", STEPS, batch, split, threads)
        assert differences(reference, native) == []
        type(self).total_events += sum(n["events"] for n in native["stats"]["nodes"])
        type(self).graphs += 1

    @settings(slow, max_examples=120)
    @given(seeds, st.integers(1, 3), st.sampled_from([1, 2, 3, 4, 7]))
    def test_same_bits_while_learning(self, seed: int, batch: int, threads: int) -> None:
        reference = run_graph(Builder(seed, plastic=True).build(), "reference", STEPS, batch)
        native = run_graph(Builder(seed, plastic=True).build(), "cpu", STEPS, batch, 23, threads)
        assert differences(reference, native) == []

    @slow
    @given(seeds, st.integers(1, 3), st.sampled_from([None, 7, 30]), st.sampled_from([1, 2, 3, 4, 7]))
    def test_same_bits_without_probes_on_synapses(self, seed: int, batch: int, split: int | None, threads: int) -> None:
        reference = run_graph(Builder(seed).build(), "reference", STEPS, batch, synapses=False)
        native = run_graph(Builder(seed).build(), "cpu", STEPS, batch, split, threads, synapses=False)
        assert differences(reference, native) == []

    def test_the_graphs_were_alive(self) -> None:
        assert self.graphs >= 500
        assert self.total_events > 50 * self.graphs

    @few
    @given(seeds)
    def test_lane_0_of_a_batch_is_the_unbatched_run(self, seed: int) -> None:
        graph = Builder(seed).build()
        with pg.compile(graph, "cpu") as one, pg.compile(graph, "cpu", batch=3) as three:
            names = [f"{n.name}.{o.name}" for n in one.program.ir.nodes for o in n.outputs if o.kind == "events"]
            assert names
            probes = [(one.probe(n), three.probe(n)) for n in names]
            one.run(steps=STEPS)
            three.run(steps=STEPS)
            for a, b in probes:
                lane = b.events[b.events["batch"] == 0]
                assert all(np.array_equal(a.events[f], lane[f]) for f in ("step", "index", "value"))

    @few
    @given(seeds, st.sampled_from([("cpu", "reference"), ("reference", "cpu"), ("cpu", "cpu")]), st.integers(0, STEPS))
    def test_a_checkpoint_moves_between_backends(
        self, tmp_path_factory: object, seed: int, devices: tuple[str, str], when: int
    ) -> None:
        path = tmp_path_factory.mktemp("checkpoint") / "a.ckpt"  # type: ignore[attr-defined]
        with pg.compile(Builder(seed, plastic=seed % 2 == 0).build(), devices[0]) as first:
            first.run(steps=when)
            first.checkpoint(path)
            first.run(steps=STEPS - when)
            wanted = first._executor.export_state()
        with pg.compile(Builder(seed, plastic=seed % 2 == 0).build(), devices[1]) as second:
            second.restore(path)
            assert second.step == when
            second.run(steps=STEPS - when)
            assert differences(wanted, second._executor.export_state()) == []

    @few
    @given(seeds, st.sampled_from([2**31 - 20, 2**32 - 20, 2**40]), st.sampled_from([1, 3]))
    def test_same_bits_at_steps_beyond_32_bits(self, seed: int, late: int, threads: int) -> None:
        """A run of days, as one that took a checkpoint so late sees it."""
        states = []
        for device, n in (("reference", 1), ("cpu", threads)):
            with pg.compile(Builder(seed, plastic=True).build(), device, threads=n) as rt:
                rt.run(steps=10)
                rt._executor.import_state(late, rt.program.ir.seed, rt._executor.export_state())
                rt.run(steps=STEPS)
                assert rt.step == late + STEPS
                states.append(rt._executor.export_state())
        assert differences(*states) == []

    @few
    @given(seeds, st.sampled_from(["reference", "cpu"]), st.integers(0, STEPS))
    def test_restoring_undoes_what_was_set_since(
        self, tmp_path_factory: object, seed: int, device: str, when: int
    ) -> None:
        path = tmp_path_factory.mktemp("checkpoint") / "a.ckpt"  # type: ignore[attr-defined]
        with pg.compile(Builder(seed, plastic=True).build(), device) as rt:
            rt.run(steps=when)
            rt.checkpoint(path)
            rt.run(steps=STEPS - when)
            wanted = rt._executor.export_state()
            for node in rt.program.ir.nodes:
                if node.is_synapse:
                    rt.set(f"{node.name}.weights", rt.get(f"{node.name}.weights") * np.float32(0.5))
                elif any(c.name == "v_th" for c in node.columns):
                    rt.set(f"{node.name}.v_th", 0.25)
            rt.run(steps=3)
            rt.restore(path)
            rt.run(steps=STEPS - when)
            assert differences(wanted, rt._executor.export_state()) == []

    @few
    @given(seeds, st.integers(0, 30))
    def test_weights_written_while_running(self, seed: int, when: int) -> None:
        states = []
        for device in ("reference", "cpu"):
            with pg.compile(Builder(seed).build(), device) as rt:
                rt.run(steps=when)
                for number, node in enumerate(rt.program.ir.nodes):
                    if node.op == "sparse":
                        weights = rt._executor.read(number, "weights", "weights")
                        rt._executor.write(number, "weights", "weights", weights * np.float32(0.5))
                rt.run(steps=STEPS - when)
                states.append({k: v for k, v in rt._executor.export_state().items() if "/column/" not in k})
        assert differences(states[0], states[1]) == []

    @few
    @given(seeds)
    def test_a_program_file_holds_everything(self, seed: int) -> None:
        program = pg.compile(Builder(seed).build(), "reference").program
        again = pg.Program.from_bytes(program.data)
        assert pg.Program.from_ir(again.ir).data == program.data

    @few
    @given(seeds)
    def test_reset_repeats_the_run(self, seed: int) -> None:
        with pg.compile(Builder(seed).build(), "cpu") as rt:
            rt.run(steps=STEPS)
            first = rt._executor.export_state()
            rt.reset(seed=seed % 1000 + 1)
            rt.run(steps=5)
            rt.reset(seed=rt.program.ir.seed)
            rt.run(steps=STEPS)
            assert differences(first, rt._executor.export_state()) == []
