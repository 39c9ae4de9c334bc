"""One group and version that a server behind this one serves: how to reach it, and what it says it serves."""

import asyncio
import random
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from umiak.kit.pki import Pair
from umiak.objects.types import Object
from umiak.server.aggregation.availability import PASSED, Verdict, failed, is_available, judge
from umiak.server.aggregation.identity import headers_of
from umiak.server.aggregation.places import Nowhere, found, places
from umiak.server.contract import MASTERS, Objects, User
from umiak.server.discovery import AGGREGATED
from umiak.server.upstream import Place, Upstreams
from umiak.server.webhooks.sender import reason

if TYPE_CHECKING:
    import ssl

AGGREGATOR = User("system:kube-aggregator", groups=(MASTERS,))
"""Whom this server is when it asks on its own account."""
PATIENCE = 5.0
"""Seconds that a server has to say what it serves."""
ATTEMPTS = 5
"""Servers of one Service that are asked; one that answers is enough."""


class Unanswered(Exception):
    """A server did not answer as it must."""


class Served(msgspec.Struct):
    """What a server says it serves: its entry of aggregated discovery, and its OpenAPI 3 documents with their URLs."""

    resources: list[Object] = msgspec.field(default_factory=list)
    is_current: bool = False
    documents: dict[str, str] = msgspec.field(default_factory=dict)


