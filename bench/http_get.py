"""Requests per CPU-second of the bare HTTP server: 1 kB answers over TLS, the client in a process of its own.

Run: python bench/http_get.py [--plain] [--seconds 3]
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import uvloop

from umiak.kit import pki, tls
from umiak.kit.http.server import Exchange, HttpRequest, serve

CONNECTIONS = 32
REQUEST = b"".join(
    (
        b"GET /api/v1/namespaces/default/pods/a HTTP/1.1\r\nHost: 127.0.0.1:6443\r\nUser-Agent: bench/1\r\n",
        b"Accept: application/json\r\nAuthorization: Bearer 0123456789abcdef\r\nAccept-Encoding: identity\r\n\r\n",
    )
)
BODY = b"x" * 1024


class Asker(asyncio.Protocol):
    """Sends the next request when the answer is complete; every answer has the same length."""

    def __init__(self) -> None:
        self.length = self.got = self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if not self.length:
            self.length = data.index(b"\r\n\r\n") + 4 + len(BODY)
        self.got += len(data)
        if self.got == self.length:
            self.got = 0
            self.answers += 1
            self.transport.write(REQUEST)


async def ask(port: int, ca: str, seconds: float) -> int:
    context = tls.client_context(ca) if ca else None
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(Asker, "127.0.0.1", port, ssl=context) for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    return sum(asker.answers for _, asker in made)


def client(port: int, ca: str, seconds: float) -> None:
    uvloop.run(ask(port, ca, seconds))


async def measure(plain: bool, seconds: float) -> None:
    count = 0
    warm = asyncio.Event()

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        nonlocal count
        count += 1
        if count == 2000:
            warm.set()
        exchange.reply(200, [("Content-Type", "application/json"), ("Cache-Control", "no-cache, private")], BODY)

    now = datetime.now(UTC)
    authority = pki.new_authority("bench", 1, now)
    with tempfile.TemporaryDirectory() as folder:
        pair = pki.issue(authority, "server", ips=["127.0.0.1"], server=True, days=1, now=now)
        certificate, key = Path(folder, "server.crt"), Path(folder, "server.key")
        certificate.write_text(pair.certificate_pem)
        key.write_text(pair.key_pem)
        context = None if plain else tls.server_context(str(certificate), str(key))
        server = await serve(handler, "127.0.0.1", 0, ssl=context)
    ca = "" if plain else authority.certificate_pem
    process = multiprocessing.get_context("spawn").Process(target=client, args=(server.port, ca, seconds))
    process.start()
    await asyncio.wait_for(warm.wait(), 20)
    start_count, start_cpu, start = count, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds * 0.7)
    answers, cpu, wall = count - start_count, time.process_time() - start_cpu, time.monotonic() - start
    await asyncio.to_thread(process.join)
    await server.close(0)
    print(f"{answers / cpu:,.0f} requests/CPU-s  ({answers / wall:,.0f} requests/s, {cpu / wall:.0%} of a core)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="without TLS")
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    uvloop.run(measure(options.plain, options.seconds))


if __name__ == "__main__":
    main()
