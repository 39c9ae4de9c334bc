"""Events on their way: stages, modes, batches, files, webhooks. What they say is in tests/swap/test_audit.py."""

import asyncio
import gzip
import random
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from umiak.api.configuration import Unacceptable
from umiak.kit.http.server import serve
from umiak.server.answer import plain
from umiak.server.app import ApiServer
from umiak.server.audit.batch import Buffer, fitting
from umiak.server.audit.log import LogFile
from umiak.server.audit.record import Event, UserInfo, legacy
from umiak.server.audit.settings import AuditSettings, Batching, LogSettings, Truncating, WebhookSettings
from umiak.server.audit.setup import auditing
from umiak.server.contract import Decision, User
from umiak.server.local import LocalTransport
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock, settle

EVERYTHING = "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: RequestResponse}]}"
ANN = User("ann", groups=("system:authenticated",))
MAPS = "/api/v1/namespaces/default/configmaps"


def an_event(size=0, **changed):
    said = {
        "level": "Request",
        "auditID": "i",
        "stage": "ResponseComplete",
        "requestURI": "/x",
        "verb": "get",
        "user": UserInfo("ann"),
        "requestReceivedTimestamp": "2026-03-01T12:00:00.000000Z",
        "stageTimestamp": "2026-03-01T12:00:00.000000Z",
        "requestObject": msgspec.Raw(msgspec.json.encode("x" * size)) if size else None,
    }
    return Event(**(said | changed))


class Anybody:
    async def authorize(self, attributes):
        return Decision(True, "because")


class Audited:
    """A server that writes everything down."""

    def __init__(self, folder: Path, **settings):
        policy = folder / "policy.yaml"
        policy.write_text(EVERYTHING)
        self.clock, self.store = VirtualClock(), MemoryStore()
        self.app = ApiServer(
            self.store, clock=self.clock, random=random.Random(1), authenticators=(), authorizer=Anybody()
        )
        chosen = AuditSettings(policy=policy, **settings)
        self.app.auditing = auditing(chosen, self.clock, random.Random(1), self.app.identity)
        self.app.on_close.append(self.app.auditing.close)
        self.ask = LocalTransport(self.app, ANN).request

    async def close(self):
        await self.app.close()
        await self.store.close()


@pytest.fixture
async def audited(tmp_path):
    servers = []

    def make(**settings):
        servers.append(Audited(tmp_path, **settings))
        return servers[-1]

    yield make
    for server in servers:
        await server.close()


def lines(path):
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


