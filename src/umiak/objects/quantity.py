"""Amounts of resources, such as `500m` or `1.5Gi`, as apimachinery's `resource.Quantity` reads and writes them.

A quantity is an integer times a power of ten, and remembers which family of suffixes it was written with. Anything
finer than a billionth is rounded away from zero.
"""

from collections.abc import Iterable
from functools import lru_cache, total_ordering

FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMERIC_WRONG = "unable to parse numeric part of quantity"
SUFFIX_WRONG = "unable to parse quantity's suffix"

DECIMAL, BINARY, EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"
DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
DECIMAL_NAMES = {power: name for name, power in DECIMAL_SUFFIXES.items()}
BINARY_NAMES = {power: name for name, power in BINARY_SUFFIXES.items()} | {0: ""}

NANO = -9
MAX = 2**63 - 1
FAST_DIGITS = 18
"""Up to so many digits the reference calculates in an int64, and keeps a text that already looks canonical."""
FAR = 1000
"""Powers of ten beyond this distance are treated as endless, so that `1e2000000000` costs nothing."""


class InvalidQuantity(ValueError):
    """The text is no quantity; says why in the reference's words."""


def _divide_away(value: int, divisor: int) -> int:
    """Rounds away from zero."""
    quotient, rest = divmod(abs(value), divisor)
    return (quotient + (1 if rest else 0)) * (-1 if value < 0 else 1)


def _at_scale(value: int, scale: int, wanted: int) -> int:
    """`value` x 10^`scale` in units of 10^`wanted`, rounded away from zero."""
    if value == 0 or scale == wanted:
        return value
    if scale > wanted:
        return int(value * 10 ** min(scale - wanted, FAR))
    if wanted - scale > FAR + len(str(abs(value))):
        return 1 if value > 0 else -1
    return _divide_away(value, 10 ** (wanted - scale))


@total_ordering
class Quantity:
    """`unscaled` x 10^`scale`. Values are never changed; sums are new quantities."""

    __slots__ = ("_text", "format", "scale", "unscaled")

    def __init__(self, value: int, scale: int = 0, format: str = DECIMAL, text: str = "") -> None:
        self.unscaled = value
        self.scale = scale
        self.format = format
        self._text = text

    def __str__(self) -> str:
        if not self._text:
            self._text = self._canonical()
        return self._text

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"

    def _canonical(self) -> str:
        if self.unscaled == 0:
            return "0"
        if self.format == BINARY and self._is_whole and abs(self.in_units(0)) >= 1024:
            return self._canonical_binary()
        value, scale = self.unscaled, self.scale
        while value % 10 == 0:
            value, scale = value // 10, scale + 1
        shift = scale % 3
        value, scale = value * 10**shift, scale - shift
        if self.format == EXPONENT:
            return f"{value}e{scale}" if scale else str(value)
        return str(value) + DECIMAL_NAMES.get(scale, "")  # beyond E the reference, too, loses the suffix

    def _canonical_binary(self) -> str:
        value, power = self.in_units(0), 0
        while value % 1024 == 0:
            value, power = value // 1024, power + 10
        return str(value) + BINARY_NAMES.get(power, "")

    @property
    def _is_whole(self) -> bool:
        if self.scale >= 0:
            return True
        return _at_scale(_at_scale(self.unscaled, self.scale, 0), 0, self.scale) == self.unscaled

    def in_units(self, scale: int) -> int:
        """In units of 10^`scale`, rounded away from zero."""
        return _at_scale(self.unscaled, self.scale, scale)

    def value(self) -> int:
        """In whole units, rounded away from zero, within the bounds of an int64."""
        return max(-MAX - 1, min(MAX, self.in_units(0)))

    def milli(self) -> int:
        """In thousandths, rounded away from zero, within the bounds of an int64."""
        return max(-MAX - 1, min(MAX, self.in_units(-3)))

    def as_float(self) -> float:
        """The nearest float; infinite when there is none."""
        try:
            return float(f"{self.unscaled}e{self.scale}")
        except OverflowError:
            return float("inf") if self.unscaled > 0 else float("-inf")

    def rounded_up(self, scale: int) -> "Quantity":
        """At least as coarse as 10^`scale`, rounded away from zero."""
        if self.scale >= scale:
            return self
        return Quantity(self.in_units(scale), scale, self.format)

    def __bool__(self) -> bool:
        return self.unscaled != 0

    def __neg__(self) -> "Quantity":
        return Quantity(-self.unscaled, self.scale, self.format)

    def __add__(self, other: "Quantity") -> "Quantity":
        return self._sum(other, 1)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return self._sum(other, -1)

    def _sum(self, other: "Quantity", sign: int) -> "Quantity":
        """A zero takes over the suffix family of what is added to it."""
        family = self.format if self.unscaled else other.format
        scale = (
            min(self.scale, other.scale)
            if self.unscaled and other.unscaled
            else (self if self.unscaled else other).scale
        )
        return Quantity(self.in_units(scale) + sign * other.in_units(scale), scale, family)

    def __mul__(self, factor: int) -> "Quantity":
        return Quantity(self.unscaled * factor, self.scale, self.format)

    def _ordered(self) -> tuple[int, int, int]:
        """Sign, then the power of its first digit, then the digits; comparable after aligning them."""
        sign = (self.unscaled > 0) - (self.unscaled < 0)
        return sign, sign * (len(str(abs(self.unscaled))) + self.scale if sign else 0), self.unscaled

    def _compare(self, other: "Quantity") -> int:
        mine, others = self._ordered(), other._ordered()
        if mine[:2] != others[:2]:
            return 1 if mine[:2] > others[:2] else -1
        scale = min(self.scale, other.scale)
        a = self.unscaled * 10 ** (self.scale - scale) if mine[0] else 0
        b = other.unscaled * 10 ** (other.scale - scale) if mine[0] else 0
        return (a > b) - (a < b)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self._compare(other) == 0

    def __lt__(self, other: "Quantity") -> bool:
        return self._compare(other) < 0

    def __hash__(self) -> int:
        value, scale = self.unscaled, self.scale
        while value and value % 10 == 0:
            value, scale = value // 10, scale + 1
        return hash((value, scale if value else 0))


