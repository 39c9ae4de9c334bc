"""Logs, exec, attach, port-forward and proxies, with an agent at the other end."""

import json

import pytest

from umiak.kit import websocket
from umiak.kit.spdy_session import SpdySession
from umiak.kit.websocket import Channels, Tunnel
from umiak.server.streams import frames

POD = "/api/v1/namespaces/default/pods/p"


async def test_log(node):
    status, headers, body = await node.client.request("GET", f"{POD}/log?container=c&tailLines=5&follow=true")
    assert (status, headers["content-type"], body) == (200, "text/plain", b"line\n")
    assert node.asked == [("GET", "/containerLogs/default/p/c?follow=true&tailLines=5")]


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("", 400, b"a container name must be specified for pod p, choose one of: [c d]"),
        ("?container=x", 400, b"container x is not valid for pod p"),
        ("?container=c&tailLines=-1", 422, b"must be greater than or equal to 0"),
        ("?container=c&previous=true", 400, b"no such thing"),
    ],
)
async def test_refused_log(node, query, status, message):
    found, _, body = await node.client.request("GET", f"{POD}/log{query}")
    assert (found, message in body) == (status, True)


@pytest.mark.parametrize(
    ("protocols", "line"),
    [([], b"line\n"), (["binary.k8s.io"], b"line\n"), (["base64.binary.k8s.io"], b"bGluZQo=")],
)
async def test_log_through_a_websocket(node, protocols, line):
    """Upstream: Pods should support retrieving logs from the container over websockets."""

    async def connect(method, target, headers):
        return await upgrade(node.client, method, target, headers)

    socket = await websocket.connect(connect, f"{POD}/log?container=c", protocols)
    assert [await socket.receive() for _ in range(3)] == [b"", line, None]
    assert socket.close_code == 1000


@pytest.mark.slow
async def test_watch_through_a_websocket(node, api):
    """apiserver's handlers/watch.go, HandleWS: a message for each event."""

    async def connect(method, target, headers):
        return await upgrade(node.client, method, target, headers)

    target = "/api/v1/namespaces/default/configmaps?watch=true"
    socket = await websocket.connect(connect, target)
    for name in ("a", "b"):
        await api("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}})
    events = [json.loads(await socket.receive()) for _ in range(2)]
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [("ADDED", "a"), ("ADDED", "b")]
    await socket.close()

    socket = await websocket.connect(connect, f"{target}&timeoutSeconds=1&labelSelector=none")
    assert await socket.receive() is None


def test_frames():
    assert list(frames(b"\0\0\0\2ab\0\0\0\1c")) == [b"ab", b"c"]


async def test_log_by_an_unknown_subprotocol(node):
    asked = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    target = f"{POD}/log?container=c"
    status, *_ = await node.client.upgrade("GET", target, {**asked, "Sec-WebSocket-Protocol": "other"})
    assert status == 403


async def test_log_of_a_pod_without_node(node, api):
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await api("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "q"}, "spec": spec})
    status, _, body = await node.client.request("GET", "/api/v1/namespaces/default/pods/q/log")
    assert (status, body) == (204, b"")
    status, _, body = await node.client.request("POST", "/api/v1/namespaces/default/pods/q/exec?command=x")
    assert (status, b"pod q does not have a host assigned" in body) == (400, True)


async def test_exec_needs_an_upgrade(node):
    status, _, body = await node.client.request("POST", f"{POD}/exec?container=c&command=x")
    assert (status, b"Upgrade request required" in body) == (400, True)


async def upgrade(client, method, target, headers):
    status, answer, duplex = await client.upgrade(method, target, headers)
    assert status == 101
    return answer, duplex


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"])
@pytest.mark.parametrize("verb", ["exec", "attach"])
async def test_websocket_becomes_spdy(node, verb, protocol):
    async def connect(method, target, headers):
        return await upgrade(node.client, method, target, headers)

    target = f"{POD}/{verb}?container=c&command=cat&command=-&stdin=true&stdout=true"
    socket = await websocket.connect(connect, target, [protocol])
    async with Channels(socket, (websocket.STDOUT, websocket.ERROR)) as channels:
        channels.write(websocket.STDIN, b"hello")
        assert await channels.read(websocket.STDOUT) == b"HELLO"
        if protocol.startswith("v5"):
            channels.close_channel(websocket.STDIN)
            assert await channels.read(websocket.ERROR) == b'{"metadata":{},"status":"Success"}'
    command = "&command=cat&command=-" if verb == "exec" else ""
    assert node.asked == [("POST", f"/{verb}/default/p/c?input=1&output=1{command}")]


async def test_spdy_passes_through(node):
    headers = {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}
    answer, duplex = await upgrade(node.client, "POST", f"{POD}/exec?container=c&stdin=1&stdout=1&command=x", headers)
    assert answer["x-stream-protocol-version"] == "v4.channel.k8s.io"
    async with SpdySession(duplex, client=True) as session:
        error, stdin, stdout = [await session.open_stream({"streamtype": t}) for t in ("error", "stdin", "stdout")]
        stdin.write(b"hello")
        stdin.close_write()
        assert await stdout.read() == b"HELLO"
        assert b"Success" in await error.read()


async def forward(wire):
    async with SpdySession(wire, client=True) as session:
        about = {"port": "80", "requestid": "0"}
        await session.open_stream({"streamtype": "error", **about})
        data = await session.open_stream({"streamtype": "data", **about})
        return await data.read()


async def test_port_forward_by_spdy(node):
    headers = {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "portforward.k8s.io"}
    _, duplex = await upgrade(node.client, "POST", f"{POD}/portforward", headers)
    assert await forward(duplex) == b"port 80"


async def test_port_forward_through_a_websocket(node):
    async def connect(method, target, headers):
        return await upgrade(node.client, method, target, headers)

    socket = await websocket.connect(connect, f"{POD}/portforward", ["SPDY/3.1+portforward.k8s.io"])
    assert await forward(Tunnel(socket)) == b"port 80"
    assert node.asked == [("POST", "/portForward/default/p")]


async def test_node_proxy(node):
    base = "/api/v1/nodes/n/proxy"
    status, headers, body = await node.client.request("GET", f"{base}/stats/a?b=c")
    assert (status, headers["content-type"]) == (200, "text/html")
    assert body == b'<a href="/api/v1/nodes/n/proxy/x">/stats/a?b=c'
    status, headers, _ = await node.client.request("GET", base)
    assert (status, headers["location"]) == (301, f"{base}/")
    *_, body = await node.client.request("POST", f"{base}?b=c")
    assert body.endswith(b">/?b=c")


async def test_loopback_is_no_pod(node, api):
    status = {"podIPs": [{"ip": "127.0.0.1"}], "podIP": "127.0.0.1"}
    await api("PATCH", f"{POD}/status", {"status": status}, content_type="application/merge-patch+json")
    code, _, body = await node.client.request("GET", f"{POD}/proxy/")
    assert (code, b"address not allowed" in body) == (400, True)


async def test_service_without_endpoints(node, api):
    await api(
        "POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}}
    )
    code, _, body = await node.client.request("GET", "/api/v1/namespaces/default/services/s:1/proxy/")
    assert (code, b"no endpoints available for service" in body) == (503, True)
