"""What needs no parser is read as the parser would read it."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.kit.clock import RealClock
from umiak.kit.http.connection import Connection
from umiak.kit.http.exchange import Exchange, HttpRequest
from umiak.kit.http.repeats import LONGEST, Usual, usual
from umiak.kit.http.server import Limits, Server, plain_error

LINES = b"Host: a\r\nAuthorization: Bearer t\r\n\r\n"
HEADERS = {"host": ["a"], "authorization": ["Bearer t"]}


def get(target: str, lines: bytes = LINES) -> bytes:
    return b"GET %b HTTP/1.1\r\n%b" % (target.encode(), lines)


@pytest.mark.parametrize(
    "data, target",
    [
        (get("/api/v1/pods?limit=5&fieldSelector=a%3Db"), "/api/v1/pods?limit=5&fieldSelector=a%3Db"),
        (get("/"), "/"),
        (get("http://b/"), ""),
        (get("*"), ""),
        (get("/a b"), ""),
        (get("/a\tb"), ""),
        (get("/a#b"), ""),
        (get("/a\x80"), ""),
        (get("/a").replace(b"GET", b"HEAD"), ""),
        (get("/a").replace(b"GET", b"get"), ""),
        (get("/a").replace(b"1.1", b"1.0"), ""),
        (get("/a").replace(b"\r\n", b"\n", 1), ""),
        (b"\r\n" + get("/a"), ""),
        (get("/a") + b"\r\n", ""),
        (get("/a") + get("/b"), ""),
        (get("/a", LINES.replace(b"t", b"u")), ""),
        (get("/a", b"X: y\r\n" + LINES), ""),
        (LINES, ""),
    ],
)
def test_target_of_a_request_with_the_usual_lines(data, target):
    assert Usual(LINES, HEADERS).target(data) == target


@pytest.mark.parametrize(
    "data, learns",
    [
        (get("/a"), True),
        (get("/a") + get("/b"), False),
        (get("/a") + b"x", False),
        (get("http://b/"), False),
        (b"\r\n" + get("/a"), False),
        (get("/a", b"Host: a\r\nX: " + b"y" * LONGEST + b"\r\n\r\n"), False),
    ],
)
def test_only_one_whole_request_teaches(data, learns):
    assert (usual(data, HEADERS) is not None) is learns


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def seen(pieces: list[bytes]) -> tuple[list[tuple[Any, ...]], bytes]:
    """(what the handler got, what went out) when these pieces come in on one connection."""
    found: list[tuple[Any, ...]] = []

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        found.append((request.method, request.target, request.headers, request.body))
        exchange.reply(200, [], request.target.encode())

    connection, wire = Connection(Server(handler, Limits(), plain_error, RealClock())), Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]
    for piece in pieces:
        connection.get_buffer(-1)[: len(piece)] = piece
        connection.buffer_updated(len(piece))
    connection.connection_lost(None)
    return found, b"".join(line for line in wire.sent.splitlines(True) if not line.startswith(b"Date"))


PIECES = [
    get("/a"),
    get("/b"),
    get("/c", LINES.replace(b"Bearer t", b"Bearer u")),
    get("/d") + get("/e"),
    get("/f", b"Host: a\r\nContent-Length: 2\r\n\r\nhi"),
    get("/g", b"Host: a\r\nConnection: close\r\n\r\n"),
    get("/h", b"Host: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
    get("/i")[:9],
    get("/i")[9:],
    b"\r\n",
    get("/j").replace(b"GET", b"DELETE"),
    get("/k", b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    get("/l", b"\r\n"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_whatever_comes_is_read_as_if_it_came_byte_by_byte(pieces):
    """Byte by byte nothing is whole, so the parser reads all."""
    at_once = asyncio.run(seen(pieces))
    assert at_once == asyncio.run(seen([bytes([byte]) for piece in pieces for byte in piece]))
