"""Functions for ``step``: on NumPy arrays they compute, on symbols they record (see ``expr``).

``exp`` and ``log`` are fixed compositions of basic operations, hence the same bits on every backend.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from procgraph.spec.expr import Expr

__all__ = [
    "bitand",
    "bitor",
    "bits_float",
    "bitxor",
    "clip",
    "cos",
    "exp",
    "exprelr",
    "float_bits",
    "floor",
    "flush",
    "log",
    "maximum",
    "minimum",
    "shl",
    "shr",
    "sin",
    "sqrt",
    "to_float",
    "to_int",
    "where",
]

# A value is an Expr while tracing and a NumPy float32/int32/bool array or scalar while computing.
Value = Any

SMALLEST_NORMAL = 2.0**-126
INT_BOUND = 2147483520.0  # the largest float32 below 2**31


def _pair(op: str, a: Value, b: Value) -> Expr | None:
    if isinstance(a, Expr):
        return a.binary(op, b)
    if isinstance(b, Expr):
        return b.binary(op, a, swap=True)
    return None


def where(condition: Value, a: Value, b: Value) -> Value:
    """``a`` where the condition holds, else ``b``; both are evaluated."""
    if isinstance(condition, Expr):
        left = a if isinstance(a, Expr) else None
        right = b if isinstance(b, Expr) else None
        like = left if left is not None else right
        if like is None:
            dtype = _literal_dtype(a, b)
            left, right = condition.tape.constant(a, dtype), condition.tape.constant(b, dtype)
        else:
            left, right = like.lift(a), like.lift(b)
        condition.require("the condition of where", ("bool",))
        right.require("the other side of where", (left.dtype,))
        return condition.tape.record("where", (condition.index, left.index, right.index), left.dtype)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):  # NumPy alone would make 64 bits of them
        return np.where(condition, a, b).astype(_literal_dtype(a, b))
    return np.where(condition, a, b)


def _literal_dtype(a: float, b: float) -> str:
    if isinstance(a, float) or isinstance(b, float):
        return "float32"
    return "bool" if isinstance(a, bool) else "int32"


def minimum(a: Value, b: Value) -> Value:
    """``a`` if ``a < b`` else ``b``."""
    symbolic = _pair("min", a, b)
    return symbolic if symbolic is not None else np.where(a < b, a, b)


def maximum(a: Value, b: Value) -> Value:
    """``a`` if ``a > b`` else ``b``."""
    symbolic = _pair("max", a, b)
    return symbolic if symbolic is not None else np.where(a > b, a, b)


def clip(a: Value, low: Value, high: Value) -> Value:
    """``a`` limited to [low, high]."""
    return minimum(maximum(a, low), high)


def flush(a: Value) -> Value:
    """0 for magnitudes below 2**-126 (denormal numbers), which many processors compute slowly; else ``a``."""
    return where(abs(a) < SMALLEST_NORMAL, 0.0, a)


def sqrt(a: Value) -> Value:
    """Square root, correctly rounded."""
    return a.unary("sqrt", ("float32",)) if isinstance(a, Expr) else np.sqrt(a)


def floor(a: Value) -> Value:
    """Largest whole number not above ``a``, as float32."""
    return a.unary("floor", ("float32",)) if isinstance(a, Expr) else np.floor(a)


def to_float(a: Value) -> Value:
    """int32 or bool to float32, to nearest even."""
    if isinstance(a, Expr):
        return a.unary("to_float", ("int32", "bool"), "float32")
    return np.asarray(a).astype(np.float32)


def to_int(a: Value) -> Value:
    """float32 or bool to int32: NaN is 0, clamped, truncated."""
    if isinstance(a, Expr):
        return a.unary("to_int", ("float32", "bool"), "int32")
    a = np.asarray(a)
    if a.dtype == np.bool_:
        return a.astype(np.int32)
    bound = np.float32(INT_BOUND)
    return np.clip(np.where(np.isnan(a), np.float32(0), a), -bound, bound).astype(np.int32)


def _shift(op: str, a: Value, count: int) -> Value:
    if not 0 <= count <= 31:
        raise ValueError(f"shift count {count} is out of range; allowed: 0 to 31")
    if isinstance(a, Expr):
        a.require(op, ("int32",))
        return a.tape.record(op, (a.index, a.tape.constant(count, "int32").index), "int32")
    return a << np.int32(count) if op == "shl" else a >> np.int32(count)


def shl(a: Value, count: int) -> Value:
    """Shift int32 left by a constant, modulo 2**32."""
    return _shift("shl", a, count)


def shr(a: Value, count: int) -> Value:
    """Arithmetic shift of int32 right by a constant."""
    return _shift("shr", a, count)


def _bits(op: str, a: Value, b: Value) -> Value:
    for value in (a, b):
        if isinstance(value, Expr):
            value.require(op, ("int32",))
    symbolic = _pair(op, a, b)
    if symbolic is not None:
        return symbolic
    return {"bitand": np.bitwise_and, "bitor": np.bitwise_or, "bitxor": np.bitwise_xor}[op](a, b)


def bitand(a: Value, b: Value) -> Value:
    """Bitwise and of int32."""
    return _bits("bitand", a, b)


def bitor(a: Value, b: Value) -> Value:
    """Bitwise or of int32."""
    return _bits("bitor", a, b)


def bitxor(a: Value, b: Value) -> Value:
    """Bitwise exclusive or of int32."""
    return _bits("bitxor", a, b)


def float_bits(a: Value) -> Value:
    """The bits of a float32 as int32."""
    return a.unary("float_bits", ("float32",), "int32") if isinstance(a, Expr) else np.asarray(a).view(np.int32)


def bits_float(a: Value) -> Value:
    """The float32 with these bits."""
    return a.unary("bits_float", ("int32",), "float32") if isinstance(a, Expr) else np.asarray(a).view(np.float32)


# Cephes-style reduction exp(x) = 2^k exp(r), |r| <= ln2/2, with ln2 split in two so that k*C1 is exact;
# the polynomial is the Taylor series to r^7 (relative error below 1e-8 there, so rounding dominates).
_LN2_HIGH, _LN2_LOW, _LOG2_E = 0.693359375, -2.12194440e-4, 1.44269504
_ROUND, _ROUND_BITS = 12582912.0, 0x4B400000  # 1.5 * 2**23: adding it rounds to a whole number
_EXP_TERMS = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0)


def exp(x: Value) -> Value:
    """e**x, relative error below 3e-7; the argument is limited to [-87.3, 88.3], so the result never overflows."""
    x = clip(x, -87.3, 88.3)
    shifted = x * _LOG2_E + _ROUND  # k in the low bits: cheaper than floor, which has no vector form on plain x86-64
    k = shifted - _ROUND
    r = x - k * _LN2_HIGH - k * _LN2_LOW
    y = r * _EXP_TERMS[0] + _EXP_TERMS[1]
    for term in _EXP_TERMS[2:]:
        y = y * r + term
    y = y * r + 1.0
    return y * bits_float(shl(float_bits(shifted) + (127 - _ROUND_BITS), 23))


def exprelr(x: Value) -> Value:
    """x / (e**x - 1), and its limit 1 at 0; relative error below 4e-7. The rates of Hodgkin and Huxley are of this form."""
    small = abs(x) < 0.3
    x2 = x * x
    series = 1.0 - x * 0.5 + x2 * (1 / 12) - x2 * x2 * (1 / 720)
    return where(small, series, x / where(small, 1.0, exp(x) - 1.0))


# x = k pi/2 + r, |r| <= pi/4, with pi/2 split in three so that k times the first two is exact for |k| < 2**12; the
# Taylor series go to r^9 and r^8 (errors below 2e-9 and 3e-8).
_HALF_PI, _TO_QUARTERS = (1.5703125, 4.838705062866211e-4, -4.371139000186243e-8), 0.636619772
_SIN_TERMS = (1 / 362880, -1 / 5040, 1 / 120, -1 / 6)
_COS_TERMS = (1 / 40320, -1 / 720, 1 / 24, -0.5)


def _rotated(x: Value, quarters: int) -> Value:
    """sin(x + quarters pi/2)."""
    shifted = x * _TO_QUARTERS + _ROUND
    k = shifted - _ROUND
    r = x - k * _HALF_PI[0] - k * _HALF_PI[1] - k * _HALF_PI[2]
    r2 = r * r
    sine, cosine = r2 * _SIN_TERMS[0] + _SIN_TERMS[1], r2 * _COS_TERMS[0] + _COS_TERMS[1]
    for sine_term, cosine_term in zip(_SIN_TERMS[2:], _COS_TERMS[2:]):
        sine, cosine = sine * r2 + sine_term, cosine * r2 + cosine_term
    turn = float_bits(shifted) + quarters
    y = where(bitand(turn, 1) == 0, r + r * r2 * sine, 1.0 + r2 * cosine)
    return where(bitand(turn, 2) == 0, y, -y)


def sin(x: Value) -> Value:
    """Sine of radians, absolute error below 2e-7 for |x| < 6,000. Reduce larger ones to a turn before."""
    return _rotated(x, 0)


def cos(x: Value) -> Value:
    """Cosine of radians, absolute error below 2e-7 for |x| < 6,000. Reduce larger ones to a turn before."""
    return _rotated(x, 1)


# log(m) = 2 atanh(z), z = (m-1)/(m+1), for m in [sqrt(1/2), sqrt(2)).
_LOG_TERMS = (2 / 9, 2 / 7, 2 / 5, 2 / 3, 2.0)


def log(x: Value) -> Value:
    """Natural logarithm of normal positive numbers, absolute error below 2e-7 + 1e-7 |log x|; smaller arguments count as 1.2e-38."""
    bits = float_bits(maximum(x, 1.17549435e-38))
    shifted = bits - 0x3F3504F3
    k = to_float(shr(shifted, 23))
    m = bits_float(bitand(shifted, 0x007FFFFF) + 0x3F3504F3)
    z = (m - 1.0) / (m + 1.0)
    z2 = z * z
    y = z2 * _LOG_TERMS[0] + _LOG_TERMS[1]
    for term in _LOG_TERMS[2:]:
        y = y * z2 + term
    return k * _LN2_HIGH + (k * _LN2_LOW + y * z)
