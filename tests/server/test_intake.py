"""A server that remembers what it found out about pods answers as one that forgets at once."""

import asyncio
import json
import random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umiak.kit import pki
from umiak.kit.memo import Memo
from umiak.server.assembly import Secrets, assemble
from umiak.server.contract import MASTERS, User
from umiak.server.local import LocalTransport
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.clock import NOON, VirtualClock

from .precedents.telling import policy

ADMIN = User("admin", groups=(MASTERS, "system:authenticated"))
PODS = "/api/v1/namespaces/default/pods"
NAMES = ("a", "web", "b.c", "app", "note", "Bad_", "", None)
CONTAINERS = (
    {"name": "web", "image": "a/b:1"},
    {"name": "a", "image": "x", "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "0.5Gi"}}},
    {"name": "web", "image": "x", "ports": [{"containerPort": 80}, {"containerPort": 80}], "env": []},
    {"name": "", "image": " x"},
    {"name": "app", "image": "x", "unknown": 1},
    {"name": "web", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
    {"name": "web", "image": "x", "imagePullPolicy": "Never", "stdin": "yes"},
)
VOLUMES = (
    {"name": "v", "emptyDir": {}},
    {"name": "v", "hostPath": {"path": "/a/../b"}},
    {"name": "v", "gitRepo": {"repository": "r"}},
    {"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}},
)
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
ABOUT = (
    {},
    {"labels": {"app": "a", "name": "web"}},
    {"labels": {"app": "not valid"}, "finalizers": []},
    {"annotations": {"container.apparmor.security.beta.kubernetes.io/web": "unconfined"}},
    {"generateName": "web-"},
    {"ownerReferences": [OWNER]},
    {"ownerReferences": [OWNER, OWNER]},
    {"uid": "u", "creationTimestamp": None, "namespace": "default"},
    {"namespace": "other", "ownerReferences": [OWNER, OWNER]},
    {"managedFields": []},
    {"managedFields": [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}]},
)
SPECS = (
    {},
    {"nodeSelector": {"beta.kubernetes.io/os": "linux"}, "terminationGracePeriodSeconds": -1},
    {"schedulingGates": [{"name": "x/y"}]},
    {"hostNetwork": True, "tolerations": []},
    {"restartPolicy": "Maybe"},
    {"topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["app"],
         "labelSelector": {"matchLabels": {"a": "b"}}}
    ]},
)  # fmt: skip


@st.composite
def bodies(draw):
    """(content type, text of a pod in several spellings)."""
    about = {**draw(st.sampled_from(ABOUT)), "name": draw(st.sampled_from(NAMES))}
    containers = draw(st.lists(st.sampled_from(CONTAINERS), max_size=2))
    volumes = draw(st.lists(st.sampled_from(VOLUMES), max_size=1))
    pod = {"spec": {**draw(st.sampled_from(SPECS)), "containers": containers, "volumes": volumes}, "metadata": about}
    if draw(st.booleans()):
        pod = dict(reversed(pod.items()))
    text = json.dumps(pod, indent=draw(st.sampled_from((None, 1))))
    if draw(st.integers(0, 5)) == 0:
        text = text.replace('"metadata":', '"metadata": {"name": "twice"}, "metadata":')
    if draw(st.integers(0, 5)) == 0:
        text = text.replace('"name": "web"', '"name": "w\\u0065b"')
    return draw(st.sampled_from(("application/json", "application/json", "application/yaml"))), text


async def a_server(secrets):
    app = await assemble(
        MemoryStore(), clock=VirtualClock(), chance=random.Random(1), settings=Settings(), secrets=secrets
    )
    await app.start()
    return app


@pytest.fixture(scope="module")
def servers():
    secrets = Secrets(service_account_key=pki.new_authority("keys", 1, NOON).key_pem)
    with asyncio.Runner() as runner:
        one, other = runner.run(a_server(secrets)), runner.run(a_server(secrets))
        other.intakes, other.verdicts, other.sightings = Memo(0), Memo(0), Memo(0)
        yield runner, one, other
        for app in (one, other):
            runner.run(app.close())
            runner.run(app.store.close())


async def answers(app, sent, query):
    """Of creations one after the other; what was made is removed again."""
    transport, found = LocalTransport(app, ADMIN), []
    for content_type, text in sent:
        answer = await transport.request("POST", PODS + query, {"content-type": content_type}, text.encode())
        found.append((answer.status, answer.headers, answer.body))
        if answer.status == 201:
            name = msgspec.json.decode(answer.body)["metadata"]["name"]
            await transport.request("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")
    return found


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    sent=st.lists(bodies(), min_size=1, max_size=3),
    query=st.sampled_from(("", "?fieldValidation=Strict", "?fieldValidation=Ignore", "?fieldManager=me")),
)
def test_remembering_makes_no_difference(servers, sent, query):
    runner, one, other = servers
    twice = [*sent, *sent, *((kind, text.replace('"a"', '"c"')) for kind, text in sent)]
    assert runner.run(answers(one, twice, query)) == runner.run(answers(other, twice, query))


