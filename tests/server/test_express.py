"""The short way answers as the long one does, and only as long as that is so."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from umiak.kit import pki
from umiak.kit.http.connection import Connection
from umiak.kit.http.exchange import Exchange, HttpRequest
from umiak.kit.http.server import Limits, Server, plain_error
from umiak.server.access.settings import AccessSettings
from umiak.server.app import ApiServer
from umiak.server.assembly import Secrets, assemble
from umiak.server.audit.settings import AuditSettings, LogSettings
from umiak.server.contract import MASTERS, User
from umiak.server.flow.control import MOST_WAIT
from umiak.server.local import LocalTransport
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.clock import NOON, VirtualClock, settle
from umiak.testing.transport import KeptTransport

ADMIN = User("admin", groups=(MASTERS, "system:authenticated"))
TOKENS = 'root,root,1,"system:masters"\nines,ines,2\n'
MAPS = "/api/v1/namespaces/default/configmaps"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
ROLE = f"{RBAC}/namespaces/default/roles"
BINDING = f"{RBAC}/namespaces/default/rolebindings"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KITES = "/apis/toys.example/v1/kites"
KITE = {"apiVersion": "toys.example/v1", "kind": "Kite", "metadata": {"name": "k"}}
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
VERSION = {"name": "v1", "served": True, "storage": True, "schema": SCHEMA}
PROTOBUF = "application/vnd.kubernetes.protobuf"
NOT_YET = 0
"""The status of an answer that has not come."""


class Said(msgspec.Struct):
    """An answer. `short` tells that the handler was not asked for it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    short: bool

    def header(self, name: str) -> str:
        return dict(self.headers)[name]

    @property
    def object(self) -> Any:
        return msgspec.json.decode(self.body)


class Line:
    """A client's connection to the server, over HTTP but without a network."""

    def __init__(self, app: ApiServer, token: str, *lines: str) -> None:
        assert app.express is not None
        self._handled = 0
        self._lines = "".join(f"{line}\r\n" for line in (f"Authorization: Bearer {token}", *lines))

        def handler(request: HttpRequest, exchange: Exchange) -> Any:
            self._handled += 1
            return app.handler(request, exchange)

        server = Server(handler, Limits(), plain_error, app.clock, app.express.answer)
        self.connection, self.wire = Connection(server), KeptTransport()
        self.connection.connection_made(self.wire)  # type: ignore[arg-type]

    async def get(self, target: str) -> Said:
        return await self.send("GET", target)

    async def send(self, method: str, target: str, body: Any = None) -> Said:
        self.wire.sent, handled = b"", self._handled
        sent = msgspec.json.encode(body) if body is not None else b""
        lines = f"{self._lines}Content-Length: {len(sent)}\r\n" if sent else self._lines
        data = f"{method} {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode() + sent
        self.connection.get_buffer(-1)[: len(data)] = data
        self.connection.buffer_updated(len(data))
        if not self.wire.sent:
            await settle()
        head, _, body = self.wire.sent.partition(b"\r\n\r\n")
        first, *lines = (head or b"HTTP/1.1 0 ").decode().split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        return Said(int(first.split()[1]), headers, body, self._handled == handled)

    async def warm(self, target: str) -> Said:
        """Asks until nothing more is to be learnt."""
        for _ in range(3):
            said = await self.get(target)
        return said


class World:
    def __init__(self, app: ApiServer, clock: VirtualClock) -> None:
        self.app, self.clock = app, clock

    async def ask(self, method: str, target: str, body: Any = None, kind: str = "application/json") -> Any:
        sent = msgspec.json.encode(body) if body is not None else b""
        response = await LocalTransport(self.app, ADMIN).request(method, target, {"content-type": kind}, sent)
        assert response.status < 300, response.body
        return msgspec.json.decode(response.body)

    async def patch(self, target: str, body: Any) -> Any:
        return await self.ask("PATCH", target, body, "application/merge-patch+json")

    async def allow(self, **rule: Any) -> None:
        """Lets ines get configmaps."""
        rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], **rule}
        await self.ask("POST", ROLE, {"metadata": {"name": "r"}, "rules": [rule]})
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ines"}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
        await self.ask("POST", BINDING, {"metadata": {"name": "b"}, "roleRef": ref, "subjects": [subject]})

    async def define(self) -> None:
        """A custom kind."""
        names = {"plural": "kites", "kind": "Kite"}
        whole = {"group": "toys.example", "scope": "Cluster", "names": names, "versions": [VERSION]}
        await self.ask("POST", DEFINITIONS, {"metadata": {"name": "kites.toys.example"}, "spec": whole})
        await settle()

    async def token(self) -> str:
        account = "/api/v1/namespaces/default/serviceaccounts"
        await self.ask("POST", account, {"metadata": {"name": "sam"}})
        group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        binding = {"metadata": {"name": "sam"}, "roleRef": ref, "subjects": [group]}
        await self.ask("POST", f"{RBAC}/clusterrolebindings", binding)
        issued = await self.ask("POST", f"{account}/sam/token", {"spec": {"expirationSeconds": 3600}})
        return str(issued["status"]["token"])


