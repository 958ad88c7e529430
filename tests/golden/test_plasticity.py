"""Plasticity against analytic windows, published forms and NEST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.processes import LIF, Dense, FrameSource, OneToOne, Plastic, PoissonSource, Sparse, SpikeSource
from procgraph.processes.rules import (
    Homeostasis,
    MultiplicativeSTDP,
    NearestSTDP,
    PairSTDP,
    RewardSTDP,
    TripletSTDP,
    VogelsSprekeler,
)
from procgraph.spec.rules import Rule

DEVICES = ("cpu", "reference")
NEST = np.load(Path(__file__).parent / "nest_stdp.npz")
LEARNING, DEPRESSION = 0.02, 1.05  # of those trains: of w_max, and relative to potentiation


def change(
    rule: Rule,
    pre: list[int],
    post: list[int],
    device: str,
    steps: int = 400,
    post_delay: int = 0,
    modulator: float | None = None,
    dt: float = 1.0,
) -> float:
    """Change of a weight of 0.5 by spikes at the given steps."""
    source, target = (SpikeSource(times, [0] * len(times), shape=1) for times in (pre, post))
    learned, pop = Plastic(Dense([[0.5]]), rule, name="syn"), LIF(shape=1, v_th=1e6)
    source.s_out.connect(learned.s_in)
    target.s_out.connect(learned.post_in, delay=post_delay)
    learned.a_out.connect(pop.a_in)
    if modulator is not None:
        FrameSource(np.full((1, 1), modulator)).frame.connect(learned.m)
    with pg.compile(pg.Graph(pop, dt=dt), device) as rt:
        rt.run(steps=steps)
        return float(rt.get(learned.weights)[0, 0]) - 0.5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("delta", [-60, -20, -5, -1, 0, 1, 5, 20, 60])
def test_pair_window(delta: int, device: str) -> None:
    rule = PairSTDP(tau_plus=17.0, tau_minus=34.0, a_plus=0.02, a_minus=0.01)
    expected = 0.02 * np.exp(-delta / 17.0) if delta > 0 else -0.01 * np.exp(delta / 34.0) if delta < 0 else 0.0
    assert change(rule, [100], [100 + delta], device) == pytest.approx(expected, abs=2e-7)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("delta", [-600, 50, 400])
def test_pair_window_in_steps_of_a_tenth(delta: int, device: str) -> None:
    """Each of the many steps rounds a trace: by 1.2e-7 of it at most, the step's factor included."""
    rule = PairSTDP(tau_plus=17.0, tau_minus=34.0, a_plus=0.02, a_minus=0.01)
    ms = delta / 10
    expected = 0.02 * np.exp(-ms / 17.0) if delta > 0 else -0.01 * np.exp(ms / 34.0)
    found = change(rule, [610], [610 + delta], device, steps=1100, dt=0.1)
    assert found == pytest.approx(expected, rel=1.2e-7 * abs(delta), abs=6e-8)


@pytest.mark.parametrize("device", DEVICES)
def test_a_dendritic_delay_shifts_the_window(device: str) -> None:
    rule = PairSTDP(a_plus=0.02)
    assert change(rule, [100], [98], device, post_delay=7) == pytest.approx(0.02 * np.exp(-5 / 20.0), abs=2e-7)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("pre", "post", "nearest", "all_to_all"),
    [
        ([100], [105, 110], [5, 10], [5, 10]),  # each target event with the nearest source event
        ([100, 110], [115], [5], [5, 15]),
        ([105, 110], [100], [-5, -10], [-5, -10]),  # each source event with the nearest target event
        ([115], [100, 110], [-5], [-5, -15]),
        ([100, 110, 120], [105, 115, 125], [5, -5, 5, -5, 5], [5, -5, 5, 15, -5, -15, 5, 15, 25]),
    ],
)
def test_which_pairs_count(pre: list[int], post: list[int], nearest: Any, all_to_all: Any, device: str) -> None:
    for rule, pairs in ((NearestSTDP, nearest), (PairSTDP, all_to_all)):
        expected = sum(0.02 * np.exp(-d / 20) if d > 0 else -0.03 * np.exp(d / 30) for d in pairs)
        found = change(rule(a_plus=0.02, a_minus=0.03, tau_minus=30.0), pre, post, device)
        assert found == pytest.approx(expected, abs=3e-7), rule


