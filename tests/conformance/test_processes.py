"""Every built-in Process on every backend gives the reference's bits: scalar and per-element parameters, lanes, periods, odd shapes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph import processes as zoo
from procgraph.compiler.backend import available_backends
from procgraph.errors import ParameterError
from procgraph.spec.declare import In, Out, Param
from procgraph.spec.event import why_not_event_driven
from procgraph.spec.process import Process
from procgraph.spec.trace import is_elementwise

sys.path.insert(0, str(Path(__file__).parents[1] / "property"))
from random_graphs import differences, run_graph

STEPS = 80
SHAPES = [(1,), (3, 5), (2, 3, 7), (1100,)]  # 1100: more than one chunk of the native engine, and a rest
HOST_ONLY = {
    "Gymnasium": "runs a game in Python: tests/integration",
    "VizDoom": "runs a game in Python: tests/integration",
}

BUILTIN = {name: getattr(zoo, name) for name in zoo.__all__}
ELEMENTWISE = sorted(name for name, cls in BUILTIN.items() if is_elementwise(cls))
EVENT_DRIVEN = [name for name in ELEMENTWISE if not why_not_event_driven(BUILTIN[name])]
BACKENDS = sorted(set(available_backends()) - {"reference"})


def vary(cls: type[Process], shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, Any]:
    """Per-element values around the defaults, for every float parameter that allows it."""
    values = {}
    for key, declared in cls.declarations.items():
        if (
            isinstance(declared, Param)
            and declared.dtype == "float32"
            and not declared.scalar
            and isinstance(declared.default, (int, float))
        ):
            base = float(declared.default)
            trial = base * (1 + 0.1 * rng.random(shape)) if base else 0.01 * rng.random(shape)
            try:
                cls(shape=shape, **{key: trial})
            except ParameterError:
                continue
            values[key] = trial
    return values


def drive(process: Process, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Connect something lively to every input."""
    for key, declared in process.declarations.items():
        if not isinstance(declared, In):
            continue
        if declared.type.kind == "array":
            frames = rng.uniform(0, 255 if key == "frame" else 1, (9, *shape)).astype(np.float32)
            zoo.FrameSource(frames, cycle=True).frame.connect(process.port(key))
        elif declared.type.kind == "events":
            zoo.PoissonSource(shape=shape, rate=150.0).s_out.connect(process.port(key))
        else:
            in_millivolts = "v_peak" in process.values or np.max(np.abs(process.values.get("v_th", 0.0))) > 5.0
            strength = 40.0 if in_millivolts else 1.5
            current = zoo.CurrentSource((rng.normal(0.3, 1.0, (11, *shape)) * strength).astype(np.float32), cycle=True)
            current.c_out.connect(process.port(key))


