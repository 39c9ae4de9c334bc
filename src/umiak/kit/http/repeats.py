"""Requests that differ from one before in nothing but their target and body, as most on a connection do.

Such a request needs no parser: its header lines were parsed, and judged, when they came first. What counts as one is
narrow on purpose, since a server must not read a request otherwise than whoever stands before it: the whole of it came
in one piece, its request line has one form, and the header lines are the same to the byte, apart from the digits of
Content-Length, which say how long the rest is.
"""

import re
from typing import Any

import msgspec

LONGEST = 4096
"""Bytes of header lines that are remembered."""
METHODS = frozenset({b"GET", b"POST", b"PUT", b"PATCH", b"DELETE"})
KEY = 4
"""Bytes that a request begins with by which its method is known."""

_LINE = re.compile(rb"([A-Z]+) (/[-A-Za-z0-9/_.~%?&=,:;!$'()*+@]*) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"(?i:(?:^|(?<=\r\n))Content-Length: )([1-9][0-9]{0,6})(?=\r\n)")


class Usual(msgspec.Struct, frozen=True):
    """Header lines with the empty one that ends them, and what they say. Where there is a body, `lines` are those up to
    the digits of its length and `rest` what comes after; else they are all in `lines`."""

    method: bytes
    lines: bytes
    rest: bytes
    headers: dict[str, list[str]]
    notes: dict[str, Any] = msgspec.field(default_factory=dict)
    """As `HttpRequest.notes`."""

    def target(self, data: bytes) -> str:
        """What is asked for, when `data` is one whole request with these lines and no body; else empty."""
        if self.rest or not data.endswith(self.lines):
            return ""
        found = _LINE.fullmatch(data, 0, len(data) - len(self.lines))
        return found[2].decode() if found and found[1] == self.method else ""

    def with_body(self, data: bytes) -> tuple[str, bytes] | None:
        """(target, body), when `data` is one whole request with these lines and a body."""
        found = _LINE.match(data) if self.rest else None
        if found is None or found[1] != self.method or not data.startswith(self.lines, found.end()):
            return None
        begin = found.end() + len(self.lines)
        end = data.find(b"\r", begin, begin + 8)
        if end < 0 or not data.startswith(self.rest, end):
            return None
        digits, body = data[begin:end], data[end + len(self.rest) :]
        is_whole = digits.isdigit() and digits[0] != ZERO and int(digits) == len(body)
        return (found[2].decode(), body) if is_whole else None


ZERO = ord("0")


def usual(data: bytes, headers: dict[str, list[str]]) -> Usual | None:
    """What a whole request teaches; None when it is too long, looks odd, or is not alone."""
    line, end, rest = data.partition(b"\r\n")
    lines, _, body = rest.partition(b"\r\n\r\n")
    lines += b"\r\n\r\n"
    found = _LINE.fullmatch(line + end)
    if len(lines) > LONGEST or found is None or (method := found[1]) not in METHODS:
        return None
    if "content-length" not in headers:
        return Usual(method, lines, b"", headers) if not body else None
    lengths = list(_LENGTH.finditer(lines))
    if len(lengths) != 1 or headers["content-length"] != [lengths[0][1].decode()] or int(lengths[0][1]) != len(body):
        return None
    return Usual(method, lines[: lengths[0].start(1)], lines[lengths[0].end(1) :], headers)
