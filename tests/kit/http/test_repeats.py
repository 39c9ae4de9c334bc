"""What needs no parser is read as the parser would read it."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.kit.clock import RealClock
from umiak.kit.http.connection import Connection
from umiak.kit.http.exchange import Exchange, HttpRequest, Shortcut
from umiak.kit.http.repeats import LONGEST, Usual, usual
from umiak.kit.http.server import Limits, Server, plain_error
from umiak.testing.transport import KeptTransport

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
    assert Usual(b"GET", LINES, b"", HEADERS).target(data) == target


def post(target: str, body: bytes, length: str = "", method: str = "POST") -> bytes:
    lines = b"%b\r\nContent-Length: %b\r\n\r\n" % (LINES[:-4], (length or str(len(body))).encode())
    return b"%b %b HTTP/1.1\r\n%b%b" % (method.encode(), target.encode(), lines, body)


BODIED = {**HEADERS, "content-length": ["2"]}


@pytest.mark.parametrize(
    "data, found",
    [
        (post("/a?b=c", b"hi"), ("/a?b=c", b"hi")),
        (post("/a", b"x" * 1234), ("/a", b"x" * 1234)),
        (post("/a", b"hi", "3"), None),
        (post("/a", b"hi", "1"), None),
        (post("/a", b"hi", "02"), None),
        (post("/a", b"hi", "+2"), None),
        (post("/a", b"hi", " 2"), None),
        (post("/a", b"hi", "2 "), None),
        (post("/a", b"hi", "2, 2"), None),
        (post("/a", b"", "0"), None),
        (post("/a", b"hi", "2\r\nX: y"), None),
        (post("/a", b"hi", "99999999999"), None),
        (post("/a", b"hi") + get("/b"), None),
        (post("/a", b"hi", method="PATCH"), None),
        (post("/a b", b"hi"), None),
        (post("/a", b"hi").replace(b"Bearer t", b"Bearer u"), None),
        (post("/a", b"hi")[:-3], None),
        (get("/a"), None),
        (b"", None),
    ],
)
def test_body_of_a_request_with_the_usual_lines(data, found):
    known = usual(post("/", b"hi"), BODIED)
    assert known is not None and known.with_body(data) == found and not known.target(data)


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


@pytest.mark.parametrize(
    "data, headers, learns",
    [
        (post("/a", b"hi"), BODIED, True),
        (post("/a", b"hi").replace(b"Content-Length", b"content-LENGTH"), BODIED, True),
        (post("/a", b"hi").replace(b"Length: ", b"Length:"), BODIED, False),
        (post("/a", b"hi").replace(b"Host: a", b"X-Content-Length: 2"), BODIED, True),
        (post("/a", b"hi", "2\r\nContent-Length: 2"), {**HEADERS, "content-length": ["2", "2"]}, False),
        (post("/a", b"hi\r\n\r\nContent-Length: 2\r\n"), {**HEADERS, "content-length": ["25"]}, True),
        (post("/a", b"hi", "1"), {**HEADERS, "content-length": ["1"]}, False),
        (post("/a", b"hi", "2", "OPTIONS"), BODIED, False),
    ],
)
def test_bodies_teach_too(data, headers, learns):
    assert (usual(data, headers) is not None) is learns


async def seen(pieces: list[bytes], shortcut: Shortcut | None = None) -> tuple[list[tuple[Any, ...]], bytes]:
    """(what the handler got, what went out) when these pieces come in on one connection."""
    found: list[tuple[Any, ...]] = []

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        found.append((request.method, request.target, request.headers, request.body))
        if request.notes is not None:
            request.notes["seen"] = True
        exchange.reply(200, [], request.target.encode())

    connection, wire = Connection(Server(handler, Limits(), plain_error, RealClock(), shortcut)), KeptTransport()
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
    get("/m").replace(b"GET", b"HEAD"),
    get("/n").replace(b"GET", b"DELETE"),
    get("/1", b"Host: a\r\nConnection: keep-alive\r\n\r\n"),
    get("/2", b"Host: a\r\nConnection: keep-alive\r\n\r\n"),
    get("/3", b"Host: a\r\nConnection: keep-alive, close\r\n\r\n"),
    post("/4", b"hi").replace(b"Host: a", b"Host: a\r\nConnection: keep-alive"),
    post("/5", b"hi").replace(b"Host: a", b"Host: a\r\nConnection: close"),
    post("/6", b"hi").replace(b"Host: a", b"Host: a\r\nConnection: Upgrade\r\nUpgrade: x"),
    post("/o", b"hi"),
    post("/p", b"more than that"),
    post("/q", b"hi") + post("/r", b"ho"),
    post("/s", b"hi", "02"),
    post("/t", b"hi", "9"),
    post("/u", b"h" * 11, "9"),
    post("/v", b"hi", method="PATCH"),
    post("/w", b"ho", method="PUT"),
    post("/x", b"", "0"),
    post("/y", b"hi", "2\r\nExpect: 100-continue"),
    post("/z", b"hi", method="DELETE"),
]


def short(target: str, notes: dict[str, Any]) -> tuple[bytes, bytes] | None:
    """Knows half of the answers once it was asked by the same lines before."""
    if target not in ("/a", "/b"):
        return None
    return b"HTTP/1.1 200 OK\r\n", target.encode()


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_the_short_way_answers_in_its_turn(pieces):
    assert asyncio.run(seen(pieces, short))[1] == asyncio.run(seen(pieces))[1]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_whatever_comes_is_read_as_if_it_came_byte_by_byte(pieces):
    """Byte by byte nothing is whole, so the parser reads all."""
    at_once = asyncio.run(seen(pieces))
    assert at_once == asyncio.run(seen([bytes([byte]) for piece in pieces for byte in piece]))


@pytest.mark.parametrize("state", ["leaving", "closing", "busy", "full"])
async def test_the_short_way_is_for_free_connections(state):
    """One that waits for an answer, is to be closed, or can not take more has its requests handled."""

    def handler(request: HttpRequest, exchange: Exchange) -> Any:
        if request.notes is not None:
            request.notes["seen"] = True
        if request.target != "/slow":
            exchange.reply(200, [], b"long")
            return None
        return asyncio.get_running_loop().create_future()

    def shortcut(target: str, notes: dict[str, Any]) -> tuple[bytes, bytes] | None:
        return None if target == "/slow" else (b"HTTP/1.1 200 OK\r\n", b"short")

    server = Server(handler, Limits(), plain_error, RealClock(), shortcut)
    connection, wire = Connection(server), KeptTransport()
    connection.connection_made(wire)  # type: ignore[arg-type]

    def send(target: str) -> bytes:
        wire.sent, data = b"", get(target)
        connection.get_buffer(-1)[: len(data)] = data
        connection.buffer_updated(len(data))
        return wire.sent

    assert [send("/a").endswith(answer) for answer in (b"long", b"long", b"short")] == [True] * 3
    match state:
        case "leaving":
            connection.leaving = True
        case "closing":
            server.closing = True
        case "full":
            connection.pause_writing()
        case "busy":
            send("/slow")
    assert not send("/a").endswith(b"short")
    connection.connection_lost(None)
    await asyncio.sleep(0)
