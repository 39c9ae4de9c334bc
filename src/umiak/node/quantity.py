"""Resource quantities as exact numbers."""

from fractions import Fraction
from math import ceil

SUFFIXES = {
    **{
        s: Fraction(1000) ** e
        for s, e in zip(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), range(-3, 7), strict=True)
    },
    **{f"{s}i": Fraction(1024) ** e for e, s in enumerate(("K", "M", "G", "T", "P", "E"), start=1)},
}


def amount(text: str | int | float) -> Fraction:
    """The number a quantity stands for; ValueError when it is none."""
    shown = str(text).strip()
    digits = shown.rstrip("KMGTPEkinum")
    suffix = shown[len(digits) :]
    if suffix in SUFFIXES:
        return Fraction(digits) * SUFFIXES[suffix]
    return Fraction(shown)  # an exponent, as in 1e3 or 1E3


def milli(text: str | int | float) -> int:
    """In thousandths, rounded up, as cpu is counted."""
    return ceil(amount(text) * 1000)


def whole(text: str | int | float) -> int:
    """In units, rounded up, as memory is counted."""
    return ceil(amount(text))