@pytest.mark.parametrize("device", DEVICES)
def test_multiplicative_limits(device: str) -> None:
    rule = MultiplicativeSTDP(a_plus=0.1, a_minus=0.1, w_min=0.25, w_max=2.0)
    assert change(rule, [100], [105], device) == pytest.approx(0.1 * 1.5 * np.exp(-5 / 20), abs=3e-7)
    assert change(rule, [105], [100], device) == pytest.approx(-0.1 * 0.25 * np.exp(-5 / 20), abs=3e-7)


@pytest.mark.parametrize("device", DEVICES)
def test_weight_limits(device: str) -> None:
    assert change(PairSTDP(a_plus=10.0, w_max=0.75), [100], [101], device) == pytest.approx(0.25)
    assert change(PairSTDP(a_minus=10.0, w_min=-0.25), [101], [100], device) == pytest.approx(-0.75)


@pytest.mark.parametrize("device", DEVICES)
def test_triplet(device: str) -> None:
    """Post-pre-post: the second post event sees the first one's slow trace and the pre event's fast one (Pfister & Gerstner, eq. 3 and 4)."""
    rule = TripletSTDP(a2_plus=0.01, a3_plus=0.02, a2_minus=0.003, a3_minus=0.0)
    expected = -0.003 * np.exp(-4 / 33.7) + np.exp(-6 / 16.8) * (0.01 + 0.02 * np.exp(-10 / 125.0))
    assert change(rule, [104], [100, 110], device) == pytest.approx(expected, abs=5e-7)


