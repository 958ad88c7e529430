"""What distributions draw and rules join, against the closed forms of statistics: what a run shows, on every backend.

Bounds are five standard deviations of what is counted, so that one of two million seeds would fail; the seeds are fixed.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ParameterError
from procgraph.processes import LIF, Plastic, Sparse, SpikeSource
from procgraph.processes.rules import PairSTDP

SIGMAS = 5.0
KOLMOGOROV = 3.0  # D sqrt(n) beyond it has a probability of 3e-8
N = 200  # of each side
DRAWS = 60_000
DT = 0.1

NORMAL, LOG = NormalDist(1.0, 0.5), NormalDist(-1.0, 0.8)


def projection(
    backend: str, weights: Any = 1.0, *, steps: int = 3, in_turn: bool = False, n_post: int = N, **options: Any
) -> tuple[Any, Any]:
    """Weights as they are read back, and currents (steps, n_post) by one event of each source: all in step 0, or source i in step i."""
    source = SpikeSource(np.arange(N) if in_turn else np.zeros(N, int), np.arange(N), shape=N)
    synapses = Sparse(weights, n_pre=N, n_post=n_post, name="synapses", **options)
    source >> synapses >> LIF(shape=n_post, v_th=1e9, name="target")
    with pg.compile(pg.Graph(source, dt=DT, seed=7), backend) as rt:
        currents = rt.probe(synapses.a_out)
        rt.run(steps=steps)
        return rt.get("synapses.weights").astype(np.float64), currents.data.astype(np.float64)


def joined(backend: str, n_post: int = N, **options: Any) -> Any:
    """How often a rule joins each pair, (n_pre, n_post)."""
    _, currents = projection(backend, steps=N + 1, in_turn=True, n_post=n_post, delay=1, **options)
    return currents[1:].astype(int)


def within(value: float, mean: float, variance: float) -> bool:
    return abs(value - mean) <= SIGMAS * math.sqrt(variance)


def truncated(d: NormalDist, low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation of a normal distribution between two limits."""
    a, b = (low - d.mean) / d.stdev, (high - d.mean) / d.stdev
    unit = NormalDist()
    inside = unit.cdf(b) - unit.cdf(a)
    first = (unit.pdf(a) - unit.pdf(b)) / inside
    second = 1 + (a * unit.pdf(a) - b * unit.pdf(b)) / inside - first**2
    return d.mean + d.stdev * first, d.stdev * math.sqrt(second)


def of_lognormal(log: NormalDist, low: float = 0.0, high: float = math.inf) -> tuple[float, float]:
    """Mean and standard deviation of exp of a normal distribution, between two limits of the result."""

    def inside(power: int) -> float:
        moved = NormalDist(log.mean + power * log.variance, log.stdev)
        return (moved.cdf(math.log(high)) if high < math.inf else 1.0) - (moved.cdf(math.log(low)) if low > 0 else 0.0)

    mean, square = (math.exp(k * log.mean + k * k * log.variance / 2) * inside(k) / inside(0) for k in (1, 2))
    return mean, math.sqrt(square - mean**2)


def check_moments(values: Any, mean: float, sd: float) -> None:
    n = values.size
    assert within(values.mean(), mean, sd**2 / n)
    fourth = np.mean((values - values.mean()) ** 4) / sd**4  # of the sample: that of a lognormal is far out
    assert within(values.var() / sd**2, 1.0, (fourth - 1) / n)


def cdf(drawn: Any, x: float) -> float:
    """Probability below x, with what lies outside the limits drawn again."""
    if isinstance(drawn, pg.Uniform):
        return min(max((x - drawn.low) / (drawn.high - drawn.low), 0.0), 1.0)
    log = isinstance(drawn, pg.LogNormal)
    plain = NormalDist(drawn.mu, drawn.sigma) if log else NormalDist(drawn.mean, drawn.sd)

    def below(value: float) -> float:
        if not math.isfinite(value) or (log and value <= 0):
            return float(value > 0)
        return plain.cdf(math.log(value) if log else value)

    low, high = below(drawn.low), below(drawn.high)
    return min(max((below(x) - low) / (high - low), 0.0), 1.0)