@pytest.fixture
async def world(tmp_path):
    (tmp_path / "tokens").write_text(TOKENS)
    store, clock = MemoryStore(), VirtualClock()
    secrets = Secrets(service_account_key=pki.new_authority("keys", 1, NOON).key_pem)
    settings = Settings(token_file=tmp_path / "tokens", access=AccessSettings())
    app = await assemble(store, clock=clock, chance=random.Random(1), settings=settings, secrets=secrets)
    await app.start()
    made = World(app, clock)
    for name in ("a", "b"):
        await made.ask("POST", MAPS, {"metadata": {"name": name}, "data": {"say": name}})
    yield made
    await app.close()
    await store.close()


CHANGING = ("Audit-Id", "Date")


@pytest.mark.parametrize("accept", ["application/json", f"{PROTOBUF}, */*", "*/*"])
@pytest.mark.parametrize(
    "target",
    [
        f"{MAPS}/a",
        "/api/v1/namespaces/default/services/kubernetes",
        f"{RBAC}/clusterroles/cluster-admin",
        f"{FLOW}/flowschemas/catch-all",
        f"{DEFINITIONS}/kites.toys.example",
    ],
)
async def test_both_ways_answer_the_same(world, target, accept):
    await world.define()
    line = Line(world.app, "root", f"Accept: {accept}")
    long, short = await line.get(target), await line.warm(target)
    assert (long.short, short.short) == (False, True)
    assert (short.status, short.body) == (long.status, long.body)
    kept = [[(name, value) for name, value in said.headers if name not in CHANGING] for said in (long, short)]
    assert kept[0] == kept[1]
    assert [name for name, _ in short.headers] == [name for name, _ in long.headers]


async def test_custom_objects_too(world):
    await world.define()
    await world.ask("POST", KITES, KITE)
    line = Line(world.app, "root")
    long, short = await line.get(f"{KITES}/k"), await line.warm(f"{KITES}/k")
    assert short.short and short.body == long.body


async def test_each_answer_has_an_identity_of_its_own(world):
    line = Line(world.app, "root")
    found = [(await line.get(f"{MAPS}/{name}")).header("Audit-Id") for name in "abababab"]
    assert len(set(found)) == 8 and {len(identity) for identity in found} == {36}


async def test_other_names_go_the_same_way(world):
    line = Line(world.app, "root")
    await line.warm(f"{MAPS}/a")
    said = await line.get(f"{MAPS}/b")
    assert said.short and said.object["data"] == {"say": "b"}


@pytest.mark.parametrize(
    "target",
    [
        f"{MAPS}/a?pretty=true",
        f"{MAPS}/a?resourceVersion=0",
        f"{MAPS}/none",
        f"{MAPS}/%61",
        f"{MAPS}/",
        MAPS,
        f"{MAPS}/a/status",
        "/api/v1/namespaces/default",
        "/api/v1/namespaces/default/services/kubernetes/status",
        "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h",
        "/healthz",
        "/api",
    ],
)
async def test_everything_else_goes_the_long_way(world, target):
    line = Line(world.app, "root")
    await line.warm(f"{MAPS}/a")
    assert not (await line.warm(target)).short


@pytest.mark.parametrize(
    "line",
    [
        "Accept: application/yaml",
        "Accept: application/json;as=Table;v=v1;g=meta.k8s.io",
        "User-Agent: curl/8",
        "Impersonate-User: ines",
        "Audit-Id: mine",
    ],
)
async def test_requests_of_other_sorts_go_the_long_way(world, line):
    assert not (await Line(world.app, "root", line).warm(f"{MAPS}/a")).short


async def test_acting_as_somebody_else_is_asked_each_time(world):
    """Who sends a request is not who it is taken for."""
    await world.allow()
    line = Line(world.app, "root", "Impersonate-User: ines")
    assert [(await line.get(f"{MAPS}/a")).status for _ in range(4)] == [200] * 4
    await no_rule(world)
    assert (await line.get(f"{MAPS}/a")).status == 403


