"""A server that remembers what came of changes answers as one that works each of them out."""

import asyncio
import json
import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umiak.api import registry
from umiak.kit import pki
from umiak.kit.memo import Memo
from umiak.server.alike import own_of
from umiak.server.assembly import Secrets, assemble
from umiak.server.contract import MASTERS, User
from umiak.server.local import LocalTransport
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.clock import NOON, VirtualClock

from .around import policy

ADMIN = User("admin", groups=(MASTERS, "system:authenticated"))
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
APPLY, JSON_PATCH = "application/apply-patch+yaml", "application/json-patch+json"
ROOT = "/api/v1/namespaces/default/"
NAMES = ("a", "b", "c", "d", "e", "not.a-label", "Wrong")
VALUES = ("x", "y", "a", "b", "default", "not valid", "", "\0", 'q"\\', "é", "2026-01-01T00:00:00Z", None, 7)
MAPS = st.dictionaries(
    st.sampled_from(("k", "l", "name", "uid", "time", "$patch")), st.sampled_from(VALUES), max_size=3
)
FREE = st.dictionaries(st.sampled_from(("k", "l", "labels", "data")), st.sampled_from(VALUES), max_size=2)
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
ABOUT = st.fixed_dictionaries({}, optional={
    "labels": MAPS,
    "annotations": FREE,
    "finalizers": st.sampled_from([["x/y"], []]),
    "ownerReferences": st.sampled_from([[OWNER], None]),
    "name": st.sampled_from(["NAME", "a"]),
    "namespace": st.sampled_from(["default", "other"]),
    "uid": st.sampled_from(["UID", "u"]),
    "resourceVersion": st.just("1"),
})  # fmt: skip
CONTAINERS = [{"name": "c", "image": "x"}]
STATUS = st.sampled_from([
    {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
    {"phase": "Running", "conditions": [{"type": "Other", "status": "False", "$patch": "delete"}]},
    {"conditions": None},
    {"qosClass": "Guaranteed"},
])  # fmt: skip
POD = st.fixed_dictionaries({"metadata": ABOUT}, optional={
    "spec": st.sampled_from([
        {"activeDeadlineSeconds": 7}, {"containers": [{"name": "c", "image": "y"}]}, {"nodeName": "n"}, {"wrong": 1},
        {"tolerations": [{"key": "x", "operator": "Exists"}]},
    ]),
    "status": STATUS,
})  # fmt: skip
MAP = st.fixed_dictionaries({"metadata": ABOUT}, optional={
    "data": MAPS, "binaryData": st.sampled_from([{"b": "eA=="}, {"k": "eA=="}]), "immutable": st.booleans(),
    "wrong": st.just(1),
})  # fmt: skip


@st.composite
def changes(draw):
    """(plural, subresource, content type, query, body, manager); NAME and UID stand for those of an object."""
    plural = draw(st.sampled_from(("pods", "configmaps")))
    body = draw(POD if plural == "pods" else MAP)
    kind = draw(st.sampled_from((MERGE, STRATEGIC, APPLY, APPLY)))
    query = draw(st.sampled_from(("", "&force=true", "&fieldValidation=Strict", "&dryRun=All")))
    manager = draw(st.sampled_from(("m", "n", "kubectl")))
    if kind == APPLY:
        query = query or "&force=false"
        body = {"apiVersion": "v1", "kind": "Pod" if plural == "pods" else "ConfigMap", **body}
        body["metadata"] = {**body["metadata"], "name": "NAME"}
    elif query == "&force=true":
        query = ""
    part = "/status" if plural == "pods" and draw(st.booleans()) else ""
    return plural, part, kind, f"?fieldManager={manager}{query}", body


class Side:
    """One of two servers, with a clock of its own."""

    def __init__(self, app, clock):
        self.app, self.clock = app, clock


async def a_side(secrets):
    clock = VirtualClock()
    app = await assemble(MemoryStore(), clock=clock, chance=random.Random(1), settings=Settings(), secrets=secrets)
    await app.start()
    return Side(app, clock)


@pytest.fixture(scope="module")
def sides():
    """(a runner, a server, one that forgets at once)"""
    secrets = Secrets(service_account_key=pki.new_authority("keys", 1, NOON).key_pem)
    with asyncio.Runner() as runner:
        one, other = runner.run(a_side(secrets)), runner.run(a_side(secrets))
        other.app.alike = Memo(0)
        yield runner, one, other
        for side in (one, other):
            runner.run(side.app.close())
            runner.run(side.app.store.close())


async def answer(app, method, path, kind="application/json", body=None):
    text = (
        b"" if body is None else body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    )
    found = await LocalTransport(app, ADMIN).request(method, path, {"content-type": kind, "user-agent": "t"}, text)
    return found.status, sorted(found.headers.items()), found.body


async def changed(app, change, name):
    plural, part, kind, query, body = change
    path = f"{ROOT}{plural}/{name}"
    _, _, there = await answer(app, "GET", path)
    uid = (msgspec.json.decode(there).get("metadata") or {}).get("uid") or "none"
    text = json.dumps(body, separators=(",", ":")).replace("NAME", name).replace("UID", uid)
    return await answer(app, "PATCH", path + part + query, kind, text.encode())


async def made(app, name):
    """A pod and a config map, which may not be there yet."""
    await answer(app, "POST", f"{ROOT}pods", body={"metadata": {"name": name}, "spec": {"containers": CONTAINERS}})
    if name in NAMES[:2]:
        about = {"name": name, "labels": {"k": name, "l": "x"}}
        await answer(app, "POST", f"{ROOT}configmaps", body={"metadata": about, "data": {"k": name}})


async def unmade(app):
    for plural in ("pods", "configmaps"):
        for name in NAMES:
            path = f"{ROOT}{plural}/{name}"
            await answer(app, "PATCH", path, MERGE, {"metadata": {"finalizers": None}})
            await answer(app, "DELETE", path + "?gracePeriodSeconds=0")


async def tale(side, wanted, twice, seconds):
    """Answers to each change of each object, and to the last of them once more."""
    found = []
    for name in NAMES:
        await made(side.app, name)
    for change in wanted:
        await side.clock.advance(seconds)
        for name in NAMES:
            found.append(await changed(side.app, change, name))
        if twice:
            found.append(await changed(side.app, change, "a"))
    await unmade(side.app)
    return found


FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(wanted=st.lists(changes(), min_size=1, max_size=4), twice=st.booleans(), seconds=st.integers(0, 2))
def test_remembering_makes_no_difference(sides, wanted, twice, seconds):
    runner, one, other = sides
    assert runner.run(tale(one, wanted, twice, seconds)) == runner.run(tale(other, wanted, twice, seconds))


LABEL = ("pods", "", STRATEGIC, "?fieldManager=m", {"metadata": {"labels": {"k": "NAME"}}})
RUNS = ("pods", "/status", MERGE, "?fieldManager=m", {
    "metadata": {"uid": "UID"}, "status": {"phase": "Running", "podIP": "10.0.0.1"},
})  # fmt: skip
APPLIED = ("configmaps", "", APPLY, "?fieldManager=m&force=true", {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "NAME", "labels": {"k": "v"}}, "data": {"k": "NAME"},
})  # fmt: skip