async def test_a_request_leaves_two_events(audited, tmp_path):
    server = audited(log=LogSettings(path=str(tmp_path / "log")))
    body = msgspec.json.encode({"metadata": {"name": "m"}})
    answer = await server.ask("POST", MAPS, {"content-type": "application/json"}, body)
    first, last = lines(tmp_path / "log")
    assert (first["stage"], last["stage"]) == ("RequestReceived", "ResponseComplete")
    assert first["auditID"] == last["auditID"] == answer.headers["audit-id"]
    assert list(last)[:4] == ["kind", "apiVersion", "level", "auditID"]
    assert last["annotations"] == {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "because"}
    assert last["objectRef"]["name"] == "m"
    assert last["responseStatus"] == {"metadata": {}, "code": 201}
    assert last["responseObject"]["metadata"]["uid"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


async def test_a_watch_tells_when_it_begins_and_ends(audited, tmp_path):
    server = audited(log=LogSettings(path=str(tmp_path / "log")))
    watching = asyncio.create_task(server.ask("GET", f"{MAPS}?watch=1"))
    await settle()
    assert [e["stage"] for e in lines(tmp_path / "log")] == ["RequestReceived", "ResponseStarted"]
    await server.app.close()
    await watching
    assert lines(tmp_path / "log")[-1]["stage"] == "ResponseComplete"


async def test_our_own_mistakes_are_told_as_such(audited, tmp_path):
    server = audited(log=LogSettings(path=str(tmp_path / "log")))

    async def broken(app, request):
        raise RuntimeError("oh")

    server.app.paths.add("/broken", broken)
    assert (await server.ask("GET", "/broken")).status == 500
    assert lines(tmp_path / "log")[-1]["stage"] == "Panic"


@pytest.mark.parametrize(("mode", "status"), [("blocking", 200), ("blocking-strict", 500)])
async def test_only_the_strict_mode_fails_requests(audited, tmp_path, mode, status):
    server = audited(log=LogSettings(path=str(tmp_path / "log"), megabytes=1, mode=mode))
    server.app.paths.add("/x", plain_ok)
    agent = "x" * 2_000_000
    answer = await server.ask("GET", f"/x?{agent}")
    assert answer.status == status
    if status == 500:
        assert b"failed to store audit event" in answer.body


async def plain_ok(app, request):
    return plain("ok")


def test_files_are_put_aside_when_they_are_full(tmp_path):
    clock = VirtualClock()
    file = LogFile(LogSettings(path=str(tmp_path / "a.log"), megabytes=1, backups=2, days=1, compress=True), clock.now)
    for _ in range(5):
        clock._elapsed += 1
        assert file.put([an_event(700_000)])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a-2026-03-01T12-00-04.000.log.gz", "a-2026-03-01T12-00-05.000.log.gz", "a.log"]
    assert gzip.decompress((tmp_path / names[0]).read_bytes()).startswith(b'{"kind":"Event"')
    clock._elapsed += timedelta(days=2).total_seconds()
    file.put([an_event(700_000)])
    assert len(list(tmp_path.iterdir())) == 2
    assert not file.put([an_event(2_000_000)])


def test_several_processes_write_to_one_file_and_lose_nothing(tmp_path):
    """A server's processes have a handle each; whoever finds the file full puts it aside, the others follow."""
    clock = VirtualClock()
    settings = LogSettings(path=str(tmp_path / "a.log"), megabytes=1, compress=True)
    files = [LogFile(settings, clock.now) for _ in range(3)]
    for number in range(30):
        clock._elapsed += 1
        assert files[number % 3].put([an_event(100_000 + number)])
    aside = [gzip.decompress(path.read_bytes()) for path in tmp_path.glob("*.gz")]
    parts = [*aside, (tmp_path / "a.log").read_bytes()]
    assert len(aside) == 2 and all(len(part) <= 1024 * 1024 for part in parts)
    assert sum(part.count(b"\n") for part in parts) == 30


def test_the_legacy_format():
    """apiserver's `pkg/audit/format.go`."""
    text = 'AUDIT: id="i" stage="ResponseComplete" ip="<unknown>" method="get" user="ann" groups="<none>" as="<self>" '
    rest = 'asgroups="<lookup>" user-agent="" namespace="<none>" uri="/x" response="<deferred>"\n'
    assert legacy(an_event()) == f"2026-03-01T12:00:00.000000Z {text}{rest}"


def test_large_events_lose_their_objects():
    limits = Truncating(enabled=True, event=1000, batch=1500)
    small, large = an_event(), an_event(2000)
    (batch,) = fitting([large], limits)
    assert batch[0].requestObject is None
    assert batch[0].annotations == {"audit.k8s.io/truncated": "true"}
    assert [len(b) for b in fitting([small] * 6, limits)] == [5, 1]
    assert fitting([an_event(2000, level="Metadata")], limits) == []
    assert fitting([large], Truncating()) == [[large]]


class TestBuffer:
    def make(self, **settings):
        self.sent: list[int] = []
        self.clock = VirtualClock()

        async def send(events):
            self.sent.append(len(events))
            return True

        return Buffer(send, Batching(**settings), self.clock)

    async def test_sends_full_batches_at_once_and_others_in_time(self):
        buffer = self.make(most=3, wait=30)
        buffer.put([an_event()] * 4)
        await settle()
        assert self.sent == [3]
        await self.clock.advance(31)
        assert self.sent == [3, 1]
        await buffer.close(1)

    async def test_never_keeps_more_than_it_may(self):
        buffer = self.make(buffer=5, most=10, wait=30)
        assert buffer.put([an_event()] * 8)
        assert buffer.lost == 3
        await buffer.close(1)
        assert self.sent == [5]

    async def test_keeps_to_its_rate(self):
        buffer = self.make(most=2, wait=30, per_second=1, burst=2)
        buffer.put([an_event()] * 8)
        await settle()
        assert self.sent == [2, 2]
        await self.clock.advance(1.01)
        assert self.sent == [2, 2, 2]
        await self.clock.advance(1.01)
        assert self.sent == [2, 2, 2, 2]
        await buffer.close(1)

    async def test_one_by_one_without_delay(self):
        buffer = self.make(most=1)
        buffer.put([an_event()] * 3)
        await settle()
        assert self.sent == [1, 1, 1]
        await buffer.close(1)


class Receiver:
    """A server that events are posted to."""

    def __init__(self):
        self.lists = []
        self.status = 200

    async def answer(self, request, exchange):
        self.lists.append(msgspec.json.decode(request.body))
        exchange.reply(self.status, [("Content-Type", "application/json")], b"{}")


@pytest.fixture
async def receiver(tmp_path):
    made = Receiver()
    server = await serve(made.answer, "127.0.0.1", 0)
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.port}/audit"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {}}]
    config = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "x"}
    (tmp_path / "hook").write_bytes(msgspec.json.encode({"apiVersion": "v1", "kind": "Config", **config}))
    yield made
    await server.close(0)


async def test_a_blocking_webhook_has_the_events_before_the_answer(audited, receiver, tmp_path):
    server = audited(webhook=WebhookSettings(config=str(tmp_path / "hook"), mode="blocking"))
    await server.ask("GET", "/version")
    assert [item["stage"] for one in receiver.lists for item in one["items"]] == ["RequestReceived", "ResponseComplete"]
    assert receiver.lists[0]["kind"] == "EventList"
    assert "kind" not in receiver.lists[0]["items"][0]


async def test_a_batching_webhook_gets_them_together(audited, receiver, tmp_path):
    server = audited(webhook=WebhookSettings(config=str(tmp_path / "hook")))
    for _ in range(3):
        await server.ask("GET", "/version")
    assert receiver.lists == []
    await server.app.close()
    assert [len(one["items"]) for one in receiver.lists] == [6]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"policy": Path("/nowhere")}, 'loading audit policy file: failed to read file path "/nowhere": open /nowhere'),
        ({"log": LogSettings(path="/proc/nowhere/x")}, "ensureLogFile: "),
        ({"webhook": WebhookSettings(config="/nowhere")}, "initializing audit webhook: "),
    ],
)
async def test_files_that_can_not_be_used(tmp_path, settings, fault):
    (tmp_path / "p").write_text(EVERYTHING)
    with pytest.raises(Unacceptable) as caught:
        auditing(AuditSettings(**({"policy": tmp_path / "p"} | settings)), VirtualClock(), random.Random(1), str)
    assert fault in str(caught.value)
