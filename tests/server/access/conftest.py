"""A server on loopback that says what a test wants it to say, over TLS with an authority of its own."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from umiak.kit import pki
from umiak.kit.clock import RealClock
from umiak.kit.http.server import Server, serve
from umiak.kit.tls import server_context


@dataclass
class Beside:
    """`answer` gets (method, target, body as data) and returns (status, data); `asked` has what came."""

    authority: pki.Pair
    folder: Path
    answer: Callable[[str, str, Any], tuple[int, Any]] = lambda method, target, body: (404, {})
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    server: Server | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"https://127.0.0.1:{self.server.port}"

    def handle(self, request: Any, exchange: Any) -> None:
        body = msgspec.json.decode(request.body) if request.body else None
        self.asked.append((request.method, request.target, body))
        status, said = self.answer(request.method, request.target, body)
        sent = said if isinstance(said, bytes) else msgspec.json.encode(said)
        exchange.reply(status, [("Content-Type", "application/json")], sent)

    def kubeconfig(self, path: str = "/ask") -> str:
        """The name of a kubeconfig that leads here."""
        ca = self.folder / "beside-ca.crt"
        ca.write_text(self.authority.certificate_pem)
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url + path, "certificate-authority": str(ca)}}],
            "users": [{"name": "u", "user": {"token": "webhook-token"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        name = self.folder / "webhook.kubeconfig"
        name.write_text(yaml.safe_dump(content))
        return str(name)


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Beside]:
    now = RealClock().now()
    authority = pki.new_authority("beside", 1, now)
    pair = pki.issue(authority, "beside", ips=["127.0.0.1"], server=True, days=1, now=now)
    certificate, key = tmp_path / "beside.crt", tmp_path / "beside.key"
    certificate.write_text(pair.certificate_pem)
    key.write_text(pair.key_pem)
    found = Beside(authority, tmp_path)
    found.server = await serve(found.handle, "127.0.0.1", 0, ssl=server_context(str(certificate), str(key)))
    yield found
    await found.server.close(0)
