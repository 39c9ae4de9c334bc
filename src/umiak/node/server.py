"""The node's HTTPS endpoint, as kubelet's: logs, exec, attach, port forwarding, figures."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from umiak.client.contract import Unreachable
from umiak.kit.clock import Clock
from umiak.kit.http.client import HttpClient, HttpError
from umiak.kit.http.server import Duplex, Exchange, HttpRequest, Server, serve
from umiak.node import figures, pods, readlogs
from umiak.node.access import Access
from umiak.node.agent import Agent
from umiak.node.runtime import ContainerStatus, Missing, RuntimeFailure, State, Streams
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

log = logging.getLogger(__name__)
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
OPEN_FOR_ALL = ("/healthz", "/readyz", "/livez")
UPGRADE_HEADERS = ("upgrade", "x-stream-protocol-version", "sec-websocket-key", "sec-websocket-version")
PIPE = 64 * 1024
Query = dict[str, list[str]]


class Refused(Exception):
    """An answer other than success: status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Endpoint:
    """Answers for one agent."""

    def __init__(self, agent: Agent, access: Access, clock: Clock) -> None:
        self._agent, self._access, self._clock = agent, access, clock
        self._routes: dict[str, Callable[[HttpRequest, Exchange, Sequence[str], Query], Awaitable[None]]] = {
            "containerLogs": self._logs,
            "exec": self._exec,
            "attach": self._attach,
            "portForward": self._port_forward,
            "run": self._run,
            "pods": self._pods,
            "stats": self._stats,
            "metrics": self._metrics,
            "configz": self._config,
        }

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> Server:
        return await serve(self.handle, host, port, ssl=tls, clock=self._clock)

    async def handle(self, request: HttpRequest, exchange: Exchange) -> None:
        url = urlsplit(request.target)
        try:
            if url.path in OPEN_FOR_ALL:
                exchange.reply(200, [("Content-Type", TEXT)], b"ok")
                return
            await self._check(request, url.path)
            parts = [unquote(p) for p in url.path.split("/")[1:]]
            route = self._routes.get(parts[0])
            if route is None:
                raise Refused(404, "404 page not found")
            await route(request, exchange, parts[1:], parse_qs(url.query, keep_blank_values=True))
        except Refused as refused:
            _refuse(exchange, refused.status, str(refused))
        except (RuntimeFailure, StatusError, Unreachable, OSError, HttpError) as error:
            _refuse(exchange, 500, str(error))

    async def _check(self, request: HttpRequest, path: str) -> None:
        authorization = (request.headers.get("authorization") or [""])[0]
        caller = await self._access.caller(request.peer_certificate, authorization)
        if caller is None:
            raise Refused(401, "Unauthorized")
        if not await self._access.allowed(caller, request.method, path):
            what = f"user={caller.name}, verb={request.method.lower()}, resource=nodes, path={path}"
            raise Refused(403, f"Forbidden ({what})")

    # Finding things

    def _pod(self, namespace: str, name: str) -> Object:
        found = [w.pod for w in self._agent.workers.values() if meta.key(w.pod) == (namespace, name)]
        if not found:
            raise Refused(404, f'pod "{name}" does not exist')
        return max(found, key=lambda p: meta.metadata(p).get("creationTimestamp") or "")

    async def _containers(self, pod: Object, name: str) -> list[ContainerStatus]:
        """Of that name, the newest first."""
        runtime = self._agent.tools.runtime
        lines = [c for c in await runtime.containers(meta.uid(pod)) if c.name == name]
        lines.sort(key=lambda c: c.created_at, reverse=True)
        return [await runtime.container(c.id) for c in lines]

    async def _running(self, namespace: str, pod_name: str, container: str) -> str:
        """The id of a running container."""
        pod = self._pod(namespace, pod_name)
        for status in await self._containers(pod, container):
            if status.state == State.RUNNING:
                return status.id
        raise Refused(404, f'container not found ("{container}")')

    # Logs

    async def _logs(self, request: HttpRequest, exchange: Exchange, parts: Sequence[str], query: Query) -> None:
        if len(parts) != 3:
            raise Refused(404, "404 page not found")
        namespace, name, container = parts
        try:
            wanted = readlogs.options(query, self._clock.now())
        except readlogs.BadOption as error:
            status = 400 if "decode" in str(error) else 422
            raise Refused(status, f'{{"message": "{error}"}}') from error
        pod = self._pod(namespace, name)
        if pods.find_container(pod, container) is None:
            raise Refused(404, f'container "{container}" not found in pod "{name}"')
        found = await self._log_of(pod, container, wanted.previous)
        await self._send_log(exchange, found, wanted)

    async def _log_of(self, pod: Object, container: str, previous: bool) -> ContainerStatus:
        """The container whose log is meant; raises Refused in kubelet's words when there is none."""
        statuses = await self._containers(pod, container)
        if previous:
            if len(statuses) < 2:
                raise Refused(400, f'previous terminated container "{container}" in pod "{meta.name(pod)}" not found')
            return statuses[1]
        if not statuses:
            raise Refused(400, self._why_not_started(pod, container))
        if statuses[0].state == State.CREATED and len(statuses) > 1:
            return statuses[1]
        return statuses[0]

    def _why_not_started(self, pod: Object, container: str) -> str:
        worker = self._agent.workers.get(meta.uid(pod))
        status = (worker.report.status if worker else None) or pods.status(pod)
        fields = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        for found in (s for f in fields for s in status.get(f) or () if s["name"] == container):
            waiting = (found.get("state") or {}).get("waiting") or {}
            reason = waiting.get("reason", "")
            if reason in ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"):
                said = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
                why = said.get(reason, reason)
                return f'container "{container}" in pod "{meta.name(pod)}" is waiting to start: {why}'
            return f'container "{container}" in pod "{meta.name(pod)}" is waiting to start: {reason}'
        return f'container "{container}" in pod "{meta.name(pod)}" is not available'

    async def _send_log(self, exchange: Exchange, status: ContainerStatus, wanted: readlogs.Options) -> None:
        from pathlib import Path

        path = Path(status.log_path)
        if not status.log_path or not path.exists():
            raise Refused(400, f"unable to retrieve container logs for {self._id(status)}")

        async def still_runs() -> bool:
            try:
                return (await self._agent.tools.runtime.container(status.id)).state == State.RUNNING
            except Missing:
                return False
            except RuntimeFailure:
                return True

        stream = exchange.start(200, [("Content-Type", TEXT)])
        async for piece in readlogs.read(path, wanted, still_runs):
            stream.write(piece)
            await stream.drain()
            if stream.closed:
                return
        stream.close()

    def _id(self, status: ContainerStatus) -> str:
        return f"{self._agent.tools.runtime_name}://{status.id}"

    # Streams

    async def _exec(self, request: HttpRequest, exchange: Exchange, parts: Sequence[str], query: Query) -> None:
        id = await self._container_id(parts)
        runtime = self._agent.tools.runtime
        url = await runtime.exec_url(id, query.get("command") or [], streams(query))
        await tunnel(request, exchange, url)

    async def _attach(self, request: HttpRequest, exchange: Exchange, parts: Sequence[str], query: Query) -> None:
        id = await self._container_id(parts)
        await tunnel(request, exchange, await self._agent.tools.runtime.attach_url(id, streams(query)))

    async def _container_id(self, parts: Sequence[str]) -> str:
        """From namespace, pod, (uid,) container."""
        if len(parts) not in (3, 4):
            raise Refused(404, "404 page not found")
        return await self._running(parts[0], parts[1], parts[-1])

    async def _port_forward(self, request: HttpRequest, exchange: Exchange, parts: Sequence[str], query: Query) -> None:
        if len(parts) not in (2, 3):
            raise Refused(404, "404 page not found")
        pod = self._pod(parts[0], parts[1])
        runtime = self._agent.tools.runtime
        ready = [s for s in await runtime.sandboxes(meta.uid(pod)) if s.ready]
        if not ready:
            raise Refused(500, f'failed to find sandboxID for pod "{pods.described(pod)}"')
        newest = max(ready, key=lambda s: s.created_at)
        await tunnel(request, exchange, await runtime.port_forward_url(newest.id))

    async def _run(self, request: HttpRequest, exchange: Exchange, parts: Sequence[str], query: Query) -> None:
        if request.method != "POST":
            raise Refused(405, "405: Method Not Allowed")
        id = await self._container_id(parts)
        command = (query.get("cmd") or [""])[0].split(" ")
        result = await self._agent.tools.runtime.exec(id, command, 0)
        if result.exit_code:
            raise Refused(500, f"command terminated with exit code {result.exit_code}")
        exchange.reply(200, [("Content-Type", JSON)], result.stdout + result.stderr)

    # Figures

    async def _pods(self, request: HttpRequest, exchange: Exchange, parts: Sequence[str], query: Query) -> None:
        items = [w.pod | {"status": w.report.status or pods.status(w.pod)} for w in self._agent.workers.values()]
        _json(exchange, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _stats(self, request: HttpRequest, exchange: Exchange, parts: Sequence[str], query: Query) -> None:
        if list(parts) != ["summary"]:
            raise Refused(404, "404 page not found")
        usage = await self._agent.tools.runtime.usage()
        _json(exchange, figures.summary(self._agent.settings.name, usage, str(self._agent.settings.root)))

    async def _metrics(self, request: HttpRequest, exchange: Exchange, parts: Sequence[str], query: Query) -> None:
        which = "/".join(parts)
        usage = await self._agent.tools.runtime.usage()
        texts = {
            "": lambda: figures.own(self._agent.workers.values()),
            "resource": lambda: figures.resource(usage),
            "cadvisor": lambda: figures.cadvisor(usage),
            "probes": lambda: "",
        }
        if which not in texts:
            raise Refused(404, "404 page not found")
        exchange.reply(200, [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")], texts[which]().encode())

    async def _config(self, request: HttpRequest, exchange: Exchange, parts: Sequence[str], query: Query) -> None:
        settings = self._agent.settings
        shown = {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "clusterDNS": list(settings.cluster_dns),
            "clusterDomain": settings.cluster_domain,
            "maxPods": settings.max_pods,
            "cgroupDriver": settings.cgroup_driver,
            "staticPodPath": str(settings.manifests or ""),
            "port": settings.port,
        }
        _json(exchange, {"kubeletconfig": shown})


def _json(exchange: Exchange, value: Object) -> None:
    exchange.reply(200, [("Content-Type", JSON)], msgspec.json.encode(value))


def _refuse(exchange: Exchange, status: int, text: str) -> None:
    """Breaks off an answer that has begun."""
    if not exchange.answered:
        exchange.reply(status, [("Content-Type", TEXT)], text.encode())
    elif exchange.stream is not None:
        exchange.stream.abort()


def streams(query: Query) -> Streams:
    """Raises Refused when nothing is to be connected."""

    def wanted(name: str) -> bool:
        return (query.get(name) or [""])[0] in ("1", "true")

    tty = wanted("tty")
    found = Streams(wanted("input"), wanted("output"), wanted("error") and not tty, tty)
    if not (found.stdin or found.stdout or found.stderr):
        raise Refused(400, "you must specify at least 1 of stdin, stdout, stderr")
    return found


async def tunnel(request: HttpRequest, exchange: Exchange, url: str) -> None:
    """Upgrades both connections, ours to the client and a new one to the runtime, and joins them."""
    parts = urlsplit(url)
    headers = {name: ", ".join(v) for name in UPGRADE_HEADERS if (v := request.headers.get(name))}
    if "upgrade" not in headers:
        raise Refused(400, "unable to upgrade: missing upgrade headers in request")
    http = HttpClient(f"{parts.scheme}://{parts.netloc}")
    target = f"{parts.path}{'?' + parts.query if parts.query else ''}"
    status, answer, inner = await http.upgrade(request.method, target, headers)
    if status != 101:
        raise Refused(status, (await inner.read()).decode(errors="replace"))
    kept = [(n, v) for n, v in answer.items() if n not in ("connection", "date", "content-length")]
    outer = exchange.upgrade(kept)
    await join(outer, inner)


async def join(left: Duplex, right: Duplex) -> None:
    """Copies both ways until both have ended."""

    async def copy(source: Duplex, target: Duplex) -> None:
        try:
            while data := await source.read(PIPE):
                target.write(data)
                await target.drain()
            target.write_eof()
        except ConnectionResetError:
            source.abort()

    try:
        await asyncio.gather(copy(left, right), copy(right, left))
    finally:
        left.close()
        right.close()
