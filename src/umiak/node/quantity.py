"""Resource quantities as numbers, for the kernel and for comparing."""

from fractions import Fraction

from umiak.objects.quantity import parse


def amount(text: str | int) -> Fraction:
    """The exact number a quantity stands for; ValueError when it is none."""
    found = parse(str(text))
    return Fraction(found.unscaled) * Fraction(10) ** found.scale


def milli(text: str | int) -> int:
    """In thousandths, rounded up, as cpu is counted."""
    return parse(str(text)).milli()


def whole(text: str | int) -> int:
    """In units, rounded up, as memory is counted."""
    return parse(str(text)).value()