async def test_clients_that_say_they_stay_are_answered_shortly_too(world):
    assert (await Line(world.app, "root", "Connection: keep-alive").warm(f"{MAPS}/a")).short
    assert not (await Line(world.app, "root", "Connection: close").get(f"{MAPS}/a")).short


async def test_warned_of_what_is_deprecated(world):
    line = Line(world.app, "root")
    said = await line.warm("/api/v1/namespaces/default/endpoints/kubernetes")
    assert not said.short and "deprecated" in said.header("Warning")


async def test_leave_for_some_names_is_asked_each_time(world):
    await world.allow(resourceNames=["a", ""])
    line = Line(world.app, "ines")
    assert not (await line.warm(f"{MAPS}/a")).short
    assert (await line.get(f"{MAPS}/b")).status == 403


async def test_one_large_object_goes_the_long_way(world):
    await world.ask("POST", MAPS, {"metadata": {"name": "large"}, "data": {"k": "x" * 70_000}})
    line = Line(world.app, "root")
    await line.warm(f"{MAPS}/a")
    said = await line.get(f"{MAPS}/large")
    assert not said.short and len(said.object["data"]["k"]) == 70_000


async def no_binding(world: World) -> None:
    await world.ask("DELETE", f"{BINDING}/b")


async def no_role(world: World) -> None:
    await world.ask("DELETE", f"{ROLE}/r")


async def no_rule(world: World) -> None:
    await world.patch(f"{ROLE}/r", {"rules": []})


async def no_longer_ines(world: World) -> None:
    await world.patch(f"{BINDING}/b", {"subjects": []})


@pytest.mark.parametrize("change", [no_binding, no_role, no_rule, no_longer_ines])
async def test_leave_that_is_taken_is_gone_at_once(world, change: Callable[[World], Awaitable[None]]):
    await world.allow()
    line = Line(world.app, "ines")
    assert (await line.warm(f"{MAPS}/a")).short
    await change(world)
    assert (await line.get(f"{MAPS}/a")).status == 403


async def test_leave_that_is_given_again_counts_at_once(world):
    await world.allow()
    line = Line(world.app, "ines")
    await line.warm(f"{MAPS}/a")
    await no_rule(world)
    await line.get(f"{MAPS}/a")
    await world.patch(f"{ROLE}/r", {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]})
    assert (await line.get(f"{MAPS}/a")).status == 200


async def no_account(world: World) -> None:
    await world.ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/sam")


async def too_late(world: World) -> None:
    await world.clock.advance(3700)


@pytest.mark.parametrize("change", [no_account, too_late])
async def test_a_token_that_ends_is_refused_at_once(world, change: Callable[[World], Awaitable[None]]):
    line = Line(world.app, await world.token())
    assert (await line.warm(f"{MAPS}/a")).short
    await change(world)
    assert (await line.get(f"{MAPS}/a")).status == 401


@pytest.mark.parametrize("change", [no_account, too_late])
async def test_writes_are_refused_as_soon_too(world, change: Callable[[World], Awaitable[None]]):
    """Who sends them is remembered with the header lines, as for reads."""
    line = Line(world.app, await world.token())
    said = [await line.send("POST", MAPS, {"metadata": {"name": f"c{i}"}}) for i in range(3)]
    assert [answer.status for answer in said] == [201] * 3
    await change(world)
    assert (await line.send("POST", MAPS, {"metadata": {"name": "c3"}})).status == 401
    assert (await line.send("DELETE", f"{MAPS}/c2")).status == 401


async def test_leave_to_write_that_is_taken_is_gone_at_once(world):
    await world.allow(verbs=["create"])
    line = Line(world.app, "ines")
    said = [await line.send("POST", MAPS, {"metadata": {"name": f"c{i}"}}) for i in range(3)]
    assert [answer.status for answer in said] == [201] * 3
    await no_rule(world)
    assert (await line.send("POST", MAPS, {"metadata": {"name": "c3"}})).status == 403


async def test_an_account_that_is_only_changed_keeps_its_tokens(world):
    line = Line(world.app, await world.token())
    await line.warm(f"{MAPS}/a")
    await world.patch("/api/v1/namespaces/default/serviceaccounts/sam", {"metadata": {"labels": {"a": "b"}}})
    again, then = await line.get(f"{MAPS}/a"), await line.get(f"{MAPS}/a")
    assert (again.status, again.short, then.short) == (200, False, True)


async def test_objects_are_shown_as_they_are_now(world):
    line = Line(world.app, "root")
    await line.warm(f"{MAPS}/a")
    await world.patch(f"{MAPS}/a", {"data": {"say": "new"}})
    said = await line.get(f"{MAPS}/a")
    assert said.short and said.object["data"] == {"say": "new"}
    await world.ask("DELETE", f"{MAPS}/a")
    assert (await line.get(f"{MAPS}/a")).status == 404


