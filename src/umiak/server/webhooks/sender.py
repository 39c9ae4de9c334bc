"""Calls webhooks over HTTPS: at their URL, or at an endpoint of their service."""

import asyncio
import base64
import random
import ssl
from collections import OrderedDict
from posixpath import normpath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from umiak.api.core.service import KIND as SERVICE
from umiak.api.discovery.endpointslice import KIND as ENDPOINT_SLICE
from umiak.api.faults import HEAD_TYPE, SCHEME
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.server.bodies import go_kind
from umiak.server.contract import Objects
from umiak.server.service_endpoints import SERVICE_NAME, endpoints, port_name

if TYPE_CHECKING:
    from umiak.kit.http.client import HttpClient

MOST_CLIENTS = 64
HEADERS = {"content-type": "application/json", "accept": "application/json", "user-agent": "kube-apiserver-admission"}
REFUSALS = {
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
}
UNKNOWN_REASON = "the server rejected our request for an unknown reason"


class CallFailed(Exception):
    """A webhook gave no answer; the text says why, in the reference's words."""


class _Nowhere(Exception):
    """There is nobody to call."""


class Sender:
    """Keeps connections to the webhooks asked last."""

    def __init__(self, objects: Objects, dice: random.Random) -> None:
        self._objects = objects
        self._dice = dice
        self._clients: OrderedDict[tuple[str, str, str], HttpClient] = OrderedDict()

    async def ask(self, config: Object, body: Object, seconds: int) -> Any:
        """What the webhook with this clientConfig answers, as JSON data of the kind of `body`. Raises CallFailed."""
        from umiak.kit.http.client import HttpError  # most clusters have no webhooks

        url, place, sent = f"{url_of(config)}?timeout={seconds}s", "", msgspec.json.encode(body)
        target = f"{urlsplit(url).path}?timeout={seconds}s"
        try:
            async with asyncio.timeout(seconds):
                place = await self._place(config)
                client = self._client(place, config)
                status, headers, data = await client.request("POST", target, HEADERS, sent, seconds)
        except (TimeoutError, HttpError, StatusError, _Nowhere) as error:
            raise CallFailed(f'Post "{url}": {reason(error, place)}') from error
        return _read(status, data, headers.get("content-type", ""), body)

    async def _place(self, config: Object) -> str:
        """Host and port to connect to. Raises _Nowhere, or StatusError."""
        service = config.get("service")
        if service is None:
            netloc = urlsplit(config["url"]).netloc
            return netloc if urlsplit(config["url"]).port else f"{netloc}:443"
        name, namespace, port = service["name"], service["namespace"], service.get("port") or 443
        found = await self._objects.find(SERVICE, namespace, name)
        if found is None:
            raise _Nowhere(f'service "{name}" not found')
        if found["spec"].get("type") == "ExternalName":
            return f"{found['spec'].get('externalName')}:{port}"
        slices = await self._objects.list(ENDPOINT_SLICE, namespace)
        own = [s for s in slices if (s["metadata"].get("labels") or {}).get(SERVICE_NAME) == name]
        places = endpoints(own, port_name(found, str(port)))
        if not places:
            raise _Nowhere(f'no endpoints available for service "{name}"')
        address, number = self._dice.choice(places)
        return f"[{address}]:{number}" if ":" in address else f"{address}:{number}"

    def _client(self, place: str, config: Object) -> "HttpClient":
        from umiak.kit.http.client import HttpClient
        from umiak.kit.tls import client_context

        bundle = config.get("caBundle") or ""
        name = "" if config.get("service") is None else urlsplit(url_of(config)).hostname or ""
        key = (place, name, bundle)
        found = self._clients.pop(key, None)
        if found is None:
            try:
                trust = client_context(base64.b64decode(bundle).decode())
            except ssl.SSLError:
                raise _Nowhere("unable to load root certificates: unable to parse bytes as PEM block") from None
            found = HttpClient(f"https://{place}", trust, server_name=name)
        self._clients[key] = found
        return found

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), OrderedDict()
        for client in clients:
            await client.close()

    async def tidy(self) -> None:
        """Closes the connections used longest ago, when there are too many."""
        while len(self._clients) > MOST_CLIENTS:
            _, oldest = self._clients.popitem(last=False)
            await oldest.close()


def url_of(config: Object) -> str:
    """Where the webhook is, as errors show it."""
    service = config.get("service")
    if service is None:
        url = urlsplit(config["url"])
        return f"{url.scheme}://{url.netloc}{clean(url.path)}"
    host = f"{service['name']}.{service['namespace']}.svc"
    return f"https://{host}:{service.get('port') or 443}{clean(service.get('path') or '')}"


def clean(path: str) -> str:
    """Without double slashes, dots and a last slash: client-go joins paths so, and Go's servers redirect others."""
    return normpath(f"/{path.lstrip('/')}")


def reason(error: Exception, place: str) -> str:
    """As Go words it."""
    cause = error.__cause__
    if isinstance(error, StatusError | _Nowhere):
        return str(error)
    if isinstance(error, TimeoutError) or isinstance(cause, TimeoutError):
        return "context deadline exceeded"
    if isinstance(cause, ssl.SSLCertVerificationError):
        unknown = cause.verify_code in (18, 19, 20, 21)
        why = "certificate signed by unknown authority" if unknown else cause.verify_message
        return f"tls: failed to verify certificate: x509: {why}"
    if isinstance(cause, ConnectionRefusedError):
        return f"dial tcp {place}: connect: connection refused"
    return "EOF" if cause is None or isinstance(cause, ConnectionError) else str(error)


def refusal(status: int, data: bytes, content_type: str) -> str:
    """What client-go says of an answer that is no success."""
    is_text = not content_type or content_type.startswith("text/")
    shown = data.decode(errors="replace").strip() if is_text else "unknown"
    if status >= 500:
        return f'an error on the server ("{shown}") has prevented the request from succeeding'
    return shown if status == 403 else REFUSALS.get(status, UNKNOWN_REASON)


def _read(status: int, data: bytes, content_type: str, asked: Object) -> Any:
    if not 200 <= status < 300:
        raise CallFailed(refusal(status, data, content_type))
    if not data:
        raise CallFailed(f"0-length response with status code: {status} and content type: {content_type}")
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        found = data.decode(errors="replace")  # YAML's word for it
    if not isinstance(found, dict):
        why = f"json: cannot unmarshal {go_kind(found)} into {HEAD_TYPE}"
        raise CallFailed(f"couldn't get version/kind; json parse error: {why}")
    _check_claim(found, asked)
    return found


def _check_claim(found: Object, asked: Object) -> None:
    """What claims to be something has to be what was asked for; whether it has to claim anything is not said here."""
    kind, version = found.get("kind") or "", found.get("apiVersion") or ""
    if not kind or not version or (kind, version) == (asked["kind"], asked["apiVersion"]):
        return
    group, _, number = asked["apiVersion"].rpartition("/")
    if kind != asked["kind"] or version not in (f"{group}/v1", f"{group}/v1beta1"):
        raise CallFailed(f'no kind "{kind}" is registered for version "{version}" {SCHEME}')
    ways = f"({version.rpartition('/')[2]}.{kind}) to ({number}.{kind})"
    raise CallFailed(f"converting {ways}: unknown conversion")
