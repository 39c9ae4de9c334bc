"""Patches and applies: a server that follows precedents answers, and stores, the same as one that works out each."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .telling import APPLY, MERGE, STRATEGIC, answer, counting, policy

ROOT = "/api/v1/namespaces/default/"
NAMES = ("a", "web-1", "c", "10.0.0.7", "web-10", "not.a-label", "Wrong")
VALUES = (
    "x", "y", "a", "b", "default", "not valid", "", "\0", 'q"\\', "é", "2026-01-01T00:00:00Z", "web-1", "10.0.0.1",
    "NAME", "two\nlines", None, 7,
)  # fmt: skip
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


def compact(body):
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


SPELLINGS = {
    "compact": compact,
    "spaced": json.dumps,
    "indented": lambda body: json.dumps(body, indent=1),
    "escaped": lambda body: compact(body).replace('"x"', '"\\u0078"'),
    "doubled": lambda body: compact(body).replace('"labels":', '"labels":{"k":"twice"},"labels":'),
}


@st.composite
def changes(draw):
    """(plural, subresource, content type, query, body, spelling); NAME and UID stand for those of an object."""
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
    return plural, part, kind, f"?fieldManager={manager}{query}", body, draw(st.sampled_from(tuple(SPELLINGS)))


async def changed(app, change, name):
    plural, part, kind, query, body, spelling = change
    path = f"{ROOT}{plural}/{name}"
    _, _, there = await answer(app, "GET", path)
    uid = (msgspec.json.decode(there).get("metadata") or {}).get("uid") or "none"
    text = SPELLINGS[spelling](body).replace("NAME", name).replace("UID", uid)
    return await answer(app, "PATCH", path + part + query, kind, text.encode())


async def made(app, name):
    """A pod and a config map, which may not be there yet."""
    await answer(app, "POST", f"{ROOT}pods", body={"metadata": {"name": name}, "spec": {"containers": CONTAINERS}})
    if name in NAMES[:2]:
        about = {"name": name, "labels": {"k": name, "l": "x"}}
        await answer(app, "POST", f"{ROOT}configmaps", body={"metadata": about, "data": {"k": name}})


async def unmade(app, names):
    for plural in ("pods", "configmaps"):
        for name in names:
            path = f"{ROOT}{plural}/{name}"
            await answer(app, "PATCH", path, MERGE, {"metadata": {"finalizers": None}})
            await answer(app, "DELETE", path + "?gracePeriodSeconds=0")


async def tale(app, wanted, twice, seconds, names=NAMES):
    """Answers to each change of each object, and to the last of them once more."""
    found = []
    for name in names:
        await made(app, name)
    for change in wanted:
        await app.clock.advance(seconds)
        for name in names:
            found.append(await changed(app, change, name))
        if twice:
            found.append(await changed(app, change, names[0]))
    await unmade(app, names)
    return found


FEW = settings(max_examples=settings().max_examples // 6, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(wanted=st.lists(changes(), min_size=1, max_size=4), twice=st.booleans(), seconds=st.integers(0, 2))
def test_remembering_makes_no_difference(servers, wanted, twice, seconds):
    runner, one, other = servers
    assert runner.run(tale(one, wanted, twice, seconds)) == runner.run(tale(other, wanted, twice, seconds))


LABEL = ("pods", "", STRATEGIC, "?fieldManager=m", {"metadata": {"labels": {"k": "NAME"}}}, "compact")
RUNS = ("pods", "/status", MERGE, "?fieldManager=m", {
    "metadata": {"uid": "UID"}, "status": {"phase": "Running", "podIP": "10.0.0.1"},
}, "compact")  # fmt: skip
APPLIED = ("configmaps", "", APPLY, "?fieldManager=m&force=true", {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "NAME", "labels": {"k": "v"}}, "data": {"k": "NAME"},
}, "compact")  # fmt: skip


@pytest.mark.parametrize("change", [LABEL, RUNS, APPLIED], ids=["labels", "status", "apply"])
def test_changes_that_are_alike_are_worked_out_a_few_times(servers, change, monkeypatch):
    runner, one, other = servers
    followed = counting(monkeypatch)
    names = [f"web-{number}" for number in range(9)]
    answers = runner.run(tale(one, [change], False, 1, names))
    assert answers == runner.run(tale(other, [change], False, 1, names))
    assert {status for status, *_ in answers[:5]} <= {200, 201}
    assert len(followed) >= 4


AROUND = {
    "warned": ("PATCH", "/api/v1/namespaces/default", {
        "metadata": {"labels": {"pod-security.kubernetes.io/warn": "restricted"}}
    }),
    "not warned": ("PATCH", "/api/v1/namespaces/default", {
        "metadata": {"labels": {"pod-security.kubernetes.io/warn": None}}
    }),
    **policy("*"),
}  # fmt: skip
IMAGE = ("pods", "", STRATEGIC, "?fieldManager=m", {"spec": {"containers": [{"name": "c", "image": "y"}]}}, "compact")


async def turned(app, turns):
    """Answers to the same changes before and after what admission looks at was changed."""
    found = await tale(app, [IMAGE, LABEL], twice=False, seconds=1)
    for turn in turns:
        method, path, body = AROUND[turn]
        kind = MERGE if method == "PATCH" else "application/json"
        status, *_ = await answer(app, method, path, kind, body)
        assert status in (200, 201)
        found += await tale(app, [IMAGE, LABEL], twice=False, seconds=1)
    return found


@pytest.mark.parametrize("turns", [("warned", "not warned"), ("policy", "binding", "no binding", "no policy")])
def test_what_admission_looks_at_is_looked_at_anew(servers, turns):
    runner, one, other = servers
    assert runner.run(turned(one, turns)) == runner.run(turned(other, turns))
