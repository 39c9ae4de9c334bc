"""An API server on a port, and beside it the agent of a node that says what it was asked."""

import contextlib
from types import SimpleNamespace

import pytest

from umiak.kit import pki
from umiak.kit.http.client import HttpClient
from umiak.kit.http.server import serve
from umiak.kit.spdy_session import SpdySession
from umiak.kit.tls import server_context
from umiak.server.app import request_of
from umiak.server.contract import MASTERS, User
from umiak.testing.clock import NOON


class Kubelet:
    """Answers logs with text; echoes what it gets in exec, attach and port-forward."""

    def __init__(self):
        self.asked = []

    async def handle(self, request, exchange):
        self.asked.append((request.method, request.target))
        if request.target.startswith("/containerLogs/"):
            status = 400 if "previous" in request.target else 200
            exchange.reply(status, [("Content-Type", "text/plain")], b"no such thing" if status == 400 else b"line\n")
        elif request.target.startswith(("/exec/", "/attach/")):
            await self._command(exchange)
        elif request.target.startswith("/portForward/"):
            await self._ports(request, exchange)
        else:
            exchange.reply(200, [("Content-Type", "text/html")], b'<a href="/x">' + request.target.encode())

    async def _command(self, exchange):
        headers = [("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", "v4.channel.k8s.io")]
        async with SpdySession(exchange.upgrade(headers), client=False) as session:
            streams = {}
            while not {"error", "stdin", "stdout"} <= set(streams):
                stream = await session.accept_stream()
                streams[stream.headers["streamtype"]] = stream
            while data := await streams["stdin"].read():
                streams["stdout"].write(data.upper())
            streams["stdout"].close_write()
            streams["error"].write(b'{"metadata":{},"status":"Success"}')
            streams["error"].close_write()
            for name in ("stdout", "error"):
                with contextlib.suppress(ConnectionError):
                    await streams[name].drain()
            await session.closed.wait()

    async def _ports(self, request, exchange):
        headers = [("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", "portforward.k8s.io")]
        async with SpdySession(exchange.upgrade(headers), client=False) as session:
            while (stream := await session.accept_stream()) is not None:
                if stream.headers["streamtype"] == "data":
                    stream.write(b"port " + stream.headers["port"].encode())
                    stream.close_write()


@pytest.fixture
async def node(server, api, tmp_path):
    """A running pod `p` on a node whose agent listens."""
    authority = pki.new_authority("test", 1, NOON)
    pair = pki.issue(authority, "node", ips=["127.0.0.1"], server=True, days=1, now=NOON)
    (tmp_path / "crt").write_text(pair.certificate_pem)
    (tmp_path / "key").write_text(pair.key_pem)
    kubelet = Kubelet()
    agent = await serve(kubelet.handle, "127.0.0.1", ssl=server_context(str(tmp_path / "crt"), str(tmp_path / "key")))
    await api("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": agent.port}},
    }
    merge = "application/merge-patch+json"
    await api("PATCH", "/api/v1/nodes/n/status", {"status": status}, content_type=merge)
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]}
    await api("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}, "spec": spec})
    front = await serve(lambda request, exchange: _as_admin(server, request, exchange), "127.0.0.1")
    client = HttpClient(f"http://127.0.0.1:{front.port}")
    yield SimpleNamespace(asked=kubelet.asked, client=client)
    await client.close()
    await server.upstreams.close()
    await front.close(grace=0)
    await agent.close(grace=0)


def _as_admin(server, incoming, exchange):
    return server.serve_as(User("admin", groups=(MASTERS,)), request_of(incoming), exchange)
