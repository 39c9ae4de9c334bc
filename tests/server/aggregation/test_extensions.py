"""A whole server with another behind it, which listens on loopback and speaks TLS.

The expected answers are those of kube-apiserver 1.37.1 with its sample-apiserver behind it.
"""

import asyncio
import base64
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from umiak.client.contract import Response
from umiak.kit import pki
from umiak.kit.clock import RealClock
from umiak.kit.http.client import HttpClient
from umiak.kit.http.server import serve
from umiak.kit.tls import server_context
from umiak.server.app import request_of
from umiak.server.assembly import Secrets, assemble
from umiak.server.contract import MASTERS, User
from umiak.server.discovery import AGGREGATED
from umiak.server.local import LocalTransport
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.patience import until_so

ADMIN = User("admin", "7", (MASTERS, "system:authenticated"), {"scopes": ("x",)})
INES = User("ines", groups=("system:authenticated",))
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
GROUP = "wardle.example"
ROOT = f"/apis/{GROUP}/v1"
"""Times a condition is looked at."""
ANYTHING = f"{ROOT}/namespaces/default/flunders"
RESOURCE = {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": ["get"]}
LISTED = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/v1", "resources": [RESOURCE]}
PATH = {"get": {"responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/Flunder"}}}}}
OPENAPI_2 = {"paths": {f"{ROOT}/flunders": PATH}, "definitions": {"Flunder": {"type": "object"}}}
OPENAPI_3 = f"/openapi/v3{ROOT}?hash=1"
DOCUMENTS = {
    ROOT: LISTED,
    "/openapi/v2": OPENAPI_2,
    "/openapi/v3": {"paths": {ROOT[1:]: {"serverRelativeURL": OPENAPI_3}, "apis/other": {"serverRelativeURL": "/o"}}},
    f"/openapi/v3{ROOT}": {"openapi": "3.0.0", "paths": {}},
}


class Beside:
    """The server behind ours: says who came, serves documents, streams, echoes what is upgraded."""

    def __init__(self) -> None:
        self.port = 0
        self.authority = ""
        self.refuses = 0
        self.seen: list[Any] = []
        self.go_on = asyncio.Event()

    def asked(self) -> list[Any]:
        """What came from users."""
        return [request for request in self.seen if request.target.startswith(ANYTHING)]

    async def answer(self, request: Any, exchange: Any) -> None:
        self.seen.append(request)
        path = request.target.partition("?")[0]
        if self.refuses:
            exchange.reply(self.refuses, [], b"")
        elif "watch=1" in request.target:
            await self._stream(exchange)
        elif path.endswith("/exec"):
            await self._echo(exchange)
        elif path.endswith("/moved"):
            exchange.reply(302, [("Location", "https://elsewhere.example/")], b"")
        else:
            found = DOCUMENTS.get(path, {"kind": "Flunder", "who": request.headers.get("x-remote-user")})
            status = 404 if path == "/apis" else 200
            exchange.reply(status, [("Content-Type", "application/json")], msgspec.json.encode(found))

    async def _stream(self, exchange: Any) -> None:
        stream = exchange.start(200, [("Content-Type", "application/json")])
        stream.write(b"one\n")
        await self.go_on.wait()
        stream.write(b"two\n")
        stream.close()

    async def _echo(self, exchange: Any) -> None:
        wire = exchange.upgrade([("Upgrade", "echo")])
        wire.write(await wire.read())
        wire.close()


def secrets() -> tuple[Secrets, str]:
    """(what a server is given, the authority its certificate comes from)."""
    now = datetime.now(UTC)
    front = pki.new_authority("front-proxy-ca", 1, now)
    shown = pki.issue(front, "front-proxy-client", client=True, days=1, now=now)
    keys = pki.new_authority("keys", 1, now).key_pem
    given = Secrets(service_account_key=keys, requestheader_ca=front.certificate_pem, front_proxy_client=shown)
    return given, front.certificate_pem


@pytest.fixture
def given() -> tuple[Secrets, str]:
    return secrets()


@pytest.fixture
async def beside(tmp_path, given) -> AsyncIterator[Beside]:
    now = datetime.now(UTC)
    authority = pki.new_authority("beside", 1, now)
    pair = pki.issue(authority, "api", dns=["api.default.svc"], server=True, days=1, now=now)
    files = {"crt": pair.certificate_pem, "key": pair.key_pem, "clients": given[1]}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    made = Beside()
    made.authority = authority.certificate_pem
    tls = server_context(*(str(tmp_path / name) for name in files))
    listener = await serve(made.answer, "127.0.0.1", 0, ssl=tls)
    made.port = listener.port
    yield made
    made.go_on.set()
    await listener.close(0)


