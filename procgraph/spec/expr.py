"""The closed expression language: a ``step`` function called with symbols becomes a list of operations.

Each operation is rounded on its own (float32) or wraps (int32); ``docs/explanation/time-and-numbers.md`` section 6 is the
definition. Called with NumPy arrays the same function is the reference model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from procgraph.errors import TraceError

__all__ = ["ARITHMETIC", "COMPARISON", "Expr", "Operation", "Scalar", "Tape", "user_location"]

Scalar = int | float | bool

ARITHMETIC = frozenset({"add", "sub", "mul", "div"})
COMPARISON = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
_HERE = str(Path(__file__).parent)


def user_location() -> str:
    """``file:line`` of the nearest frame outside this package's ``spec`` folder."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@dataclass(frozen=True)
class Operation:
    """One assignment: ``index`` is its position on the tape, ``args`` are positions of operands."""

    op: str
    args: tuple[int, ...]
    dtype: str
    value: Scalar | str | None = None


@dataclass
class Tape:
    """Operations in order of evaluation, with common subexpressions recorded once."""

    operations: list[Operation] = field(default_factory=list)
    _known: dict[Operation, int] = field(default_factory=dict)

    def record(self, op: str, args: tuple[int, ...], dtype: str, value: Scalar | str | None = None) -> Expr:
        operation = Operation(op, args, dtype, value)
        key = operation if not isinstance(value, float) else Operation(op, args, dtype, value.hex())
        index = self._known.get(key)
        if index is None:
            index = len(self.operations)
            self.operations.append(operation)
            self._known[key] = index
        return Expr(self, index, dtype)

    def constant(self, value: Scalar, dtype: str) -> Expr:
        return self.record("const", (), dtype, value)


def _fail(message: str) -> NoReturn:
    raise TraceError(f"{user_location()}: {message}")


def _refuse(what: str, instead: str) -> Callable[..., NoReturn]:
    def method(self: Expr, *_: object, **__: object) -> NoReturn:
        _fail(f"{what} is not in the expression language. {instead}")

    return method


class Expr:
    """A symbolic value of dtype ``float32``, ``int32`` or ``bool``."""

    __slots__ = ("dtype", "index", "tape")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, tape: Tape, index: int, dtype: str) -> None:
        self.tape = tape
        self.index = index
        self.dtype = dtype

    def lift(self, other: object) -> Expr:
        """Turn a Python number into a constant of this value's dtype."""
        if isinstance(other, Expr):
            return other
        if isinstance(other, bool) and self.dtype == "bool":
            return self.tape.constant(other, "bool")
        if isinstance(other, (int, float)) and type(other) in (
            int,
            float,
        ):  # not np.float64, which would make the reference compute in float64
            if self.dtype == "float32":
                return self.tape.constant(float(other), "float32")
            if self.dtype == "int32" and type(other) is int and -(2**31) <= other < 2**31:
                return self.tape.constant(other, "int32")
        _fail(f"{other!r} cannot be combined with a {self.dtype} value. Convert with to_float() or to_int().")

    def binary(self, op: str, other: object, swap: bool = False) -> Expr:
        right = self.lift(other)
        if right.dtype != self.dtype:
            _fail(f"{op} of {self.dtype} and {right.dtype}. Convert one with to_float() or to_int().")
        if op in ARITHMETIC and (self.dtype == "bool" or (op == "div" and self.dtype != "float32")):
            _fail(f"{op} is not defined for {self.dtype}. Convert with to_float() or to_int().")
        if op in ("and", "or") and self.dtype != "bool":
            _fail(f"'{op}' needs bool values, not {self.dtype}. Compare first; for bits use bitand() or bitor().")
        first, second = (right, self) if swap else (self, right)
        if op in ("gt", "ge"):
            op, first, second = {"gt": "lt", "ge": "le"}[op], second, first
        dtype = "bool" if op in COMPARISON or op in ("and", "or") else self.dtype
        return self.tape.record(op, (first.index, second.index), dtype)

    def require(self, op: str, allowed: tuple[str, ...]) -> None:
        if self.dtype not in allowed:
            _fail(f"{op} needs {' or '.join(allowed)}, not {self.dtype}.")

    def unary(self, op: str, allowed: tuple[str, ...], dtype: str | None = None) -> Expr:
        self.require(op, allowed)
        return self.tape.record(op, (self.index,), dtype or self.dtype)

    def __add__(self, other: object) -> Expr:
        return self.binary("add", other)

    def __radd__(self, other: object) -> Expr:
        return self.binary("add", other, swap=True)

    def __sub__(self, other: object) -> Expr:
        return self.binary("sub", other)

    def __rsub__(self, other: object) -> Expr:
        return self.binary("sub", other, swap=True)

    def __mul__(self, other: object) -> Expr:
        return self.binary("mul", other)

    def __rmul__(self, other: object) -> Expr:
        return self.binary("mul", other, swap=True)

    def __truediv__(self, other: object) -> Expr:
        return self.binary("div", other)

    def __rtruediv__(self, other: object) -> Expr:
        return self.binary("div", other, swap=True)

    def __neg__(self) -> Expr:
        return self.unary("neg", ("float32", "int32"))

    def __abs__(self) -> Expr:
        return self.unary("abs", ("float32", "int32"))

    def __invert__(self) -> Expr:
        return self.unary("not", ("bool",))

    def __lt__(self, other: object) -> Expr:
        return self.binary("lt", other)

    def __le__(self, other: object) -> Expr:
        return self.binary("le", other)

    def __gt__(self, other: object) -> Expr:
        return self.binary("gt", other)

    def __ge__(self, other: object) -> Expr:
        return self.binary("ge", other)

    def __eq__(self, other: object) -> Expr:  # type: ignore[override]
        return self.binary("eq", other)

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]
        return self.binary("ne", other)

    def __and__(self, other: object) -> Expr:
        return self.binary("and", other)

    __rand__ = __and__

    def __or__(self, other: object) -> Expr:
        return self.binary("or", other)

    __ror__ = __or__

    __bool__ = _refuse("A branch on a traced value ('if', 'and', 'or', 'not', 'while')", "Use where(), &, | and ~.")
    __pow__ = __rpow__ = _refuse("'**'", "Write the product out.")
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = _refuse("'%' and '//'", "Use floor().")
    __float__ = __int__ = __index__ = _refuse("A Python number from a traced value", "Use to_float() or to_int().")
    __getitem__ = __iter__ = __len__ = _refuse("Indexing a traced value", "A step is element-wise.")
    __array__ = __array_ufunc__ = _refuse(
        "A NumPy function or value", "Use the functions of procgraph.spec.functions, and Python numbers."
    )
