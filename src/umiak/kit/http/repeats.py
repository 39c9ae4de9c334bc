"""Requests that differ from the one before in nothing but their target, as most gets on a connection do.

Such a request needs no parser: its header lines were parsed, and judged, when they came first. What counts as one is
narrow on purpose, since a server must not read a request otherwise than whoever stands before it: the whole of it came
in one piece, its request line has one form, and the rest is the same to the byte.
"""

import re
from typing import Any

import msgspec

LONGEST = 4096
"""Bytes of header lines that are remembered."""

_LINE = re.compile(rb"GET (/[-A-Za-z0-9/_.~%?&=,:;!$'()*+@]*) HTTP/1\.1\r\n")


class Usual(msgspec.Struct, frozen=True):
    """Header lines with the empty one that ends them, and what they say; no body and no upgrade belongs to them."""

    lines: bytes
    headers: dict[str, list[str]]
    notes: dict[str, Any] = msgspec.field(default_factory=dict)
    """As `HttpRequest.notes`."""

    def target(self, data: bytes) -> str:
        """What is asked for, when `data` is one whole request with these lines; else empty."""
        if not data.endswith(self.lines):
            return ""
        found = _LINE.fullmatch(data, 0, len(data) - len(self.lines))
        return found[1].decode() if found else ""


def usual(data: bytes, headers: dict[str, list[str]]) -> Usual | None:
    """What a whole GET without a body teaches; None when it is too long, looks odd, or is not alone."""
    line, end, lines = data.partition(b"\r\n")
    is_one = lines.find(b"\r\n\r\n") == len(lines) - 4 and len(lines) <= LONGEST
    return Usual(lines, headers) if is_one and _LINE.fullmatch(line + end) else None