async def test_a_kind_that_goes_is_gone_at_once(world):
    await world.define()
    await world.ask("POST", KITES, KITE)
    line = Line(world.app, "root")
    assert (await line.warm(f"{KITES}/k")).short
    await world.patch(f"{DEFINITIONS}/kites.toys.example", {"spec": {"versions": [{**VERSION, "served": False}]}})
    assert (await line.get(f"{KITES}/k")).status == 404


async def test_an_api_service_takes_over_at_once(world):
    """Somebody else serves the group from then on; here nobody answers for it."""
    await world.define()
    await world.ask("POST", KITES, KITE)
    line = Line(world.app, "root")
    await line.warm(f"{KITES}/k")
    spec = {"group": "toys.example", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
    service = {"service": {"name": "s", "namespace": "default"}, "insecureSkipTLSVerify": True}
    services = "/apis/apiregistration.k8s.io/v1/apiservices"
    await world.patch(f"{services}/v1.toys.example", {"spec": {**spec, **service}})
    said = await line.get(f"{KITES}/k")
    assert (said.short, said.status) == (False, 503)


async def test_a_flow_schema_counts_as_soon_as_it_is_in_force(world):
    line = Line(world.app, "ines")
    await world.allow()
    before = await line.warm(f"{MAPS}/a")
    rule = {
        "subjects": [{"kind": "User", "user": {"name": "ines"}}],
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}],
    }
    spec = {"matchingPrecedence": 3, "priorityLevelConfiguration": {"name": "exempt"}, "rules": [rule]}
    made = await world.ask("POST", f"{FLOW}/flowschemas", {"metadata": {"name": "first"}, "spec": spec})
    await settle()
    said = await line.get(f"{MAPS}/a")
    schema = "X-Kubernetes-Pf-Flowschema-Uid"
    assert before.header(schema) != said.header(schema) == made["metadata"]["uid"]


async def test_where_there_is_no_room_it_waits_its_turn(world):
    await world.allow()
    line = Line(world.app, "ines")
    assert (await line.warm(f"{MAPS}/a")).short
    queues = world.app.flow.levels.states["global-default"].queues
    queues.limit = 0
    assert (await line.get(f"{MAPS}/a")).status == NOT_YET
    await world.clock.advance(MOST_WAIT)
    assert line.wire.sent.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 429 "))  # the level may have borrowed seats


async def counted(world: World) -> dict[str, str]:
    """Series of the metrics that requests are counted in, apart from how long they took."""
    lines = world.app.metrics.text(world.app).splitlines()
    wanted = ("apiserver_request_total", "apiserver_request_duration", "apiserver_flowcontrol_")
    pairs = (line.rpartition(" ") for line in lines if line.startswith(wanted) and "_sum" not in line)
    return {name: value for name, _, value in pairs}


async def test_both_ways_are_counted_alike(world):
    await world.allow()
    line, other = Line(world.app, "ines"), Line(world.app, "ines", "User-Agent: curl")
    for one in (line, other):
        await one.warm(f"{MAPS}/a")
    before = await counted(world)
    for _ in range(5):
        assert not (await other.get(f"{MAPS}/a")).short
    between = await counted(world)
    for _ in range(5):
        assert (await line.get(f"{MAPS}/a")).short
    after = await counted(world)
    grown = [
        {name: float(new[name]) - float(old.get(name, 0)) for name in new if new[name] != old.get(name)}
        for old, new in ((before, between), (between, after))
    ]
    assert grown[0] == grown[1] != {}


async def test_counts_as_one_that_ran(world):
    line, running = Line(world.app, "root"), world.app.flow.running
    await line.warm(f"{MAPS}/a")
    assert (running.peak(False), running.peak(False)) == (1, 0)
    await line.get(f"{MAPS}/a")
    assert (running.peak(False), running.now) == (1, [0, 0])


async def test_never_past_an_audit_log(tmp_path):
    (tmp_path / "policy").write_text("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}")
    audit = AuditSettings(policy=tmp_path / "policy", log=LogSettings(path=str(tmp_path / "log")))
    secrets = Secrets(service_account_key=pki.new_authority("keys", 1, NOON).key_pem)
    clock, settings = VirtualClock(), Settings(audit=audit)
    app = await assemble(MemoryStore(), clock=clock, chance=random.Random(1), settings=settings, secrets=secrets)
    assert app.express is None
