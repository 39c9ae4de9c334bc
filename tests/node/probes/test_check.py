"""One try of a probe, against servers on loopback."""

import asyncio

import pytest

from umiak.node.probes import grpc, http, tcp
from umiak.node.probes.check import check
from umiak.node.probes.manager import Counted
from umiak.node.runtime import ExecResult, RuntimeFailure, TimedOut
from umiak.testing.fake_runtime import FakeRuntime

NAMED = {"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}


async def serving(answer):
    async def talk(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(head.decode()).encode())
        except asyncio.IncompleteReadError:
            pass  # it only wanted to know whether we listen
        finally:
            writer.close()
            await writer.wait_closed()

    return await asyncio.start_server(talk, "127.0.0.1", 0)


def port_of(server):
    return server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("status", "ok", "text"),
    [
        ("200 OK", True, ""),
        ("204 No", True, ""),
        ("404 No", False, "HTTP probe failed with statuscode: 404"),
        ("500 X", False, "HTTP probe failed with statuscode: 500"),
    ],
)
async def test_http(status, ok, text):
    async with await serving(lambda head: f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n") as server:
        found = await http.probe({"port": port_of(server), "path": "/x"}, NAMED, "127.0.0.1", 1)
    assert (found.ok, found.text) == (ok, text)


async def test_http_follows_redirects_on_the_same_host_only():
    def answer(head):
        path = head.split()[1]
        if path == "/there":
            return "HTTP/1.1 200 OK\r\n\r\n"
        target = "/there" if path == "/here" else "http://elsewhere.example/"
        return f"HTTP/1.1 302 Found\r\nLocation: {target}\r\n\r\n"

    async with await serving(answer) as server:
        near = await http.probe({"port": port_of(server), "path": "/here"}, NAMED, "127.0.0.1", 1)
        far = await http.probe({"port": port_of(server), "path": "/away"}, NAMED, "127.0.0.1", 1)
    assert near.ok and not near.warning
    assert far.ok and far.warning


async def test_http_headers():
    seen = []

    def answer(head):
        seen.append(head)
        return "HTTP/1.1 200 OK\r\n\r\n"

    async with await serving(answer) as server:
        await http.probe(
            {"port": port_of(server), "httpHeaders": [{"name": "Host", "value": "h"}]}, NAMED, "127.0.0.1", 1
        )
    assert "Host: h\r\n" in seen[0] and "User-Agent: kube-probe/1.37\r\n" in seen[0]


async def test_nobody_listens():
    refused = await http.probe({"port": 1}, NAMED, "127.0.0.1", 1)
    assert refused.text == 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused'
    assert (
        await tcp.probe({"port": 1}, NAMED, "127.0.0.1", 1)
    ).text == "dial tcp 127.0.0.1:1: connect: connection refused"
    assert not (await grpc.probe({"port": 1}, "127.0.0.1", 1)).ok


async def test_tcp():
    async with await serving(lambda head: "") as server:
        assert (await tcp.probe({"port": port_of(server)}, NAMED, "127.0.0.1", 1)).ok


def test_named_ports():
    assert http.url_of({"port": "web"}, NAMED, "fd00::1") == "http://[fd00::1]:8080/"
    with pytest.raises(http.BadPort, match="couldn't find port: other"):
        http.port_number("other", NAMED)


def test_grpc_messages():
    assert grpc.request("") == b"" and grpc.request("ab") == b"\x0a\x02ab"
    assert [grpc.status(b) for b in (b"", b"\x08\x01", b"\x08\x02")] == ["UNKNOWN", "SERVING", "NOT_SERVING"]


@pytest.mark.parametrize(
    ("answer", "ok", "error"),
    [
        (ExecResult(b"fine", b"", 0), True, False),
        (ExecResult(b"", b"bad", 2), False, False),
        (TimedOut(), False, False),
        (RuntimeFailure("gone"), False, True),
    ],
)
async def test_exec(answer, ok, error):
    class Runtime(FakeRuntime):
        async def exec(self, id, command, timeout):
            if isinstance(answer, Exception):
                raise answer
            return answer

    found = await check(Runtime(), {"exec": {"command": ["x"]}}, {"name": "c"}, "id", "")
    assert (found.ok, found.error) == (ok, error)


def test_counting():
    """A verdict takes so many alike in a row."""
    counted = Counted(successes=2, failures=3)
    tries = [True, False, True, True, True, False, False, False]
    assert [counted.add(t) for t in tries] == [None, None, None, True, True, None, None, False]
