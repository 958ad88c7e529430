"""Loihi's sum-of-products rules: what they compute, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ParameterError, ShapeError, UnknownNameError
from procgraph.processes import LIF, Dense, Plastic, Sparse, SpikeSource
from procgraph.processes.loihi import LoihiRule

DEVICES = ("cpu", "reference")


def weight(rule: LoihiRule, pre: list[int], post: list[int], device: str, steps: int = 60) -> float:
    return float(learnt(rule, pre, post, device, steps, "weights")["weights"])


def learnt(
    rule: LoihiRule, pre: list[int], post: list[int], device: str, steps: int, *variables: str
) -> dict[str, Any]:
    """Variables of a synapse with a weight of 0.5 and spikes of both sides at the given steps."""
    source, target = (SpikeSource(times, [0] * len(times), shape=1) for times in (pre, post))
    learned, pop = Plastic(Dense([[0.5]]), rule, name="syn"), LIF(shape=1, v_th=1e6)
    source.s_out.connect(learned.s_in)
    target.s_out.connect(learned.post_in)
    learned.a_out.connect(pop.a_in)
    with pg.compile(pg.Graph(pop), device) as rt:
        rt.run(steps=steps)
        return {name: np.ravel(rt.get(f"syn.{name}"))[0] for name in variables}


@pytest.mark.parametrize("device", DEVICES)
def test_stdp_as_a_sum_of_products(device: str) -> None:
    rule = LoihiRule(dw="2^-4 * x1 * y0 - 2^-5 * y1 * x0", x1_tau=10.0, y1_tau=20.0, x1_impulse=0.5)
    assert weight(rule, [10], [15], device) == pytest.approx(0.5 + 2**-4 * 0.5 * np.exp(-0.5), abs=1e-6)
    assert weight(rule, [15], [10], device) == pytest.approx(0.5 - 2**-5 * np.exp(-5 / 20), abs=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_decay_epochs_tags_and_signs(device: str) -> None:
    decay = LoihiRule(dw="-2^-3 * w * u0", t_epoch=10)
    assert weight(decay, [], [], device) == pytest.approx(0.5 * (7 / 8) ** 6, abs=1e-6)
    rarer = LoihiRule(dw="-2^-3 * w * u1", t_epoch=10)
    assert weight(rarer, [], [], device) == pytest.approx(0.5 * (7 / 8) ** 3, abs=1e-6)
    flags = LoihiRule(dw="0.01 * x0 * y0", t_epoch=5)
    assert weight(flags, [11], [13], device) == pytest.approx(0.51, abs=1e-6)  # both in one epoch
    assert weight(flags, [13], [16], device) == pytest.approx(0.5, abs=1e-6)
    tagged = LoihiRule(dt="0.5 * x0 - 2^-1 * t * u0", dw="0.1 * t * u0 * sgn(w - 0.7)")
    t, w = 0.0, 0.5
    for step in range(60):
        t, w = t + 0.5 * (step == 20) - 0.5 * t, w + 0.1 * t * np.sign(w - 0.7)
    assert weight(tagged, [20], [], device) == pytest.approx(w, abs=1e-5)


def at(step: int, spikes: list[int], tau: float) -> float:
    """A trace with the spikes up to a step."""
    return float(sum(np.exp(-(step - spike) / tau) for spike in spikes if spike <= step))


PAIRS = [([11], [13]), ([13], [11]), ([12], [12]), ([3, 11, 15], [12, 14]), ([2, 14], [13, 21])]


@pytest.mark.parametrize("device", DEVICES)
def test_traces_are_taken_at_the_last_event_of_the_epoch(device: str) -> None:
    """Epochs of 10 steps: x0 and y0 date the product they stand in, and events of the very step count."""
    rule = LoihiRule(
        dw="0.01 * x1 * y0 - 0.02 * sgn(w) * (y2 * x0) + x1 * x0 * y0 * 2^-9",
        dd="0.25 * x2 * y1",
        t_epoch=10,
        x1_tau=5.0,
        y2_tau=7.0,
        y2_impulse=0.5,
        w_min=-1.0,
    )
    for pre, post in PAIRS:
        w, d = 0.5, 0.0
        for end in (9, 19, 29):
            x, y = ([s for s in spikes if end - 10 < s <= end] for spikes in (pre, post))
            change = 0.01 * at(y[-1], pre, 5.0) if y else 0.0
            change -= 0.02 * np.sign(w) * 0.5 * at(x[-1], post, 7.0) if x else 0.0
            change += 2**-9 * at(x[-1], pre, 5.0) if x and y else 0.0
            w, d = w + change, d + 0.25 * at(end, pre, 20.0) * at(end, post, 20.0)
        found = learnt(rule, pre, post, device, 30, "weights", "d")
        assert found["weights"] == pytest.approx(w, abs=1e-6), (pre, post)
        assert found["d"] == pytest.approx(d, abs=1e-6), (pre, post)


@pytest.mark.parametrize("device", DEVICES)
def test_three_variables_read_each_other(device: str) -> None:
    """Epochs of 4 steps, of which x0 is 1 in the second and the last; all rules see what was before any of them."""
    rule = LoihiRule(
        dw="2^-3 * d * u0",
        dd="2 * x0 - d * x0 * t - 2^-1",
        dt="2^-2 * d + 2^-4 * u1",
        t_epoch=4,
        w_max=9.0,
        d=3.0,
        t=0.5,
    )
    w, d, t = 0.5, 3.0, 0.5
    for epoch, fired in enumerate((0, 1, 0, 0, 1)):
        w, d, t = (
            w + d / 8,
            max(0.0, d + 2 * fired - d * fired * t - 0.5),
            t + d / 4 + (epoch % 2 == 1) / 16,
        )
    found = learnt(rule, [6, 19], [], device, 20, "weights", "d", "t")
    assert found == {"weights": w, "d": d, "t": t}  # all exact in float32
    assert d == 1.5


@pytest.mark.parametrize("device", DEVICES)
def test_d_moves_no_delay_and_stays_above_0(device: str) -> None:
    rule = LoihiRule(dd="-x0", d=np.array([0.25, 5.0, 9.0]))
    source, pop = SpikeSource([2, 4, 6, 10], [0] * 4, shape=1), LIF(shape=1, v_th=1e6)
    learned = Plastic(Sparse(0.5, pre=[0] * 3, post=[0] * 3, delay=[1, 1, 1]), rule, name="syn")
    source.s_out.connect(learned.s_in)
    learned.a_out.connect(pop.a_in)
    with pg.compile(pg.Graph(pop), device) as rt:
        current, d = rt.probe(learned.a_out), rt.probe("syn.d", every=5)
        rt.run(steps=15)
        assert np.flatnonzero(current.data).tolist() == [3, 5, 7, 11]
        assert d.data.tolist() == [[0.0, 3.0, 7.0], [0.0, 2.0, 6.0], [0.0, 1.0, 5.0]]
        rt.set("syn.d", np.float32([4.0, 5.0, 6.0]))
        assert rt.get("syn.d").tolist() == [4.0, 5.0, 6.0]


@pytest.mark.parametrize("device", DEVICES)
def test_each_product_waits_for_its_own_epochs(device: str) -> None:
    rule = LoihiRule(dw="2^-2 * x0", dd="u1 + 2^-4 * x0 * u2", dt="u1 * u3 - 2^-5 * u0", t_epoch=3, w_max=9.0)
    found = learnt(rule, list(range(24)), [], device, 24, "weights", "d", "t")  # 8 epochs
    assert found == {"weights": 0.5 + 8 / 4, "d": 4 + 2 / 16, "t": 1 - 8 / 32}


def test_a_rule_keeps_what_it_needs() -> None:
    assert list(LoihiRule(dw="x1 * y0").variables) == []
    assert list(LoihiRule(dw="x1 * y0", d=3.0).variables) == ["d"]
    assert list(LoihiRule(dw="x1 * y0 + y1 * x0 * t", t_epoch=2).variables) == ["t", "y1_at_x0", "x1_at_y0"]
    assert list(LoihiRule(dd="u2 * w", t_epoch=5).variables) == ["d"]
    assert LoihiRule(dd="u2 * w - u3", t_epoch=5).epoch_steps(1.0) == 20
    assert LoihiRule(dd="u2 * w - u3 * x0", t_epoch=5).epoch_steps(1.0) == 5


@pytest.mark.parametrize("t_epoch", [1, 10])
def test_a_rule_without_a_compiler_runs_as_numpy(monkeypatch: pytest.MonkeyPatch, t_epoch: int) -> None:
    monkeypatch.setattr("procgraph.models.cpu.backend.find_compiler", lambda: None)
    rule = LoihiRule(dw="0.0123 * x1 * y0", t_epoch=t_epoch)
    with pytest.warns(RuntimeWarning, match="no C\\+\\+ compiler was found"):
        assert weight(rule, [10], [15], "cpu") == pytest.approx(0.5 + 0.0123 * np.exp(-5 / 20), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x1 * y9", "unknown name 'y9'"),
        ("x1 / 2", "allowed: names, numbers"),
        ("__import__('os')", "allowed: names, numbers"),
        ("x1 * (", "no sum of products"),
        ("x1 ** w", "allowed: names, numbers"),
        ("2^999999999", "allowed: names, numbers"),
        ("u16 * x0", "uses u16; allowed: u0 to u15"),
        ("u * x0", "unknown name 'u'"),
        ("x1 if y0 else 0", "allowed: names, numbers"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    for target in ("dw", "dd", "dt"):
        with pytest.raises((ParameterError, UnknownNameError), match=problem) as caught:
            LoihiRule(**{target: text})
        assert str(caught.value).startswith(f"LoihiRule.{target} ")


@pytest.mark.parametrize(
    "text", ["x1 * (y0 - x0)", "(x0 + w) * y1", "(w - x1) * sgn(y0 - 0.5)", "(x0 + w) * (x1 * y0 + 1)"]
)
def test_a_trace_that_has_no_date_is_refused(text: str) -> None:
    LoihiRule(dd=text)  # with one step in an epoch there is one date
    with pytest.raises(ParameterError, match=r"^LoihiRule.dd has x0 or y0 in brackets .* such as x1 \* y0 - x1 \* x0"):
        LoihiRule(dd=text, t_epoch=2)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "needs dw=, dd= or dt="),
        ({"dw": "w", "d": -1.0}, r"LoihiRule.d is -1; allowed: >= 0"),
        ({"dw": "w", "d": np.nan}, "LoihiRule.d contains NaN"),
    ],
)
def test_wrong_values(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ParameterError, match=problem):
        LoihiRule(**values)


def test_a_variable_has_one_value_for_each_synapse() -> None:
    learned, pop = Plastic(Dense([[0.5, 0.5]]), LoihiRule(dd="x0", d=[1.0, 2.0, 3.0]), name="syn"), LIF(shape=1)
    learned.a_out.connect(pop.a_in)
    with pytest.raises(ShapeError, match="LoihiRule.d has 3 values; allowed: one number, or one for each of the 2"):
        pg.compile(pg.Graph(pop))
