"""Prints pod templates as Go prints its structs (`dump.ForHash`, spew's %#v): the text that the reference hashes.

`go_structs.json`, made by `scripts/compile-go-structs`, tells the fields of each struct in Go's order. Whatever a
template lacks is printed, too, so the text changes with every version of the API that brings a field.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from umiak.objects.types import Object

TEMPLATE = "v1.PodTemplateSpec"
NO_TIME = "{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}"
NIL = "<nil>"
NUMBERS = frozenset(("int", "int32", "int64", "uint32", "uint64", "intstr.Type"))
MAPS = {"v1.ResourceList": "resource.Quantity"}
"""Types with a name that are maps, and what is in them."""
LETTERS = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
FAST_DIGITS = 14
"""Binary numbers with more decimal digits are kept in a way of their own."""
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}

Field = tuple[str, str, str]
"""Its name in Go, its name in JSON ("" when its own fields stand in its place), its type."""


@cache
def _structs() -> dict[str, list[Field]]:
    text = files("umiak.controllers").joinpath("go_structs.json").read_bytes()
    found: dict[str, list[str]] = msgspec.json.decode(text)
    return {name: [_field(line) for line in lines] for name, lines in found.items()}


def _field(line: str) -> Field:
    name, said, type = line.split(" ")
    return name, said, type


def template_text(template: Object) -> str:
    return _typed(template, TEMPLATE)


def _typed(value: Any, type: str) -> str:
    return f"({type}){_bare(value, type)}"


def _bare(value: Any, type: str) -> str:
    """The value without its type in front, as inside of lists, maps and pointers."""
    if type.startswith("*"):
        return NIL if value is None else _bare(value, type[1:])
    if type.startswith("[]"):
        return f"[{' '.join(_bare(v, type[2:]) for v in value)}]" if value else NIL
    if type.startswith("map["):
        return _map(value, type.partition("]")[2])
    if type in MAPS:
        return _map(value, MAPS[type])
    return _struct(value or {}, type) if type in _structs() else _single(value, type)


def _map(value: Any, inner: str) -> str:
    return f"map[{' '.join(f'{k}:{_bare(value[k], inner)}' for k in sorted(value))}]" if value else NIL


def _struct(value: Object, type: str) -> str:
    shown = (f"{name}:{_typed(value.get(said) if said else value, inner)}" for name, said, inner in _structs()[type])
    return f"{{{' '.join(shown)}}}"


def _single(value: Any, type: str) -> str:
    if type == "bool":
        return "true" if value else "false"
    if type in NUMBERS:
        return str(value or 0)
    if type == "v1.Time":
        return NO_TIME
    if type == "intstr.IntOrString":
        number, text = (value or 0, "") if not isinstance(value, str) else (0, value)
        return f"{{Type:(intstr.Type){int(bool(text))} IntVal:(int32){number} StrVal:(string){text}}}"
    if type == "resource.Quantity":
        return _quantity("" if value is None else str(value))
    return value or ""


def _quantity(text: str) -> str:
    """As `ParseQuantity` leaves it: it keeps the text where that is surely canonical."""
    value, scale, format, kept, large = _amount(text)
    amount = f"{{value:(int64){value} scale:(resource.Scale){scale}}}"
    rest = f"d:(resource.infDecAmount){{Dec:(*inf.Dec){large}}} s:(string){kept} Format:(resource.Format){format}"
    return f"{{i:(resource.int64Amount){amount} {rest}}}"


def _amount(text: str) -> tuple[int, int, str, str, str]:
    """(number, power of ten, format, text kept, the number again where it is large) of a canonical quantity."""
    if text in ("", "0"):
        return 0, 0, "DecimalSI" if text else "", text, NIL
    if text[-2:] in BINARY:
        return _binary(text, int(text[:-2]), BINARY[text[-2:]])
    digits = text.rstrip("numkMGTPE")
    whole, _, fraction = digits.partition(".")
    number, scale = int(whole + fraction), LETTERS[text[len(digits) :]] - len(fraction)
    kept = text if scale % 3 == 0 and not str(number).endswith("000") else ""
    return number, scale, "DecimalSI", kept, NIL


def _binary(text: str, number: int, exponent: int) -> tuple[int, int, str, str, str]:
    value = number << exponent
    if len(str(abs(number))) + exponent * 3 // 10 > FAST_DIGITS:
        return 0, 0, "BinarySI", "", _large(value)
    return value, 0, "BinarySI", text if abs(number) & 7 else "", NIL


def _large(value: int) -> str:
    """A decimal of nanos, in words of 64 bits."""
    rest, words = abs(value) * 10**9, []
    while rest:
        words.append(rest & (1 << 64) - 1)
        rest >>= 64
    sign = "true" if value < 0 else "false"
    return f"{{unscaled:(big.Int){{neg:(bool){sign} abs:(big.nat)[{' '.join(map(str, words))}]}} scale:(inf.Scale)9}}"
