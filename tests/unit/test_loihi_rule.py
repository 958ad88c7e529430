"""Loihi's sum-of-products rules: what they compute, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ParameterError, UnknownNameError
from procgraph.processes import LIF, Dense, Plastic, SpikeSource
from procgraph.processes.loihi import LoihiRule

DEVICES = ("cpu", "reference")


def weight(rule: LoihiRule, pre: list[int], post: list[int], device: str, steps: int = 60) -> float:
    source, target = (SpikeSource(times, [0] * len(times), shape=1) for times in (pre, post))
    learned, pop = Plastic(Dense([[0.5]]), rule, name="syn"), LIF(shape=1, v_th=1e6)
    source.s_out.connect(learned.s_in)
    target.s_out.connect(learned.post_in)
    learned.a_out.connect(pop.a_in)
    with pg.compile(pg.Graph(pop), device) as rt:
        rt.run(steps=steps)
        return float(rt.get(learned.weights)[0, 0])


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


def test_a_rule_without_a_compiler_runs_as_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procgraph.models.cpu.backend.find_compiler", lambda: None)
    rule = LoihiRule(dw="0.0123 * x1 * y0")
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
        ("u1 * x0 + u2 * y0", "one k for all terms"),
        ("x1 if y0 else 0", "allowed: names, numbers"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    with pytest.raises((ParameterError, UnknownNameError), match=problem):
        LoihiRule(dw=text)
