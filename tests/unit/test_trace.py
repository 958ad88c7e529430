"""Every refusal of the expression language is a TraceError that names the place and the way out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import procgraph as pg
from procgraph.errors import ParameterError, TraceError
from procgraph.processes import LIF
from procgraph.processes.encoders.rate import per_step
from procgraph.spec import functions as f
from procgraph.spec.declare import Draw, In, Out, Param, State
from procgraph.spec.process import Process
from procgraph.spec.trace import trace
from procgraph.spec.types import Array, Current, Graded, Spikes

Step = Callable[[Any, Any, Any, Any], Any]


class Probe(Process):
    """Declarations for the steps below: one of every dtype."""

    register = False
    a_in = In(Current)
    g_in = In(Graded)
    s_out = Out(Spikes)
    gain = Param(2.0)
    v = State(0.0)
    count = State(0, dtype="int32")
    u = Draw()

    @staticmethod
    def derive(p: Any, dt: float) -> dict[str, Any]:
        return {"decay": 0.5, "steps": 3, "table": [1, 2]}


def with_step(function: Step) -> Process:
    class Case(Probe):
        register = False
        step = staticmethod(function)

    return Case(shape=1)


def emit(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return {}, {"s_out": value}


def if_branch(p: Any, d: Any, s: Any, x: Any) -> Any:
    if s.v > 1.0:
        return emit(True)
    return emit(False)


def while_loop(p: Any, d: Any, s: Any, x: Any) -> Any:
    while s.v > 1.0:
        pass
    return emit(True)


# (step, part of the message); the place must be in this file.
REFUSED: dict[str, tuple[Step, str]] = {
    "if": (if_branch, "where()"),
    "while": (while_loop, "where()"),
    "and": (lambda p, d, s, x: emit(s.v > 1.0 and s.v < 2.0), "&, | and ~"),
    "not": (lambda p, d, s, x: emit(not s.v > 1.0), "&, | and ~"),
    "python min": (lambda p, d, s, x: emit(min(s.v, 1.0) > 0.5), "where()"),
    "power": (lambda p, d, s, x: emit(s.v**2 > 1.0), "Write the product out"),
    "reflected power": (lambda p, d, s, x: emit(2.0**s.v > 1.0), "Write the product out"),
    "modulo": (lambda p, d, s, x: emit(s.v % 2.0 > 1.0), "Use floor()"),
    "floor division": (lambda p, d, s, x: emit(s.count // 2 > 1), "Use floor()"),
    "float()": (lambda p, d, s, x: emit(float(s.v) > 1.0), "to_float()"),
    "int()": (lambda p, d, s, x: emit(int(s.v) > 1), "to_int()"),
    "range": (lambda p, d, s, x: list(range(s.count)), "to_int()"),
    "math": (lambda p, d, s, x: emit(math.exp(s.v) > 1.0), "to_float()"),
    "index": (lambda p, d, s, x: emit(s.v[0] > 1.0), "element-wise"),
    "iterate": (lambda p, d, s, x: emit(sum(s.v) > 1.0), "element-wise"),
    "len": (lambda p, d, s, x: emit(len(s.v) > 1), "element-wise"),
    "numpy ufunc": (lambda p, d, s, x: emit(np.exp(s.v) > 1.0), "procgraph.spec.functions"),
    "numpy where": (lambda p, d, s, x: emit(np.where(s.v > 1.0, s.v, s.v) > 1.0), "procgraph.spec.functions"),
    "numpy sum": (lambda p, d, s, x: emit(np.asarray(s.v).sum() > 1.0), "procgraph.spec.functions"),
    "numpy scalar on the left": (lambda p, d, s, x: emit(np.float64(2.0) * s.v > 1.0), "Python numbers"),
    "numpy scalar on the right": (lambda p, d, s, x: emit(s.v * np.float64(2.0) > 1.0), "cannot be combined"),
    "numpy array on the left": (lambda p, d, s, x: emit(np.ones(3) * s.v > 1.0), "Python numbers"),
    "array": (lambda p, d, s, x: emit(s.v * np.ones(3) > 1.0), "cannot be combined"),
    "string": (lambda p, d, s, x: emit(s.v + "1" > 1.0), "cannot be combined"),
    "None": (lambda p, d, s, x: emit(s.v + None > 1.0), "cannot be combined"),
    "int + float": (lambda p, d, s, x: emit(s.count + s.v > 1.0), "to_float()"),
    "int + 1.5": (lambda p, d, s, x: emit(s.count + 1.5 > 1), "to_float()"),
    "int beyond 32 bits": (lambda p, d, s, x: emit(s.count + 2**31 > 1), "cannot be combined"),
    "int compared with float": (lambda p, d, s, x: emit(s.v > s.count), "to_float()"),
    "bool arithmetic": (lambda p, d, s, x: emit((s.v > 1.0) + (s.v > 2.0)), "not defined for bool"),
    "float + True": (lambda p, d, s, x: emit(s.v + True > 1.0), "cannot be combined"),
    "int division": (lambda p, d, s, x: emit(s.count / 2 > 1), "not defined for int32"),
    "& of floats": (lambda p, d, s, x: emit(s.v & s.v), "bitand()"),
    "& of ints": (lambda p, d, s, x: emit(s.count & 1), "bitand()"),
    "~ of a float": (lambda p, d, s, x: emit(~s.v), "needs bool"),
    "- of a bool": (lambda p, d, s, x: emit(-(s.v > 1.0)), "needs float32 or int32"),
    "where of a float": (lambda p, d, s, x: emit(f.where(s.v, 1.0, 2.0) > 1.5), "needs bool"),
    "where of two dtypes": (lambda p, d, s, x: emit(f.where(s.v > 1.0, s.v, s.count) > 1.0), "needs float32"),
    "sqrt of an int": (lambda p, d, s, x: emit(f.sqrt(s.count) > 1.0), "needs float32"),
    "floor of an int": (lambda p, d, s, x: emit(f.floor(s.count) > 1.0), "needs float32"),
    "to_float of a float": (lambda p, d, s, x: emit(f.to_float(s.v) > 1.0), "needs int32 or bool"),
    "to_int of an int": (lambda p, d, s, x: emit(f.to_int(s.count) > 1), "needs float32 or bool"),
    "shift of a float": (lambda p, d, s, x: emit(f.shl(s.v, 1) > 1), "needs int32"),
    "bits of a float": (lambda p, d, s, x: emit(f.bitand(s.v, 1) > 1), "needs int32"),
    "bits_float of a float": (lambda p, d, s, x: emit(f.bits_float(s.v) > 1.0), "needs int32"),
    "exp of an int": (lambda p, d, s, x: emit(f.exp(s.count) > 1.0), "cannot be combined"),
}


def test_cases_exist() -> None:
    assert len(REFUSED) > 40


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_names_place_and_way_out(case: str) -> None:
    step, hint = REFUSED[case]
    with pytest.raises(TraceError) as error:
        trace(with_step(step), 1.0)
    assert hint in str(error.value)
    assert f"{__file__}:" in str(error.value)


def result(case: Any) -> Step:
    return lambda p, d, s, x: case(s)


# What step returns must be what is declared; these messages name class and entity.
WRONG_RESULTS: dict[str, tuple[Step, str]] = {
    "nothing": (result(lambda s: None), "two dicts"),
    "one dict": (result(lambda s: {"s_out": s.v > 1.0}), "two dicts"),
    "three dicts": (result(lambda s: ({}, {}, {})), "two dicts"),
    "unknown state": (result(lambda s: ({"w": s.v}, {"s_out": s.v > 1.0})), "unknown state 'w'"),
    "unknown output": (result(lambda s: ({}, {"s_out": s.v > 1.0, "out": s.v})), "unknown output 'out'"),
    "missing output": (result(lambda s: ({"v": s.v}, {})), "does not emit 's_out'"),
    "state of another dtype": (result(lambda s: ({"v": s.count}, {"s_out": s.v > 1.0})), "'v' is int32, but float32"),
    "bool state": (result(lambda s: ({"count": s.v > 1.0}, {"s_out": s.v > 1.0})), "'count' is bool, but int32"),
    "spikes that are no bool": (result(lambda s: ({}, {"s_out": s.v})), "'s_out' is float32, but bool"),
}


@pytest.mark.parametrize("case", WRONG_RESULTS)
def test_wrong_result(case: str) -> None:
    step, hint = WRONG_RESULTS[case]
    with pytest.raises(TraceError, match=hint) as error:
        trace(with_step(step), 1.0)
    assert "Case.step" in str(error.value)


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        (lambda p, d, s, x: emit(p.gian > 1.0), "no 'gian'. Did you mean 'gain'"),
        (lambda p, d, s, x: emit(d.deca > 1.0), "no 'deca'. Did you mean 'decay'"),
        (lambda p, d, s, x: emit(s.w > 1.0), "Case.s has no 'w'"),
        (lambda p, d, s, x: emit(x.b_in > 1.0), "Case.x has no 'b_in'"),
    ],
)
def test_unknown_name(step: Step, hint: str) -> None:
    with pytest.raises(TraceError) as error:
        trace(with_step(step), 1.0)
    assert hint in str(error.value)


def test_components_must_fit() -> None:
    class Two(Process):
        register = False
        s_out = Out(Graded, components=2)
        v = State(0, dtype="int32")

        @staticmethod
        def step(p: Any, d: Any, s: Any, x: Any) -> Any:
            return {}, {"s_out": (s.v,)}

    with pytest.raises(TraceError, match="2 components, but 1"):
        trace(Two(shape=1), 1.0)


def test_shift_count_is_checked() -> None:
    with pytest.raises(ValueError, match="0 to 31"):
        trace(with_step(lambda p, d, s, x: emit(f.shl(s.count, 32) > 1)), 1.0)


def test_derived_values_must_be_finite() -> None:
    class Bad(Process):
        register = False
        v_out = Out(Array)
        tau = Param(0.0)

        @staticmethod
        def derive(p: Any, dt: float) -> dict[str, Any]:
            return {"decay": np.float64(dt) * np.inf}

        @staticmethod
        def step(p: Any, d: Any, s: Any, x: Any) -> Any:
            return {}, {"v_out": d.decay}

    with pytest.raises(ParameterError, match="'decay'"):
        trace(Bad(shape=1), 1.0)


def test_unused_operations_are_dropped() -> None:
    kernel = trace(with_step(lambda p, d, s, x: (s.v * p.gain, emit(s.v + d.decay > 1.0))[1]), 1.0)
    assert [c.name for c in kernel.columns] == ["gain", "decay"]  # what step has read; the reference reads the same
    assert "mul" not in [o.op for o in kernel.operations]


def test_common_subexpressions_are_recorded_once() -> None:
    kernel = trace(with_step(lambda p, d, s, x: emit(s.v * s.v + s.v * s.v > 1.0)), 1.0)
    assert [o.op for o in kernel.operations].count("mul") == 1


def test_signed_zeros_are_different_constants() -> None:
    kernel = trace(with_step(lambda p, d, s, x: emit(f.float_bits(s.v * 0.0) < f.float_bits(s.v * -0.0))), 1.0)
    assert [o.op for o in kernel.operations].count("const") == 2


def test_hash_depends_on_arithmetic_only() -> None:
    assert trace(LIF(shape=1), 1.0).hash == trace(LIF(shape=(3, 4), tau_m=np.full((3, 4), 5.0), t_ref=2.0), 0.1).hash
    one = trace(with_step(lambda p, d, s, x: emit(s.v + 1.0 > d.decay)), 1.0)
    other = trace(with_step(lambda p, d, s, x: emit(s.v + 2.0 > d.decay)), 1.0)
    assert one.hash != other.hash


@pytest.mark.parametrize(
    ("derived", "hint"),
    [
        (lambda p, dt: {"a": math.exp(-dt / p.tau)}, "own: derive raised TypeError: .* use functions of NumPy"),
        (lambda p, dt: {"a": dt / (p.tau.size - 3)}, "own: derive raised ZeroDivisionError: "),
        (lambda p, dt: None, "own: derive returns NoneType; it must return a dict"),
        (lambda p, dt: per_step(p.tau, dt, 0.01, "Own.tau"), "own: Own.tau is 30 Hz"),
    ],
)
def test_an_error_of_derive_names_the_process(derived: Any, hint: str) -> None:
    class Own(Process):
        register = False
        v_out = Out(Array)
        tau = Param(1.0)
        derive = staticmethod(derived)

        @staticmethod
        def step(p: Any, d: Any, s: Any, x: Any) -> Any:
            return {}, {"v_out": d.a}

    with pytest.raises(ParameterError, match=f"^{hint}"):
        trace(Own(shape=3, tau=[10.0, 20.0, 30.0], name="own"), 1.0)


def test_step_with_self_is_explained() -> None:
    with pytest.raises(TraceError, match=r"^Case.step cannot be called as step\(p, d, s, x\): .*It is a staticmethod"):
        trace(with_step(lambda self, p, d, s, x: ({}, {})), 1.0)  # type: ignore[arg-type, misc]


def test_a_state_that_begins_as_no_parameter() -> None:
    class Own(Process):
        register = False
        v_out = Out(Array)
        v_rest = Param(1.0)
        v = State("v_reset")

        @staticmethod
        def step(p: Any, d: Any, s: Any, x: Any) -> Any:
            return {}, {"v_out": s.v}

    with pytest.raises(ParameterError, match=r"own.v begins as the parameter 'v_reset', .*Did you mean 'v_rest'"):
        pg.compile(pg.Graph(Own(shape=3, name="own")))