class Watched(Memo):
    """Counts what was good enough to be used."""

    proven = 0

    def keep(self, key, value, size):
        self.proven += value.is_proven
        super().keep(key, value, size)


@pytest.mark.parametrize("change", [LABEL, RUNS, APPLIED], ids=["labels", "status", "apply"])
def test_alike_changes_are_worked_out_twice(sides, change):
    runner, one, other = sides
    one.app.alike = Watched(1 << 20)
    answers = runner.run(tale(one, [change], twice=False, seconds=1))
    assert answers == runner.run(tale(other, [change], twice=False, seconds=1))
    assert {status for status, *_ in answers[:5]} <= {200, 201}
    assert one.app.alike.proven


AROUND = {
    "warned": ("PATCH", "/api/v1/namespaces/default", {
        "metadata": {"labels": {"pod-security.kubernetes.io/warn": "restricted"}}
    }),
    "not warned": ("PATCH", "/api/v1/namespaces/default", {
        "metadata": {"labels": {"pod-security.kubernetes.io/warn": None}}
    }),
    **policy("*"),
}  # fmt: skip
IMAGE = ("pods", "", STRATEGIC, "?fieldManager=m", {"spec": {"containers": [{"name": "c", "image": "y"}]}})


async def turned(side, turns):
    """Answers to the same changes before and after what admission looks at was changed."""
    found = await tale(side, [IMAGE, LABEL], twice=False, seconds=1)
    for turn in turns:
        method, path, body = AROUND[turn]
        kind = MERGE if method == "PATCH" else "application/json"
        status, *_ = await answer(side.app, method, path, kind, body)
        assert status in (200, 201)
        found += await tale(side, [IMAGE, LABEL], twice=False, seconds=1)
    return found


@pytest.mark.parametrize("turns", [("warned", "not warned"), ("policy", "binding", "no binding", "no policy")])
def test_what_admission_looks_at_is_looked_at_anew(sides, turns):
    runner, one, other = sides
    assert runner.run(turned(one, turns)) == runner.run(turned(other, turns))


POD_KIND = registry.find("v1", "Pod")


@pytest.mark.parametrize(("one", "other"), [
    pytest.param({"name": "a", "uid": "1"}, {"name": "b", "uid": "2"}, id="name and uid"),
    pytest.param({"labels": {"k": "a"}}, {"labels": {"k": "b"}}, id="labels"),
    pytest.param({"resourceVersion": "7"}, {"resourceVersion": "77"}, id="revision"),
    pytest.param({}, {"creationTimestamp": "2027-01-01T00:00:00Z"}, id="time"),
])  # fmt: skip
def test_shape_is_without_what_is_own(one, other):
    assert own_of(POD_KIND, a_pod(**one)).shape == own_of(POD_KIND, a_pod(**other)).shape


@pytest.mark.parametrize(("one", "other"), [
    pytest.param({"labels": {"k": "a"}}, {"labels": {"l": "a"}}, id="another label"),
    pytest.param({"labels": {"k": "a"}}, {"labels": {"k": ""}}, id="an empty label"),
    pytest.param({"annotations": {"k": "a"}}, {"annotations": {"k": "b"}}, id="annotations"),
    pytest.param({"finalizers": ["x/y"]}, {}, id="finalizers"),
])  # fmt: skip
def test_shape_has_all_else(one, other):
    assert own_of(POD_KIND, a_pod(**one)).shape != own_of(POD_KIND, a_pod(**other)).shape


def a_pod(**about):
    """As it is stored."""
    usual = {"name": "a", "namespace": "d", "uid": "u", "resourceVersion": "1"}
    usual |= {"creationTimestamp": "2026-01-01T00:00:00Z", "labels": {}}
    return msgspec.json.encode({"kind": "Pod", "apiVersion": "v1", "metadata": {**usual, **about}, "spec": {}})
