"""Dendritic delays of plastic synapses: the target's events take each synapse's own delay back to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ParameterError, ProgramFormatError
from procgraph.processes import LIF, FrameSource, Plastic, PoissonSource, Sparse, SpikeSource
from procgraph.processes.loihi import LoihiRule
from procgraph.processes.rules import Homeostasis, PairSTDP, RewardSTDP, TripletSTDP
from procgraph.spec.rules import PostTrace, PreTrace, Rule

BACKENDS = ("cpu", "reference")
N_PRE, N_POST, STEPS = 7, 5, 160
DELAYS = (1, 2, 6, 18)
RNG = np.random.default_rng(3)
PRE, POST, DELAY = RNG.integers(0, N_PRE, 60), RNG.integers(0, N_POST, 60), RNG.choice(DELAYS, 60)
WEIGHTS = RNG.uniform(-1.0, 1.0, 60).astype(np.float32)
FRAMES = RNG.normal(size=(11, N_POST)).astype(np.float32)


@pytest.fixture(autouse=True)
def shared_down_to_single_synapses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCGRAPH_DIVIDE", "1")


class Gated(Rule):
    """The modulator and the target's trace act at events of the target."""

    x = PreTrace(20.0)
    y = PostTrace(5.0, "set")

    @staticmethod
    def on_post(p: Any, d: Any, s: Any, x: Any) -> dict[str, Any]:
        return {"w": s.w + 0.01 * x.m * x.x * (1.0 - x.y)}


class Joined(Gated):
    """Both functions see the events of their step in the traces."""

    joined = True

    @staticmethod
    def on_pre(p: Any, d: Any, s: Any, x: Any) -> dict[str, Any]:
        return {"w": s.w - 0.02 * x.y * x.x}

    @staticmethod
    def on_post(p: Any, d: Any, s: Any, x: Any) -> dict[str, Any]:
        return {"w": s.w + 0.03 * x.x * x.y}


LIMITS: dict[str, Any] = {"w_min": -5.0, "w_max": 5.0}
RULES = {
    "pair": PairSTDP(a_plus=0.05, a_minus=0.04, **LIMITS),
    "triplet": TripletSTDP(a2_plus=0.01, a3_plus=0.02, **LIMITS),
    "reward": RewardSTDP(a_plus=0.05, rate=0.1, epoch=7, **LIMITS),
    "homeostasis": Homeostasis(tau=50.0, epoch=5, **LIMITS),
    "gated": Gated(**LIMITS),
    "joined": Joined(**LIMITS),
    "loihi": LoihiRule(dw="2^-5 * x1 * y0 - 2^-5 * y1 * x0", **LIMITS),
}


def join(learned: Plastic, parts: dict[str, Any], back: int, modulated: bool) -> None:
    parts["source"].s_out.connect(learned.s_in, delay=1)
    parts["target"].s_out.connect(learned.post_in, delay=back)
    learned.a_out.connect(parts["population"].a_in)
    if modulated:
        parts["frames"].frame.connect(learned.m)


def build(rule: Any, apart: bool, modulators: int = 1) -> tuple[pg.Graph, list[Any]]:
    """One projection with a delay for each synapse, or one projection for each delay, and the numbers of their synapses."""
    parts = {
        "source": PoissonSource(shape=N_PRE, rate=[5.0, 20.0, 60.0, 100.0, 200.0, 300.0, 700.0], name="source"),
        "target": PoissonSource(shape=N_POST, rate=[10.0, 40.0, 150.0, 500.0, 2500.0], name="target"),
        "population": LIF(shape=N_POST, v_th=1e6, name="population"),
        "frames": FrameSource(FRAMES[:, :modulators], cycle=True, name="frames"),
    }
    groups = [np.flatnonzero(DELAY == d) for d in DELAYS] if apart else [np.arange(60)]
    for number, chosen in enumerate(groups):
        described = Sparse(
            WEIGHTS[chosen], pre=PRE[chosen], post=POST[chosen], n_pre=N_PRE, n_post=N_POST, delay=DELAY[chosen]
        )
        learned = Plastic(described, rule, name=f"learned{number}", dendritic=not apart)
        join(learned, parts, 2 + (DELAYS[number] if apart else 0), modulated=isinstance(rule, (RewardSTDP, Gated)))
    return pg.Graph(parts["population"], seed=4), groups


def gathered(states: dict[str, Any], groups: list[Any], name: str) -> Any:
    """Values of all synapses, in the order of the one projection."""
    parts = [states[f"learned{i}/state/{name}"] for i in range(len(groups))]
    order = np.argsort(np.concatenate(groups), kind="stable")
    return np.concatenate(parts, axis=1)[:, order]