def drive_sparsely(process: Process, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Connect events to every input, such that most elements have none at most ticks."""
    n = int(np.prod(shape))
    for key, declared in process.declarations.items():
        if isinstance(declared, In):
            source = zoo.PoissonSource(shape=(n,), rate=40.0)
            if declared.type.kind == "events":
                source.s_out.connect(process.port(key).flatten())
                continue
            far = float(np.max(np.abs(process.values.get("v_th", 1.0) - process.values.get("v_reset", 0.0))))
            synapse = zoo.OneToOne(rng.normal(0.6, 0.5, n) * far, delay=rng.integers(0, 4, n))
            source.s_out.connect(synapse.s_in)
            synapse.a_out.connect(process.port(key).flatten())


def elementwise_graph(
    name: str, shape: tuple[int, ...], per_element: bool, period: int, execution: str = "clock"
) -> Callable[[], pg.Graph]:
    def build() -> pg.Graph:
        rng = np.random.default_rng(sum(map(ord, name)) + len(shape))
        cls = BUILTIN[name]
        values = vary(cls, shape, rng) if per_element else {}
        timing = {"period": period, "phase": period - 1}
        process = cls(name="subject", shape=shape, execution=execution, **timing, **values)
        (drive if execution == "clock" else drive_sparsely)(process, shape, rng)
        return pg.Graph(process, dt=0.5, seed=3)

    return build


def same(build: Callable[[], pg.Graph], backend: str, batch: int = 1) -> dict[str, Any]:
    reference = run_graph(build(), "reference", STEPS, batch)
    other = run_graph(build(), backend, STEPS, batch)
    assert differences(reference, other) == []
    return other


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("per_element", [False, True], ids=["common", "per-element"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_element_wise(name: str, per_element: bool, shape: tuple[int, ...], backend: str) -> None:
    period = 1 + len(shape) % 3
    result = same(elementwise_graph(name, shape, per_element, period), backend, batch=1 + len(shape) % 2)
    emitted = [v for k, v in result.items() if k.startswith("subject.") and isinstance(v, np.ndarray)]
    assert emitted
    assert len(shape) == 1 or any(v.size for v in emitted)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("per_element", [False, True], ids=["common", "per-element"])
@pytest.mark.parametrize("name", EVENT_DRIVEN)
def test_event_driven(name: str, per_element: bool, shape: tuple[int, ...], backend: str) -> None:
    build = elementwise_graph(name, shape, per_element, 1 + len(shape) % 2, "event")
    result = same(build, backend, batch=1 + len(shape) % 2)
    assert shape == (1,) or any(v.size for k, v in result.items() if k.startswith("subject."))


SYNAPSES: dict[str, Callable[[np.random.Generator], Process]] = {
    "Dense": lambda r: zoo.Dense(r.normal(size=(7, 12)), delay=r.integers(0, 5, (7, 12)), name="subject"),
    "Dense-common": lambda r: zoo.Dense(r.normal(size=(7, 12)), delay=0, name="subject"),
    "Sparse": lambda r: zoo.Sparse(
        r.normal(size=50),
        pre=r.integers(0, 12, 50),
        post=r.integers(0, 7, 50),
        n_pre=12,
        n_post=7,
        delay=r.integers(0, 9, 50),
        name="subject",
    ),
    "Sparse-rule": lambda r: zoo.Sparse(
        0.3, rule="fixed_probability", p=0.4, n_pre=12, n_post=7, delay=2, name="subject"
    ),
    "Sparse-drawn": lambda r: zoo.Sparse(
        pg.Normal(0.3, 0.1, low=0.0),
        rule="fixed_total",
        count=60,
        n_pre=12,
        n_post=7,
        delay=pg.Uniform(0.5, 6.0),
        name="subject",
    ),
    "OneToOne": lambda r: zoo.OneToOne(r.normal(size=12), delay=r.integers(0, 4, 12), name="subject"),
    "AllToAll": lambda r: zoo.AllToAll(0.7, n_pre=12, n_post=7, delay=3, name="subject"),
    "Conv2d": lambda r: zoo.Conv2d(
        r.normal(size=(4, 1, 2, 3)),
        in_shape=(2, 2, 3),
        padding=1,
        stride=(1, 2),
        groups=2,
        delay=r.integers(0, 3, (4, 1, 2, 3)),
        name="subject",
    ),
    "AvgPool2d": lambda r: zoo.AvgPool2d(2, in_shape=(2, 2, 3), stride=1, name="subject"),
    "SumPool2d": lambda r: zoo.SumPool2d((1, 3), in_shape=(2, 2, 3), name="subject"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("period", [1, 3])
@pytest.mark.parametrize("name", sorted(SYNAPSES))
def test_synapses(name: str, period: int, batch: int, backend: str) -> None:
    def build() -> pg.Graph:
        synapse = SYNAPSES[name](np.random.default_rng(5))
        synapse.period = period
        source = zoo.PoissonSource(shape=12, rate=300.0)
        shape = synapse.port_shape("s_in") or (12,)
        (source.s_out.reshape(*shape) if len(shape) > 1 else source.s_out).connect(synapse.s_in)
        population = zoo.LIF(shape=None if name != "OneToOne" else 12, tau_m=8.0)
        synapse.a_out.connect(population.a_in)
        return pg.Graph(population, seed=4)

    result = same(build, backend, batch)
    assert np.abs(result["subject.a_out"]).sum() > 0


# Plastic: random graphs with every rule in tests/property.
STRUCTURAL = {"Argmax", "CurrentSource", "FrameSource", "Plastic", "SpikeSource"}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cycle", [False, True])
def test_sources_and_argmax(cycle: bool, backend: str) -> None:
    def build() -> pg.Graph:
        rng = np.random.default_rng(2)
        spikes = zoo.SpikeSource(
            rng.integers(0, 40, 90),
            rng.integers(0, 5, 90),
            rng.integers(-4, 5, 90),
            shape=5,
            cycle=40 * cycle,
            period=2,
        )
        decide = zoo.Argmax(window=5, idle=-1, initial=3, name="subject")
        spikes.s_out.connect(decide.s_in)
        current = zoo.CurrentSource(rng.normal(size=(13, 5)), cycle=cycle)
        frames = zoo.FrameSource(rng.integers(0, 255, (6, 5)), cycle=cycle, period=3, phase=2)
        population, sink = zoo.LIF(shape=5), zoo.ArraySink(shape=5)
        current.c_out.connect(population.a_in)
        frames.frame.connect(sink.x_in, delay=2)
        return pg.Graph(decide, population, sink)

    result = same(build, backend, batch=2)
    assert len(np.unique(result["subject.index"])) > 1


def test_nothing_is_left_out() -> None:
    covered = {*ELEMENTWISE, *STRUCTURAL, *HOST_ONLY, *(n.partition("-")[0] for n in SYNAPSES)}
    assert len(ELEMENTWISE) >= 20
    assert BACKENDS
    assert set(BUILTIN) - covered == set()
    assert all(any(isinstance(d, (In, Out)) for d in cls.declarations.values()) for cls in BUILTIN.values())