def triplets(pre: list[int], post: list[int], rule: TripletSTDP, dt: float) -> float:
    """Sum over all pairs and triplets, eq. 3 and 4, without limits."""
    p = rule.values

    def trace(times: list[int], now: int, tau: str) -> float:
        return sum(float(np.exp((t - now) * dt / p[tau])) for t in times if t < now)

    depression = sum(
        trace(post, t, "tau_minus") * (p["a2_minus"] + p["a3_minus"] * trace(pre, t, "tau_x")) for t in pre
    )
    growth = sum(trace(pre, t, "tau_plus") * (p["a2_plus"] + p["a3_plus"] * trace(post, t, "tau_y")) for t in post)
    return growth - depression


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dt", [1.0, 0.1])
@pytest.mark.parametrize(
    "amplitudes",
    [
        {"a2_plus": 0.0, "a3_plus": 0.0, "a2_minus": 0.0, "a3_minus": 0.02},
        {"a2_plus": 0.004, "a3_plus": 0.02, "a2_minus": 0.003, "a3_minus": 0.015},
    ],
    ids=["pre-post-pre", "all"],
)
def test_triplets_of_irregular_trains(amplitudes: dict[str, float], dt: float, device: str) -> None:
    rule = TripletSTDP(**amplitudes, w_min=-9.0, w_max=9.0)
    pre, post = [3, 40, 52, 61, 130, 171, 240, 255, 330], [10, 45, 50, 90, 128, 180, 181, 250, 310, 350]
    expected = triplets(pre, post, rule, dt)
    assert abs(expected) > 0.005
    assert change(rule, pre, post, device, dt=dt) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_reward_turns_eligibility_into_weight(device: str) -> None:
    rule = RewardSTDP(a_plus=0.02, tau_e=100.0, rate=0.5)
    assert change(rule, [100], [105], device) == 0.0
    e = 0.02 * np.exp(-5 / 20)
    collected = e * sum(np.exp(-k / 100.0) for k in range(400 - 105))
    assert change(rule, [100], [105], device, modulator=0.1) == pytest.approx(0.5 * 0.1 * collected, rel=2e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_inhibitory_plasticity_by_a_pair(device: str) -> None:
    """A source event alone takes 2 eta rho_0 tau; the mean drift is zero at the target rate (Vogels et al., eq. 1)."""
    rule = VogelsSprekeler(eta=0.01, target_rate=10.0, tau=20.0, w_max=10.0)
    assert change(rule, [200], [], device) == pytest.approx(-0.01 * 2 * 10.0 * 0.02, abs=3e-7)
    assert change(rule, [200], [195], device) == pytest.approx(0.01 * (np.exp(-5 / 20) - 0.4), abs=3e-7)


@pytest.mark.parametrize("start", [0.0, 0.16])
def test_inhibitory_plasticity_brings_a_population_to_its_rate(start: float) -> None:
    """From 40 Hz without inhibition, and from next to none under too much: all neurons come to fire at 8 Hz.

    Events of one step do not meet, so that a trace's mean at an event is rate dt / (exp(dt / tau) - 1), 2.5 % below rate tau; the fixed point lies as
    much above the target. A source event makes its target's events less likely, which moves it by another percent with 400 weak inputs.
    """
    n, seconds, inputs = 60, 10, 400
    expected = 8.0 * 20.0 * np.expm1(1.0 / 20.0)
    excitation, inhibition = (
        PoissonSource(shape=k, rate=20.0, name=name) for k, name in ((200, "exc"), (2 * inputs, "inh"))
    )
    cells = LIF(shape=n, tau_m=20.0, v_th=10.0, t_ref=2.0, name="cells")
    excitation >> Sparse(0.5, rule="fixed_in_degree", count=100, n_pre=200, n_post=n) >> cells
    synapses = Sparse(start, rule="fixed_in_degree", count=inputs, n_pre=2 * inputs, n_post=n)
    rule = VogelsSprekeler(eta=0.003, target_rate=8.0, tau=20.0, w_max=5.0)
    learned = Plastic(synapses, rule, sign=-1, name="learned")
    inhibition.s_out.connect(learned.s_in)
    cells.s_out.connect(learned.post_in, delay=1)
    learned.a_out.connect(cells.a_in)
    with pg.compile(pg.Graph(cells, seed=1), "cpu") as rt:
        rt.run(seconds=1)
        first = rt.stats()["events"]["cells"] / n
        rt.run(seconds=19)
        spikes = rt.probe(cells.s_out)
        rt.run(seconds=seconds)
        rates = np.bincount(spikes.events["index"], minlength=n) / seconds
    assert first > 30 if start == 0.0 else first < 2
    assert rates.mean() == pytest.approx(expected, rel=0.03)
    assert np.all(np.abs(rates - expected) < 5 * np.sqrt(expected / seconds))  # five deviations of a Poisson process


@pytest.mark.parametrize("device", DEVICES)
def test_homeostasis_scales_with_the_distance(device: str) -> None:
    rule = Homeostasis(eta=0.001, target_rate=5.0, epoch=100, w_max=10.0)
    assert change(rule, [], [], device, steps=100) == pytest.approx(0.5 * 0.005, abs=3e-7)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dt", [1.0, 0.1])
def test_homeostasis_over_epochs(dt: float, device: str) -> None:
    """Rates above and below the target; the event of an epoch's last step counts in it, that of the step after does not."""
    rule = Homeostasis(eta=0.005, target_rate=5.0, tau=200.0, epoch=100, w_max=10.0)
    events = [20, 30, 41, 52, 60, 70, 99, 200, 350]
    weight = 0.5
    for end in range(99, 600, 100):
        rate = sum(np.exp((t - end) * dt / 200.0) for t in events if t <= end) / 0.2
        weight *= 1 + 0.005 * (5.0 - rate)
    assert abs(weight - 0.5) > 0.02
    assert change(rule, [10, 400], events, device, steps=600, dt=dt) == pytest.approx(weight - 0.5, abs=5e-6)


def additive(pre: set[int], post: set[int], at: list[int], target_first: bool) -> list[float]:
    """Weights of additive pair STDP just after some source events, in float64; which side is first where both have an event in a step."""
    weight, x, y, before, found = 0.5, 0.0, 0.0, 0, {}
    for step in sorted(pre | post):
        decay = np.exp((before - step) / 20.0)
        x, y, before = x * decay, y * decay, step
        changes = [LEARNING * x * (step in post), -DEPRESSION * LEARNING * y * (step in pre)]
        for change in changes if target_first else reversed(changes):
            weight = min(max(weight + change, 0.0), 1.0)
        x, y = x + (step in pre), y + (step in post)
        found[step] = weight
    return [found[step] for step in at]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("weights_of", ["weights", "weights_of_delays"])
def test_pair_stdp_is_that_of_nest(device: str, weights_of: str) -> None:
    """20 pairs of random trains at 30 Hz for 20 s, against stdp_synapse with dendritic delays of 3 ms or of 1 to 19 ms, compared every 2 s.

    All are equal to 2e-6 (float32 against float64) but where two events arrived in one step while the weight was at a limit: NEST applies the target's event first, here the
    source's is. By hand, in float64, the one order gives NEST's weights and the other the ones here, and no weight is further from NEST's than the
    two orders are from each other.
    """
    pairs, steps, tenths = 20, 20_000, 10 if device == "cpu" else 3
    nest, each = NEST[weights_of][:tenths], weights_of == "weights_of_delays"
    delays = NEST["delays"] if each else np.full(pairs, 3, np.int32)
    rule = PairSTDP(a_plus=LEARNING, a_minus=DEPRESSION * LEARNING, w_min=0.0, w_max=1.0)
    sources = {side: SpikeSource(NEST[side][:, 1], NEST[side][:, 0], shape=pairs) for side in ("pre", "post")}
    synapses = OneToOne(np.full(pairs, 0.5), delay=delays if each else 1)
    learned, pop = Plastic(synapses, rule, dendritic=each), LIF(shape=pairs, v_th=1e6)
    sources["pre"].s_out.connect(learned.s_in)
    sources["post"].s_out.connect(learned.post_in, delay=0 if each else 3)
    learned.a_out.connect(pop.a_in)
    trains = {side: [NEST[side][NEST[side][:, 0] == i, 1] for i in range(pairs)] for side in ("pre", "post")}
    # NEST brings a weight up to date when its source fires: compare just after the last such event of each tenth.
    last = np.array([[max(t[t < (k + 1) * steps // 10 - 2]) for t in trains["pre"]] for k in range(tenths)])
    weights = np.full((tenths, pairs), np.nan)
    with pg.compile(pg.Graph(pop), device) as rt:
        for step in np.unique(last):
            rt.run(steps=int(step) + 1 - rt.step)
            now = rt.get(learned.weights)
            weights[last == step] = np.broadcast_to(now, (tenths, pairs))[last == step]
    assert np.abs(weights[-1] - 0.5).max() > 0.1
    arrived = [(set(pre.tolist()), set((post + d).tolist())) for pre, post, d in zip(*trains.values(), delays)]
    theirs, ours = (
        np.array([additive(*both, at, first) for both, at in zip(arrived, last.T.tolist())]).T
        for first in (True, False)
    )
    assert np.abs(nest - theirs).max() < 1e-9
    assert np.abs(weights - ours).max() < 2e-6
    apart = np.abs(ours - theirs)
    assert np.all(np.abs(weights - nest) < 2e-6 + apart)
    assert np.count_nonzero(apart > 1e-9) < 10 and apart.max() < 1e-4
