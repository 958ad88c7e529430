"""Every golden trace: a Process, its input, and what an analytic solution or a published model says it does.

A golden is a YAML file with the keys

    process, params, shape (1), dt (1.0), steps, seed (0)
    inputs     {port: number | list over steps | {step: value, every: value at other steps}}; a value may list elements
    source     where the expected numbers come from
    generator  optional Python text that computes ``expected`` (as ``expect``) independently, in float64
    expect
      spikes   {port: [steps at which element 0 emits]}
      events   {port: [[step, element, payload], ...]}, all of them; payloads within payload_tolerance (0)
               with the key spike_tolerance: as many spikes, each at most so many steps away
      samples  {state or array output: {step: value}}, within rtol (1e-5) and atol (1e-6; or one per name)
      total    {port: summed payloads over steps, per element or of all}, within total_tolerance (0)
      active   {port: number of events of any payload}, likewise
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

import procgraph.processes
from procgraph.ir.philox import draw, node_key
from procgraph.spec.declare import Draw, In, Out, State
from procgraph.spec.process import initial_state, registry
from procgraph.spec.trace import Namespace, column_values, is_elementwise, nested

FILES = sorted(Path(__file__).parent.glob("*.yaml"))
KEYS = set("process params shape dt steps seed inputs source generator expect rtol atol".split())
KEYS |= {"total_tolerance", "spike_tolerance", "payload_tolerance"}


def load(path: Path) -> dict[str, Any]:
    golden: dict[str, Any] = YAML(typ="safe").load(path)
    return golden


def at_step(given: Any, step: int) -> Any:
    if isinstance(given, dict):
        return given.get(step, given.get("every", 0))
    return given[step] if isinstance(given, list) else given


def typed(value: Any, dtype: str, n: int) -> np.ndarray[Any, Any]:
    return np.broadcast_to(np.asarray(value, dtype=dtype).reshape(-1), (n,)).copy()


def simulate(golden: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Traces by name: states (steps, n) and outputs (steps, components * n), from ``step`` on float32 NumPy arrays."""
    cls: Any = registry[golden["process"]]
    dt = float(golden.get("dt", 1.0))
    process = cls(shape=golden.get("shape", 1), **golden.get("params", {}))
    n = int(np.prod(process.shape))
    given = {k: np.asarray(v) for k, v in column_values(process, dt).items()}
    columns = nested({k: typed(v, "int32" if v.dtype.kind in "iub" else "float32", n) for k, v in given.items()})
    kinds = dict(cls.declarations)
    states = {k: typed(initial_state(process, k, d), d.dtype, n) for k, d in kinds.items() if isinstance(d, State)}
    traces: dict[str, list[Any]] = {k: [] for k, d in kinds.items() if isinstance(d, (State, Out))}
    key, draws = node_key(golden.get("seed", 0), "golden"), [k for k, d in kinds.items() if isinstance(d, Draw)]
    scope = Namespace(columns, golden["process"])
    for step in range(golden["steps"]):
        x: dict[str, Any] = {k: draw(key, n, 1, step, r)[0] for r, k in enumerate(draws)}
        for k, d in kinds.items():
            if isinstance(d, In):
                value = at_step(golden.get("inputs", {}).get(k, 0), step)
                x[k] = typed(value, "int32" if d.type.kind == "events" else "float32", n)
        with np.errstate(all="ignore"):
            new, emitted = cls.step(scope, scope, Namespace(states, "state"), Namespace(x, "input"))
        states = {**states, **{k: typed(v, kinds[k].dtype, n) for k, v in new.items()}}
        for k, v in (states | emitted).items():
            components = v if isinstance(v, tuple) else (v,)
            traces[k].append(np.concatenate([np.broadcast_to(c, (n,)) for c in components]))
    return {k: np.array(v) for k, v in traces.items()}


def counted(trace: np.ndarray[Any, Any], wanted: Any) -> Any:
    per_element = trace.astype(np.int64).sum(axis=0)
    return per_element if isinstance(wanted, list) else per_element.sum()


def check_samples(traces: dict[str, Any], wanted: dict[str, dict[int, Any]], golden: dict[str, Any]) -> None:
    atol = golden.get("atol", 1e-6)
    for name, samples in wanted.items():
        for step, value in samples.items():
            got = traces[name][step]
            np.testing.assert_allclose(
                got if isinstance(value, list) else got[0],
                value,
                rtol=float(golden.get("rtol", 1e-5)),
                atol=float(atol[name] if isinstance(atol, dict) else atol),
                err_msg=f"{name} at step {step}",
            )


def test_goldens_exist() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_golden(path: Path) -> None:
    golden = load(path)
    assert not set(golden) - KEYS, "unknown key"
    assert golden["source"].strip()
    traces, expect = simulate(golden), golden["expect"]
    assert expect
    for port, steps in expect.get("spikes", {}).items():
        fired = np.flatnonzero(traces[port][:, 0])
        assert len(fired) == len(steps), fired.tolist()
        late = np.abs(fired - np.array(steps, dtype=int)).max(initial=0)
        assert late <= golden.get("spike_tolerance", 0), fired.tolist()
    for port, events in expect.get("events", {}).items():
        steps, elements = np.nonzero(traces[port])
        got, wanted = (
            np.stack([steps, elements, traces[port][steps, elements]], axis=1),
            np.array(events).reshape(-1, 3),
        )
        np.testing.assert_array_equal(got[:, :2], wanted[:, :2])
        np.testing.assert_allclose(got[:, 2], wanted[:, 2], rtol=0, atol=golden.get("payload_tolerance", 0))
    check_samples(traces, expect.get("samples", {}), golden)
    tolerance = golden.get("total_tolerance", 0)
    for port, value in expect.get("total", {}).items():
        np.testing.assert_allclose(counted(traces[port], value), value, rtol=0, atol=tolerance)
    for port, value in expect.get("active", {}).items():
        np.testing.assert_allclose(counted(traces[port] != 0, value), value, rtol=0, atol=tolerance)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, float) or isinstance(b, float):
        return bool(np.allclose(a, b, rtol=1e-6, atol=1e-9))
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


GENERATED = [p for p in FILES if "generator" in load(p)]


def test_generators_exist() -> None:
    assert GENERATED


@pytest.mark.parametrize("path", GENERATED, ids=lambda p: p.stem)
def test_generator_gives_the_recorded_numbers(path: Path) -> None:
    golden = load(path)
    scope: dict[str, Any] = {}
    exec(golden["generator"], scope)
    assert same(golden["expect"], scope["expected"]), scope["expected"]


def test_every_element_wise_process_has_a_golden() -> None:
    wanted = {name for name in procgraph.processes.__all__ if is_elementwise(registry[name])}
    assert wanted
    assert wanted <= {load(p)["process"] for p in FILES}
