"""Every built-in element-wise Process, with own parameters per element: the same bits natively and on the reference."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

import procgraph as pg
import procgraph.processes
from procgraph.processes import CurrentSource, FrameSource, SpikeSource
from procgraph.spec.declare import In, Out, Param, State
from procgraph.spec.process import registry
from procgraph.spec.trace import is_elementwise

ELEMENT_WISE = [name for name in procgraph.processes.__all__ if is_elementwise(registry[name])]
N, STEPS, DT = 37, 300, 0.1
# Inputs that bring the neuron to fire, where the general ones (from -1 to 3) do not.
SCALE = {
    "AdEx": 400.0,
    "CondAdEx": 20.0,
    "CondLIF": 20.0,
    "AlphaCondLIF": 20.0,
    "GIF": 100.0,
    "HodgkinHuxley": 1000.0,
    "TraubMiles": 40.0,
}
SCALE |= {
    "DualExpLIF": 20.0,
    "Izhikevich": 20.0,
    "GeneralIzhikevich": 20.0,
    "QuadraticIF": 5.0,
    "CubaLIF": 3.0,
    "ATRLIF": 3.0,
}
PARAMS = {
    "GIF": {"v_th": -55.0, "q_stc1": 5.0, "q_sfa2": 1.0},
    "TsodyksMarkram": {"tau_fac": 50.0},
    "PoissonNeuron": {"c_2": 200.0},
}
PARAMS |= {"AlphaLIF": {"v_th": -60.0}, "PoissonSource": {"rate": 1000.0}}


def varied(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Parameters up to 2 % beside the given or default ones, one per element."""
    cls, given = registry[name], PARAMS.get(name, {})
    values = {}
    for key, declared in cls.declarations.items():
        if isinstance(declared, Param) and declared.dtype == "float32" and not declared.scalar and declared.default:
            values[key] = given.get(key, declared.default) * (1 + 0.02 * rng.uniform(-1, 0, N))
    return values


def graph_of(name: str) -> tuple[pg.Graph, list[Any]]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    process = registry[name](shape=N, name="it", **varied(name, rng))
    for key, declared in process.declarations.items():
        if not isinstance(declared, In):
            continue
        port = getattr(process, key)
        if declared.type.kind == "current":
            values = np.where(rng.random((STEPS, N)) < 0.3, rng.uniform(-1, 3, (STEPS, N)), 0) * SCALE.get(name, 1.0)
            CurrentSource(values if key != "exc_in" else abs(values), shape=N).c_out.connect(port)
        elif declared.type.kind == "events":
            steps, index = np.nonzero(rng.random((STEPS, N)) < 0.1)
            SpikeSource(steps, index, rng.integers(-2, 6, steps.size), shape=N).s_out.connect(port)
        else:
            FrameSource(np.cumsum(rng.normal(0, 0.5, (STEPS, N)), axis=0).astype(np.float32), shape=N).frame.connect(
                port
            )
    return pg.Graph(process, dt=DT), [
        getattr(process, k) for k, d in process.declarations.items() if isinstance(d, (Out, State))
    ]


def run(name: str, device: str) -> list[Any]:
    graph, shown = graph_of(name)
    with pg.compile(graph, devices=device, seed=3) as rt:
        probes = [rt.probe(item) for item in shown]
        rt.run(steps=STEPS)
        return [np.array(p.events.tolist() if p.is_events else p.data) for p in probes]


@pytest.mark.parametrize("name", ELEMENT_WISE)
def test_same_bits(name: str) -> None:
    native, reference = run(name, "cpu"), run(name, "reference")
    assert any(np.count_nonzero(a) for a in native), "nothing happened"
    for a, b in zip(native, reference, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(
            a.view(np.int32) if a.dtype == np.float32 else a, b.view(np.int32) if b.dtype == np.float32 else b
        )
