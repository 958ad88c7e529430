"""Values of a wrong type or size give typed errors too, and leave what they were given to as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import (
    CheckpointError,
    ConfigError,
    ConnectionError,
    ParameterError,
    ProcgraphError,
    ProgramFormatError,
    RunStateError,
    ShapeError,
    UnitError,
    UnknownNameError,
)
from procgraph.processes import (
    LIF,
    AllToAll,
    Argmax,
    Conv2d,
    CurrentSource,
    Dense,
    FrameSource,
    Gymnasium,
    Sparse,
    SpikeSource,
)

HUGE = 10**400  # no float
RAGGED = [1, [2, 3]]


def pop(**options: Any) -> LIF:
    return LIF(shape=3, name="pop", **options)


def synapse() -> Dense:
    return Dense(np.eye(3), name="syn")


def compiled(*args: Any, **options: Any) -> None:
    pg.compile(*args, **options).close()


def joined(delay: str) -> None:
    source = pop()
    source.s_out.connect(synapse().s_in, delay=delay)
    compiled(source)


VALUES: list[tuple[Callable[[], object], type[ProcgraphError], str]] = [
    (lambda: pop(tau_m=HUGE), ParameterError, "pop.tau_m is 10"),
    (lambda: pop(v=HUGE), ParameterError, r"pop\.v is 10"),
    (lambda: pop(tau_m="1e999 ms"), UnitError, "'1e999 ms' is beyond the largest number"),
    (lambda: pop(device=5), ParameterError, "device is 5; allowed: a name such as 'cpu'"),
    (lambda: compiled(pop(period="1e999 ms")), UnitError, "beyond the largest number"),
    (lambda: joined("1e999 ms"), UnitError, "beyond the largest number"),
    (lambda: pg.Graph(pop(), dt=HUGE), ParameterError, "dt is 10"),
    (lambda: pop().port(None), UnknownNameError, "no port None"),  # type: ignore[arg-type]
    (lambda: pop().s_out.connect(None), ConnectionError, "joined to None; allowed: an input port, or a Process"),
    (lambda: pop().s_out.gather(RAGGED), ParameterError, "different lengths; allowed: whole numbers"),
    (lambda: pop().s_out.gather([2**63]), ShapeError, "does not fit"),
    (lambda: pop().s_out[2**63], ShapeError, "does not fit"),
    (lambda: pg.concatenate(None, synapse().s_in), ConnectionError, "allowed: a list of output ports"),  # type: ignore[arg-type]
    (lambda: pg.concatenate([pop().s_out], None), ConnectionError, "None; allowed: a list of output"),  # type: ignore[arg-type]
    (lambda: pg.concatenate([pop().s_out], synapse().s_in, axis=1), ShapeError, "axis is 1; allowed .*: -1 to 0"),
    (lambda: pg.Normal(HUGE, 1.0), ParameterError, "is no distribution"),
    (lambda: pg.Normal(0.0, 1.0, low="x"), ParameterError, "is no distribution"),  # type: ignore[arg-type]
    (lambda: pg.LogNormal(2000.0, 1.0).table(), ParameterError, "values beyond 1.8e308"),
    (lambda: pg.Gaussian(1.0, HUGE), ParameterError, "finite numbers"),
    (lambda: pg.Box(1.0, outer=None), ParameterError, "finite numbers"),  # type: ignore[arg-type]
    (lambda: pg.Box(1.0, window="ab"), ParameterError, "finite numbers"),  # type: ignore[arg-type]
    (lambda: pg.Graded([]), ParameterError, "payload"),  # type: ignore[arg-type]
    (lambda: pg.Graded("int8", "x"), ParameterError, "limit 'x' is out of range"),  # type: ignore[arg-type]
    (lambda: pg.Param(1.0, []), ParameterError, "unknown unit"),  # type: ignore[arg-type]
    (lambda: Dense(np.eye(3), delay=RAGGED), ParameterError, "delay are lists of different lengths"),
    (lambda: Sparse(1.0, pre=RAGGED, post=[0]), ParameterError, "pre are lists of different lengths"),
    (lambda: Sparse(1.0, pre=[0], post=[0], n_pre="x"), ParameterError, "n_pre is 'x'; allowed: whole numbers"),  # type: ignore[arg-type]
    (lambda: Sparse(1.0, file=3), ParameterError, "file is 3; allowed: the path of a file"),  # type: ignore[arg-type]
    (lambda: AllToAll(1.0, n_post=-1), ParameterError, "n_post is -1"),
    (lambda: Conv2d(np.ones((1, 1, 3, 3)), in_shape="1 3"), ParameterError, "in_shape is '1 3'; allowed: whole"),
    (lambda: FrameSource(HUGE), ParameterError, "frames is int"),
    (lambda: FrameSource(np.ones((2, 3)), cycle=np.zeros(0)), ParameterError, "cycle is .*true or false"),  # type: ignore[arg-type]
    (lambda: CurrentSource(1.0, shape=3, cycle="no"), ParameterError, "cycle is 'no'"),  # type: ignore[arg-type]
    (lambda: SpikeSource(RAGGED, 0, shape=3), ParameterError, "steps are lists of different lengths"),
    (lambda: compiled(pop() >> Argmax(decision=[1, 2])), ProcgraphError, "decision has 2 values; allowed: one"),
    (lambda: Gymnasium(options=3), ParameterError, "options is 3; allowed: arguments of gymnasium.make"),  # type: ignore[arg-type]
    (lambda: Gymnasium(actions=1), ParameterError, "actions is 1; allowed: a list"),  # type: ignore[arg-type]
    (lambda: compiled(pop(), None), ParameterError, "devices is None; allowed: a device"),
    (lambda: compiled(pop(), {"pop": "cpu"}), ParameterError, "allowed: a device such as 'cpu', or a mapping from"),
    (lambda: compiled(pop(), {pop(): "cpu"}), ParameterError, "does not belong to this graph"),
    (lambda: compiled(pop(), progress=5), ParameterError, "progress is 5"),
    (lambda: compiled(pop(), profile="yes"), ParameterError, "profile is 'yes'"),
    (lambda: compiled(pop(), threads=np.zeros(0)), ParameterError, "threads is"),
    (lambda: pg.load(None), ParameterError, "path is None; allowed: the path of a file"),  # type: ignore[arg-type]
    (lambda: pg.from_yaml("a\0b"), ParameterError, "allowed: the path of a file"),
    (lambda: pg.from_yaml("a.yaml", [1]), ParameterError, "overrides is"),  # type: ignore[arg-type]
    (lambda: pg.Program.from_bytes(None), ProgramFormatError, "Program is NoneType; allowed: the bytes"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("mistake", "error", "text"), VALUES, ids=[m[2][:40] or str(i) for i, m in enumerate(VALUES)])
def test_values(mistake: Callable[[], object], error: type[ProcgraphError], text: str) -> None:
    with pytest.raises(error, match=text):
        mistake()


RUNS: list[tuple[Callable[[pg.Runtime], object], type[ProcgraphError], str]] = [
    (lambda rt: rt.run(steps=1, until=5), ParameterError, "until=5"),  # type: ignore[arg-type]
    (lambda rt: rt.run(steps=1, realtime=HUGE), ParameterError, "realtime="),
    (lambda rt: rt.run(steps=1, blocking=np.zeros(0)), ParameterError, "blocking="),  # type: ignore[arg-type]
    (lambda rt: rt.run(seconds=HUGE), ParameterError, "seconds="),
    (lambda rt: rt.wait("x"), ParameterError, "timeout='x'"),  # type: ignore[arg-type]
    (lambda rt: rt.wait(float("nan")), ParameterError, "timeout=nan"),
    (lambda rt: rt.probe("pop.v", every=2**63), ParameterError, "every=9223372036854775808"),
    (lambda rt: rt.probe("pop.v", elements=RAGGED), ParameterError, "elements are lists of different lengths"),  # type: ignore[arg-type]
    (lambda rt: rt.set("pop.v", RAGGED), ParameterError, "pop.v are lists of different lengths"),
    (lambda rt: rt.set("pop.tau_m", HUGE), ParameterError, "pop.tau_m"),
    (lambda rt: rt.probe("pop.v").events, ParameterError, "carries no events; use .steps and .data"),
    (lambda rt: rt.checkpoint(None), ParameterError, "path is None"),  # type: ignore[arg-type]
    (lambda rt: rt.checkpoint("/dev/full"), CheckpointError, "/dev/full cannot be written: No space left"),
    (lambda rt: rt.restore("\0"), ParameterError, "allowed: the path of a file"),
    (lambda rt: rt.plot_raster(path=5), ParameterError, "path is 5"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("mistake", "error", "text"), RUNS, ids=[m[2] for m in RUNS])
def test_calls_of_a_runtime_that_goes_on_afterwards(
    mistake: Callable[[pg.Runtime], object], error: type[ProcgraphError], text: str
) -> None:
    with pg.compile(pop()) as rt:
        with pytest.raises(error, match=text):
            mistake(rt)
        rt.run(steps=2)
        assert rt.step == 2
    with pytest.raises(RunStateError):
        rt.run(steps=1)


def test_overrides_may_be_nested_lists(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("procgraph: 1\nprocesses:\n  pop: {type: LIF, shape: 2}\n")
    with pytest.raises(ConfigError, match=r"pop\.v"):
        pg.from_yaml(path, {"pop.v": [[1.0]]})
    assert pg.from_yaml(path, {"pop.v": [0.5, 1.0]}).processes["pop"].values["v"].tolist() == [0.5, 1.0]
