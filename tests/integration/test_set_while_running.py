"""What ``set`` changes while a graph runs: what is refused, and what a checkpoint brings back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ParameterError
from procgraph.processes import (
    LIF,
    Delta,
    DeltaEncoder,
    Dense,
    FrameSource,
    LatencyEncoder,
    OneToOne,
    Parrot,
    Plastic,
    SigmaDelta,
    Sparse,
    SpikeSource,
    TsodyksMarkram,
)
from procgraph.processes.rules import PairSTDP


class Injector(pg.Process):
    """A current whose largest magnitude is a parameter."""

    c_out = pg.Out(pg.Current, bound="most")
    most = pg.Param(2.0, ge=0, scalar=True)

    @staticmethod
    def step(p: Any, d: Any, s: Any, x: Any) -> Any:
        return {}, {"c_out": p.most * 1.0}


@pytest.mark.parametrize(
    ("process", "name", "room"),
    [
        (lambda: TsodyksMarkram(shape=2, levels=100, name="it"), "levels", 100),
        (lambda: Delta(shape=2, max_payload=10, name="it"), "max_payload", 10),
        (lambda: SigmaDelta(shape=2, max_payload=10, name="it"), "max_payload", 10),
        (lambda: DeltaEncoder(shape=2, max_events=10, name="it"), "max_events", 10),
        (lambda: Parrot(shape=2, max_payload=10, name="it"), "max_payload", 10),
        (lambda: Injector(shape=2, most=3.0, name="it"), "most", 3.0),
    ],
)
def test_what_limits_an_output_may_only_shrink(backend: str, process: Any, name: str, room: float) -> None:
    """Payloads above the compiled limit would be cut off, while the states of their Process would hold that they were sent."""
    with pg.compile(pg.Graph(process()), backend) as rt:
        with pytest.raises(ParameterError, match=f"up to {room:g}, for which"):
            rt.set(f"it.{name}", room + 1)
        rt.set(f"it.{name}", room / 2)
        assert rt.get(f"it.{name}") == room / 2
        rt.set(f"it.{name}", room)


def network() -> pg.Graph:
    source = SpikeSource(range(0, 60, 3), 0, shape=2, name="source")
    cells, learning = LIF(shape=2, tau_m=10.0, v_th=5.0, name="cells"), LIF(shape=2, name="learning")
    one, drawn = OneToOne(0.5, name="one"), Sparse(pg.Uniform(0.1, 0.4), rule="fixed_total", count=9, name="drawn")
    learned = Plastic(Dense(np.full((2, 2), 0.5)), PairSTDP(), name="learned")
    source >> one >> cells
    source >> drawn >> cells
    source.s_out.connect(learned.s_in)
    cells.s_out.connect(learned.post_in)
    learned.a_out.connect(learning.a_in)
    code = LatencyEncoder(shape=2, window=5, name="code")
    frames = FrameSource(np.linspace(0.1, 0.9, 2, dtype=np.float32)[None], name="frames")
    frames.frame.connect(code.x_in)
    return pg.Graph(cells, learning, code, seed=3)


CHANGES: dict[str, Any] = {
    "cells.tau_m": np.array([5.0, 40.0]),
    "cells.bias": 0.25,
    "cells.t_ref": 2.0,
    "one.weights": 0.25,
    "drawn.weights": 0.125,
    "learned.weights": 0.75,
    "code.code": "log",
    "code.window": 9,
    "frames.values": 0.3,
}


def shown(rt: Any) -> dict[str, Any]:
    """Everything that was or could have been set, and the state after 20 more steps."""
    before = {k: np.array(rt.get(k)).tolist() for k in CHANGES}
    rt.run(steps=20)
    state = {k: v.tobytes() for k, v in rt._executor.export_state().items()}
    return before | state | {"final": rt.get("learned.weights").tobytes()}


@pytest.mark.parametrize("other", ["reference", "cpu"])
def test_a_checkpoint_brings_back_what_was_set(backend: str, other: str, tmp_path: Path) -> None:
    """Also where other values were set since, and whatever is set afterwards."""
    with pg.compile(network(), backend) as rt:
        rt.run(steps=8)
        rt.checkpoint(tmp_path / "plain")
        plain = shown(rt)
        rt.restore(tmp_path / "plain")
        for name, value in CHANGES.items():
            rt.set(name, value)
        rt.run(steps=4)
        rt.checkpoint(tmp_path / "changed")
        rt.set("cells.v_th", 0.75)
        wanted = shown(rt)
        rt.restore(tmp_path / "plain")
        assert rt.get("cells.v_th") == 5.0
        assert shown(rt) == plain
        rt.restore(tmp_path / "changed")
        rt.checkpoint(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "changed").read_bytes()
    with pg.compile(network(), other) as rt:
        rt.restore(tmp_path / "changed")
        rt.set("cells.v_th", 0.75)
        assert shown(rt) == wanted
        rt.restore(tmp_path / "plain")
        assert shown(rt) == plain


def test_arrays_of_the_caller_are_not_kept(backend: str) -> None:
    """Parameters are read again whenever another one of their Process is set."""
    tau, bias = np.array([10.0, 20.0]), np.array([0.5, 0.5])
    with pg.compile(pg.Graph(LIF(shape=2, tau_m=tau, name="cells")), backend) as rt:
        rt.set("cells.bias", bias)
        tau[...], bias[...] = 1.0, 100.0
        rt.get("cells.tau_m")[...] = 1.0
        rt.set("cells.v_th", 2.0)
        rt.run(steps=1)
        assert rt.get("cells.v") == pytest.approx(0.5 * (1 - np.exp(-1 / np.array([10.0, 20.0]))), rel=1e-6)
