"""Claims for devices come and go with pods (situations of the reference's resourceclaim/controller_test.go)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from umiak.api.core.pod import KIND as POD
from umiak.api.resource.resourceclaim import KIND as CLAIM
from umiak.api.resource.resourceclaimtemplate import KIND as TEMPLATE
from umiak.controllers import _resource_claims as rules
from umiak.controllers import resourceclaim, resourceclaim_template
from umiak.controllers.resourceclaim import is_unneeded, released
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.measures import text
from umiak.testing.workbench import Workbench

REQUEST = {"name": "r", "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}}
CLAIM_SPEC = {"devices": {"requests": [REQUEST]}}
RESULT = {"request": "r", "driver": "d.example.com", "pool": "p", "device": "one"}
ALLOCATION = {"devices": {"results": [RESULT]}}
FROM_TEMPLATE = {"name": "dev", "resourceClaimTemplateName": "tpl"}
BY_NAME = {"name": "dev", "resourceClaimName": "shared"}
GOING = "2026-01-01T00:00:00Z"


def pod(*entries: Object, node: str = "", going: bool = False, phase: str = "Pending", **status: Any) -> Object:
    about = {"name": "web", "namespace": "default", "uid": "u1"} | ({"deletionTimestamp": GOING} if going else {})
    spec = {"resourceClaims": list(entries)} | ({"nodeName": node} if node else {})
    return {"metadata": about, "spec": spec, "status": {"phase": phase, **status}}


def claim(uid: str = "u1", *, allocated: bool = False, reserved: tuple[str, ...] = ()) -> Object:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": uid, "controller": True}
    status: Object = {"allocation": ALLOCATION} if allocated else {}
    if reserved:
        status["reservedFor"] = [{"resource": "pods", "name": "web", "uid": u} for u in reserved]
    return {"metadata": {"name": "c", "namespace": "default", "ownerReferences": [owner]}, "status": status}


KNOWN = {"resourceClaimStatuses": [{"name": "dev", "resourceClaimName": "c"}]}
NOT_NEEDED = {"resourceClaimStatuses": [{"name": "dev"}]}


@pytest.mark.parametrize(
    ("given", "found", "needs"),
    [
        pytest.param(pod(FROM_TEMPLATE), None, True, id="nothing made yet"),
        pytest.param(pod(FROM_TEMPLATE, going=True), None, False, id="going"),
        pytest.param(pod(FROM_TEMPLATE, phase="Failed", **KNOWN), None, False, id="over"),
        pytest.param(pod(FROM_TEMPLATE, **NOT_NEEDED), None, False, id="none needed"),
        pytest.param(pod(FROM_TEMPLATE, **KNOWN), None, True, id="made, and lost"),
        pytest.param(pod(FROM_TEMPLATE, **KNOWN), claim(), False, id="made"),
        pytest.param(pod(FROM_TEMPLATE, **KNOWN), claim("other"), False, id="another's: stuck"),
        pytest.param(pod(BY_NAME), None, False, id="the user has to make it"),
        pytest.param(pod(BY_NAME, node="n"), claim(allocated=True), True, id="to be reserved"),
        pytest.param(pod(BY_NAME), claim(allocated=True), False, id="the scheduler will reserve it"),
        pytest.param(pod(BY_NAME, node="n"), claim(), False, id="not allocated"),
        pytest.param(pod(BY_NAME, node="n"), claim(allocated=True, reserved=("u1",)), False, id="reserved"),
    ],
)
def test_when_a_pod_needs_work(given: Object, found: Object | None, needs: bool) -> None:
    assert rules.needs_work(given, lambda name: found) is needs


@pytest.mark.parametrize(
    ("name", "entry", "base"),
    [
        ("web", "dev", "web-dev-"),
        ("p" * 26, "e" * 29, "p" * 26 + "-" + "e" * 29 + "-"),
        ("p" * 100, "e" * 50, "p" * 37 + "-" + "e" * 18),
    ],
)
def test_generated_names_fit(name: str, entry: str, base: str) -> None:
    assert rules.generate_name(name, entry) == base


def test_a_claim_is_made_of_its_template() -> None:
    about = {"labels": {"a": "b"}, "annotations": {"x": "y"}}
    template = {"spec": {"metadata": about, "spec": CLAIM_SPEC}}
    made = rules.claim_from(template, pod(FROM_TEMPLATE), FROM_TEMPLATE)
    assert made["spec"] == CLAIM_SPEC
    assert made["metadata"] == {
        "generateName": "web-dev-",
        "namespace": "default",
        "labels": {"a": "b"},
        "annotations": {"x": "y", "resource.kubernetes.io/pod-claim-name": "dev"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "u1", "controller": True}],
    }


def test_statuses_are_merged_by_name() -> None:
    given = pod(FROM_TEMPLATE, resourceClaimStatuses=[{"name": "b", "resourceClaimName": "1"}, {"name": "z"}])
    assert rules.statuses(given, {"a": "2"}) == [
        {"name": "a", "resourceClaimName": "2"},
        {"name": "b", "resourceClaimName": "1"},
    ]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (pod(FROM_TEMPLATE), []),
        (pod(FROM_TEMPLATE, **KNOWN), ["c"]),
        (pod(BY_NAME), ["shared"]),
        (pod(extendedResourceClaimStatus={"resourceClaimName": "ext", "requestMappings": []}), ["ext"]),
    ],
)
def test_all_claims_of_a_pod(given: Object, names: list[str]) -> None:
    assert list(rules.all_claims(given)) == names


@pytest.mark.parametrize(
    ("given", "done"),
    [
        (pod(), False),
        (pod(phase="Succeeded"), True),
        (pod(going=True), True),
        (pod(going=True, node="n"), False),
        (pod(going=True, node="n", phase="Failed"), True),
    ],
)
def test_when_a_pod_is_done(given: Object, done: bool) -> None:
    assert rules.is_done(given) is done
    assert is_unneeded({}, {"uid": "u1"}, given) is done
    assert is_unneeded({}, {"uid": "older"}, given)


@pytest.mark.parametrize(
    ("finalizers", "remaining", "allocated"),
    [
        pytest.param([rules.FINALIZER], [], False, id="last one out"),
        pytest.param([rules.FINALIZER], [{"uid": "u2"}], True, id="somebody stays"),
        pytest.param([], [], True, id="not allocated by our scheduler"),
    ],
)
def test_what_is_given_back(finalizers: list[str], remaining: list[Object], allocated: bool) -> None:
    given = claim(allocated=True, reserved=("u1",))
    given["metadata"]["finalizers"] = finalizers
    status = released(given, remaining)
    assert ("allocation" in status) is allocated
    assert status.get("reservedFor", []) == remaining


@pytest.fixture
async def cluster() -> AsyncIterator[Workbench]:
    controllers = (resourceclaim.CONTROLLER, resourceclaim_template.CONTROLLER)
    async with Workbench.real() as cluster, cluster.running(*controllers):
        yield cluster


async def make_pod(cluster: Workbench, *entries: Object, name: str = "web", node: str = "") -> Object:
    spec = {"containers": [{"name": "c", "image": "c"}], "resourceClaims": list(entries)}
    about = {"name": name, "namespace": "default"}
    return await cluster.create(POD, {"metadata": about, "spec": spec | ({"nodeName": node} if node else {})})


async def make_template(cluster: Workbench) -> None:
    about = {"name": "tpl", "namespace": "default"}
    await cluster.create(TEMPLATE, {"metadata": about, "spec": {"spec": CLAIM_SPEC}})


async def make_claim(cluster: Workbench, *users: Object, finalizers: tuple[str, ...] = (rules.FINALIZER,)) -> None:
    """One that is allocated, and reserved for `users`."""
    about = {"name": "shared", "namespace": "default", "finalizers": list(finalizers)}
    status = {"allocation": ALLOCATION, "reservedFor": [rules.consumer(u) for u in users]}
    await cluster.create(CLAIM, {"metadata": about, "spec": CLAIM_SPEC}, status=status)


def counted(cluster: Workbench) -> set[str]:
    """How many claims there are of what kind."""
    assert cluster.runtime is not None
    told = text(cluster.runtime.metrics, cluster.runtime.tables, [resourceclaim.CONTROLLER]).decode()
    start = "dynamic_resource_allocation_"
    return {line.removeprefix(start) for line in told.splitlines() if line.startswith(f"{start}resource_claims")}


async def test_from_template_to_the_end_of_the_pod(cluster: Workbench) -> None:
    await make_pod(cluster, FROM_TEMPLATE)
    await cluster.clock.advance(2)
    text = 'PodResourceClaim dev: resource claim template "tpl": resourceclaimtemplate.resource.k8s.io "tpl" not found'
    assert ("FailedResourceClaimCreation", "web", text) in await cluster.events("default")
    await make_template(cluster)
    await cluster.clock.advance(2)
    (name,) = await cluster.names(CLAIM, "default")
    assert name.startswith("web-dev-")
    told = (await cluster.client.get(POD, "web", "default"))["status"]["resourceClaimStatuses"]
    assert told == [{"name": "dev", "resourceClaimName": name}]
    assert counted(cluster) == {
        'resource_claims{allocated="false",admin_access="false",source="resource_claim_template"} 1'
    }
    await cluster.patch(POD, "web", "default", {"status": {"phase": "Succeeded"}}, subresource="status")
    await cluster.clock.advance(2)
    assert await cluster.names(CLAIM, "default") == []
    assert counted(cluster) == set()


async def test_a_lost_claim_is_made_anew(cluster: Workbench) -> None:
    await make_template(cluster)
    await make_pod(cluster, FROM_TEMPLATE)
    (first,) = await cluster.names(CLAIM, "default")
    await cluster.delete(CLAIM, first, "default")
    await cluster.clock.advance(2)
    (second,) = await cluster.names(CLAIM, "default")
    assert second != first
    told = (await cluster.client.get(POD, "web", "default"))["status"]["resourceClaimStatuses"]
    assert told == [{"name": "dev", "resourceClaimName": second}]


async def test_a_pod_that_no_scheduler_saw_gets_its_reservation(cluster: Workbench) -> None:
    await make_claim(cluster)
    made = await make_pod(cluster, BY_NAME, node="n")
    await cluster.clock.advance(2)
    found = await cluster.client.get(CLAIM, "shared", "default")
    assert found["status"]["reservedFor"] == [rules.consumer(made)]


async def test_the_last_pod_gives_the_devices_back(cluster: Workbench) -> None:
    users = [await make_pod(cluster, BY_NAME, name=name, node="n") for name in ("one", "two")]
    await make_claim(cluster, *users)
    await cluster.client.delete(POD, "one", "default", grace_seconds=0)
    await cluster.clock.advance(2)
    found = await cluster.client.get(CLAIM, "shared", "default")
    assert [c["name"] for c in found["status"]["reservedFor"]] == ["two"]
    assert "allocation" in found["status"]
    await cluster.client.delete(POD, "two", "default", grace_seconds=0)
    await cluster.clock.advance(2)
    found = await cluster.client.get(CLAIM, "shared", "default")
    assert (found.get("status") or {}, found["metadata"].get("finalizers")) == ({}, None)


async def test_a_claim_being_deleted_goes_with_its_last_user(cluster: Workbench) -> None:
    user = await make_pod(cluster, BY_NAME, node="n")
    await make_claim(cluster, user)
    await cluster.delete(CLAIM, "shared", "default")
    assert await cluster.names(CLAIM, "default") == ["shared"]
    await cluster.client.delete(POD, "web", "default", grace_seconds=0)
    await cluster.clock.advance(2)
    assert await cluster.names(CLAIM, "default") == []


async def test_claims_of_extended_resources_are_given_back_too(cluster: Workbench) -> None:
    user = await make_pod(cluster, node="n")
    mapping = {"containerName": "c", "resourceName": "example.com/gpu", "requestName": "r"}
    status = {"extendedResourceClaimStatus": {"resourceClaimName": "shared", "requestMappings": [mapping]}}
    await cluster.patch(POD, "web", "default", {"status": status}, subresource="status")
    await make_claim(cluster, user)
    await cluster.patch(POD, "web", "default", {"status": {"phase": "Succeeded"}}, subresource="status")
    await cluster.clock.advance(2)
    found = await cluster.client.get(CLAIM, "shared", "default")
    assert (found.get("status") or {}).get("allocation") is None


def test_whose_claim_it_is() -> None:
    assert (rules.owning_pod(claim()) or {})["name"] == "web"
    assert rules.owning_pod({"metadata": {}}) is None
    assert meta.name(rules.made_for({"name": "dev"}, [claim(), _annotated("dev")]) or {}) == "made"


def _annotated(entry: str) -> Object:
    return {"metadata": {"name": "made", "annotations": {rules.FOR_POD_CLAIM: entry}}}
