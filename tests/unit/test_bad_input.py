"""Every mistake gives a typed error that names the entity, the value, what is allowed and what to do."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph import _native
from procgraph.errors import (
    ConnectionError,
    CycleError,
    DeviceError,
    ParameterError,
    ProcgraphError,
    ProgramFormatError,
    ShapeError,
    UnitError,
    UnknownNameError,
)
from procgraph.processes import LIF, ArraySink, Conv2d, Dense, FrameSource, OneToOne, PoissonSource, Sparse, SpikeSource
from procgraph.spec.ports import concatenate


def joined(*ports: Any, **options: Any) -> None:
    ports[0].connect(ports[1], **options)


def compiled(*processes: pg.Process, **options: Any) -> None:
    with pg.compile(pg.Graph(*processes), **options):
        pass


def twice() -> None:
    source, syn = PoissonSource(shape=3, name="source"), Dense(np.eye(3), name="syn")
    source >> syn
    source >> syn


def two_arrays() -> None:
    sink = ArraySink(shape=2, name="sink")
    FrameSource(np.zeros((1, 2))).frame.connect(sink.x_in)
    FrameSource(np.zeros((1, 2))).frame.connect(sink.x_in)
    compiled(sink)


def two_into_one() -> None:
    sink = ArraySink(shape=2, name="sink")
    FrameSource(np.zeros((1, 2))).frame.connect(sink.x_in.gather([0, 0]))
    compiled(sink)


def nan_weights() -> None:
    weights = np.eye(3)
    weights[1, 2] = np.nan
    Dense(weights, name="syn")


def unconnected_shape() -> None:
    compiled(LIF(name="pop"))


def contradiction() -> None:
    Dense(np.ones((4, 3)), name="syn").a_out.connect(LIF(shape=5, name="pop").a_in)


def same_names() -> None:
    LIF(shape=1, name="a") >> Dense([[1.0]], name="b") >> LIF(shape=1, name="a")
    first = LIF(shape=1, name="a")
    first >> Dense([[1.0]]) >> LIF(shape=1, name="a")
    pg.Graph(first)


MISTAKES: list[tuple[Callable[[], object], type[ProcgraphError], str]] = [
    (lambda: LIF(shape=3, tau=5.0), UnknownNameError, "LIF has no parameter 'tau'. Did you mean 'tau_m'"),
    (lambda: LIF(shape=3, tau_m=-5.0, name="pop"), ParameterError, r"pop\.tau_m is -5; allowed: > 0 ms"),
    (
        lambda: LIF(shape=3, tau_m="5 mV", name="pop"),
        UnitError,
        r"pop\.tau_m is given in 'mV'; allowed: one of s, ms, us",
    ),
    (lambda: LIF(shape=3, tau_m="5 parsec"), UnitError, "unknown unit 'parsec'"),
    (lambda: LIF(shape=3, tau_m="soon"), UnitError, "not a quantity"),
    (lambda: LIF(shape=3, tau_m=None, name="pop"), ParameterError, r"pop\.tau_m is None; allowed: a number"),
    (
        lambda: LIF(shape=3, tau_m=[1.0, 2.0], name="pop"),
        ShapeError,
        r"pop\.tau_m has shape \(2,\); allowed: one number, or shape \(3,\)",
    ),
    (lambda: LIF(shape=3, v_th=np.inf), ParameterError, "contains NaN or infinity"),
    (lambda: LIF(shape=0), ParameterError, "shape is 0; allowed: whole numbers of at least 1"),
    (lambda: LIF(shape=2.5), ParameterError, "shape is 2.5"),
    (lambda: LIF(shape=(2**20, 2**20)), ParameterError, "fewer than 2\\*\\*31 elements"),
    (lambda: LIF(shape=3, v=[1.0, np.nan, 0.0]), ParameterError, "LIF.v contains NaN"),
    (lambda: LIF(shape=3, name="a b"), ParameterError, "allowed: letters, digits"),
    (lambda: compiled(LIF(shape=3, period=0, name="pop")), ParameterError, "pop.period is 0; allowed: 1 to"),
    (
        lambda: compiled(LIF(shape=3, period="2.5 ms", name="pop")),
        ParameterError,
        "pop.period is '2.5 ms', 2.5 steps of 1 ms; allowed: whole steps",
    ),
    (
        lambda: compiled(LIF(shape=3, period=2, phase=2, name="pop")),
        ParameterError,
        "pop.phase is 2 steps; allowed: 0 to 1",
    ),
    (lambda: PoissonSource(shape=3, rate=-1.0), ParameterError, "rate is -1"),
    (lambda: compiled(PoissonSource(shape=3, rate=1e6)), ParameterError, "rate is 1e"),
    (nan_weights, ParameterError, r"syn\.weights\[1, 2\] is nan; allowed: finite float32 numbers"),
    (lambda: Dense(np.full((2, 2), 1e300)), ParameterError, "finite float32"),
    (lambda: Dense(np.eye(3), delay=-1), ParameterError, "delay is -1"),
    (lambda: Dense(np.eye(3), delay=10**7), ParameterError, "delay is 10000000"),
    (
        lambda: Dense(np.eye(3), delay=np.zeros((2, 2), int)),
        ParameterError,
        r"delay has shape \(2, 2\); allowed: one delay, or shape \(3, 3\)",
    ),
    (lambda: Dense(np.eye(3), delay=0.5), ParameterError, "delay is 0.5"),
    (lambda: Dense("weights"), ParameterError, "weights is str; allowed: an array of numbers"),
    (lambda: Dense(np.ones(3)), ParameterError, r"weights has shape \(3,\); allowed: \(n_post, n_pre\)"),
    (
        lambda: Sparse(1.0, pre=[0, 9], post=[0, 0], n_pre=3, n_post=1).structure({"s_in": (3,), "a_out": (1,)}, 1.0),
        ParameterError,
        "pre has the index 9; allowed: 0 to 2",
    ),
    (lambda: Sparse(1.0, rule="fixed_probability", p=1.5), ParameterError, "p is 1.5; allowed: >= 0 and <= 1"),
    (lambda: Sparse(1.0, rule="fixed_probability", count=3), ParameterError, "takes p="),
    (lambda: Sparse(1.0, rule="small_world", count=3), ParameterError, "rule is 'small_world'; allowed: one of"),
    (lambda: Conv2d(np.ones((4, 3, 3))), ParameterError, "channels out"),
    (lambda: Conv2d(np.ones((4, 1, 3, 3)), in_shape=(2, 8, 8)), ParameterError, "the input has 2 channels; allowed: 1"),
    (lambda: Conv2d(np.ones((1, 1, 9, 9)), in_shape=(1, 4, 4)), ParameterError, "does not fit an input"),
    (lambda: SpikeSource([0], [5], shape=3), ParameterError, "index"),
    (lambda: pg.Normal(0.0, -1.0), ParameterError, "sd is -1.0; allowed: numbers above 0"),
    (lambda: pg.Normal(0.0, float("nan")), ParameterError, "parameters must be finite"),
    (lambda: pg.LogNormal(0.0, 1.0, low=1e6).table(), ParameterError, "between 0.5094 and 1.963"),
    (lambda: joined(LIF(shape=3).s_out, LIF(shape=3).a_in), ConnectionError, "carries Spikes, but .* takes Current"),
    (lambda: joined(LIF(shape=3).s_out, Dense(np.eye(4)).s_in), ShapeError, r"shape \(3,\), but .* takes shape \(4,\)"),
    (lambda: joined(LIF(shape=3).s_out, Dense(np.eye(3)).a_out), ConnectionError, "must be an input port"),
    (lambda: joined(LIF(shape=3).s_out, Dense(np.eye(3)).s_in, delay=-2), ConnectionError, "delay is -2"),
    (
        lambda: joined(LIF(shape=3).s_out, Dense(np.eye(3)).s_in, capacity=0),
        ConnectionError,
        "capacity is 0; allowed: 1 to",
    ),
    (
        lambda: joined(LIF(shape=3).s_out, Dense(np.eye(3)).s_in, capacity=4, when_full="explode"),
        ConnectionError,
        "when_full is 'explode'; allowed: block",
    ),
    (lambda: joined(Dense(np.eye(3)).a_out, LIF(shape=3).a_in, capacity=4), ConnectionError, "takes no capacity"),
    (lambda: LIF(shape=3).s_out.reshape(2, 2), ShapeError, r"reshape\(2, 2\) does not fit shape \(3,\)"),
    (lambda: LIF(shape=3).s_out.gather([7]), ShapeError, "gather"),
    (lambda: LIF(shape=3).s_out.gather([0.5]), ParameterError, "whole numbers"),
    (lambda: concatenate([LIF(shape=3).s_out], Dense(np.eye(4)).s_in), ShapeError, "do not add up to 4"),
    (lambda: LIF(shape=3, name="pop").port("out"), UnknownNameError, "pop has no port 'out'.*Known: a_in, s_out"),
    (lambda: setattr(LIF(shape=3), "tau_m", 3.0), ParameterError, "cannot be assigned"),
    (twice, ConnectionError, r"source\.s_out -> syn\.s_in is joined twice \(first at .*test_bad_input\.py:\d+\)"),
    (two_arrays, ConnectionError, "an array input takes one channel"),
    (two_into_one, ProgramFormatError, r"-> sink\.x_in: the index map routes two elements to one"),
    (unconnected_shape, ShapeError, r"shape of pop\.\w+ is unknown. Give shape="),
    (contradiction, ShapeError, r"syn\.a_out has shape \(4,\), but pop\.a_in takes shape \(5,\)"),
    (same_names, ParameterError, "two Processes are named 'a'"),
    (lambda: pg.Graph(), ParameterError, "at least one Process"),
    (lambda: pg.Graph(LIF(shape=1), dt=0), ParameterError, "dt is 0"),
    (lambda: pg.Graph(LIF(shape=1), seed=-1), ParameterError, "seed is -1"),
    (lambda: compiled(LIF(shape=1), devices="cuda:0"), DeviceError, "device 'cuda:0' is unknown"),
    (lambda: compiled(LIF(shape=1, device="npu", name="pop")), DeviceError, "pop: device 'npu' is unknown"),
    (lambda: compiled(LIF(shape=1), batch=0), ParameterError, "batch is 0"),
    (lambda: pg.In(pg.Array("float128")), ParameterError, "Array dtype 'float128' is unknown"),
    (lambda: pg.Graded("int64"), ParameterError, "Graded payload 'int64' is unknown"),
]


@pytest.mark.parametrize(("mistake", "error", "text"), MISTAKES, ids=[m[2][:40] for m in MISTAKES])
def test_mistakes(mistake: Callable[[], object], error: type[ProcgraphError], text: str) -> None:
    with pytest.raises(error, match=text):
        mistake()


def test_a_cycle_names_its_path() -> None:
    a, b = LIF(shape=2, name="a"), LIF(shape=2, name="b")
    a >> OneToOne(delay=0, name="ab") >> b >> OneToOne(delay=0, name="ba") >> a
    with pytest.raises(CycleError, match="a.*ab.*b.*ba"):
        compiled(a)


def test_a_process_without_a_model() -> None:
    class Orphan(pg.Process):
        register = False
        s_out = pg.Out(pg.Spikes)

    with pytest.raises(ProcgraphError, match=r"has no model.*class OrphanModel\(pg.PythonModel, process=Orphan\)"):
        compiled(Orphan(shape=3))


def test_the_engine_keeps_the_bytes_it_reads() -> None:
    source, target = PoissonSource(shape=4, rate=1.0), LIF(shape=4)
    source >> Dense(np.eye(4), name="synapses") >> target
    program = pg.compile(pg.Graph(source, target, dt=0.1, seed=1)).program.data
    data, shifted = bytearray(program), bytes(program)
    read = [_native.Program.from_bytes(x) for x in (data, shifted, memoryview(b"x" + program)[1:])]
    data[:] = bytes(len(data))
    del shifted, program
    gc.collect()
    engines = [_native.Engine(x) for x in read]
    del read
    for engine in engines:
        engine.run(50)
        assert np.array_equal(engine.read("synapses", "weights", "weights").reshape(4, 4), np.eye(4))


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_corrupt_and_truncated_programs(tmp_path: Path, device: str) -> None:
    with pg.compile(pg.Graph(LIF(shape=3, name="pop") >> Dense(np.eye(3), name="syn"))) as rt:
        data = rt.program.data
    path = tmp_path / "a.pgx"
    for length in range(0, len(data), 37):
        path.write_bytes(data[:length])
        with pytest.raises(ProgramFormatError, match="a.pgx"):
            pg.load(path, device)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(200):
        place = int(rng.integers(len(data)))
        path.write_bytes(data[:place] + bytes([data[place] ^ (1 << int(rng.integers(8)))]) + data[place + 1 :])
        try:
            pg.load(path, device).close()  # only padding may change without a checksum noticing
        except ProgramFormatError:
            refused += 1
    assert refused > 100
    with pytest.raises(FileNotFoundError):
        pg.load(tmp_path / "missing.pgx", device)
    with pytest.raises(ProgramFormatError, match=r"graph.yaml is a graph file; .*procgraph.from_yaml\("):
        pg.load(tmp_path / "graph.yaml", device)
