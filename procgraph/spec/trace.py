"""From a Process class to a kernel: derive once on the host, trace ``step`` once with symbols."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from procgraph.errors import ParameterError, ProcgraphError, TraceError, did_you_mean
from procgraph.spec.declare import Draw, In, Out, Param, State
from procgraph.spec.expr import Expr, Operation, Tape
from procgraph.spec.functions import flush
from procgraph.spec.process import Process
from procgraph.spec.types import Array, Graded, Spikes

__all__ = [
    "Argument",
    "Kernel",
    "Namespace",
    "Output",
    "StepResult",
    "Values",
    "column_values",
    "derive",
    "is_elementwise",
    "nested",
    "settle",
    "trace",
]


class Namespace:
    """Named values with attribute access, as ``derive`` and ``step`` receive them (``p``, ``d``, ``s``, ``x``)."""

    def __init__(self, values: Mapping[str, Any], owner: str) -> None:
        self._values = values
        self._owner = owner
        self._accessed: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self._accessed.add(name)
        try:
            return self._values[name]
        except KeyError:
            raise TraceError(f"{self._owner} has no {name!r}.{did_you_mean(name, self._values)}") from None


# What ``derive`` and ``step`` receive and return, for annotations.
Values = Namespace
StepResult = tuple[dict[str, Any], dict[str, Any]]


@dataclass(frozen=True)
class Argument:
    """A value that the kernel reads: a column (parameter or derived), a state, an input or a draw."""

    name: str
    dtype: str
    kind: str


@dataclass(frozen=True)
class Output:
    """One component of an output port and the tape position of what it emits."""

    port: str
    component: int
    kind: str
    dtype: str
    value: int


@dataclass(frozen=True)
class Kernel:
    """The traced ``step`` of a class: arguments in the order of the kernel ABI, operations, results."""

    name: str
    columns: tuple[Argument, ...]
    states: tuple[Argument, ...]
    inputs: tuple[Argument, ...]
    draws: tuple[Argument, ...]
    operations: tuple[Operation, ...]
    next_states: tuple[int, ...]
    outputs: tuple[Output, ...]

    @property
    def layout(self) -> str:
        """Dtypes of columns; states; inputs; outputs, and the number of draws: what the kernel ABI points to."""
        inputs = [a.dtype if a.kind == "array" else "int32" for a in self.inputs]
        parts = (
            [a.dtype for a in self.columns],
            [a.dtype for a in self.states],
            inputs,
            [o.dtype for o in self.outputs],
        )
        return ";".join([*map(",".join, parts), str(len(self.draws))])

    @property
    def hash(self) -> str:
        """Content hash: equal kernels have equal hashes."""
        parts = [repr((self.columns, self.states, self.inputs, self.draws, self.next_states, self.outputs))]
        parts += [
            f"{o.op}{o.args}{o.dtype}{o.value.hex() if isinstance(o.value, float) else o.value}"
            for o in self.operations
        ]
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def is_elementwise(cls: type[Process]) -> bool:
    """Whether the class declares its dynamics by ``step``."""
    return hasattr(cls, "step")


def derive(process: Process, dt: float, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Derived values, float64 or int, one number or one per element; lists become tuples.

    Raises:
        ParameterError: a derived value is NaN or infinite, or there is none because ``derive`` raised.
    """
    cls = type(process)
    if not hasattr(cls, "derive"):
        return {}
    given = {k: v for k, v in (values or process.values).items() if isinstance(process.declarations.get(k), Param)}
    try:
        result = cls.derive(Namespace(given, f"{cls.__name__}.p"), dt)
    except ParameterError as error:  # which knows the parameters only, not whose they are
        raise (error if process.label in str(error) else type(error)(f"{process.label}: {error}")) from None
    except ProcgraphError:
        raise
    except Exception as error:
        raise ParameterError(
            f"{process.label}: derive raised {type(error).__name__}: {error}. "
            "A parameter is one number or an array with one per element: use functions of NumPy."
        ) from error
    if not isinstance(result, Mapping):
        raise ParameterError(f"{process.label}: derive returns {type(result).__name__}; it must return a dict.")
    for name, value in result.items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if not np.isfinite(np.asarray(item, dtype=np.float64)).all():
                raise ParameterError(
                    f"{process.label}: derived value {name!r} is {item}. Check the parameters and dt={dt:g} ms."
                )
    return dict(result)


