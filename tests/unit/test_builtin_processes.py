"""Built-in Processes on the reference backend: sources, sinks, decisions, and what constructors refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import procgraph as pg
import procgraph.processes
from procgraph.compiler.codegen.cpp import render_kernel
from procgraph.errors import ConnectionError, ParameterError, ShapeError
from procgraph.processes import (
    LI,
    AdEx,
    Argmax,
    ArraySink,
    BernoulliEncoder,
    BernoulliSource,
    CondLIF,
    CubaLIF,
    CurrentSource,
    Delta,
    DeltaEncoder,
    Dense,
    EventCamera,
    FrameSource,
    LatencyEncoder,
    PoissonEncoder,
    PoissonSource,
    Sigma,
    SigmaDelta,
    SpikeCount,
    SpikeSink,
    SpikeSource,
    TsodyksMarkram,
)
from procgraph.processes.neurons.cuba import lava_parameters
from procgraph.spec.process import registry
from procgraph.spec.trace import derive, is_elementwise, trace

ELEMENT_WISE = [name for name in procgraph.processes.__all__ if is_elementwise(registry[name])]


def run(graph: pg.Graph, steps: int, *ports: Any, seed: int = 1) -> list[Any]:
    with pg.compile(graph, devices="reference", seed=seed) as rt:
        probes = [rt.probe(port) for port in ports]
        rt.run(steps=steps)
        return [probe.events.tolist() if probe.is_events else probe.data for probe in probes]


def test_exports_are_sorted() -> None:
    names = procgraph.processes.__all__
    constants, classes = [n for n in names if n.isupper()], [n for n in names if not n.isupper()]
    assert names == sorted(constants) + sorted(classes)


@pytest.mark.parametrize("name", ELEMENT_WISE)
def test_one_kernel_serves_all_parameters(name: str) -> None:
    cls = registry[name]
    built = trace(cls(shape=1), 1.0)
    params = {k: np.full((2, 3), v) for k, v in cls(shape=1).values.items() if isinstance(v, float)}
    scalars = {k for k, d in cls.declarations.items() if getattr(d, "scalar", False)}
    other = trace(cls(shape=(2, 3), **{k: v for k, v in params.items() if k not in scalars}), 0.5)
    assert other.hash == built.hash
    assert "?" not in render_kernel(built, "kernel")  # a choice that compiles to a jump keeps the loop scalar


@pytest.mark.parametrize("name", ELEMENT_WISE)
def test_docstring_has_equations_or_definition(name: str) -> None:
    text = registry[name].__doc__ or ""
    assert "math::" in text or "``" in text
    assert "Source:" in text or name.endswith("Sink")


def test_spike_source_repeats_its_list() -> None:
    source = SpikeSource([3, 0, 0, 0], [1, 1, 0, 1], [5, 2, -4, 1], shape=2, cycle=5)
    events = run(pg.Graph(source), 9, source.s_out)[0]
    assert events == [(0, 0, -4), (0, 1, 3), (3, 1, 5), (5, 0, -4), (5, 1, 3), (8, 1, 5)]
    assert source.output_limit("s_out") == 5


def test_spike_source_limit_covers_sums() -> None:
    assert SpikeSource([0, 0, 1], [1, 1, 0], [70_000, 70_000, 1], shape=2).output_limit("s_out") == 140_000
    assert SpikeSource([], [], shape=2).output_limit("s_out") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"steps": [-1], "index": [0]},
        {"steps": [0], "index": [2]},
        {"steps": [0.5], "index": [0]},
        {"steps": [0, 1], "index": [0, 1, 1]},
        {"steps": [0], "index": [0], "payload": 2**31},
        {"steps": [7], "index": [0], "cycle": 5},
    ],
)
def test_spike_source_refuses(arguments: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="allowed"):
        SpikeSource(**arguments, shape=2)


def follow(source: CurrentSource, steps: int) -> Any:
    target = LI(tau_m=1e-3, name="li")  # forgets at once: v is the input of the step
    source >> target
    return run(pg.Graph(target), steps, target.v_out)[0]


def test_constant_currents_are_held() -> None:
    np.testing.assert_allclose(follow(CurrentSource(0.5, shape=2), 3), np.full((3, 2), 0.5))
    np.testing.assert_allclose(follow(CurrentSource([0.5, -1.0]), 3), [[0.5, -1.0]] * 3)
    np.testing.assert_allclose(follow(CurrentSource(np.ones((2, 3)), shape=(2, 3)), 2), np.ones((2, 2, 3)))


def test_currents_over_time_end_or_cycle() -> None:
    rows = [[1.0, 2.0], [3.0, 4.0]]
    np.testing.assert_allclose(follow(CurrentSource(rows), 4), [*rows, [0, 0], [0, 0]])
    np.testing.assert_allclose(follow(CurrentSource(rows, cycle=True), 4), rows * 2)
    np.testing.assert_allclose(follow(CurrentSource(np.ones((1, 2, 3)), shape=(2, 3)), 2)[1], np.zeros((2, 3)))


@pytest.mark.parametrize("values", [np.ones((2, 3)), np.nan, [], "abc"])
def test_current_source_refuses(values: Any) -> None:
    with pytest.raises(ParameterError, match="allowed"):
        CurrentSource(values, shape=2)


@pytest.mark.parametrize(("cycle", "last"), [(False, 2.0), (True, 1.0)])
def test_frames(cycle: bool, last: float) -> None:
    source, sink = FrameSource(np.array([1, 2], np.uint8)[:, None, None] * np.ones((3, 2)), cycle=cycle), ArraySink()
    source >> sink
    data = run(pg.Graph(sink), 3, sink.x_out)[0]
    np.testing.assert_array_equal(data[:, 0, 0], [1.0, 2.0, last])
    assert data.shape == (3, 3, 2)


def test_frame_source_refuses_a_single_row() -> None:
    with pytest.raises(ParameterError, match="allowed"):
        FrameSource([1.0, 2.0])


def test_spike_sink_shows_what_arrives() -> None:
    source, sink = SpikeSource([0, 2], [0, 1], [100_000, -7], shape=2), SpikeSink()
    source.s_out.connect(sink.s_in, delay=3)
    assert run(pg.Graph(sink), 8, sink.s_out)[0] == [(3, 0, 100_000), (5, 1, -7)]


def test_argmax_decides_once_per_window() -> None:
    source = SpikeSource([0, 1, 1, 6, 7, 12], [2, 1, 1, 2, 0, 0], [1, 1, 1, 3, 3, -1], shape=3)
    decision = Argmax(window=4, initial=1)
    source >> decision
    data = run(pg.Graph(decision), 16, decision.index)[0].reshape(-1)
    # Windows: 1 has most; 0 and 2 tie, the lowest wins; none, so the previous; a negative sum counts as none.
    assert data[[3, 4, 7, 11, 15]].tolist() == [1, 1, 0, 0, 0]


def test_argmax_idle_and_shapes() -> None:
    source, decision = SpikeSource([1], [5], shape=(2, 3)), Argmax(window=2, idle=3)
    source >> decision
    assert run(pg.Graph(decision), 4, decision.index)[0].reshape(-1)[[1, 3]].tolist() == [5, 3]


def test_argmax_refuses_a_class_that_is_not_there() -> None:
    source, decision = SpikeSource([1], [0], shape=3), Argmax(initial=3)
    source >> decision
    with pytest.raises(ParameterError, match="below 3"):
        run(pg.Graph(decision), 1, decision.index)


def test_lava_parameters_give_exact_factors() -> None:
    for du in (0.0, 0.1, 1 / 3, 0.4095, 1.0):
        derived = derive(CubaLIF(**lava_parameters(du, du, dt=0.1)), 0.1)
        assert np.float32(derived["decay_syn"]) == np.float32(derived["decay_mem"]) == np.float32(1 - du)
        assert np.float32(derived["gain_syn"]) == np.float32(derived["gain_mem"]) == 1
    with pytest.raises(ParameterError, match="0 to 1"):
        lava_parameters(1.5)


@pytest.mark.parametrize(
    ("process", "dt"),
    [
        (CubaLIF(tau_syn=0.5), 1.0),
        (PoissonSource(rate=5000.0), 1.0),
        (PoissonSource(rate=[1.0, 500.0]), 10.0),
        (BernoulliSource(rate=200.0), 10.0),
        (PoissonEncoder(max_rate=2000.0), 1.0),
    ],
)
def test_derive_refuses_what_dt_cannot_resolve(process: pg.Process, dt: float) -> None:
    with pytest.raises(ParameterError, match=type(process).__name__):
        derive(process, dt)


@pytest.mark.parametrize(
    "make",
    [
        lambda: EventCamera(threshold=0.0),
        lambda: EventCamera(max_events=0),
        lambda: DeltaEncoder(threshold=-1.0),
        lambda: LatencyEncoder(code="square"),
        lambda: SpikeCount(window=0),
        lambda: SpikeCount(shape=3, window=[1, 2]),
        lambda: CubaLIF(tau_mem="5 mV"),
    ],
)
def test_constructors_refuse(make: Any) -> None:
    with pytest.raises((ParameterError, ShapeError)):
        make()


def test_event_camera_feeds_a_network() -> None:
    rng = np.random.default_rng(0)
    source, eye = FrameSource(rng.integers(0, 256, (20, 4, 5))), EventCamera(threshold=0.3)
    dense, out = Dense(np.ones((2, 40)), delay=1), LI()
    source >> eye
    eye.s_out.flatten().connect(dense.s_in)
    dense >> out
    events, v = run(pg.Graph(out), 20, eye.s_out, out.v_out)
    assert {index // 20 for _, index, _ in events} == {0, 1}
    assert min(step for step, _, _ in events) == 1 and v[1].max() == 0 < v[2].min()


def test_random_sources_differ_between_elements_steps_and_seeds() -> None:
    source = PoissonSource(rate=100.0, shape=50)
    first, again, other = (run(pg.Graph(source), 100, source.s_out, seed=seed)[0] for seed in (1, 1, 2))
    assert first == again != other
    assert len({index for _, index, _ in first}) > 40 and len({step for step, _, _ in first}) > 90


def test_short_term_plasticity_scales_a_synapse() -> None:
    source, stp = SpikeSource([0, 10, 20], [0, 0, 0], shape=1), TsodyksMarkram(U=0.5, tau_rec=100.0, levels=1024)
    synapse, target = Dense(np.full((1, 1), 2.0 / 1024), delay=1), LI(tau_m=1e-3)
    source >> stp >> synapse >> target
    v = run(pg.Graph(target), 23, target.v_out)[0].reshape(-1)
    x, efficacies = 1.0, []
    for _ in range(3):
        efficacies.append(0.5 * x)
        x = 1 - (1 - 0.5 * x) * np.exp(-0.1)
    np.testing.assert_allclose(v[[1, 11, 21]], 2 * np.array(efficacies), atol=2 * 0.5 / 1024)
    assert np.count_nonzero(v) == 3


def test_sigma_follows_delta_within_the_threshold() -> None:
    rng = np.random.default_rng(0)
    frames = np.cumsum(rng.normal(0, 2, (200, 5)), axis=0)
    source, delta, sigma = FrameSource(frames.astype(np.float32), shape=5), Delta(v_th=3.0), Sigma()
    source >> delta >> sigma
    events, sums = run(pg.Graph(sigma), 200, delta.s_out, sigma.x_out)
    assert np.abs(sums - frames).max() < 3.0 + 1e-4
    assert 0 < len(events) < 600


def test_sigma_delta_layer_computes_a_rectified_linear_layer() -> None:
    rng = np.random.default_rng(1)
    weights, bias = rng.integers(-4, 5, (6, 4)), rng.integers(-5, 6, 6)
    frames = rng.integers(0, 20, (3, 4)).repeat(5, axis=0)
    source, delta = FrameSource(frames.astype(np.float32), shape=4), Delta()
    layer, sigma = SigmaDelta(bias=bias), Sigma()
    source >> delta >> Dense(weights, delay=1) >> layer >> sigma
    sums = run(pg.Graph(sigma), 15, sigma.x_out)[0]
    for k in (4, 9, 14):
        np.testing.assert_array_equal(sums[k], np.maximum(weights @ frames[k] + bias, 0))


def test_receptors_are_named_in_connections() -> None:
    source, neuron = SpikeSource([0], [0], shape=1), CondLIF(shape=1)
    dense = Dense(np.ones((1, 1)))
    source >> dense
    with pytest.raises(ConnectionError, match="2 inputs"):
        dense >> neuron
    dense.a_out.connect(neuron.inh_in)
    g_exc, g_inh = run(pg.Graph(neuron), 3, neuron.g_exc, neuron.g_inh)
    assert not g_exc.any() and g_inh.any()


def test_adex_survives_any_input() -> None:
    neuron = AdEx(shape=3)
    CurrentSource(np.array([[1e6, -1e5, 1e4]] * 50), shape=3) >> neuron
    data = run(pg.Graph(neuron, dt=0.1), 50, neuron.v, neuron.w)
    assert all(np.isfinite(d).all() for d in data)


@pytest.mark.parametrize("kind", [BernoulliEncoder, PoissonEncoder, LatencyEncoder])
@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_encoders_take_intensities_of_any_range(kind: type[pg.Process], device: str) -> None:
    frames = np.random.default_rng(0).integers(0, 257, (5, 40)) / np.float32(256)
    options = {"window": 9} if kind is LatencyEncoder else {"max_rate": 500.0}
    found = []
    for x_max in (1.0, 256.0):
        eye = kind(name="eye", x_max=x_max, **options)
        FrameSource(frames * np.float32(x_max), name="frames") >> eye
        with pg.compile(pg.Graph(eye), devices=device, seed=3) as rt:
            spikes = rt.probe(eye.s_out)
            rt.run(steps=40)
            found.append(spikes.events)
    assert len(found[0]) > 20 and np.array_equal(*found)