@pytest.mark.parametrize(
    ("drawn", "moments"),
    [
        (pg.Normal(1.0, 0.5), (1.0, 0.5)),
        (pg.Normal(1.0, 0.5, low=0.5, high=1.2), truncated(NORMAL, 0.5, 1.2)),
        (pg.Normal(1.0, 0.5, low=2.0, high=9.0), truncated(NORMAL, 2.0, 9.0)),
        (pg.LogNormal(-1.0, 0.8), of_lognormal(LOG)),
        (pg.LogNormal(-1.0, 0.8, low=0.1, high=0.9), of_lognormal(LOG, 0.1, 0.9)),
        (pg.Uniform(-0.5, 1.5), (0.5, 2 / math.sqrt(12))),
    ],
    ids=["normal", "cut normal", "tail of normal", "lognormal", "cut lognormal", "uniform"],
)
def test_weights_follow_their_distribution(drawn: Any, moments: tuple[float, float], backend: str) -> None:
    """Nothing lies beyond a limit, and nothing piles up there: the distribution is cut, not clipped."""
    weights, _ = projection(backend, drawn, rule="fixed_total", count=DRAWS)
    assert weights.shape == (DRAWS,) and drawn.low <= weights.min() and weights.max() <= drawn.high
    check_moments(weights, *moments)
    expected = np.array([cdf(drawn, x) for x in np.sort(weights)])
    steps = np.arange(DRAWS + 1) / DRAWS
    distance = max(np.abs(expected - steps[:-1]).max(), np.abs(expected - steps[1:]).max())
    assert distance * math.sqrt(DRAWS) < KOLMOGOROV


def test_weights_on_a_grid(backend: str) -> None:
    drawn = pg.Normal(1.0, 0.5, low=0.2, high=1.6, grid=0.25)
    weights, _ = projection(backend, drawn, rule="fixed_total", count=DRAWS)
    values, counts = np.unique(weights, return_counts=True)
    assert values.tolist() == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    for value, count in zip(values, counts):
        # The outermost multiples between the limits take what would be rounded beyond.
        p = (cdf(drawn, value + 0.125) if value < 1.5 else 1.0) - (cdf(drawn, value - 0.125) if value > 0.25 else 0.0)
        assert within(count, DRAWS * p, DRAWS * p * (1 - p))


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (1.1, 2.3), (-2.3, -1.1), (0.55, 0.75)])
def test_limits_that_are_multiples_of_the_grid_are_drawn(low: float, high: float) -> None:
    """0.3 / 0.1 is below 3, and 1.1 / 0.1 above 11."""
    wanted = np.arange(math.ceil(low / 0.1 - 0.01), math.floor(high / 0.1 + 0.01) + 1) * 0.1
    values = np.unique(pg.Uniform(low, high, grid=0.1).table())
    np.testing.assert_allclose(values, wanted, rtol=1e-12)
    assert low <= values[0] and values[-1] <= high


def test_limits_without_a_multiple_of_the_grid_are_refused() -> None:
    with pytest.raises(ParameterError, match="no multiple of grid between low and high"):
        pg.Normal(0.0, 1.0, low=0.3, high=0.4, grid=0.5).table()


@pytest.mark.parametrize("drawn", [pg.LogNormal(-1.0, 0.8), pg.Normal(-0.2, 0.5), pg.Uniform(0.0, 2.0)], ids=repr)
def test_a_run_sums_up_what_was_drawn(drawn: Any, backend: str) -> None:
    """The current of each target, by as many events as it has inputs; it is what the weights say, and spread as their sums are."""
    degree, targets = 50, 2000
    weights, currents = projection(backend, drawn, rule="fixed_in_degree", count=degree, n_post=targets, delay=1)
    assert not currents[[0, 2]].any()
    np.testing.assert_allclose(currents[1], weights.reshape(targets, degree).sum(axis=1), atol=degree * 2.0**-16)
    mean, sd = {"LogNormal": of_lognormal(LOG), "Normal": (-0.2, 0.5), "Uniform": (1.0, 2 / math.sqrt(12))}[
        type(drawn).__name__
    ]
    check_moments(currents[1], degree * mean, math.sqrt(degree) * sd)


@pytest.mark.parametrize(
    ("drawn", "unit"),
    [
        (pg.Uniform(1.0, 3.0), 1),
        (pg.Uniform(1.0, 3.0, grid=0.5), 5),
        (pg.Normal(1.5, 0.75, low=0.1, high=3.0), 1),
        (pg.Normal(1.5, 0.75, low=0.6, high=2.7, grid=0.3), 3),
        (pg.LogNormal(0.0, 0.5, low=0.1, high=3.9), 1),
    ],
    ids=["uniform", "uniform on a grid", "normal", "normal on a grid", "lognormal"],
)
def test_delays_follow_their_distribution(drawn: Any, unit: int, backend: str) -> None:
    """As many arrive in each step as lie nearer to it, or to the multiple of the grid that it is, than to another."""
    _, currents = projection(backend, steps=45, rule="fixed_total", count=DRAWS, delay=drawn)
    arrived = currents.sum(axis=1)
    assert arrived.sum() == DRAWS and arrived[round(drawn.low / DT)] > 0 < arrived[round(drawn.high / DT)]
    for step, count in enumerate(arrived):
        half = unit / 2
        p = cdf(drawn, (step + half) * DT) - cdf(drawn, (step - half) * DT) if step % unit == 0 else 0.0
        assert within(count, DRAWS * p, DRAWS * p * (1 - p)), step


