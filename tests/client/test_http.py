"""The HTTP transport over loopback: credentials, TLS, errors, streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLContext

import pytest
from msgspec.structs import replace

from umiak.client.contract import Unreachable
from umiak.client.http import HttpTransport
from umiak.client.kubeconfig import Config
from umiak.kit import pki, tls
from umiak.kit.http.server import Exchange, Handler, HttpRequest, serve
from umiak.objects.errors import StatusError

NOW = datetime.now(UTC)
AUTHORITY = pki.new_authority("test", 1, NOW)


class Turned:
    """A clock that a test turns by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(handler: Handler, ssl: SSLContext | None = None) -> AsyncIterator[str]:
    server = await serve(handler, "127.0.0.1", ssl=ssl)
    yield f"{'https' if ssl else 'http'}://127.0.0.1:{server.port}"
    await server.close(0)
    await asyncio.sleep(0)


def show_headers(request: HttpRequest, exchange: Exchange) -> None:
    names = ("user-agent", "authorization", "accept", "impersonate-user")
    exchange.reply(200, [], ";".join(request.headers.get(name, ["-"])[0] for name in names).encode())


async def test_headers_and_token_file(tmp_path: Path) -> None:
    token, clock = tmp_path / "token", Turned()
    token.write_text("first\n")
    async with serving(show_headers) as url:
        config = Config(server=url, token="ignored", token_file=str(token), impersonate="jane")
        transport = HttpTransport(config, "scheduler", clock=clock)
        ask = lambda: transport.request("GET", "/", {"Accept": "x/y"})  # noqa: E731
        assert (await ask()).body == b"umiak-scheduler/0.1.0;Bearer first;x/y;jane"
        token.write_text("second")
        assert b"Bearer first" in (await ask()).body
        clock.seconds = 61
        assert b"Bearer second" in (await ask()).body
        token.unlink()
        clock.seconds = 122
        assert b"Bearer second" in (await ask()).body
        await transport.close()


async def test_unreachable(tmp_path: Path) -> None:
    missing = HttpTransport(Config(server="http://127.0.0.1:1", token_file=str(tmp_path / "none")))
    with pytest.raises(Unreachable, match="token"):
        await missing.request("GET", "/")
    with pytest.raises(Unreachable, match="no connection"):
        await HttpTransport(Config(server="http://127.0.0.1:1")).request("GET", "/")


async def test_stream_errors_and_ends() -> None:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        if request.target == "/no":
            body = b'{"kind":"Status","code":410,"reason":"Expired","message":"old"}'
            exchange.reply(410, [("Retry-After", "3")], body)
            return
        stream = exchange.start(200, [])
        stream.write(b"one\n")
        await asyncio.sleep(0.001)
        stream.close() if request.target == "/whole" else stream.abort()

    async with serving(handler) as url:
        transport = HttpTransport(Config(server=url))
        assert [p async for p in transport.stream("GET", "/whole")] == [b"one\n"]
        with pytest.raises(StatusError, match="old") as caught:
            [p async for p in transport.stream("GET", "/no")]
        assert (caught.value.reason, caught.value.retry_after) == ("Expired", 3)
        with pytest.raises(Unreachable):
            [p async for p in transport.stream("GET", "/broken")]
        await transport.close()


async def test_upgrade() -> None:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        if request.headers["upgrade"] != ["echo"]:
            exchange.reply(400, [], b"not that")
            return
        duplex = exchange.upgrade([("Upgrade", "echo")])
        duplex.write(await duplex.read_exactly(2))
        duplex.close()

    async with serving(handler) as url:
        transport = HttpTransport(Config(server=url))
        headers, duplex = await transport.upgrade("POST", "/", {"Upgrade": "echo"})
        duplex.write(b"hi")
        assert (headers["upgrade"], await duplex.read_exactly(2)) == ("echo", b"hi")
        duplex.close()
        with pytest.raises(StatusError) as caught:
            await transport.upgrade("POST", "/", {"Upgrade": "other"})
        assert caught.value.code == 400
        await transport.close()


def files(folder: Path, pair: pki.Pair) -> tuple[str, str]:
    certificate, key = folder / "tls.crt", folder / "tls.key"
    key.write_text(pair.key_pem)
    certificate.write_text(pair.certificate_pem)
    return str(certificate), str(key)


async def test_client_certificates(tmp_path: Path) -> None:
    """A certificate from the right authority reaches the handler; one from another ends the handshake; none is fine."""
    from cryptography import x509

    seen: list[bytes] = []

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        seen.append(request.peer_certificate)
        exchange.reply(200, [])

    pair = pki.issue(AUTHORITY, "server", ips=["127.0.0.1"], server=True, days=1, now=NOW)
    user = pki.issue(AUTHORITY, "jane", ["devs"], client=True, days=1, now=NOW)
    stranger = pki.issue(pki.new_authority("other", 1, NOW), "eve", client=True, days=1, now=NOW)
    (tmp_path / "ca.crt").write_text(AUTHORITY.certificate_pem)
    context = tls.server_context(*files(tmp_path, pair), str(tmp_path / "ca.crt"))
    async with serving(handler, context) as url:
        plain = Config(server=url, ca_pem=AUTHORITY.certificate_pem)
        for config in (plain, replace(plain, certificate_pem=user.certificate_pem, key_pem=user.key_pem)):
            transport = HttpTransport(config)
            assert (await transport.request("GET", "/")).status == 200
            await transport.close()
        with pytest.raises(Unreachable):
            bad = replace(plain, certificate_pem=stranger.certificate_pem, key_pem=stranger.key_pem)
            await HttpTransport(bad).request("GET", "/")
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await HttpTransport(replace(plain, ca_pem=stranger.certificate_pem)).request("GET", "/")
    assert seen[0] == b""
    assert x509.load_der_x509_certificate(seen[1]).subject.rfc4514_string() == "CN=jane,O=devs"
    await asyncio.sleep(0.01)


async def test_certificate_is_reloaded(tmp_path: Path) -> None:
    """A new certificate counts from the next handshake on; a broken file leaves the old one in use."""

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        exchange.reply(200, [("Connection", "close")])

    first, second = (pki.issue(AUTHORITY, n, dns=[n], server=True, days=1, now=NOW) for n in ("first", "second"))
    context = tls.server_context(*files(tmp_path, first))

    async def accepted_as(name: str) -> bool:
        transport = HttpTransport(Config(server=url, ca_pem=AUTHORITY.certificate_pem, server_name=name))
        try:
            return (await transport.request("GET", "/")).status == 200
        except Unreachable:
            return False
        finally:
            await transport.close()

    async with serving(handler, context) as url:
        assert await accepted_as("first")
        files(tmp_path, second)
        assert (await accepted_as("first"), await accepted_as("second")) == (False, True)
        (tmp_path / "tls.crt").write_text("half")
        assert await accepted_as("second")
    await asyncio.sleep(0.01)
