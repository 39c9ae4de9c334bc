"""Warning headers (RFC 7234, section 5.5; apiserver's `filters/warning.go`)."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

LONGEST = 256
ALL = 4 * 1024
"""Characters; when all warnings together are longer, each is cut, and the last are left out."""

MOST = 500
"""Warnings of one request; ten times as many as there is room for."""


def headers(texts: Sequence[str]) -> list[tuple[str, str]]:
    if not texts:
        return []
    usable = [text for text in texts if all(c.isprintable() or c == " " for c in text)]
    if sum(map(len, usable)) > ALL:
        usable = [text[:LONGEST] for text in usable]
        usable = usable[: bisect_right(list(accumulate(map(len, usable))), ALL + LONGEST)]
    return [("Warning", f'299 - "{_escaped(text)}"') for text in usable]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
