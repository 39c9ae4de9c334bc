"""The client against a scripted server: what it asks, and what it makes of the answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

import pytest

from umiak.api.kind import Kind
from umiak.client.client import ApiClient, lines
from umiak.client.contract import Client, Preconditions, RawEvent, RawList, Response, WatchEvent
from umiak.client.discovery import all_versions, discover, open_schema
from umiak.objects.errors import StatusError

PODS = Kind(
    group="",
    version="v1",
    kind="Pod",
    plural="pods",
    singular="pod",
    namespaced=True,
    verbs=(),
    load_schema=open_schema,
)
ROLES = Kind(
    group="rbac.authorization.k8s.io",
    version="v1",
    kind="ClusterRole",
    plural="clusterroles",
    singular="clusterrole",
    namespaced=False,
    verbs=(),
    load_schema=open_schema,
)


class Script:
    """A transport that gives prepared answers and notes what was asked."""

    def __init__(self, *answers: object, status: int = 200, pieces: tuple[bytes, ...] = ()) -> None:
        self.answers = list(answers)
        self.status = status
        self.pieces = pieces
        self.asked: list[tuple[str, str, dict[str, str], object]] = []
        self.ended = False

    async def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", timeout: float = 60
    ) -> Response:
        self.asked.append((method, target, dict(headers or {}), json.loads(body) if body else None))
        answer = self.answers.pop(0) if self.answers else {}
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Response(self.status, {}, data)

    async def stream(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[bytes]:
        self.asked.append((method, target, dict(headers or {}), None))
        try:
            for piece in self.pieces:
                yield piece
        finally:
            self.ended = True

    async def close(self) -> None: ...


POD = {"metadata": {"name": "a", "namespace": "ns"}}
NS = "/api/v1/namespaces/ns/pods"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles"


@pytest.mark.parametrize(
    ("call", "method", "target", "body"),
    [
        (lambda c: c.get(PODS, "a", "ns"), "GET", f"{NS}/a", None),
        (lambda c: c.get(ROLES, "a"), "GET", f"{ROLE}/a", None),
        (lambda c: c.list(PODS), "GET", "/api/v1/pods", None),
        (
            lambda c: c.list(
                PODS, "ns", labels="a=b,c", fields="x=y", limit=5, continue_token="t", resource_version="0"
            ),
            "GET",
            f"{NS}?labelSelector=a%3Db%2Cc&fieldSelector=x%3Dy&limit=5&resourceVersion=0&continue=t",
            None,
        ),
        (lambda c: c.create(PODS, POD), "POST", NS, POD),
        (lambda c: c.create(PODS, {}, namespace="o"), "POST", "/api/v1/namespaces/o/pods", {}),
        (lambda c: c.create(PODS, {}, namespace="ns", name="a", subresource="binding"), "POST", f"{NS}/a/binding", {}),
        (lambda c: c.update(PODS, POD, subresource="status"), "PUT", f"{NS}/a/status", POD),
        (lambda c: c.delete(PODS, "a", "ns"), "DELETE", f"{NS}/a", None),
        (
            lambda c: c.delete(PODS, "a", "ns", only=Preconditions("u", "7"), grace_seconds=0, propagation="Orphan"),
            "DELETE",
            f"{NS}/a",
            {
                "kind": "DeleteOptions",
                "apiVersion": "v1",
                "gracePeriodSeconds": 0,
                "preconditions": {"uid": "u", "resourceVersion": "7"},
                "propagationPolicy": "Orphan",
            },
        ),
        (lambda c: c.delete_collection(PODS, "ns", labels="a"), "DELETE", f"{NS}?labelSelector=a", None),
    ],
)
async def test_requests(call, method, target, body) -> None:  # type: ignore[no-untyped-def]
    script = Script()
    await call(ApiClient(script))
    asked = script.asked[0]
    assert (asked[0], asked[1], asked[3]) == (method, target, body)
    assert asked[2].get("Content-Type") == (None if body is None else "application/json")


@pytest.mark.parametrize(
    ("type", "content"),
    [
        ("merge", "application/merge-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
        ("json", "application/json-patch+json"),
        ("apply", "application/apply-patch+yaml"),
    ],
)
async def test_patch(type: str, content: str) -> None:
    script = Script()
    await ApiClient(script).patch(PODS, "a", "ns", {"x": 1}, type=type, field_manager="me", force=True)
    assert script.asked == [("PATCH", f"{NS}/a?fieldManager=me&force=true", {"Content-Type": content}, {"x": 1})]


async def test_list_items_get_their_kind() -> None:
    """kube-apiserver leaves apiVersion and kind out of list items."""
    answer = {"kind": "PodList", "metadata": {"resourceVersion": "9", "continue": "c"}, "items": [POD]}
    found = await ApiClient(Script(answer)).list(PODS)
    assert found.items == [{"apiVersion": "v1", "kind": "Pod", **POD}]
    assert (found.resource_version, found.continue_token) == ("9", "c")
    assert (await ApiClient(Script({"metadata": {}, "items": None})).list(PODS)).items == []


async def test_raw_list_keeps_bytes() -> None:
    script = Script(b'{"metadata":{"resourceVersion":"9"},"items":[{"a": 1},{"b":[ ]}],"kind":"PodList"}')
    assert await ApiClient(script).raw_list(PODS, metadata_only=True) == RawList([b'{"a": 1}', b'{"b":[ ]}'], "9")
    assert "as=PartialObjectMetadataList" in script.asked[0][2]["Accept"]


@pytest.mark.parametrize(
    ("status", "body", "want"),
    [
        (
            404,
            {
                "kind": "Status",
                "message": 'pods "a" not found',
                "reason": "NotFound",
                "code": 404,
                "details": {"name": "a"},
            },
            (404, "NotFound", 'pods "a" not found'),
        ),
        (404, b"404 page not found", (404, "NotFound", "the server could not find the requested resource")),
        (403, b"no", (403, "Forbidden", "no")),
        (409, b"", (409, "Conflict", "the server reported a conflict")),
        (
            502,
            b"proxy",
            (502, "InternalError", 'an error on the server ("proxy") has prevented the request from succeeding'),
        ),
        (418, b"", (418, "", "the server responded with the status code 418 but did not return more information")),
    ],
)
async def test_errors(status: int, body: object, want: tuple[int, str, str]) -> None:
    with pytest.raises(StatusError) as caught:
        await ApiClient(Script(body, status=status)).get(PODS, "a", "ns")
    code, reason, message = want
    asked = "" if isinstance(body, dict) else " (get pods a)"  # client-go says so where the server said nothing
    assert (caught.value.code, caught.value.reason, caught.value.message) == (code, reason, message + asked)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/apis/metrics.k8s.io/v1beta1/namespaces/ns/pods?labelSelector=a", " (get pods.metrics.k8s.io)"),
        ("/api/v1/namespaces/ns", " (get namespaces ns)"),
        ("/apis/apps/v1/namespaces/ns/deployments/web/scale", " (get deployments.apps web)"),
        ("/readyz", ""),
    ],
)
async def test_what_was_asked_for_is_said(path: str, asked: str) -> None:
    """apimachinery's NewGenericServerResponse."""
    with pytest.raises(StatusError) as caught:
        await ApiClient(Script(b"404 page not found", status=404)).raw("GET", path)
    assert caught.value.message == f"the server could not find the requested resource{asked}"


