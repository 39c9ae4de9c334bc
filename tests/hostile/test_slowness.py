"""Clients that are slow, silent or many: they wait for themselves only, and are not waited for."""

import asyncio
import ssl
from pathlib import Path

import pytest
from attacked import ADMIN, Attacked

from umiak.kit.http import server as http
from umiak.kit.http.exchange import Exchange, HttpRequest
from umiak.kit.tls import server_context
from umiak.testing.patience import LONG

HEAD = f"Host: x\r\nAuthorization: Bearer {ADMIN}\r\n".encode()
SHORT = http.Limits(header_timeout=1, body_timeout=1, idle_timeout=1)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /api HTTP/1.1\r\nX: ", id="half a head"),
        pytest.param(
            b"POST /api/v1/namespaces HTTP/1.1\r\n" + HEAD + b"Content-Length: 3000000\r\n\r\n{", id="half a body"
        ),
        pytest.param(
            b"POST /api/v1/namespaces HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
            id="chunks",
        ),
        pytest.param(
            b"GET /api/v1/configmaps?watch=1&timeoutSeconds=60 HTTP/1.1\r\n" + HEAD + b"\r\n",
            id="a watch that is not read",
        ),
    ],
)
def test_many_slow_clients(server: Attacked, sent: bytes) -> None:
    """A hundred of them at once, each with a connection of its own."""
    with server.bounded(cpu=15, memory=64):
        connections = []
        for _ in range(100):  # on a slow machine the first are cut off before the last have come
            connections.append(server.connect())
            connections[-1].sendall(sent)
        for name in range(20):  # which watchers are told of, whether they listen or not
            server.ask("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"generateName": f"c{name}-"}})
        for connection in connections:
            connection.close()
    server.ask("DELETE", "/api/v1/namespaces/default/configmaps?fieldSelector=metadata.name!%3Dcm")


def test_pipelined_requests_wait(server: Attacked) -> None:
    """More than one at a time is read, but not without bound; all are answered in order."""
    with server.bounded(cpu=15):
        answer = server.say(
            (b"GET /livez HTTP/1.1\r\n" + HEAD + b"\r\n") * 999
            + b"GET /livez HTTP/1.1\r\n"
            + HEAD
            + b"Connection: close\r\n\r\n"
        )
    assert answer.count(b"HTTP/1.1 200 OK") == 1000


def test_bytes_after_the_last_request_are_thrown_away(server: Attacked) -> None:
    with server.bounded():
        answer = server.say(b"GET /livez HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n" + b"x" * 5_000_000)
    assert answer.count(b"HTTP/1.1 ") <= 1


async def _answer(request: HttpRequest, exchange: Exchange) -> None:
    exchange.reply(200, [], b"ok")


async def test_an_unfinished_handshake_ends(server: Attacked) -> None:
    """Half a ClientHello, and then nothing. The server's own limit is 32 s."""
    folder = server.folder / "data"
    keys = [
        next(p for p in (Path(folder) / f for f in names) if p.exists())
        for names in (("server.crt", "apiserver.crt"), ("server.key", "apiserver.key"))
    ]
    served = await http.serve(_answer, "127.0.0.1", ssl=server_context(str(keys[0]), str(keys[1])), limits=SHORT)
    try:
        for begun in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(begun)
            assert await asyncio.wait_for(reader.read(), LONG) == b""
            writer.close()
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"ok")
        writer.close()
    finally:
        await served.close(0)
