"""Amounts of resources."""

from typing import Any

from umiak.objects import quantity as quantities
from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.library.standard import text_cost
from umiak.objects.cel.operators import LARGEST, SMALLEST
from umiak.objects.cel.values import Function, Opaque

OVERLOADS = """
string_to_quantity: quantity(string) -> kubernetes.Quantity
is_quantity_string: isQuantity(string) -> bool
quantity_sign: sign(kubernetes.Quantity) -> int
quantity_is_greater_than: kubernetes.Quantity isGreaterThan(kubernetes.Quantity) -> bool
quantity_is_less_than: kubernetes.Quantity isLessThan(kubernetes.Quantity) -> bool
quantity_compare_to: kubernetes.Quantity compareTo(kubernetes.Quantity) -> int
quantity_get_float: kubernetes.Quantity asApproximateFloat() -> double
quantity_get_int: kubernetes.Quantity asInteger() -> int
quantity_is_integer: kubernetes.Quantity isInteger() -> bool
quantity_add: kubernetes.Quantity add(kubernetes.Quantity) -> kubernetes.Quantity
quantity_add_int: kubernetes.Quantity add(int) -> kubernetes.Quantity
quantity_sub: kubernetes.Quantity sub(kubernetes.Quantity) -> kubernetes.Quantity
quantity_sub_int: kubernetes.Quantity sub(int) -> kubernetes.Quantity
"""


class Quantity(Opaque):
    __slots__ = ("amount",)
    type_name = "kubernetes.Quantity"

    def __init__(self, amount: quantities.Quantity) -> None:
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __str__(self) -> str:
        return str(self.amount)


def _parse(text: str) -> Quantity:
    try:
        return Quantity(quantities.parse(text))
    except quantities.InvalidQuantity as error:
        raise EvaluationError(str(error)) from None


def _is_quantity(text: str) -> bool:
    try:
        quantities.parse(text)
    except quantities.InvalidQuantity:
        return False
    return True


def _compare(a: Quantity, b: Quantity) -> int:
    return (b.amount < a.amount) - (a.amount < b.amount)


def _is_integer(value: Quantity) -> bool:
    amount = value.amount
    return amount.scale >= 0 and SMALLEST <= amount.in_units(0) <= LARGEST


def _as_integer(value: Quantity) -> int:
    if not _is_integer(value):
        raise EvaluationError("cannot convert value to integer")
    return value.amount.in_units(0)


def _amount(value: Quantity | int) -> quantities.Quantity:
    if isinstance(value, int):
        return quantities.Quantity(value, 0, quantities.EXPONENT)
    return value.amount


_FUNCTIONS: dict[str, Function] = {
    "quantity": _parse,
    "isQuantity": _is_quantity,
    "sign": lambda value: (value.amount.unscaled > 0) - (value.amount.unscaled < 0),
    "quantity_is_greater_than": lambda a, b: _compare(a, b) > 0,
    "quantity_is_less_than": lambda a, b: _compare(a, b) < 0,
    "quantity_compare_to": _compare,
    "asApproximateFloat": lambda value: value.amount.as_float(),
    "asInteger": _as_integer,
    "isInteger": _is_integer,
    "add": lambda a, b: Quantity(a.amount + _amount(b)),
    "sub": lambda a, b: Quantity(a.amount - _amount(b)),
}
_COSTS: dict[str, Any] = dict.fromkeys(["quantity", "isQuantity"], text_cost())
LIBRARY = library(OVERLOADS, _FUNCTIONS, _COSTS)