class Api:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def raw(self, method: str, target: str, body: Any = None, user: User = ADMIN, **headers: str) -> Response:
        sent = msgspec.json.encode(body) if body is not None else b""
        named = {"content-type": "application/json"} if sent else {}
        return await LocalTransport(self.app, user).request(method, target, {**named, **headers}, sent)

    async def __call__(self, *words: Any, **more: Any) -> tuple[int, Any]:
        response = await self.raw(*words, **more)
        text = response.headers.get("content-type", "").startswith("text/plain")
        return response.status, response.body.decode() if text else msgspec.json.decode(response.body)

    async def condition(self, reason: str) -> Any:
        """The condition of the API service, once it has this reason."""
        condition: Any = {}

        async def is_there() -> bool:
            nonlocal condition
            _, found = await self("GET", f"{SERVICES}/v1.{GROUP}")
            (condition,) = (found.get("status") or {}).get("conditions") or ({},)
            return condition.get("reason") == reason

        await until_so(is_there, every=0.005)  # its check is between real sockets
        return condition

    async def register(self, beside: Beside, **spec: Any) -> None:
        service = {"namespace": "default", "name": "api", "port": beside.port}
        about = {"group": GROUP, "version": "v1", "groupPriorityMinimum": 19000, "versionPriority": 10}
        bundle = {"caBundle": base64.b64encode(beside.authority.encode()).decode()}
        body = {"metadata": {"name": f"v1.{GROUP}"}, "spec": {**about, "service": service, **bundle, **spec}}
        assert (await self("POST", SERVICES, body))[0] == 201

    async def expose(self) -> None:
        spec = {"type": "ExternalName", "externalName": "localhost"}
        path = "/api/v1/namespaces/default/services"
        assert (await self("POST", path, {"metadata": {"name": "api"}, "spec": spec}))[0] == 201


@pytest.fixture
async def api(given) -> AsyncIterator[Api]:
    store = MemoryStore()
    chance = random.Random(1)
    app = await assemble(store, clock=RealClock(), chance=chance, settings=Settings(), secrets=given[0])
    await app.start()
    yield Api(app)
    await app.close()
    await store.close()


@pytest.fixture
async def behind(api, beside) -> Beside:
    """The server, found and available."""
    await api.expose()
    await api.register(beside)
    await api.condition("Passed")
    await until_so(lambda: api.app.extensions.entries()[GROUP, "v1"].get("resources"), every=0.005)
    return beside


async def test_from_no_service_to_a_server_that_answers(api, beside):
    await api.register(beside)
    condition = await api.condition("ServiceNotFound")
    assert condition["message"] == 'service/api in "default" is not present'
    assert await api("GET", ANYTHING) == (503, "service unavailable\n")
    await api.expose()
    condition = await api.condition("Passed")
    assert (condition["status"], condition["message"]) == ("True", "all checks passed")
    checked = next(request for request in beside.seen if request.target == ROOT)
    assert checked.headers["x-remote-user"] == ["system:kube-aggregator"]
    assert checked.peer_certificate
    assert await api("GET", ROOT) == (200, LISTED)


async def test_what_is_wrong_with_the_server(api, beside):
    beside.refuses = 500
    await api.expose()
    await api.register(beside)
    url = f"https://localhost:{beside.port}{ROOT}"
    condition = await api.condition("FailedDiscoveryCheck")
    assert condition["message"] == f"failing or missing response from {url}: bad status from {url}: 500"


async def test_a_server_whose_certificate_nobody_knows(api, beside, given):
    await api.expose()
    await api.register(beside, caBundle=base64.b64encode(given[1].encode()).decode())
    condition = await api.condition("FailedDiscoveryCheck")
    assert condition["message"].endswith("x509: certificate signed by unknown authority")


async def test_requests_are_handed_on_with_the_name_of_who_sent_them(api, behind):
    headers = {"x-remote-user": "forged", "authorization": "Bearer secret", "audit-id": "7"}
    status, answer = await api("POST", f"{ANYTHING}?dryRun=All", {"a": 1}, **headers)
    assert (status, answer["who"]) == (200, ["admin"])
    (request,) = behind.asked()
    assert (request.method, request.target, request.body) == ("POST", f"{ANYTHING}?dryRun=All", b'{"a":1}')
    told = {name: request.headers.get(f"x-remote-{name}") for name in ("uid", "group", "extra-scopes")}
    assert told == {"uid": ["7"], "group": [MASTERS, "system:authenticated"], "extra-scopes": ["x"]}
    assert "authorization" not in request.headers
    assert (request.headers["x-forwarded-uri"], request.headers["audit-id"]) == ([ANYTHING], ["7"])


async def test_who_may_not_is_refused_here(api, behind):
    status, answer = await api("GET", f"{ANYTHING}/a", user=INES)
    why = 'User "ines" cannot get resource "flunders" in API group "wardle.example" in the namespace "default"'
    assert (status, answer["message"]) == (403, f'flunders.wardle.example "a" is forbidden: {why}')
    assert behind.asked() == []


