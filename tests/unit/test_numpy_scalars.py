"""Numbers may be scalars of NumPy, as loops over arrays give them, and mean the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ParameterError
from procgraph.processes import LIF, Conv2d, Dense, Gymnasium, PoissonSource, SpikeSink, SpikeSource

ONE, HALF = np.int64(1), np.float32(0.5)


def _run(whole: Callable[[int], Any], real: Callable[[float], Any]) -> Any:
    source, cells = PoissonSource(shape=9, rate=100.0), LIF(shape=4, name="cells")
    synapses = Dense(np.full((4, 9), 0.25))
    source.s_out.connect(synapses.s_in, delay=whole(2), capacity=whole(30), when_full="drop_oldest")
    synapses.a_out.connect(cells.a_in)
    graph = pg.Graph(cells, dt=real(0.5), seed=whole(3))
    with pg.compile(graph, "reference", seed=whole(4), batch=whole(2), threads=whole(1)) as rt:
        probe = rt.probe(cells.v, every=whole(2))
        rt.run(seconds=real(0.125), realtime=real(1e6))
        rt.run(seconds=whole(0))
        rt.reset(seed=whole(5))
        rt.run(steps=whole(50))
        return probe.data


def test_a_run() -> None:
    assert np.array_equal(_run(np.int64, np.float32), _run(int, float))


def test_distributions_and_functions_of_distance() -> None:
    assert pg.Normal(ONE, HALF, low=-ONE) == pg.Normal(1, 0.5, low=-1)
    assert type(pg.Normal(ONE, HALF).mean) is float
    assert pg.LogNormal(HALF, HALF, grid=HALF) == pg.LogNormal(0.5, 0.5, grid=0.5)
    assert pg.Gaussian(HALF, HALF, outer=ONE, window=(ONE, ONE)) == pg.Gaussian(0.5, 0.5, outer=1, window=(1, 1))
    assert pg.Linear(ONE, HALF) == pg.Linear(1, 0.5)


def test_structure() -> None:
    assert Conv2d(np.ones((2, 1, 3, 3)), groups=np.int32(2)).groups == 2
    assert Gymnasium(actions=[ONE]).actions == [1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pg.Graph(LIF(shape=1), seed=True), "seed is True"),
        (lambda: pg.Graph(LIF(shape=1), dt=np.float32("nan")), "dt is"),
        (lambda: pg.Graph(LIF(shape=1), seed=-ONE), "seed is"),
        (lambda: pg.Normal(0.0, 1.0, low="0"), "is no distribution"),
        (lambda: pg.compile(pg.Graph(LIF(shape=1)), batch=np.float64(2)), "batch is"),
    ],
)
def test_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


def test_plots() -> None:
    pytest.importorskip("matplotlib")
    source, sink = SpikeSource(steps=[5], index=0, shape=1), SpikeSink(name="sink")
    source >> sink
    with pg.compile(pg.Graph(sink), "reference") as rt:
        rt.probe(sink.s_out)
        rt.run(steps=10)
        assert rt.plot_raster(window=np.array([0.0, 0.01]), lane=np.int64(0)).axes[0].get_xlim() == (0.0, 0.01)
        assert len(rt.plot_rates(bin=np.int64(5)).axes[0].patches[0].get_data()[0]) == 2