EVENTS = b'{"type":"ADDED","object":{"n": 1}}\n{"type":"BOOKMARK","object":{"n":2}}\n'


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
async def test_watch_however_it_is_cut(size: int) -> None:
    script = Script(pieces=tuple(EVENTS[i : i + size] for i in range(0, len(EVENTS), size)))
    client: Client = ApiClient(script)
    found = [event async for event in client.watch(PODS, "ns", resource_version="5", timeout=9, labels="a")]
    assert found == [WatchEvent("ADDED", {"n": 1}), WatchEvent("BOOKMARK", {"n": 2})]
    query = "watch=true&allowWatchBookmarks=true&labelSelector=a&resourceVersion=5&timeoutSeconds=9"
    assert script.asked[0][1] == f"{NS}?{query}"


async def test_raw_watch_keeps_bytes() -> None:
    found = [event async for event in ApiClient(Script(pieces=(EVENTS,))).raw_watch(PODS)]
    assert found[0] == RawEvent("ADDED", b'{"n": 1}')


async def test_watch_error_is_raised() -> None:
    line = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
    with pytest.raises(StatusError, match="too old") as caught:
        async for _ in ApiClient(Script(pieces=(EVENTS, line))).watch(PODS):
            pass
    assert caught.value.code == 410


async def test_leaving_a_watch_closes_its_stream() -> None:
    script = Script(pieces=(EVENTS, EVENTS))
    async with aclosing(ApiClient(script).watch(PODS)) as events:  # type: ignore[type-var]
        async for _ in events:
            break
    assert script.ended


