"""Event-driven execution: the same spikes as by the clock, states within rounding, and what the compiler chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import procgraph as pg
from procgraph import processes as zoo
from procgraph.compiler.pipeline import compile_graph
from procgraph.config import load_config
from procgraph.errors import ConfigError, ParameterError
from procgraph.spec.event import why_not_event_driven
from procgraph.spec.process import Process
from procgraph.spec.trace import Namespace, column_values, nested, settle

EVENT_DRIVEN = sorted(name for name in zoo.__all__ if not why_not_event_driven(getattr(zoo, name)))
NEURONS: dict[str, dict[str, Any]] = {
    "LIF": {"t_ref": 2.0},
    "IF": {"t_ref": 2.0},
    "ExpLIF": {"t_ref": 2.0, "v_th": 0.02},
    "DualExpLIF": {"t_ref": 2.0, "v_th": 0.02, "v_rest": 0.0, "v_reset": 0.0},
    "AlphaLIF": {"t_ref": 2.0, "v_th": 0.5, "v_rest": 0.0, "v_reset": 0.0},
    "CubaLIF": {"w_in": 6.0, "r": 3.0},
    "ALIF": {"v_th": 0.01, "beta": 2.0, "t_ref": 2.0},
    "ATRLIF": {"theta_0": 0.6, "theta_step": 0.5},
    "ResonateAndFire": {"frequency": 40.0, "y_th": 0.4, "y_reset": 0.2},
}
# What each is watched by: it forgets with the time constant that the bound of its rounding has.
WATCHED = {"ResonateAndFire": "y"}


def network(kind: str, execution: str, weight: float = 0.4, n: int = 100, **values: Any) -> pg.Graph:
    """Sparse Poisson input and sparse recurrence with delays."""
    rng = np.random.default_rng(7)
    source = zoo.PoissonSource(shape=40, rate=20.0, name="source")
    drive = zoo.Sparse(weight, rule="fixed_probability", p=0.2, n_pre=40, n_post=n, delay=2, name="drive")
    cells = getattr(zoo, kind)(shape=n, execution=execution, name="cells", **values)
    into = cells.port("exc_in" if kind == "DualExpLIF" else "a_in")
    source.s_out.connect(drive.s_in)
    drive.a_out.connect(into)
    if "s_out" in cells.declarations:
        pre, post = rng.integers(0, n, (2, 3 * n))
        weights = np.rint(rng.normal(weight / 4, weight / 2, 3 * n) * 64) / 64  # short numbers, see the exact test
        delays = rng.integers(1, 9, 3 * n)
        again = zoo.Sparse(weights, pre=pre, post=post, n_pre=n, n_post=n, delay=delays, name="again")
        cells.s_out.connect(again.s_in)
        again.a_out.connect(into)
    return pg.Graph(cells, dt=0.5, seed=5)


def run(graph: pg.Graph, backend: str, steps: int = 400) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    with pg.compile(graph, backend) as rt:
        kind = type(graph.processes["cells"]).__name__
        spikes, v = rt.probe("cells.s_out"), rt.probe(f"cells.{WATCHED.get(kind, 'v')}", every=7)
        rt.run(steps=steps)
        return spikes.events, v.data


@pytest.mark.parametrize("kind", NEURONS)
def test_same_spikes_as_by_the_clock(kind: str, backend: str) -> None:
    """And potentials within the bound that docs/how-to/run-event-driven.md states."""
    values = NEURONS[kind]
    clock, v_clock = run(network(kind, "clock", **values), backend)
    event, v_event = run(network(kind, "event", **values), backend)
    assert len(clock) > 30
    assert np.array_equal(clock, event)
    bound = 2.0**-22 * np.abs(v_clock).max() / (1 - np.exp(-0.5 / 20.0))
    assert np.abs(v_clock - v_event).max() <= bound


def test_a_dense_rule() -> None:
    """Rows of bits do not say which targets they reach, so event-driven ones get lists."""

    def graph() -> pg.Graph:
        source = zoo.PoissonSource(shape=300, rate=5.0)
        synapse = zoo.Sparse(0.02, rule="fixed_probability", p=0.1, n_pre=300, n_post=2000, delay=3)
        cells = zoo.LIF(shape=2000, execution="event", name="cells")
        source >> synapse >> cells
        return pg.Graph(cells, dt=0.5, seed=1)

    with pg.compile(graph(), "cpu") as native, pg.compile(graph(), "reference") as reference:
        assert [entry["format"] for entry in native.storage()] != ["bitmask"]
        for rt in (native, reference):
            rt.run(steps=150)
        assert np.array_equal(native.get("cells.v"), reference.get("cells.v"))
        assert np.any(native.get("cells.v"))


def test_exact_numbers_give_the_clocks_bits(backend: str) -> None:
    values = {"weight": 0.5, "v_th": 4.0, "bias": -0.03125}
    clock, event = (run(network("IF", execution, **values), backend) for execution in ("clock", "event"))
    assert len(clock[0]) > 30
    assert np.array_equal(clock[0], event[0])
    assert np.array_equal(clock[1], event[1])


def test_input_in_every_step_gives_the_clocks_bits(backend: str) -> None:
    def graph(execution: str) -> pg.Graph:
        cells = zoo.LIF(shape=5, execution=execution, name="cells")
        zoo.CurrentSource(np.linspace(0.02, 0.2, 5), shape=5).c_out.connect(cells.a_in)
        return pg.Graph(cells)

    clock, event = (run(graph(execution), backend, 300) for execution in ("clock", "event"))
    assert len(clock[0]) > 20
    assert all(np.array_equal(a, b) for a, b in zip(clock, event))


@pytest.mark.parametrize("kind", ["LIF", "ExpLIF", "IF", "CubaLIF"])
def test_neurons_that_fire_by_themselves(kind: str, backend: str) -> None:
    """A bias above threshold keeps an element awake; its neighbours rest."""
    bias = np.where(np.arange(100) % 3 == 0, 1.3, 0.0)
    values = {"CubaLIF": {"bias": bias * 0.1}, "IF": {"bias": bias * 0.1}}.get(kind, {"bias": bias})
    clock, event = (run(network(kind, x, **values), backend) for x in ("clock", "event"))
    assert len(clock[0]) > 300
    assert np.array_equal(clock[0], event[0])


def test_looking_changes_nothing_and_shows_the_present_step(backend: str) -> None:
    looked, blind, by_clock = (pg.compile(network("LIF", x), backend) for x in ("event", "event", "clock"))
    for _ in range(60):
        for rt in (looked, blind, by_clock):
            rt.run(steps=3)
        assert np.allclose(looked.get("cells.v"), by_clock.get("cells.v"), atol=1e-6)
    assert np.array_equal(looked.get("cells.v"), blind.get("cells.v"))
    assert np.any(looked.get("cells.v"))
    for rt in (looked, blind, by_clock):
        rt.close()


def test_setting_brings_up_to_date_first(backend: str) -> None:
    """What was put off happened under the old values."""
    with (
        pg.compile(network("LIF", "event"), backend) as event,
        pg.compile(network("LIF", "clock"), backend) as clock,
    ):
        spikes = [rt.probe("cells.s_out") for rt in (event, clock)]
        for rt in (event, clock):
            rt.run(steps=100)
            rt.set("cells.tau_m", 3.0)
            rt.run(steps=11)
            rt.set("cells.v", np.linspace(-1, 0.9, 100))
            rt.run(steps=5)
            rt.set("cells.bias", 1.5)
            rt.run(steps=20)
        assert np.allclose(event.get("cells.v"), clock.get("cells.v"), atol=1e-6)
        assert len(spikes[0].events) > 50
        assert np.array_equal(spikes[0].events, spikes[1].events)


def test_a_checkpoint_keeps_the_bits(backend: str, tmp_path: Path) -> None:
    def spikes(split: bool) -> Any:
        with pg.compile(network("ExpLIF", "event", **NEURONS["ExpLIF"]), backend) as rt:
            rt.run(steps=20)
            rt.set("cells.tau_m", 15.0)
            rt.run(steps=80)
            if split:
                rt.checkpoint(tmp_path / "a.ckpt")
                rt.run(steps=17)
                rt.reset(seed=9)
                rt.restore(tmp_path / "a.ckpt")
            rt.run(steps=200)
            return rt.get("cells.v"), rt.get("cells.i")

    whole, parts = spikes(False), spikes(True)
    assert np.any(whole[0])
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts))


def test_an_array_output_shows_every_tick(backend: str) -> None:
    with (
        pg.compile(network("LI", "event"), backend) as event,
        pg.compile(network("LI", "clock"), backend) as clock,
    ):
        shown = [rt.probe("cells.v_out") for rt in (event, clock)]
        for rt in (event, clock):
            rt.run(steps=200)
        assert np.any(shown[0].data)
        assert np.allclose(shown[0].data, shown[1].data, atol=1e-5)


# -- advance and rests are what they claim to be, for every Process that has them --------------------------------------


def _draw(kind: str, seed: int) -> tuple[Process, dict[str, Any], dict[str, Any]]:
    """A population with random parameters, its columns, and random states."""
    rng = np.random.default_rng(seed)
    cls, n = getattr(zoo, kind), 50
    ranges = {
        "tau_m": (2.0, 40.0),
        "tau_syn": (1.0, 20.0),
        "tau_exc": (1.0, 20.0),
        "tau_inh": (1.0, 20.0),
        "tau_mem": (2.0, 40.0),
        "bias": (-0.5, 1.2),
        "t_ref": (0.0, 4.0),
        "r_m": (0.5, 2.0),
        "v_th": (0.8, 1.2),
        "v_rest": (-0.5, 0.5),
        "v_reset": (-0.5, 0.5),
        "beta": (0.0, 3.0),
        "tau_adapt": (20.0, 700.0),
        "delta_i": (0.0, 1.0),
        "delta_v": (0.0, 1.0),
        "delta_theta": (0.0, 1.0),
        "delta_r": (0.0, 1.0),
        "theta_0": (0.8, 1.2),
        "tau": (2.0, 40.0),
        "frequency": (0.0, 150.0),
    }
    values = {k: rng.uniform(*bounds, n) for k, bounds in ranges.items() if k in cls.declarations}
    if kind == "IF":
        values["bias"] = rng.uniform(-0.01, 0.005, n)
    if "tau_syn" in values and "tau_m" in values:
        values["tau_syn"][:10] = values["tau_m"][:10] * rng.choice([1.0, 1.0001, 0.999], 10)
    process = cls(shape=n, **values)
    columns = {
        k: np.asarray(v, np.int32 if np.asarray(v).dtype.kind == "i" else np.float32)
        for k, v in column_values(process, 0.5).items()
    }
    states = {
        k: rng.integers(0, {"refractory": 5, "fired": 2}[k], n).astype(np.int32)
        if d.dtype == "int32"
        else rng.uniform(-1.0, 0.75, n).astype(np.float32)
        for k, d in cls.declarations.items()
        if isinstance(d, pg.State)
    }
    return process, columns, states


def _quiet_steps(
    process: Process, columns: dict[str, Any], states: dict[str, Any], n: int
) -> tuple[dict[str, Any], Any]:
    """States after n steps without input by the clock, and which elements have spiked."""
    cls: Any = type(process)
    scope = Namespace(nested(columns), cls.__name__)
    x = Namespace({k: np.float32(0) for k, d in cls.declarations.items() if isinstance(d, pg.In)}, "x")
    spiked = np.zeros(50, bool)
    for _ in range(n):
        new, out = cls.step(scope, scope, Namespace(states, "s"), x)
        states = {**states, **settle(new, {k: v.dtype.name for k, v in states.items()})}
        spiked |= np.asarray(out["s_out"]) != 0 if "s_out" in out else False
    return states, spiked


@pytest.mark.parametrize("kind", EVENT_DRIVEN)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200))
def test_advance_is_so_many_steps_without_input(kind: str, seed: int, n: int) -> None:
    process, columns, states = _draw(kind, seed)
    cls: Any = type(process)
    if "fired" in states:
        states["fired"][:] = 0  # who has fired in the step before is awake
    scope = Namespace(nested(columns), kind)
    by_clock, spiked = _quiet_steps(process, columns, states, n)
    at_once = {**states, **cls.advance(scope, scope, Namespace(states, "s"), np.int32(n))}
    assert not spiked.all()
    for key, value in by_clock.items():
        largest = max(10.0, np.abs(value).max())  # sums of terms of this size are rounded, also where they cancel out
        close = np.isclose(value, at_once[key], rtol=2e-5, atol=2e-6 * largest)
        assert np.all(close | spiked), (key, value[~close], at_once[key][~close])


@pytest.mark.parametrize("kind", EVENT_DRIVEN)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_who_rests_does_not_spike(kind: str, seed: int) -> None:
    process, columns, states = _draw(kind, seed)
    cls: Any = type(process)
    scope = Namespace(nested(columns), kind)
    rests = np.broadcast_to(cls.rests(scope, scope, Namespace(states, "s")), 50)
    _, spiked = _quiet_steps(process, columns, states, 300)
    assert not np.any(rests & spiked)
    if "s_out" in cls.declarations:
        assert rests.any()


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("Izhikevich", r"it has no advance\(\)"),
        ("PoissonSource", r"it has no advance\(\)"),
        ("Dense", r"it has no step\(\)"),
    ],
)
def test_others_cannot_be_run_event_driven(kind: str, why: str) -> None:
    values = {"weights": np.ones((3, 3))} if kind == "Dense" else {"shape": 3}
    with pytest.raises(ParameterError, match=f"a {kind} cannot be run event-driven: {why}. Use 'clock', or 'auto'"):
        getattr(zoo, kind)(execution="event", **values)


@pytest.mark.parametrize("value", ["events", None, True, 3])
def test_other_words_are_refused(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"LIF.execution is .*; allowed: 'clock', 'event', 'auto'"):
        zoo.LIF(shape=3, execution=value)


def test_a_step_of_ones_own_needs_its_own_advance() -> None:
    class Eager(zoo.LIF):
        register = False

        @staticmethod
        def step(p: Any, d: Any, s: Any, x: Any) -> Any:
            return {"v": s.v + x.a_in}, {"s_out": s.v > 1.0}

    with pytest.raises(ParameterError, match=r"Eager has a step\(\) of its own, but no advance\(\) and rests\(\)"):
        Eager(shape=3, execution="event")


# -- the compiler's choice, files, users' own Processes --------------------------------------------------------------


def chosen(graph: pg.Graph) -> str:
    nodes = compile_graph(graph).ir.nodes
    return str(next(n for n in nodes if n.name == "cells").attrs["execution"])


def test_auto_counts_synapses_and_rates() -> None:
    def graph(rate: float, in_degree: int, **values: Any) -> pg.Graph:
        source = zoo.PoissonSource(shape=1000, rate=rate)
        synapse = zoo.Sparse(0.1, rule="fixed_in_degree", count=in_degree, n_pre=1000, n_post=500)
        cells = zoo.LIF(shape=500, execution="auto", name="cells", **values)
        source >> synapse >> cells
        return pg.Graph(cells, dt=0.1)

    assert chosen(graph(rate=0.5, in_degree=10)) == "event"  # 0.0005 events a step
    assert chosen(graph(rate=50.0, in_degree=100)) == "clock"  # 0.5 events a step
    assert chosen(graph(rate=0.5, in_degree=10, bias=2.0)) == "clock"  # all fire by themselves
    assert chosen(graph(rate=0.5, in_degree=10, period=1000)) == "clock"  # events of 100 ms meet at a tick
    with_current = zoo.LIF(shape=5, execution="auto", name="cells")
    zoo.CurrentSource(0.1, shape=5).c_out.connect(with_current.a_in)
    assert chosen(pg.Graph(with_current)) == "clock"


def test_auto_leaves_what_cannot_to_the_clock() -> None:
    assert chosen(pg.Graph(zoo.Izhikevich(shape=5, execution="auto", name="cells"))) == "clock"
    assert chosen(pg.Graph(zoo.LI(shape=5, execution="auto", name="cells"))) == "event"
    read = zoo.LI(shape=5, execution="auto", name="cells")
    read.v_out.connect(zoo.ArraySink(shape=5).x_in)
    assert chosen(pg.Graph(read)) == "clock"


def test_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "procgraph: 1\nprocesses:\n  cells: {type: LIF, shape: 4, execution: event}\n"
    Path("g.yaml").write_text(text)
    assert chosen(load_config("g.yaml").graph) == "event"
    Path("g.yaml").write_text(text.replace("LIF", "Izhikevich"))
    with pytest.raises(ConfigError, match=r"g.yaml:3:.*cannot be run event-driven"):
        load_config("g.yaml")


class Leak(pg.Process):
    """A user's own neuron: halves in every step."""

    a_in = pg.In(pg.Current)
    s_out = pg.Out(pg.Spikes)
    v = pg.State(0.0)

    @staticmethod
    def step(p: Any, d: Any, s: Any, x: Any) -> Any:
        v = s.v * 0.5 + x.a_in
        return {"v": v}, {"s_out": v > 1.0}

    @staticmethod
    def advance(p: Any, d: Any, s: Any, n: Any) -> Any:
        from procgraph.spec.functions import exp, to_float

        return {"v": s.v * exp(to_float(n) * -0.6931472)}

    @staticmethod
    def rests(p: Any, d: Any, s: Any) -> Any:
        return s.v * 0.5 <= 1.0


@pytest.mark.parametrize("compiler", [True, False], ids=["compiled", "NumPy"])
@pytest.mark.filterwarnings("ignore:.*runs as NumPy")
def test_users_own_process(compiler: bool, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiler:
        monkeypatch.setattr("procgraph.models.cpu.backend.find_compiler", lambda: None)

    def graph() -> pg.Graph:
        source, synapse = zoo.PoissonSource(shape=30, rate=60.0), zoo.OneToOne(0.8)
        cells = Leak(shape=30, execution="event", name="cells")
        source >> synapse >> cells
        return pg.Graph(cells)

    wanted, got = run(graph(), "reference"), run(graph(), backend)
    assert len(wanted[0]) > 10
    assert all(np.array_equal(a, b) for a, b in zip(wanted, got))
