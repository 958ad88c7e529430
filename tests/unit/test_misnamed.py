"""What is asked of a Runtime and is no variable: the error says what it is, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import procgraph as pg
from procgraph.errors import ConnectionError, ParameterError, RunStateError, UnknownNameError
from procgraph.processes import LIF, OneToOne, SpikeSource

CELLS = LIF(shape=3, name="cells")
WRONG: list[tuple[Callable[[Any], Any], str]] = [
    (lambda rt: rt.probe(CELLS), "cells is a Process. Say what of it: cells.s_out, cells.tau_m, "),
    (lambda rt: rt.probe("cells"), "cells is a Process. Say what of it: cells.s_out, "),
    (lambda rt: rt.plot_raster(CELLS), "cells is a Process. Say what of it: "),
    (lambda rt: rt.get("v"), r"'v' names no port or variable; allowed: one of a Process, such as pop.v or 'pop.v'"),
    (lambda rt: rt.probe([CELLS.v]), r"\[Variable\(.*\] names no port or variable"),
    (lambda rt: rt.get(CELLS.s_out), r"cells.s_out is an output port, not a variable. rt.probe\(\) records it"),
    (lambda rt: rt.set("cells.s_out", 1), "cells.s_out is an output port"),
    (lambda rt: rt.probe(CELLS.a_in), "cells.a_in is an input port, which is not recorded. Probe the outputs"),
    (lambda rt: rt.probe("cells.a_in"), "cells.a_in is an input port"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_no_variable(call: Callable[[Any], Any], message: str) -> None:
    with pg.compile(pg.Graph(CELLS), "reference") as rt, pytest.raises(UnknownNameError, match=f"^{message}"):
        call(rt)


@pytest.mark.parametrize("elements", [0, [0.5], [[0]], []])
def test_elements_of_a_trace(elements: Any) -> None:
    pytest.importorskip("matplotlib")
    with pg.compile(pg.Graph(CELLS), "reference") as rt:
        rt.probe(CELLS.v)
        with pytest.raises(ParameterError, match="allowed for cells.v: 0 to 2, in a list"):
            rt.plot_trace(elements=elements)


def test_a_probe_after_the_end() -> None:
    with pg.compile(pg.Graph(CELLS), "reference") as rt:
        probe = rt.probe(CELLS.v)
    with pytest.raises(RunStateError, match="closed, and with it went what its probes recorded. Read them before"):
        _ = probe.data


class Pair(pg.Process):
    """A Process that is made of others."""

    register = False
    s_in = pg.In(pg.Graded)
    s_out = pg.Out(pg.Spikes)
    gain = pg.Param(2.0, scalar=True)
    v = pg.State()

    def build(self) -> None:
        self.into, self.inner = OneToOne(self.values["gain"]), LIF()
        self.s_in.connect(self.into.s_in)
        self.into >> self.inner
        self.inner.s_out.connect(self.s_out)
        self.alias(v=self.inner.v)


def test_names_of_a_hierarchical_process() -> None:
    source, pair = SpikeSource(steps=[1], index=0, shape=1, name="source"), Pair(shape=1, name="pair")
    source.s_out.connect(pair.s_in)
    with pg.compile(pg.Graph(pair), "reference") as rt:
        spikes, v = rt.probe("pair.s_out"), rt.probe("pair.v")
        rt.run(steps=5)
        assert (len(spikes), len(v), rt.get("pair.v").shape) == (1, 5, (1,))
        for wrong in ("pair.gain", pair.gain):
            with pytest.raises(
                UnknownNameError, match=r"pair is made of other Processes .*Known: pair.inner, pair.into"
            ):
                rt.get(wrong)


class Talker(pg.Process):
    """Sends objects."""

    register = False
    said = pg.Out(pg.Message)


class TalkerModel(pg.PythonModel, process=Talker):
    """Nothing."""

    def run_step(self) -> None:
        pass


def test_what_cannot_be_recorded_or_joined() -> None:
    talker = Talker(shape=1, name="talker")
    with (
        pg.compile(pg.Graph(talker), "reference") as rt,
        pytest.raises(
            UnknownNameError, match=r"talker.said carries Message from model to model, which is not recorded"
        ),
    ):
        rt.probe(talker.said)

    class Counter(pg.Process):
        register = False
        s_in = pg.In(pg.Spikes)

    with pytest.raises(ConnectionError, match=r"takes Spikes. An input that is declared as In\(Graded\) takes both"):
        SpikeSource(steps=[1], index=0, payload=2, shape=1).s_out.connect(Counter(shape=1).s_in)


def test_a_file_is_no_graph() -> None:
    with pytest.raises(ParameterError, match=r"Give it procgraph.from_yaml\('net.yaml'\)"):
        pg.compile("net.yaml")  # type: ignore[arg-type]