ZERO = Quantity(0)


def total(amounts: Iterable[Quantity]) -> Quantity:
    """The sum; zero for none."""
    found = ZERO
    for amount in amounts:
        found = found + amount
    return found


def _split(text: str) -> tuple[bool, str, str, str]:
    """(negative, digits before the point, digits after it, suffix); leading zeros are gone."""
    body = text[1:] if text[:1] in ("+", "-") else text
    negative = text[:1] == "-"
    end = _run(body, 0, "0123456789")
    whole, fraction = body[:end].lstrip("0"), ""
    if body[end : end + 1] == ".":
        start, end = end + 1, _run(body, end + 1, "0123456789")
        fraction = body[start:end]
    suffix = body[end:]
    at = _run(suffix, 0, "eEinumkKMGTP")
    if suffix[at : at + 1] in ("+", "-"):
        at += 1
    if _run(suffix, at, "0123456789") != len(suffix):
        raise InvalidQuantity(FORMAT_WRONG)
    return negative, whole or "0", fraction, suffix


def _run(text: str, start: int, allowed: str) -> int:
    """Where the run of allowed characters that begins at `start` ends."""
    at = start
    while at < len(text) and text[at] in allowed:
        at += 1
    return at


def _interpret(suffix: str) -> tuple[str, int]:
    """(family, power): of ten, or of two for the binary family."""
    if suffix in DECIMAL_SUFFIXES:
        return DECIMAL, DECIMAL_SUFFIXES[suffix]
    if suffix in BINARY_SUFFIXES:
        return BINARY, BINARY_SUFFIXES[suffix]
    digits = suffix[1:].lstrip("+-")
    if suffix[:1] not in ("e", "E") or not digits.isdigit() or len(suffix[1:]) - len(digits) > 1:
        raise InvalidQuantity(SUFFIX_WRONG)
    power = int(suffix[1:]) if len(digits) < 20 else MAX + 1
    if not -MAX - 1 <= power <= MAX:
        raise InvalidQuantity(SUFFIX_WRONG)
    return EXPONENT, (power + 2**31) % 2**32 - 2**31  # cut to an int32, as the reference does


@lru_cache(maxsize=4096)
def parse(text: str) -> Quantity:
    """Reads a quantity; raises InvalidQuantity."""
    if not text:
        raise InvalidQuantity(FORMAT_WRONG)
    if not text.isascii():
        raise InvalidQuantity(FORMAT_WRONG)
    negative, whole, fraction, suffix = _split(text)
    family, power = _interpret(suffix)
    sign = -1 if negative else 1
    quantity = _fast(text, sign, whole, fraction, family, power)
    return quantity or _exact(sign, whole, fraction, family, power)


def _fast(text: str, sign: int, whole: str, fraction: str, family: str, power: int) -> Quantity | None:
    """What fits an int64 without rounding; its text is kept where the reference deems it canonical."""
    if family == BINARY:
        return _fast_binary(text, sign, whole, fraction, power)
    if len(whole) + len(fraction) > FAST_DIGITS or power - len(fraction) < NANO:
        return None
    digits, scale = whole + fraction, power - len(fraction)
    keep = scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"
    return Quantity(sign * int(digits), scale, family, text if keep else "")


def _fast_binary(text: str, sign: int, whole: str, fraction: str, power: int) -> Quantity | None:
    value = int(whole) << power if len(whole) <= 32 else MAX + 1
    room = 15 - len(whole) - int(power * 3 / 10) - 1
    if fraction or room < 0 or value > MAX:
        return None
    return Quantity(sign * value, 0, BINARY, text if int(whole) & 7 else "")


def _exact(sign: int, whole: str, fraction: str, family: str, power: int) -> Quantity:
    """Any number of digits, rounded to a billionth; binary ones are capped at the largest int64."""
    if len(whole) + len(fraction) > FAR:
        raise InvalidQuantity(NUMERIC_WRONG)
    value, scale = int(whole + fraction), -len(fraction)
    if family == BINARY:
        value <<= power
    else:
        scale += power
    if scale < NANO:
        value, scale = _at_scale(value, scale, NANO), NANO
    if family == BINARY and value > MAX * 10**-scale:
        value, scale = MAX, 0
    if family == BINARY and 0 < value < 10**-scale:
        family = DECIMAL
    return Quantity(sign * value, scale, family)


def canonical(text: str) -> str:
    """The text as the reference writes the quantity back; raises InvalidQuantity."""
    return str(parse(text))
