"""The functions of ``step`` on NumPy arrays: accuracy of exp and log, and the edges of every operation."""

from __future__ import annotations

import numpy as np
import pytest

from procgraph.spec import functions as f

INT_MIN, INT_MAX = -(2**31), 2**31 - 1


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def test_exp_is_accurate_in_its_whole_range() -> None:
    x = np.linspace(-87.3, 88.3, 2_000_001).astype(np.float32)
    got = f.exp(x)
    assert got.dtype == np.float32
    exact = np.exp(x.astype(np.float64))
    assert (np.abs(got - exact) / exact).max() < 3e-7


def test_exp_of_small_arguments() -> None:
    x = np.concatenate([s * np.logspace(-38, 0, 10_001) for s in (-1, 1)]).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    assert (np.abs(f.exp(x) - exact) / exact).max() < 3e-7
    assert f.exp(floats(0.0))[0] == 1.0


def test_exp_is_limited() -> None:
    with np.errstate(all="ignore"):
        low, high, top, nothing = f.exp(floats(-1e30, 1e30, np.inf, np.nan))
    assert low == f.exp(floats(-87.3))[0] and high == top == f.exp(floats(88.3))[0]
    assert np.isfinite(high) and nothing == low


def test_exprelr_is_accurate_and_1_at_zero() -> None:
    x = np.concatenate([np.linspace(-87, 80, 1_000_001), np.linspace(-0.5, 0.5, 1_000_001)]).astype(np.float32)
    wide = x.astype(np.float64)
    exact = np.where(wide == 0, 1.0, wide / np.where(wide == 0, 1.0, np.expm1(wide)))
    got = f.exprelr(x)
    assert got.dtype == np.float32
    assert (np.abs(got - exact) / exact).max() < 4e-7
    assert f.exprelr(floats(0.0))[0] == 1.0


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sine_and_cosine_are_accurate(name: str) -> None:
    around = [k * np.pi / 4 + np.linspace(-1e-3, 1e-3, 2001) for k in range(-9, 10)]
    x = np.concatenate([np.linspace(-6000, 6000, 2_000_001), np.linspace(-7, 7, 1_000_001), *around]).astype(np.float32)
    got = getattr(f, name)(x)
    assert got.dtype == np.float32
    assert np.abs(got - getattr(np, name)(x.astype(np.float64))).max() < 2e-7


def test_sine_and_cosine_at_zero_and_of_small_numbers() -> None:
    small = np.logspace(-38, -4, 1001).astype(np.float32)
    assert np.array_equal(f.sin(small), small) and np.array_equal(f.sin(-small), -small)
    assert f.sin(floats(0.0))[0] == 0.0 and f.cos(floats(0.0))[0] == 1.0


def test_log_is_accurate_for_all_normal_numbers() -> None:
    bits = np.linspace(0x00800000, 0x7F7FFFFF, 2_000_001).astype(np.int32)
    x = bits.view(np.float32)
    got = f.log(x)
    assert got.dtype == np.float32
    exact = np.log(x.astype(np.float64))
    assert (np.abs(got - exact) - 1e-7 * np.abs(exact)).max() < 2e-7


def test_log_near_one() -> None:
    x = (1 + np.linspace(-1e-3, 1e-3, 200_001)).astype(np.float32)
    exact = np.log(x.astype(np.float64))
    assert np.abs(f.log(x) - exact).max() < 2e-7
    assert f.log(floats(1.0))[0] == 0.0


def test_log_of_what_has_none() -> None:
    values = f.log(floats(0.0, -5.0, -np.inf, 1e-45, np.nan))
    assert (values == f.log(floats(1.17549435e-38))).all()


def test_log_undoes_exp() -> None:
    x = np.linspace(-80, 80, 100_001).astype(np.float32)
    np.testing.assert_allclose(f.log(f.exp(x)), x, rtol=3e-7, atol=1e-6)


def test_minimum_and_maximum_choose_the_second_of_unordered() -> None:
    assert f.minimum(floats(np.nan), floats(1.0))[0] == 1.0 and np.isnan(f.minimum(floats(1.0), floats(np.nan))[0])
    assert f.maximum(floats(np.nan), floats(1.0))[0] == 1.0 and np.isnan(f.maximum(floats(1.0), floats(np.nan))[0])
    assert np.signbit(f.minimum(floats(0.0), floats(-0.0))[0])


def test_clip() -> None:
    np.testing.assert_array_equal(f.clip(floats(-2.0, 0.5, 7.0, np.nan), 0.0, 1.0), floats(0.0, 0.5, 1.0, 0.0))
    assert f.clip(ints(-5, 5), 0, 3).dtype == np.int32


def test_to_int() -> None:
    values = floats(np.nan, np.inf, -np.inf, 2.9, -2.9, 3e9, -3e9, 2147483520.0)
    want = ints(0, 2147483520, -2147483520, 2, -2, 2147483520, -2147483520, 2147483520)
    np.testing.assert_array_equal(f.to_int(values), want)
    np.testing.assert_array_equal(f.to_int(np.array([True, False])), ints(1, 0))
    assert f.to_int(values).dtype == f.to_int(np.array([True])).dtype == np.int32


def test_to_float_rounds_to_even() -> None:
    np.testing.assert_array_equal(f.to_float(ints(2**24 + 1, 2**24 + 3, INT_MAX)), floats(2**24, 2**24 + 4, 2**31))
    assert f.to_float(np.array([True])).dtype == np.float32


def test_shifts() -> None:
    np.testing.assert_array_equal(f.shl(ints(1, -1, 3), 31), ints(INT_MIN, INT_MIN, INT_MIN))
    np.testing.assert_array_equal(f.shr(ints(-8, 8, -1), 2), ints(-2, 2, -1))
    for shift in (f.shl, f.shr):
        with pytest.raises(ValueError, match="0 to 31"):
            shift(ints(1), 32)


def test_bits() -> None:
    a, b = ints(0b1100, -1), ints(0b1010, 5)
    np.testing.assert_array_equal(f.bitand(a, b), ints(0b1000, 5))
    np.testing.assert_array_equal(f.bitor(a, b), ints(0b1110, -1))
    np.testing.assert_array_equal(f.bitxor(a, b), ints(0b0110, -6))
    np.testing.assert_array_equal(f.float_bits(floats(1.0, -0.0)), ints(0x3F800000, INT_MIN))
    np.testing.assert_array_equal(f.bits_float(f.float_bits(floats(1.5, -2.25))), floats(1.5, -2.25))


def test_where_keeps_the_dtype() -> None:
    condition = np.array([True, False])
    assert f.where(condition, 0, ints(1, 2)).dtype == np.int32
    assert f.where(condition, floats(1, 2), 0.5).dtype == np.float32
    assert f.where(condition, 1.0, 0.0).dtype == f.where(condition, 1, 0.5).dtype == np.float32
    assert f.where(condition, 1, 0).dtype == np.int32
    assert f.where(condition, True, False).dtype == np.bool_


def test_floor_and_sqrt() -> None:
    np.testing.assert_array_equal(f.floor(floats(-1.5, 1.5, -0.0)), floats(-2.0, 1.0, -0.0))
    assert f.sqrt(floats(2.0))[0] == np.float32(np.sqrt(2.0)) and f.sqrt(floats(2.0)).dtype == np.float32
