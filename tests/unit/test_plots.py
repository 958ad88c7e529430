"""Plots of a Runtime: what they show, and what they refuse."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.cli import recording
from procgraph.errors import DeviceError, ParameterError, ProcgraphError, UnknownNameError
from procgraph.processes import LIF, OneToOne, PoissonSource
from procgraph.runtime.series import Events

pytest.importorskip("matplotlib")


@pytest.fixture
def rt() -> Iterator[Any]:
    src, pop = PoissonSource(shape=40, rate=100.0, name="src"), LIF(shape=40, tau_m=5.0, name="pop")
    src >> OneToOne(0.6) >> pop
    with pg.compile(pg.Graph(pop, dt=0.5), "reference", seed=3) as runtime:
        for what in (src.s_out, pop.s_out, pop.v):
            runtime.probe(what)
        runtime.run(steps=600)
        yield runtime


def test_raster_has_every_event_in_its_band(rt: Any, tmp_path: Path) -> None:
    figure = rt.plot_raster(path=tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"
    (axes,) = figure.axes
    bands = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert [line.get_xdata().size for line in bands] == _counts(rt)
    assert bands[0].get_ydata().max() < bands[1].get_ydata().min()
    assert [t.get_text() for t in axes.get_yticklabels()] == ["src\n40", "pop\n40"]
    assert axes.get_xlim() == (0.0, 0.3)
    assert len(rt.plot_raster("pop.s_out", window=(0.1, 0.2)).axes[0].lines) == 2


def _counts(rt: Any) -> list[int]:
    return [rt.stats()["events"][name] for name in ("src", "pop")]


def test_rates_are_counts_over_time_and_size(rt: Any, tmp_path: Path) -> None:
    figure = rt.plot_rates(bin="20 ms", path=tmp_path / "r.svg")
    assert (tmp_path / "r.svg").stat().st_size > 1000 and len(figure.axes) == 2
    for axes, name, count in zip(figure.axes, ("src", "pop"), _counts(rt)):
        values, edges, _ = axes.patches[0].get_data()
        assert np.allclose(edges, np.arange(16) * 0.02)
        assert np.sum(values * np.diff(edges)) * 40 == pytest.approx(count)
        assert axes.texts[0].get_text() == f"{name}\nmean {count / 40 / 0.3:.3g} Hz"
    values, edges, _ = rt.plot_rates("src.s_out", bin=20, window=(0.01, 0.05)).axes[0].patches[0].get_data()
    assert edges[0] == 0.0 and edges[-1] == pytest.approx(0.06)  # bins at the rim are cut; their rates are not too low
    assert values.min() > 30


def test_traces(rt: Any) -> None:
    (axes,) = rt.plot_trace().axes
    assert axes.get_ylabel() == "pop.v (mV)" and [line.get_label() for line in axes.lines] == [
        "0",
        "9",
        "19",
        "29",
        "39",
    ]
    (axes,) = rt.plot_trace("pop.v", elements=[7], window=(0.1, 0.2)).axes
    assert len(axes.lines) == 1 and axes.lines[0].get_xdata().min() >= 0.1


def test_traces_of_some_elements() -> None:
    pop = LIF(shape=40, bias=np.linspace(0.5, 2.0, 40), name="pop")
    with pg.compile(pg.Graph(pop), "reference") as rt:
        rt.probe(pop.v, elements=[31, 4])
        rt.run(steps=50)
        (axes,) = rt.plot_trace().axes
        assert {line.get_label(): line.get_ydata().max() for line in axes.lines}.keys() == {"31", "4"}
        (axes,) = rt.plot_trace(elements=[4]).axes
        assert np.allclose(axes.lines[0].get_ydata()[-1], rt.get(pop.v)[4])
        with pytest.raises(ParameterError, match=r"elements is \[5\]; allowed for pop.v: 31, 4, in a list"):
            rt.plot_trace(elements=[5])


def test_lanes() -> None:
    src = PoissonSource(shape=10, rate=[0.0] * 5 + [50.0] * 5, name="src")
    with pg.compile(pg.Graph(src), "reference", batch=3) as rt:
        probe = rt.probe(src.s_out)
        rt.run(steps=200)
        drawn = [rt.plot_raster(lane=k).axes[0].lines[0].get_xdata().size for k in range(3)]
        assert drawn == [int((probe.events["batch"] == k).sum()) for k in range(3)] and len(set(drawn)) > 1
        with pytest.raises(ParameterError, match="lane is 3; allowed: 0 to 2"):
            rt.plot_raster(lane=3)


WRONG: list[tuple[Callable[[Any], Any], type[ProcgraphError], str]] = [
    (lambda rt: rt.plot_raster("pop.v"), ParameterError, "pop.v was not recorded as events. Use plot_trace"),
    (lambda rt: rt.plot_trace("pop.s_out"), ParameterError, "pop.s_out was not recorded as sampled values"),
    (lambda rt: rt.plot_trace("pop.s_outt"), UnknownNameError, "s_outt"),
    (lambda rt: rt.plot_raster("onetoone_0.a_out"), UnknownNameError, "nothing was recorded of onetoone_0.a_out"),
    (lambda rt: rt.plot_raster(path="x.txt"), ParameterError, "allowed: names that end with .png, .svg, .pdf"),
    (lambda rt: rt.plot_rates(bin=0.1), ParameterError, "bin is 0.1; allowed: at least one step, 0.5 ms"),
    (lambda rt: rt.plot_rates(bin="5 mV"), ParameterError, "bin is given in 'mV'"),
    (lambda rt: rt.plot_trace(elements=[40]), ParameterError, "allowed for pop.v: 0 to 39"),
    (lambda rt: rt.plot_raster(window=(0.2, 0.1)), ParameterError, "window is"),
    (lambda rt: rt.plot_raster(window=3), ParameterError, "window is 3"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_refused(rt: Any, call: Callable[[Any], Any], error: type[ProcgraphError], message: str) -> None:
    with pytest.raises(error, match=message):
        call(rt)


def test_a_trace_of_a_run_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = LIF(shape=1, name="cells")
    with pg.compile(pg.Graph(cells), "reference") as rt:
        probe = rt.probe(cells.v)
        rt.run(steps=10)
        data = type(probe).data.fget  # type: ignore[attr-defined]
        monkeypatch.setattr(type(probe), "data", property(lambda p: (rt.run(steps=3), data(p))[1]))
        assert rt.plot_trace(probe).axes[0].lines[0].get_xdata().size == 10
        assert len(probe) == 13


def test_nothing_recorded() -> None:
    with (
        pg.compile(pg.Graph(LIF(shape=1)), "reference") as rt,
        pytest.raises(ParameterError, match="no probe recorded"),
    ):
        rt.plot_raster()


def test_without_matplotlib(rt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None)
    with pytest.raises(DeviceError, match=r"plots need matplotlib. Install procgraph-snn\[plot\]"):
        rt.plot_raster()


def test_many_events_are_drawn_in_part_without_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    from procgraph.runtime import plot  # needs matplotlib

    monkeypatch.setattr(plot, "MAX_POINTS", 2000)
    steps, index = (a.reshape(-1) for a in np.mgrid[0:500, 0:100])  # all fire in every step
    (line, *_) = plot.raster([Events("pop", steps, index, 100)], 1.0, (0.0, 0.5), None).axes[0].lines
    assert 1800 < line.get_xdata().size < 2200
    counts, _ = np.histogram(line.get_xdata(), bins=20)
    assert counts.min() > 50 and counts.max() < 160  # 100 each; every 25th event would hit four of the neurons alone
    assert np.unique(line.get_ydata()).size > 90


def test_a_recording_keeps_the_same_share_of_all_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_EVENTS", 4000)
    source = PoissonSource(shape=1000, rate=100.0, name="source")
    with pg.compile(pg.Graph(source), "reference") as rt:
        kept = recording.Recording(rt, 1.0)
        for steps in (20, 200, 5, 100, 75):  # 100 events a step
            rt.run(steps=steps)
            kept.poll()
        (events,) = kept.events()
    counts, _ = np.histogram(events.steps, bins=10, range=(0, 400))
    assert 6400 < events.steps.size < 9600  # a fifth, so that the longest stretch has 4000
    assert counts.min() > 0.8 * counts.mean() and counts.max() < 1.2 * counts.mean()


def test_rates_count_the_time_that_was_recorded(tmp_path: Path) -> None:
    def shown(window: tuple[float, float] | None = None) -> tuple[str, float]:
        (axes,) = rt.plot_rates(probe, bin="40 ms", window=window).axes
        return axes.texts[0].get_text().split()[-2], axes.patches[0].get_data()[0].max()

    with pg.compile(pg.Graph(LIF(shape=1, tau_m=1.0, bias=1e3, t_ref=9.0, name="pop")), "reference") as rt:
        rt.run(steps=100)  # a spike in every tenth step
        probe = rt.probe("pop.s_out")
        rt.run(steps=100)
        rt.checkpoint(tmp_path / "a.ckpt")
        assert shown() == ("100", 100.0)  # not 50: nothing was recorded of the first half
        assert shown((0.0, 10.0)) == ("100", 100.0)  # nor of what is to come
        assert shown((0.0, 0.05)) == ("0", 0.0)
        rt.restore(tmp_path / "a.ckpt")
        rt.run(steps=100)
        assert shown() == ("100", 100.0)
        probe.take()
        rt.run(steps=100)
        assert shown() == ("100", 100.0)
        rt.reset()
        rt.run(steps=100)
        assert shown() == ("100", 100.0)
        assert rt.plot_rates(probe, window=(0.001, 0.005)).axes[0].get_ylim() == (0.0, 1.0)  # not 1e-9
        rt.probe("pop.s_out", every=5)
        with pytest.raises(ParameterError, match=r"pop.s_out was recorded in every 5th step only; a rate needs all"):
            rt.plot_rates("pop.s_out")
