"""Asks by HTTP GET, as net/http in kubelet does: no certificate checks, redirects followed on the same host only."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urljoin, urlsplit

import msgspec

from umiak.node.probes.outcome import Outcome
from umiak.objects.types import Object

MAX_BODY = 10 * 1024
MAX_HEAD = 64 * 1024
MAX_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
VERSION = "1.37"


class BadPort(Exception):
    """A port's name is not among the container's ports."""


class Answer(msgspec.Struct, frozen=True):
    status: int
    location: str
    body: bytes


def port_number(port: int | str, container: Object) -> int:
    """A port given by number or by the name of one of the container's ports."""
    if isinstance(port, int):
        number = port
    elif port.isdecimal():
        number = int(port)
    else:
        named = {p.get("name"): p["containerPort"] for p in container.get("ports") or ()}
        if port not in named:
            raise BadPort(f"couldn't find port: {port}")
        number = named[port]
    if not 0 < number < 65536:
        raise BadPort(f"invalid port number: {number}")
    return number


def join_host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_of(action: Object, container: Object, pod_ip: str) -> str:
    """Raises BadPort."""
    scheme = (action.get("scheme") or "http").lower()
    where = join_host_port(action.get("host") or pod_ip, port_number(action["port"], container))
    path = action.get("path") or "/"
    return f"{scheme}://{where}{path if path.startswith('/') else '/' + path}"


def headers_of(action: Object, purpose: str) -> list[tuple[str, str]]:
    """The action's own headers and what it leaves out; an empty Accept means none."""
    wanted = [(h["name"], h.get("value") or "") for h in action.get("httpHeaders") or ()]
    names = {n.lower() for n, _ in wanted}
    if "user-agent" not in names:
        wanted.append(("User-Agent", f"kube-{purpose}/{VERSION}"))
    if "accept" not in names:
        wanted.append(("Accept", "*/*"))
    return [(n, v) for n, v in wanted if not (n.lower() == "accept" and not v)]


async def fetch(url: str, headers: Sequence[tuple[str, str]]) -> Answer:
    """One GET on a connection of its own. Raises OSError, or ValueError for what is not HTTP."""
    parts = urlsplit(url)
    context = None
    if parts.scheme == "https":
        import ssl

        context = ssl._create_unverified_context()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context, limit=MAX_HEAD)
    try:
        writer.write(request_head(parts.path or "/", parts.query, parts.netloc, headers))
        return await read_answer(reader)
    finally:
        writer.close()


def request_head(path: str, query: str, host: str, headers: Sequence[tuple[str, str]]) -> bytes:
    given = [v for n, v in headers if n.lower() == "host" and v]
    lines = [f"GET {path}{'?' + query if query else ''} HTTP/1.1", f"Host: {given[0] if given else host}"]
    lines += [f"{n}: {v}" for n, v in headers if n.lower() != "host"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace")


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Status, redirection and the first 10 KiB; the rest is of no interest."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ConnectionError("EOF") from error
    first, *rest = head.split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdecimal():
        raise ValueError(f'malformed HTTP response "{first}"')
    headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in rest if line)}
    return Answer(int(words[1]), headers.get("location", ""), b"")


async def follow(url: str, headers: Sequence[tuple[str, str]]) -> Answer:
    """Raises as `fetch`, and ConnectionError after ten redirects."""
    host = urlsplit(url).hostname
    for _ in range(MAX_REDIRECTS):
        answer = await fetch(url, headers)
        if answer.status not in REDIRECTS or not answer.location:
            return answer
        url = urljoin(url, answer.location)
        if urlsplit(url).hostname != host:
            return answer
    raise ConnectionError("stopped after 10 redirects")


def judged(answer: Answer) -> Outcome:
    if 200 <= answer.status < 300:
        return Outcome(True)
    if 300 <= answer.status < 400:
        return Outcome(True, f"Probe terminated redirects, Response body: {answer.body.decode(errors='replace')}", True)
    return Outcome(False, f"HTTP probe failed with statuscode: {answer.status}")


async def probe(action: Object, container: Object, pod_ip: str, timeout: float) -> Outcome:
    try:
        url = url_of(action, container, pod_ip)
    except BadPort as error:
        return Outcome(False, str(error), error=True)
    try:
        async with asyncio.timeout(timeout):
            return judged(await follow(url, headers_of(action, "probe")))
    except TimeoutError:
        waited = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Outcome(False, f'Get "{url}": {waited}')
    except (OSError, ValueError) as error:
        return Outcome(False, f'Get "{url}": {said(error, url)}')


def said(error: Exception, url: str) -> str:
    """A connection's failure in the words of Go's net package."""
    where = urlsplit(url).netloc
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return f"dial tcp {where}: connect: connection refused"
    return str(error)
