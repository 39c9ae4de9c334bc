"""Whether a device is one that an expression describes (CEL; dynamic-resource-allocation's `cel/compile.go`)."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from umiak.objects import quantity
from umiak.objects.types import Object

if TYPE_CHECKING:
    from umiak.objects.cel.checked import Fault
    from umiak.objects.cel.program import Program

COST_LIMIT = 1_000_000
REMEMBERED = 256
"""Expressions that are kept compiled."""


class SelectorFailed(Exception):
    """An expression that cannot be evaluated; the text says why. `on_device`: other devices may do."""

    def __init__(self, text: str, on_device: bool = True) -> None:
        super().__init__(text)
        self.on_device = on_device


class _Domains(dict[str, Any]):
    """What a device has by domain; a domain that is not there is one without entries."""

    def __missing__(self, key: str) -> dict[str, Any]:
        return {}


@lru_cache(maxsize=REMEMBERED)
def _compiled(expression: str) -> "Program | Fault":
    from umiak.objects.cel.checked import compiled
    from umiak.objects.cel.uses import device

    return compiled(device(), expression)


def matches(expression: str, driver: str, device: Object) -> bool:
    """Raises SelectorFailed."""
    from umiak.objects.cel.errors import EvaluationError
    from umiak.objects.cel.program import Budget
    from umiak.objects.cel.values import type_name

    program = _compiled(expression)
    if not hasattr(program, "evaluate"):
        raise SelectorFailed(f"CEL compile error: {getattr(program, 'detail', program)}", on_device=False)
    try:
        value = program.evaluate({"device": described(driver, device)}, Budget(COST_LIMIT))
    except EvaluationError as error:
        raise SelectorFailed(f"CEL runtime error: {error}") from None
    if not isinstance(value, bool):
        found = type_name(value)
        raise SelectorFailed(f"CEL runtime error: CEL result of type {found} could not be converted to bool: {found}")
    return value


def described(driver: str, device: Object) -> Object:
    """A device as expressions see it: what belongs to its driver, they find under the driver's name."""
    attributes, capacity = _Domains(), _Domains()
    for name, value in (device.get("attributes") or {}).items():
        _put(attributes, name, driver, _value(value))
    for name, value in (device.get("capacity") or {}).items():
        _put(capacity, name, driver, _amount(value["value"]))
    shared = bool(device.get("allowMultipleAllocations"))
    return {"driver": driver, "allowMultipleAllocations": shared, "attributes": attributes, "capacity": capacity}


def _put(domains: _Domains, name: str, driver: str, value: Any) -> None:
    domain, slash, own = name.partition("/")
    domains.setdefault(domain if slash else driver, {})[own if slash else name] = value


def _value(attribute: Object) -> Any:
    if "version" in attribute:
        from umiak.objects.cel.library.semver import parse

        return parse(attribute["version"])
    for kind in ("int", "bool", "string", "ints", "bools", "strings"):
        if kind in attribute:
            return attribute[kind]
    raise SelectorFailed("CEL runtime error: unsupported attribute value")


def _amount(text: str) -> Any:
    from umiak.objects.cel.library.quantities import Quantity

    return Quantity(quantity.parse(text))
