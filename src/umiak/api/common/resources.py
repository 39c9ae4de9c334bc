"""Resource lists: amounts by name, e.g. `{"cpu": "500m"}`."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from umiak.objects.quantity import ZERO, Quantity, parse


@lru_cache(maxsize=4096)
def _rounded(amount: str) -> str:
    """At least as coarse as thousandths."""
    return str(parse(amount).rounded_up(-3))


def round_up(amounts: dict[str, str]) -> None:
    """Rounds every amount up to thousandths, as the reference does for compatibility with its first version."""
    for name, amount in amounts.items():
        amounts[name] = _rounded(amount if amount.__class__ is str else str(amount))


def amount(amounts: Mapping[str, str] | None, name: str) -> Quantity:
    """What a list has of a resource; zero when it does not name it."""
    text = (amounts or {}).get(name)
    return ZERO if text is None else parse(str(text))


def added(lists: Iterable[Mapping[str, str] | None]) -> dict[str, Quantity]:
    """The sum of several lists."""
    found: dict[str, Quantity] = {}
    for amounts in lists:
        for name, text in (amounts or {}).items():
            found[name] = found[name] + parse(text) if name in found else parse(text)
    return found


def largest(a: Mapping[str, Quantity], b: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """The larger amount of each resource."""
    return {name: max(a.get(name, b.get(name, ZERO)), b.get(name, a.get(name, ZERO))) for name in {**a, **b}}


def is_huge_page(name: str) -> bool:
    return name.startswith("hugepages-")