async def dialled(place: Place) -> str:
    """Address and port of a place, as errors of connections show it."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except OSError:
        return f"{place.host}:{place.port}"
    host = found[0][4][0]
    return f"[{host}]:{place.port}" if ":" in str(host) else f"{host}:{place.port}"


class Extension:
    """`service` is the APIService, as it is stored; it changes when that does."""

    def __init__(self, service: Object, own: Pair | None, upstreams: Upstreams, dice: random.Random) -> None:
        """`own`: the certificate and key to show."""
        self.service = service
        self.served = Served()
        self.due = asyncio.Event()
        """Set when something changed that may matter."""
        self._own = own
        self._upstreams = upstreams
        self._dice = dice
        self._tls: ssl.SSLContext | None = None
        self._everywhere: list[tuple[str, int]] | None = None
        """Host and port of every server; None when they have to be looked up."""

    @property
    def group_version(self) -> tuple[str, str]:
        spec = self.service["spec"]
        return spec.get("group") or "", spec["version"]

    @property
    def root(self) -> str:
        """The path of its discovery document."""
        group, version = self.group_version
        return f"/apis/{group}/{version}" if group else f"/api/{version}"

    @property
    def reference(self) -> Object:
        found: Object = self.service["spec"]["service"]
        return found

    @property
    def is_available(self) -> bool:
        return is_available(self.service)

    def renew(self, service: Object) -> None:
        """Takes over the APIService as it is now."""
        if service["spec"] != self.service["spec"]:
            self._tls = None
            self.moved()
        if is_available(service) is not self.is_available:
            self.due.set()
        self.service = service

    def moved(self) -> None:
        """Its servers may be elsewhere now."""
        self._everywhere = None
        self.due.set()

    def tls(self) -> "ssl.SSLContext":
        """Raises ssl.SSLError for a bundle that can not be read."""
        if self._tls is None:
            import base64

            from umiak.kit.tls import client_context

            spec, own = self.service["spec"], self._own or Pair("", "")
            bundle = base64.b64decode(spec.get("caBundle") or "").decode(errors="replace")
            insecure = bool(spec.get("insecureSkipTLSVerify"))
            self._tls = client_context(bundle, own.certificate_pem, own.key_pem, insecure=insecure)
        return self._tls

    async def places(self, objects: Objects) -> list[Place]:
        """In the order to try them. Raises Nowhere and ssl.SSLError."""
        reference = self.reference
        everywhere = self._everywhere
        if everywhere is None:
            everywhere = self._everywhere = places(reference, *await found(objects, reference))
        name = f"{reference['name']}.{reference['namespace']}.svc"
        chosen = self._dice.sample(everywhere, min(len(everywhere), ATTEMPTS))
        return [Place(host, port, self.tls(), name) for host, port in chosen]

    # What is asked on our own account

    async def checked(self, objects: Objects) -> Verdict:
        """Whether it is available now."""
        import ssl

        wrong = judge(self.reference, *await found(objects, self.reference))
        if wrong is not None:
            return wrong
        try:
            candidates = await self.places(objects)
        except Nowhere as error:
            return failed(str(error))
        except ssl.SSLError:
            return failed("unable to load root certificates: unable to parse bytes as PEM block")
        tries = [asyncio.ensure_future(self._asked(place)) for place in candidates]
        try:
            for attempt in asyncio.as_completed(tries):
                try:
                    await attempt
                    return PASSED
                except Unanswered as error:
                    last = error
        finally:
            for attempt in tries:
                attempt.cancel()
            await asyncio.gather(*tries, return_exceptions=True)
        return failed(str(last))

    async def _asked(self, place: Place) -> None:
        url = f"{place.url}{self.root}"
        status, _, _ = await self._get(place, self.root, "")
        if not 200 <= status < 300:
            raise Unanswered(f"failing or missing response from {url}: bad status from {url}: {status}")

    async def _get(self, place: Place, path: str, accept: str) -> tuple[int, Mapping[str, str], bytes]:
        from umiak.kit.http.client import HttpError

        headers = [("accept", accept)] if accept else []
        headers += headers_of(AGGREGATOR)
        try:
            return await self._upstreams.client(place).request("GET", path, headers, timeout=PATIENCE)
        except HttpError as error:
            url = f"{place.url}{path}"
            told = f'Get "{url}": {reason(error, await dialled(place))}'
            raise Unanswered(f"failing or missing response from {url}: {told}") from error

    async def learn(self, objects: Objects) -> None:
        """Asks what it serves now. What can not be had is not known any more, and discovery says that it is stale."""
        import ssl

        self._everywhere = None
        try:
            place = (await self.places(objects))[0]
            resources = await self._resources(place)
            documents = await self._documents(place)
        except (Nowhere, Unanswered, ssl.SSLError, msgspec.DecodeError, KeyError, TypeError, AttributeError):
            self.served = Served()
        else:
            self.served = Served(resources, True, documents)

    async def _resources(self, place: Place) -> list[Object]:
        """From aggregated discovery; from a server that has none, the plain document."""
        from umiak.server.aggregation.discovery import of_list, of_version

        status, headers, body = await self._get(place, "/apis", f"{AGGREGATED},application/json")
        if status == 200 and "as=APIGroupDiscoveryList" in headers.get("content-type", ""):
            return of_list(msgspec.json.decode(body), *self.group_version)
        status, _, body = await self._get(place, self.root, "application/json")
        if status != 200:
            raise Unanswered(f"status {status}")
        return of_version(msgspec.json.decode(body))

    async def _documents(self, place: Place) -> dict[str, str]:
        group, _ = self.group_version
        status, _, body = await self._get(place, "/openapi/v3", "application/json")
        paths: Any = msgspec.json.decode(body).get("paths") if status == 200 else {}
        wanted = {self.root.strip("/"), f"apis/{group}"}
        return {name: about["serverRelativeURL"] for name, about in (paths or {}).items() if name in wanted}

    async def openapi_2(self, objects: Objects) -> Object | None:
        """Its OpenAPI 2 document; None when that can not be had."""
        import ssl

        try:
            place = (await self.places(objects))[0]
            status, _, body = await self._get(place, "/openapi/v2", "application/json")
            found = msgspec.json.decode(body)
        except (Nowhere, Unanswered, ssl.SSLError, msgspec.DecodeError):
            return None
        return found if status == 200 and isinstance(found, dict) else None
