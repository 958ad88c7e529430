"""The integrators on NumPy arrays: orders of convergence, exact cases, and the same operations on symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.spec import integrators as it
from procgraph.spec.trace import Namespace, trace


def oscillator(y: dict[str, Any]) -> dict[str, Any]:
    return {"x": -y["z"], "z": y["x"]}


def error(method: Callable[..., dict[str, Any]], steps: int) -> float:
    """After a quarter of a turn from (1, 0), in float64."""
    y = method(oscillator, {"x": np.float64(1.0), "z": np.float64(0.0)}, np.pi / 2 / steps, steps)
    return float(np.hypot(y["x"], y["z"] - 1))


@pytest.mark.parametrize(("method", "order"), [(it.euler, 1), (it.rk4, 4)])
def test_order(method: Callable[..., dict[str, Any]], order: int) -> None:
    assert np.log2(error(method, 16) / error(method, 32)) == pytest.approx(order, abs=0.15)


def test_exponential_euler_is_exact_for_held_terms() -> None:
    one, rate = np.ones(3, np.float32), np.array([2.0, 300.0, 0.0], np.float32)
    y = {"v": one, "w": one * np.float32(5)}
    new = it.exponential_euler(lambda y: {"v": (rate * 3.0, rate), "w": (one, one * 0)}, y, 0.25, substeps=2)
    assert new["v"].dtype == np.float32
    np.testing.assert_allclose(new["v"], 3 - 2 * np.exp(-rate * 0.5), atol=1e-5)
    np.testing.assert_allclose(new["w"], 5.5)


def test_exponential_euler_has_order_one() -> None:
    def logistic(y: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        return {"v": (np.float32(1), y["v"])}  # dv/dt = 1 - v**2

    def off(steps: int) -> float:
        return abs(
            float(
                it.exponential_euler(logistic, {"v": np.zeros(1, np.float32)}, 1 / steps, steps)["v"][0] - np.tanh(1.0)
            )
        )

    assert np.log2(off(8) / off(16)) == pytest.approx(1, abs=0.15)


def test_known_drive_has_order_four() -> None:
    def off(steps: int) -> float:
        y, h = {"v": np.float64(0.0)}, 1 / steps
        for k in range(steps):
            drive = [np.exp(-(k + part) * h) for part in (0.0, 0.5, 1.0)]
            y = it.rk4_driven(lambda y, u: {"v": u - 2 * y["v"]}, y, drive, h)
        return abs(float(y["v"] - (np.exp(-1) - np.exp(-2))))

    assert np.log2(off(8) / off(16)) == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize("substeps", [0, -1, 1.5])
def test_refuses_a_number_of_steps(substeps: Any) -> None:
    with pytest.raises(ValueError, match="allowed"):
        it.rk4(oscillator, {"x": 1.0, "z": 0.0}, 0.1, substeps)


class IntegratorPair(pg.Process):
    """An oscillator by RK4 with sub-steps and a decay by exponential Euler."""

    x_out = pg.Out(pg.Array)
    rate = pg.Param(0.5)
    x = pg.State(1.0)
    z = pg.State(0.0)

    @staticmethod
    def derive(p: Any, dt: float) -> dict[str, Any]:
        return {"h": np.float64(dt / 3)}

    @staticmethod
    def step(p: Any, d: Any, s: Any, x: Any) -> Any:
        y = it.rk4(oscillator, {"x": s.x, "z": s.z}, d.h, 3)
        z = it.exponential_euler(lambda y: {"z": (0.0, p.rate)}, {"z": y["z"]}, d.h)["z"]
        return {"x": y["x"], "z": z}, {"x_out": y["x"]}


def test_symbols_and_arrays_agree() -> None:
    process = IntegratorPair(shape=2)
    assert len(trace(process, 0.5).operations) > 50
    with pg.compile(pg.Graph(process, dt=0.5), devices="reference") as rt:
        probe = rt.probe(process.x)
        rt.run(steps=1)
        got = probe.data[0].copy()
    one = np.ones(2, np.float32)
    scope = Namespace({"rate": one * np.float32(0.5), "h": one * np.float32(0.5 / 3)}, "scope")
    new, _ = IntegratorPair.step(scope, scope, Namespace({"x": one, "z": one * 0}, "s"), Namespace({}, "x"))
    assert new["x"].dtype == np.float32
    np.testing.assert_array_equal(got, new["x"])
    np.testing.assert_allclose(new["x"], np.cos(0.5), rtol=1e-4)