async def test_a_redirect_is_not_passed_on(api, behind):
    status = await api.raw("GET", f"{ANYTHING}/moved")
    assert (status.status, status.body[:35]) == (502, b"the backend attempted to redirect t")


@pytest.fixture
async def client(api) -> AsyncIterator[HttpClient]:
    """One that is taken for the administrator."""

    async def handler(request: Any, exchange: Any) -> None:
        await api.app.serve_as(ADMIN, request_of(request), exchange)

    listener = await serve(handler, "127.0.0.1", 0)
    made = HttpClient(f"http://127.0.0.1:{listener.port}")
    yield made
    await made.close()
    await listener.close(0)


async def test_a_stream_comes_as_it_is_written(client, behind):
    async with await client.stream("GET", f"{ANYTHING}?watch=1") as answer:
        pieces = aiter(answer)
        assert await anext(pieces) == b"one\n"
        behind.go_on.set()
        assert await anext(pieces) == b"two\n"


async def test_an_upgraded_connection_is_passed_through(client, behind):
    status, _, wire = await client.upgrade("POST", f"{ANYTHING}/a/exec", {"Upgrade": "echo"})
    wire.write(b"hello")
    assert (status, await wire.read()) == (101, b"hello")
    assert behind.asked()[0].headers["x-remote-user"] == ["admin"]
    wire.close()


async def test_discovery_names_it_in_its_place(api, behind):
    _, groups = await api("GET", "/apis")
    assert [group["name"] for group in groups["groups"]][:3] == ["apiregistration.k8s.io", GROUP, "apps"]
    _, found = await api("GET", "/apis", accept=AGGREGATED)
    (entry,) = (item["versions"] for item in found["items"] if item["metadata"]["name"] == GROUP)
    assert (entry[0]["freshness"], entry[0]["resources"][0]["resource"]) == ("Current", "flunders")
    _, group = await api("GET", f"/apis/{GROUP}")
    assert group["preferredVersion"] == {"groupVersion": f"{GROUP}/v1", "version": "v1"}
    assert await api("GET", f"/apis/{GROUP}/v2") == (404, "404 page not found\n")


async def test_discovery_says_what_is_stale(api, beside):
    await api.register(beside)
    await api.condition("ServiceNotFound")
    _, found = await api("GET", "/apis", accept=AGGREGATED)
    (entry,) = (item["versions"] for item in found["items"] if item["metadata"]["name"] == GROUP)
    assert entry == [{"version": "v1", "freshness": "Stale"}]


async def test_its_openapi_is_part_of_ours(api, behind):
    listed = msgspec.json.decode((await api.raw("GET", "/openapi/v3")).body)
    assert listed["paths"][ROOT[1:]] == {"serverRelativeURL": OPENAPI_3}
    assert "apis/other" not in listed["paths"]
    assert await api("GET", OPENAPI_3) == (200, DOCUMENTS[f"/openapi/v3{ROOT}"])
    first = await api.raw("GET", "/openapi/v2")
    document = msgspec.json.decode(first.body)
    assert document["paths"][f"{ROOT}/flunders"] == PATH
    assert document["definitions"]["Flunder"] == {"type": "object"}
    assert "/api/v1/pods" in document["paths"]


async def test_what_is_not_available_is_counted(api, behind):
    """Alerts of the usual monitoring ask for these two."""
    local, remote = 'aggregator_unavailable_apiservice{name="v1.apps"} 0', f'{{name="v1.{GROUP}"}} '
    text = (await api.raw("GET", "/metrics")).body.decode()
    assert local in text
    assert f"aggregator_unavailable_apiservice{remote}0" in text
    await api("DELETE", "/api/v1/namespaces/default/services/api")
    await api.condition("ServiceNotFound")
    text = (await api.raw("GET", "/metrics")).body.decode()
    assert f"aggregator_unavailable_apiservice{remote}1" in text
    assert f'aggregator_unavailable_apiservice_total{{name="v1.{GROUP}",reason="ServiceNotFound"}} 1' in text


async def test_nothing_is_left_when_it_goes(api, behind):
    await api("DELETE", f"{SERVICES}/v1.{GROUP}")
    assert await api("GET", ANYTHING) == (404, "404 page not found\n")
    _, groups = await api("GET", "/apis")
    assert GROUP not in [group["name"] for group in groups["groups"]]
    assert ROOT.encode() not in (await api.raw("GET", "/openapi/v3")).body


async def test_an_api_service_without_a_service_is_local(api):
    about = {"group": GROUP, "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10}
    await api("POST", SERVICES, {"metadata": {"name": f"v1.{GROUP}"}, "spec": about})
    assert (await api.condition("Local"))["message"] == "Local APIServices are always available"


async def test_extension_servers_are_told_whom_to_believe(api, given):
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    _, found = await api("GET", path)
    assert found["data"]["requestheader-client-ca-file"] == given[1]
    assert found["data"]["requestheader-username-headers"] == '["X-Remote-User"]'