@pytest.mark.parametrize("device", BACKENDS)
def test_two_synapses_by_hand(device: str) -> None:
    """Source in steps 10 and 20; the target's events enter in 10 and 12, and reach the synapses after 3 and 7 steps."""
    source, target = SpikeSource([10, 20], [0, 0], shape=1), SpikeSource([9, 11], [0, 0], shape=1)
    described = Sparse(0.5, pre=[0, 0], post=[0, 0], delay=[3, 7])
    learned = Plastic(described, PairSTDP(a_plus=0.02, a_minus=0.01), name="learned", dendritic=True)
    population = LIF(shape=1, v_th=1e6)
    source.s_out.connect(learned.s_in)
    target.s_out.connect(learned.post_in, delay=1)
    learned.a_out.connect(population.a_in)
    expected = []
    for arrivals in ((13, 15), (17, 19)):
        grown = sum(0.02 * np.exp((10 - k) / 20) for k in arrivals)
        expected.append(0.5 + grown - sum(0.01 * np.exp((k - 20) / 20) for k in arrivals))
    with pg.compile(pg.Graph(population), device) as rt:
        current, trace = rt.probe(learned.a_out), rt.probe("learned.y")
        rt.run(steps=40)
        assert rt.get(learned.weights) == pytest.approx(expected, abs=3e-7)
        assert np.flatnonzero(current.data[:, 0]).tolist() == [13, 17, 23, 27]
        assert np.flatnonzero(trace.data[:, 0])[0] == 10  # at the target


@pytest.mark.parametrize("name", RULES)
def test_synapses_of_one_delay_are_a_projection_behind_that_delay(name: str) -> None:
    graph, groups = build(RULES[name], apart=True)
    with pg.compile(graph, "reference") as rt:
        rt.run(steps=STEPS)
        apart = rt._executor.export_state()
    wanted = {k: gathered(apart, groups, k) for k in ("w", *RULES[name].variables)}
    assert np.abs(wanted["w"] - WEIGHTS).max() > 0.2
    runs = [("reference", 1), *(("cpu", threads) for threads in (1, 2, 3, 4, 7))]
    states = []
    for device, threads in runs:
        with pg.compile(build(RULES[name], apart=False)[0], device, threads=threads) as rt:
            rt.run(steps=STEPS)
            states.append(rt._executor.export_state())
        for key, value in wanted.items():
            assert states[-1][f"learned0/state/{key}"].tobytes() == value.tobytes(), (device, threads, key)
        assert states[-1]["population/state/v"].tobytes() == apart["population/state/v"].tobytes()
    assert all(s[k].tobytes() == states[0][k].tobytes() for s in states for k in states[0])


@pytest.mark.parametrize("name", ["triplet", "homeostasis", "gated", "joined"])
@pytest.mark.parametrize("devices", [("cpu", "reference"), ("reference", "cpu"), ("cpu", "cpu")])
def test_a_checkpoint_holds_what_is_on_its_way(name: str, devices: tuple[str, str], tmp_path: Path) -> None:
    with pg.compile(build(RULES[name], False, N_POST)[0], devices[0], batch=2, threads=3) as first:
        for when in (3, 71):  # before and after the longest delay
            first.run(steps=when - first.step)
            first.checkpoint(tmp_path / f"{when}")
        first.run(steps=STEPS - 71)
        wanted = first._executor.export_state()
    for when in (3, 71):
        with pg.compile(build(RULES[name], False, N_POST)[0], devices[1], batch=2, threads=2) as second:
            second.restore(tmp_path / f"{when}")
            second.run(steps=STEPS - when)
            found = second._executor.export_state()
            assert all(found[k].tobytes() == wanted[k].tobytes() for k in wanted), when


def test_a_trace_is_set_and_recorded_at_the_target() -> None:
    """Set while running: synapses see it after their delays; the same on both backends, with the same checkpoints."""
    found = []
    for device in BACKENDS:
        with pg.compile(build(RULES["triplet"], False)[0], device, threads=2) as rt:
            trace, weights = rt.probe("learned0.o1", every=3), rt.probe("learned0.weights", every=5)
            rt.run(steps=40)
            rt.set("learned0.o1", np.arange(N_POST, dtype=np.float32))
            rt.run(steps=40)
            found.append({"trace": trace.data, "weights": weights.data, **rt._executor.export_state()})
    assert all(found[0][k].tobytes() == found[1][k].tobytes() for k in found[0])
    assert "learned0/seen/o1" in found[0]


def test_delays_that_cannot_be_dendritic() -> None:
    def compiled(rule: Rule, delay: int) -> Any:
        synapse = Sparse(0.5, pre=[0], post=[0], n_pre=1, n_post=1, delay=delay)
        learned = Plastic(synapse, rule, name="learned", dendritic=True)
        return pg.compile(pg.Graph(learned, LIF(shape=1, name="cell")), "reference")

    with pytest.raises(
        ParameterError, match="y0 of .* an epoch of 4 steps .* a delay is 6 steps; allowed .* multiples"
    ):
        compiled(LoihiRule(dw="x1 * y0", t_epoch=4), 6)
    assert compiled(LoihiRule(dw="x1 * y0", t_epoch=4), 8).program.ir.nodes[1].attrs["dendritic"] is True
    with pytest.raises(ParameterError, match="delays up to 16384 steps; allowed with dendritic=True: up to 16383"):
        compiled(PairSTDP(), 16_384)
    ir = compiled(PairSTDP(), 16_383).program.ir
    ir.nodes[1].attrs["delay"] = 20_000
    with pytest.raises(ProgramFormatError, match="delays up to 20000; allowed for dendritic ones: 16383"):
        pg.Program.from_bytes(pg.Program.from_ir(ir).data)