def check_binomial(counts: Any, trials: float, p: float) -> None:
    """Sum and variance of independent binomial numbers; their fourth moment is next to that of a normal distribution."""
    n, variance = counts.size, trials * p * (1 - p)
    assert within(counts.sum(), n * trials * p, n * variance)
    assert within(counts.var(), variance, variance**2 * 2.1 / n)


@pytest.mark.parametrize("p", [0.03, 0.5, 0.97])
def test_fixed_probability(p: float, backend: str) -> None:
    """Each pair once or not; numbers of partners spread as in independent trials, on both sides, and so do common partners."""
    pairs = joined(backend, 300, rule="fixed_probability", p=p)
    assert set(np.unique(pairs)) == {0, 1}
    check_binomial(pairs.sum(axis=1), 300, p)
    check_binomial(pairs.sum(axis=0), N, p)
    common = (pairs[:-1] * pairs[1:]).sum(axis=1)
    assert within(common.mean(), 300 * p**2, 3 * 300 * p**2 / common.size)  # neighbours share a row: at most threefold


@pytest.mark.parametrize(("rule", "axis"), [("fixed_in_degree", 0), ("fixed_out_degree", 1)])
def test_fixed_degrees(rule: str, axis: int, backend: str) -> None:
    """Exactly ``count`` on one side; the other side's numbers spread as in independent draws of partners."""
    pairs = joined(backend, rule=rule, count=40)
    assert set(pairs.sum(axis=axis)) == {40}
    check_binomial(pairs.sum(axis=1 - axis), N * 40, 1 / N)
    again = (pairs * (pairs - 1)).sum() / 2  # pairs of synapses that join the same
    assert within(again, N * math.comb(40, 2) / N, 1.5 * N * math.comb(40, 2) / N)
    assert within(np.trace(pairs), 40, 40)


@pytest.mark.parametrize(("rule", "axis"), [("fixed_in_degree", 0), ("fixed_out_degree", 1)])
def test_fixed_degrees_without_repetition_or_loops(rule: str, axis: int, backend: str) -> None:
    pairs = joined(backend, rule=rule, count=40, multapses=False, autapses=False)
    assert set(np.unique(pairs)) == {0, 1} and np.trace(pairs) == 0
    assert set(pairs.sum(axis=axis)) == {40}
    check_binomial(pairs.sum(axis=1 - axis), N - 1, 40 / (N - 1))


def test_fixed_total(backend: str) -> None:
    pairs = joined(backend, 300, rule="fixed_total", count=9000)
    assert pairs.sum() == 9000
    check_binomial(pairs.sum(axis=1), 9000, 1 / N)
    check_binomial(pairs.sum(axis=0), 9000, 1 / 300)
    check_binomial(pairs.reshape(-1), 9000, 1 / (300 * N))
    assert np.trace(joined(backend, rule="fixed_total", count=9000, autapses=False)) == 0


@pytest.mark.parametrize("batch", [1, 2])
def test_weights_that_learn_begin_as_those_that_do_not(backend: str, batch: int) -> None:
    drawn = pg.LogNormal(-1.0, 0.8, high=2.0)
    plain, _ = projection(backend, drawn, rule="fixed_probability", p=0.1)
    source, target = SpikeSource(np.zeros(N, int), np.arange(N), shape=N), LIF(shape=N, v_th=1e9, name="target")
    described = Sparse(drawn, n_pre=N, n_post=N, rule="fixed_probability", p=0.1)
    learned = Plastic(described, PairSTDP(w_max=3.0), name="synapses")
    source.s_out.connect(learned.s_in)
    target.s_out.connect(learned.post_in)
    learned.a_out.connect(target.a_in)
    with pg.compile(pg.Graph(target, dt=DT, seed=7), backend, batch=batch) as rt:
        rt.run(steps=5)
        weights = np.asarray(rt.get("synapses.weights"))
    assert np.array_equal(weights.reshape(batch, -1), np.broadcast_to(plain.ravel(), (batch, plain.size)))