GOOD = (
    {"name": "a"},
    {"name": "b", "labels": {"x": "y"}},
    {"generateName": "a"},
    {"name": "a", "ownerReferences": [OWNER]},
)
AROUND = {
    "limits": ("POST", "/api/v1/namespaces/default/limitranges", {
        "metadata": {"name": "l"},
        "spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "1"}, "max": {"cpu": "2"}}]},
    }),
    "no limits": ("DELETE", "/api/v1/namespaces/default/limitranges/l", None),
    "restricted": ("PATCH", "/api/v1/namespaces/default", {
        "metadata": {"labels": {"pod-security.kubernetes.io/warn": "restricted"}}
    }),
    "unrestricted": ("PATCH", "/api/v1/namespaces/default", {
        "metadata": {"labels": {"pod-security.kubernetes.io/warn": None}}
    }),
    "urgent": ("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {
        "metadata": {"name": "u"}, "value": 7, "globalDefault": True
    }),
    "not urgent": ("DELETE", "/apis/scheduling.k8s.io/v1/priorityclasses/u", None),
    "no token": ("PATCH", "/api/v1/namespaces/default/serviceaccounts/default", {
        "automountServiceAccountToken": False
    }),
    "token": ("PATCH", "/api/v1/namespaces/default/serviceaccounts/default", {"automountServiceAccountToken": None}),
    "quota": ("POST", "/api/v1/namespaces/default/resourcequotas", {
        "metadata": {"name": "q"}, "spec": {"hard": {"pods": "3"}}
    }),
    "counted": ("PATCH", "/api/v1/namespaces/default/resourcequotas/q/status", {
        "status": {"hard": {"pods": "3"}, "used": {"pods": "2"}}
    }),
    "no quota": ("DELETE", "/api/v1/namespaces/default/resourcequotas/q", None),
    **policy("CREATE"),
}  # fmt: skip


async def turn(app, name):
    """Changes what admission looks at."""
    method, path, body = AROUND[name]
    headers = {"content-type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
    answer = await LocalTransport(app, ADMIN).request(method, path, headers, json.dumps(body).encode() if body else b"")
    return answer.status


async def tale(app, sent, turns):
    """Answers to creations, before and after each change."""
    found = await answers(app, sent, "")
    for name in turns:
        assert await turn(app, name) in (200, 201)
        found += await answers(app, sent, "")
    return found


TURNS = [
    ("limits", "no limits"),
    ("restricted", "unrestricted"),
    ("urgent", "not urgent"),
    ("no token", "token"),
    ("quota", "counted", "no quota"),
    ("policy", "binding", "no binding", "no policy"),
]


@pytest.mark.parametrize("turns", TURNS, ids=lambda turns: turns[0])
@pytest.mark.parametrize("about", GOOD, ids=json.dumps)
def test_what_changes_around_is_heeded(servers, about, turns):
    runner, one, other = servers
    pod = {"metadata": about, "spec": {"containers": [{"name": "web", "image": "a/b:1"}]}}
    alike = [("application/json", json.dumps(pod))] * 3
    remembered = runner.run(tale(one, alike, turns))
    assert len(one.precedents)
    assert remembered == runner.run(tale(other, alike, turns))


def test_it_is_remembered(servers):
    runner, one, _ = servers
    one.intakes, one.verdicts, one.precedents = Memo(1 << 20), Memo(1 << 20), Memo(1 << 20)
    pod = '{"spec":{"containers":[{"name":"n1","image":"x"}]},"metadata":{"name":"%s"}}'
    sent = [("application/json", pod % name) for name in ("n1", "n2", "n3")]
    assert [status for status, _, _ in runner.run(answers(one, sent, ""))] == [201, 201, 201]
    assert len(one.intakes) == 2  # the first has its name in another place, before
    assert len(one.verdicts) == 1
    assert len(one.precedents) == 1


def test_memo_forgets_what_was_not_asked_for():
    memo = Memo(10)
    for key in ("a", "b", "c"):
        memo.keep((key,), key.upper(), 4)
        assert memo.get(("b",)) in (None, "B")
    assert [memo.get((key,)) for key in "abc"] == [None, "B", "C"]
    memo.keep(("d",), "D", 11)
    assert [memo.get((key,)) for key in "abcd"] == [None, None, None, None]


def test_names_that_make_no_host_name_are_warned_of_however_many_came_before(servers):
    runner, one, _ = servers
    pod = '{"metadata":{"name":"%s"},"spec":{"containers":[{"name":"c","image":"x"}]}}'
    sent = [("application/json", pod % name) for name in ("w1", "w2", "w3", "w4", "w.5", "w6")]
    found = runner.run(answers(one, sent, ""))
    assert ["warning" in headers for _, headers, _ in found] == [False, False, False, False, True, False]