def settle(new: Mapping[str, Any], dtypes: Mapping[str, str]) -> dict[str, Any]:
    """What is stored of the states that ``step`` returns: float32 values without denormal numbers."""

    def is_float(key: str, value: Any) -> bool:
        return dtypes.get(key) == "float32" and str(getattr(value, "dtype", "")) == "float32"

    return {key: flush(value) if is_float(key, value) else value for key, value in new.items()}


def _dtype_of(value: Any) -> str:
    return "int32" if np.asarray(value).dtype.kind in "iub" else "float32"


def column_values(process: Process, dt: float, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All values that a kernel may read, flattened: parameters, then derived; list items as ``name.0``, ``name.1``, …"""
    source = values or process.values
    flat: dict[str, Any] = {}
    for key, declared in process.declarations.items():
        if isinstance(declared, Param) and declared.dtype in ("float32", "int32") and source[key] is not None:
            flat[key] = source[key]
    for key, value in derive(process, dt, source).items():
        if isinstance(value, (list, tuple)):
            flat.update({f"{key}.{i}": item for i, item in enumerate(value)})
        else:
            flat[key] = value
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Columns by name, ``name.0``, ``name.1``, … gathered to lists, as ``step`` expects them."""
    result: dict[str, Any] = {}
    for key, value in flat.items():
        base, _, number = key.partition(".")
        if number:
            result.setdefault(base, []).append(value)
        else:
            result[base] = value
    return result


def _input_dtype(declared: In) -> str:
    if declared.type.kind == "current":
        return "float32"
    return declared.type.dtype if isinstance(declared.type, Array) else "int32"


def trace(process: Process, dt: float, form: Any = None) -> Kernel:
    """Call ``step`` with symbols and collect what it does; ``form`` stands for the class where it is given.

    Raises:
        TraceError: ``step`` leaves the expression language, or returns something that is not declared.
    """
    cls = form or type(process)
    declarations = cls.declarations
    tape = Tape()
    symbols: dict[str, Expr] = {}
    flat = column_values(process, dt)

    def symbol(kind: str, name: str, dtype: str) -> Expr:
        symbols[f"{kind}:{name}"] = expr = tape.record("arg", (), dtype, f"{kind}:{name}")
        return expr

    p = Namespace(
        nested(
            {k: symbol("column", k, _param_dtype(declarations, k, v)) for k, v in flat.items() if k in declarations}
        ),
        f"{cls.__name__}.p",
    )
    d = Namespace(
        nested({k: symbol("column", k, _dtype_of(v)) for k, v in flat.items() if k not in declarations}),
        f"{cls.__name__}.d",
    )
    states = {k: x for k, x in declarations.items() if isinstance(x, State)}
    s = Namespace({k: symbol("state", k, x.dtype) for k, x in states.items()}, f"{cls.__name__}.s")
    inputs = {k: _input_dtype(x) for k, x in declarations.items() if isinstance(x, In)}
    draws = [k for k, x in declarations.items() if isinstance(x, Draw)]
    xs = {k: symbol("input", k, _kernel_dtype(dtype)) for k, dtype in inputs.items()} | {
        k: symbol("draw", k, "int32") for k in draws
    }
    next_states, outputs = _call(cls, p, d, s, Namespace(xs, f"{cls.__name__}.x"), tape, states)
    used = _used(tape, [*next_states, *(o.value for o in outputs)])
    read = {*p._accessed, *d._accessed}
    columns = tuple(Argument(k, symbols[f"column:{k}"].dtype, "column") for k in flat if k.partition(".")[0] in read)
    operations, renumber = _compact(tape, used)
    return Kernel(
        cls.__name__,
        columns,
        tuple(Argument(k, x.dtype, "state") for k, x in states.items()),
        tuple(
            Argument(k, dtype, x.type.kind)
            for (k, dtype), x in zip(
                inputs.items(), (x for x in declarations.values() if isinstance(x, In)), strict=True
            )
        ),
        tuple(Argument(k, "int32", "draw") for k in draws),
        operations,
        tuple(renumber[i] for i in next_states),
        tuple(Output(o.port, o.component, o.kind, o.dtype, renumber[o.value]) for o in outputs),
    )


def _param_dtype(declarations: Mapping[str, Any], key: str, value: Any) -> str:
    declared = declarations.get(key)
    return declared.dtype if isinstance(declared, Param) else _dtype_of(value)


def _kernel_dtype(dtype: str) -> str:
    return "float32" if dtype == "float32" else "bool" if dtype == "bool" else "int32"


def _call(
    cls: Any, p: Namespace, d: Namespace, s: Namespace, x: Namespace, tape: Tape, states: Mapping[str, State]
) -> tuple[list[int], list[Output]]:
    try:
        inspect.signature(cls.step).bind(p, d, s, x)
    except TypeError as error:
        raise TraceError(
            f"{cls.__name__}.step cannot be called as step(p, d, s, x): {error}. It is a staticmethod, without self."
        ) from None
    result = cls.step(p, d, s, x)
    if not (isinstance(result, tuple) and len(result) == 2 and all(isinstance(r, dict) for r in result)):
        raise TraceError(
            f"{cls.__name__}.step returns {type(result).__name__}; it must return two dicts: next state, and what each output emits."
        )
    new, emitted = result
    outs = {k: o for k, o in cls.declarations.items() if isinstance(o, Out)}
    for got, wanted, what in ((new, states, "state"), (emitted, outs, "output")):
        for key in got:
            if key not in wanted:
                raise TraceError(f"{cls.__name__}.step returns the unknown {what} {key!r}.{did_you_mean(key, wanted)}")
    missing = [k for k in outs if k not in emitted]
    if missing:
        raise TraceError(f"{cls.__name__}.step does not emit {missing[0]!r}. Return a value for every output.")
    new = settle(new, {k: x.dtype for k, x in states.items()})
    next_states = [
        _typed(tape, new.get(k, getattr(s, k)), x.dtype, f"{cls.__name__}.step: state {k!r}") for k, x in states.items()
    ]
    outputs: list[Output] = []
    for key, out in outs.items():
        items = emitted[key] if out.components > 1 else (emitted[key],)
        if len(items) != out.components:
            raise TraceError(
                f"{cls.__name__}.step: output {key!r} has {out.components} components, but {len(items)} values are returned."
            )
        dtype = _output_dtype(out)
        for component, item in enumerate(items):
            value = _typed(
                tape,
                item,
                "bool" if isinstance(out.type, Spikes) else _kernel_dtype(dtype),
                f"{cls.__name__}.step: output {key!r}",
            )
            outputs.append(Output(key, component, out.type.kind, dtype, value))
    return next_states, outputs


def _output_dtype(out: Out) -> str:
    if isinstance(out.type, (Spikes, Graded)):
        return "int32"
    return "float32" if out.type.kind == "current" else out.type.dtype


def _typed(tape: Tape, value: Any, dtype: str, what: str) -> int:
    if not isinstance(value, Expr):
        value = tape.constant(value, dtype)
    if value.dtype != dtype:
        raise TraceError(
            f"{what} is {value.dtype}, but {dtype} is declared. Convert with to_float() or to_int(), or compare."
        )
    return int(value.index)


def _used(tape: Tape, roots: list[int]) -> set[int]:
    used: set[int] = set()
    stack = list(roots)
    while stack:
        index = stack.pop()
        if index not in used:
            used.add(index)
            stack.extend(tape.operations[index].args)
    return used


def _compact(tape: Tape, used: set[int]) -> tuple[tuple[Operation, ...], dict[int, int]]:
    renumber: dict[int, int] = {}
    kept: list[Operation] = []
    for index, operation in enumerate(tape.operations):
        if index in used:
            renumber[index] = len(kept)
            kept.append(
                Operation(operation.op, tuple(renumber[a] for a in operation.args), operation.dtype, operation.value)
            )
    return tuple(kept), renumber