async def test_lines_drop_an_unfinished_end() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b\n\nc", b"\nd"):
            await asyncio.sleep(0)
            yield piece

    assert [line async for line in lines(pieces())] == [b"ab", b"c"]


def resource(plural: str, kind: str, *subresources: str) -> dict[str, object]:
    return {
        "resource": plural,
        "responseKind": {"group": "", "version": "v1", "kind": kind},
        "scope": "Namespaced",
        "singularResource": kind.lower(),
        "verbs": ["get", "list"],
        "subresources": [{"subresource": s, "responseKind": {"kind": kind}, "verbs": ["get"]} for s in subresources],
    }


async def test_discovery_aggregated() -> None:
    core = {
        "kind": "APIGroupDiscoveryList",
        "items": [{"metadata": {}, "versions": [{"version": "v1", "resources": [resource("pods", "Pod", "status")]}]}],
    }
    v2 = {"version": "v2", "resources": [resource("as", "A")]}
    v1 = {"version": "v1", "resources": [resource("as", "A"), resource("bs", "B")]}
    stale = {"version": "v3", "freshness": "Stale", "resources": [resource("cs", "C")]}
    groups = {
        "kind": "APIGroupDiscoveryList",
        "items": [{"metadata": {"name": "g"}, "versions": [v2, v1]}, {"metadata": {"name": "h"}, "versions": [stale]}],
    }
    kinds = await discover(ApiClient(Script(core, groups)))
    assert [repr(k) for k in kinds] == ["<Kind v1 Pod>", "<Kind g/v2 A>", "<Kind g/v1 B>"]
    assert (kinds[0].has_status, kinds[0].namespaced, kinds[0].verbs) == (True, True, ("get", "list"))
    assert len(await all_versions(ApiClient(Script(core, groups)))) == 4


async def test_discovery_one_by_one() -> None:
    pods = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get"]}
    status = {"name": "pods/status", "namespaced": True, "kind": "Pod", "verbs": ["get"]}
    group = {"name": "g", "versions": [{"version": "v1"}, {"version": "v2"}], "preferredVersion": {"version": "v2"}}
    a = {"name": "as", "namespaced": False, "kind": "A", "verbs": ["get"]}
    script = Script(
        {"kind": "APIVersions", "versions": ["v1"]},
        {"resources": [pods, status]},
        {"kind": "APIGroupList", "groups": [group]},
        {"resources": [a]},
        {"resources": [a]},
    )
    kinds = await discover(ApiClient(script))
    assert [repr(k) for k in kinds] == ["<Kind v1 Pod>", "<Kind g/v2 A>"]
    assert [asked[1] for asked in script.asked] == ["/api", "/api/v1", "/apis", "/apis/g/v2", "/apis/g/v1"]
    assert kinds[0].has_status
