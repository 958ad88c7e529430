"""What a Process class declares: ``In``, ``Out``, ``Param``, ``Data``, ``State``, ``Draw``.

Each is a descriptor: on the class it is the declaration, on an instance it is the port or the variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from procgraph.errors import ParameterError
from procgraph.spec import units
from procgraph.spec.checks import is_choice
from procgraph.spec.ports import InPort, OutPort, Variable
from procgraph.spec.types import Array, PortType

if TYPE_CHECKING:
    from procgraph.spec.process import Process

__all__ = ["Data", "Declaration", "Draw", "In", "Out", "Param", "State", "array_dtype"]

T = TypeVar("T")
Self = TypeVar("Self", bound="Declaration[Any]")


class Declaration(Generic[T]):
    """Base of the declarations; ``T`` is what an instance attribute gives."""

    name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self: Self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Process, owner: type) -> T: ...
    def __get__(self: Self, instance: Process | None, owner: type) -> Self | T:
        return self if instance is None else instance.bound(self.name)

    def __set__(self, instance: Process, value: object) -> None:
        raise ParameterError(
            f"{instance.label}.{self.name} cannot be assigned. Pass it to the constructor, or use rt.set() on a running graph."
        )


def _port_type(declared: PortType | type[PortType]) -> PortType:
    return declared() if isinstance(declared, type) else declared


class In(Declaration[InPort]):
    """An input port. ``flat`` ports take any shape with the right number of elements."""

    def __init__(self, type: PortType | type[PortType], *, flat: bool = False) -> None:
        self.type = _port_type(type)
        self.flat = flat


class Out(Declaration[OutPort]):
    """An output port.

    ``components`` adds a leading axis (a camera's two polarities); ``bound`` names the value (a parameter or derived
    value) that limits the magnitude of an element-wise ``Current`` output; ``limit`` likewise for the payload of ``Graded``.
    """

    def __init__(
        self,
        type: PortType | type[PortType],
        *,
        flat: bool = False,
        components: int = 1,
        bound: str | float | None = None,
        limit: str | None = None,
    ) -> None:
        self.type = _port_type(type)
        self.flat = flat
        self.components = components
        self.bound = bound
        self.limit = limit


class Param(Declaration[Variable]):
    """A parameter: one number, or one per element.

    Args:
        default: value if none is given; ``...`` makes it required.
        unit: unit of plain numbers; quantities such as ``"5 ms"`` are converted to it.
        dtype: ``float32`` or ``int32``; ``str`` or ``bool`` for choices of structure.
        gt, ge, lt, le: allowed range.
        scalar: one value for all elements is required.
    """

    def __init__(
        self,
        default: object = ...,
        unit: str = "",
        *,
        dtype: str = "float32",
        gt: float | None = None,
        ge: float | None = None,
        lt: float | None = None,
        le: float | None = None,
        choices: tuple[str, ...] = (),
        scalar: bool = False,
        doc: str = "",
    ) -> None:
        if not is_choice(unit, ("", *units.UNITS)):
            raise ParameterError(f"Param has the unknown unit {unit!r}; allowed: {', '.join(units.UNITS)}.")
        self.default, self.unit, self.dtype, self.scalar, self.choices, self.doc = (
            default,
            unit,
            dtype,
            scalar,
            choices,
            doc,
        )
        self.limits = {"gt": gt, "ge": ge, "lt": lt, "le": le}

    def describe_range(self) -> str:
        """The allowed range in words."""
        if self.choices:
            return f"one of {', '.join(map(repr, self.choices))}"
        signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
        parts = [f"{signs[key]} {limit:g}" for key, limit in self.limits.items() if limit is not None]
        return (" and ".join(parts) or "any finite number") + (f" {self.unit}" if self.unit and parts else "")

    def check(self, value: object, owner: str) -> Any:
        """Validate a user's value; returns a float, an int, a str, a bool or a NumPy array (float64 or int32).

        Raises:
            ParameterError: wrong type, range or NaN.
            UnitError: the unit does not fit.
        """
        what = f"{owner}.{self.name}"
        if self.dtype in ("str", "bool"):
            return self._check_choice(value, what)
        if isinstance(value, str):
            number, unit = units.parse_quantity(value)
            value = units.convert(number, unit, self.unit, what)
        array = self._to_array(value, what)
        self._check_range(array, what)
        if self.scalar and array.ndim:
            raise ParameterError(f"{what} has shape {array.shape}; it takes one number for all elements.")
        if self.dtype == "int32":
            return int(array) if array.ndim == 0 else array.astype(np.int32)
        return float(array) if array.ndim == 0 else array

    def _check_choice(self, value: object, what: str) -> object:
        wanted = str if self.dtype == "str" else bool
        if not isinstance(value, wanted) or (self.choices and value not in self.choices):
            allowed = self.describe_range() if self.choices else f"a {wanted.__name__}"
            raise ParameterError(f"{what} is {value!r}; allowed: {allowed}.")
        return value

    def _to_array(self, value: object, what: str) -> np.ndarray[Any, Any]:
        if isinstance(value, (bool, np.bool_)) or value is None:
            raise ParameterError(f"{what} is {value!r}; allowed: a number, or an array with one per element.")
        try:
            # A copy: what the caller does to its array later changes nothing here.
            array = np.array(value, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise ParameterError(f"{what} is {value!r}; allowed: a number, or an array with one per element.") from None
        if not np.isfinite(array).all():
            raise ParameterError(f"{what} contains NaN or infinity; allowed: {self.describe_range()}.")
        if self.dtype == "int32" and ((array != np.rint(array)).any() or (np.abs(array) >= 2**31).any()):
            raise ParameterError(f"{what} is {value!r}; allowed: whole numbers below 2**31.")
        return array

    def _check_range(self, array: np.ndarray[Any, Any], what: str) -> None:
        tests = {"gt": np.greater, "ge": np.greater_equal, "lt": np.less, "le": np.less_equal}
        for key, limit in self.limits.items():
            if limit is not None and not tests[key](array, limit).all():
                worst = array if array.ndim == 0 else array[~tests[key](array, limit)].flat[0]
                raise ParameterError(f"{what} is {float(worst):g}; allowed: {self.describe_range()}.")


class Data(Declaration[Variable]):
    """An array-valued parameter of a structural Process, such as ``weights``."""

    def __init__(self, dtype: str = "float32", unit: str = "", *, doc: str = "") -> None:
        self.dtype = dtype
        self.unit = unit
        self.doc = doc


class State(Declaration[Variable]):
    """A state variable; ``init`` is a number or the name of a parameter."""

    def __init__(self, init: float | int | str = 0.0, unit: str = "", *, dtype: str = "float32", doc: str = "") -> None:
        if not is_choice(dtype, ("float32", "int32")):
            raise ParameterError(f"State dtype {dtype!r} is unknown; allowed: float32, int32.")
        self.init = init
        self.unit = unit
        self.dtype = dtype
        self.doc = doc


class Draw(Declaration[Variable]):
    """One uniform 31-bit random integer per element and tick; an event of probability P is ``x.u <= rint(P * 2**31) - 1``."""


def array_dtype(type: PortType) -> str:
    """dtype of the values of an array port, int32 otherwise."""
    return type.dtype if isinstance(type, Array) else "int32"
