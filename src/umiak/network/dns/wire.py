"""DNS messages (RFC 1035, EDNS0 of RFC 6891): reading queries, writing answers.

Names are lower-case text without the last dot. Only what a resolver for a cluster needs: one question, class IN.
"""

import struct
from collections.abc import Sequence

import msgspec

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5

_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_TWO = struct.Struct("!HH")
_QUESTION_NAME = b"\xc0\x0c"
"""A pointer to the question's name, which always begins at byte 12."""

RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSION_DESIRED, RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080


class Malformed(Exception):
    """The bytes are no DNS query that can be answered."""


class Query(msgspec.Struct, frozen=True):
    """One question. `question` is its bytes as sent, so that an answer keeps the client's spelling."""

    id: int
    flags: int
    name: str
    type: int
    klass: int
    question: bytes
    udp_size: int
    """How much the client takes over UDP; 512 without EDNS0."""
    edns: bool


class Record(msgspec.Struct, frozen=True):
    """`data` is already in wire form. An empty `name` stands for the question's name."""

    name: str
    type: int
    ttl: int
    data: bytes


def read_name(data: bytes, at: int) -> tuple[str, int]:
    """The name at `at` and where it ends; follows compression pointers, which must lead backwards."""
    labels: list[str] = []
    end, limit, length = -1, at, 0
    while True:
        if at >= len(data):
            raise Malformed("name runs past the message")
        size = data[at]
        if size & 0xC0 == 0xC0:
            if at + 1 >= len(data):
                raise Malformed("pointer runs past the message")
            target = (size & 0x3F) << 8 | data[at + 1]
            if end < 0:
                end = at + 2
            if target >= limit:
                raise Malformed("pointer does not lead backwards")
            at = limit = target
            continue
        if size & 0xC0:
            raise Malformed("unknown kind of label")
        at += 1
        if size == 0:
            return ".".join(labels).lower(), end if end >= 0 else at
        length += size + 1
        if length > 255 or at + size > len(data):
            raise Malformed("name too long")
        labels.append(data[at : at + size].decode("latin-1"))
        at += size


def write_name(name: str) -> bytes:
    """Raises Malformed for labels that are empty or longer than 63 bytes."""
    if not name:
        return b"\0"
    out = bytearray()
    for label in name.split("."):
        raw = label.encode("latin-1", "replace")
        if not 0 < len(raw) < 64:
            raise Malformed(f"label {label!r} in {name!r}")
        out.append(len(raw))
        out += raw
    out.append(0)
    return bytes(out)


def read_query(data: bytes) -> Query:
    """Raises Malformed; the caller answers FORMERR when at least the id could be read."""
    if len(data) < 17:
        raise Malformed("shorter than any query")
    number, flags, questions, answers, authorities, additional = _HEADER.unpack_from(data)
    if flags & RESPONSE or questions != 1 or answers or authorities:
        raise Malformed("not a query with one question")
    name, end = read_name(data, 12)
    if end + 4 > len(data):
        raise Malformed("question runs past the message")
    kind, klass = _TWO.unpack_from(data, end)
    size, edns = _edns(data, end + 4, additional)
    return Query(number, flags, name, kind, klass, data[12 : end + 4], size, edns)


def _edns(data: bytes, at: int, count: int) -> tuple[int, bool]:
    """The client's UDP size from its OPT record, if it sent one."""
    for _ in range(min(count, 4)):
        _, at = read_name(data, at)
        if at + 10 > len(data):
            raise Malformed("record runs past the message")
        kind, size, _, length = _RECORD.unpack_from(data, at)
        if kind == OPT:
            return max(512, min(size, 4096)), True
        at += 10 + length
    return 512, False


def write_record(record: Record) -> bytes:
    name = write_name(record.name) if record.name else _QUESTION_NAME
    return name + _RECORD.pack(record.type, IN, record.ttl, len(record.data)) + record.data


def address(ip: str) -> bytes:
    import socket

    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


def srv(priority: int, weight: int, port: int, target: str) -> bytes:
    return struct.pack("!HHH", priority, weight, port) + write_name(target)


def text(value: str) -> bytes:
    raw = value.encode()[:255]
    return bytes([len(raw)]) + raw


def soa(zone: str, serial: int, ttl: int) -> bytes:
    """The SOA data CoreDNS writes for a zone without a file."""
    numbers = struct.pack("!IIIII", serial, 7200, 1800, 86400, ttl)
    return write_name(f"ns.dns.{zone}") + write_name(f"hostmaster.{zone}") + numbers


def write_answer(
    query: Query,
    code: int,
    answers: Sequence[bytes] = (),
    authorities: Sequence[bytes] = (),
    additional: Sequence[bytes] = (),
    *,
    authoritative: bool = True,
    limit: int = 65535,
) -> bytes:
    """A response, cut to the question and marked truncated when it would pass `limit` bytes."""
    flags = RESPONSE | (query.flags & (0x7800 | RECURSION_DESIRED)) | RECURSION_AVAILABLE | code
    if authoritative:
        flags |= AUTHORITATIVE
    extra = [*additional, _opt()] if query.edns else list(additional)
    counts = (1, len(answers), len(authorities), len(extra))
    message = b"".join((_HEADER.pack(query.id, flags, *counts), query.question, *answers, *authorities, *extra))
    return message if len(message) <= limit else truncated(query, flags)


def truncated(query: Query, flags: int = RESPONSE | RECURSION_AVAILABLE) -> bytes:
    """Only the question, marked truncated: the client asks again over TCP."""
    tail = _opt() if query.edns else b""
    return _HEADER.pack(query.id, flags | TRUNCATED, 1, 0, 0, query.edns) + query.question + tail


def _opt() -> bytes:
    return b"\0" + _RECORD.pack(OPT, 1232, 0, 0)


def failure(data: bytes, code: int) -> bytes:
    """The shortest answer to a query that could not be read; empty when not even its header could."""
    if len(data) < 12:
        return b""
    number, flags = _TWO.unpack_from(data)
    if flags & RESPONSE:
        return b""
    return _HEADER.pack(number, RESPONSE | (flags & (0x7800 | RECURSION_DESIRED)) | code, 0, 0, 0, 0)
