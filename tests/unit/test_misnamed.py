"""What is asked of a Runtime and is no variable: the error says what it is, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import procgraph as pg
from procgraph.errors import ParameterError, RunStateError, UnknownNameError
from procgraph.processes import LIF

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
