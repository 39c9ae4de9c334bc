"""Binding, eviction, ephemeral containers and resize of pods."""

import pytest

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
SIZES = {"requests": {"cpu": "100m", "memory": "10Mi"}, "limits": {"cpu": "200m"}}


@pytest.fixture
async def pod(api):
    spec = {"containers": [{"name": "c", "image": "i", "resources": SIZES}]}
    _, made = await api("POST", PODS, {"metadata": {"name": "p", "labels": {"app": "a"}}, "spec": spec})
    return made


async def bind(api, **more):
    return await api("POST", f"{PODS}/p/binding", {"metadata": {"name": "p", **more}, "target": {"name": "n"}})


async def test_binding(api, pod):
    status, said = await bind(api, annotations={"from": "binding"})
    assert (status, said["status"]) == (201, "Success")
    _, bound = await api("GET", f"{PODS}/p")
    assert (bound["spec"]["nodeName"], bound["metadata"]["annotations"]) == ("n", {"from": "binding"})
    [condition] = bound["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
    status, refused = await bind(api)
    assert (status, refused["message"].endswith('pod p is already assigned to node "n"')) == (409, True)


async def test_binding_by_another_path(api, pod):
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    assert (await api("POST", "/api/v1/namespaces/default/bindings", binding))[0] == 201


async def test_binding_of_another_incarnation(api, pod):
    status, refused = await bind(api, uid="other")
    assert (status, "UID in precondition: other" in refused["message"]) == (409, True)


EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}


async def running(api):
    await bind(api)
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await api("PATCH", f"{PODS}/p/status", {"status": status}, content_type=MERGE)


async def budget(api, **status):
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}
    await api("POST", BUDGETS, {"metadata": {"name": "b"}, "spec": spec})
    whole = {"currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "disruptionsAllowed": 0, **status}
    found = await api("PATCH", f"{BUDGETS}/b/status", {"status": whole}, content_type=MERGE)
    assert found[0] == 200, found


async def test_eviction_without_a_budget(api, pod):
    await running(api)
    assert (await api("POST", f"{PODS}/p/eviction", EVICTION))[0] == 201
    _, found = await api("GET", f"{PODS}/p")
    assert found["metadata"]["deletionTimestamp"]
    assert found["status"]["conditions"][-1]["reason"] == "EvictionByEvictionAPI"


async def test_unobserved_budget_makes_wait(api, pod):
    await running(api)
    await budget(api)
    status, refused = await api("POST", f"{PODS}/p/eviction", EVICTION)
    assert (status, refused["details"]["retryAfterSeconds"]) == (429, 10)


async def test_budget_refuses_and_allows(api, pod):
    await running(api)
    await budget(api, observedGeneration=1)
    status, refused = await api("POST", f"{PODS}/p/eviction", EVICTION)
    [cause] = refused["details"]["causes"]
    text = "The disruption budget b needs 1 healthy pods and has 1 currently"
    assert (status, cause["message"]) == (429, text)
    await budget(api, observedGeneration=1, disruptionsAllowed=1, currentHealthy=2)
    assert (await api("POST", f"{PODS}/p/eviction", EVICTION))[0] == 201
    _, after = await api("GET", f"{BUDGETS}/b")
    assert (after["status"]["disruptionsAllowed"], list(after["status"]["disruptedPods"])) == (0, ["p"])


async def test_pending_pods_need_no_budget(api, pod):
    await budget(api)
    assert (await api("POST", f"{PODS}/p/eviction", EVICTION))[0] == 201
    assert (await api("GET", f"{PODS}/p"))[0] == 404


async def test_ephemeral_containers_only_come(api, pod):
    path = f"{PODS}/p/ephemeralcontainers"
    debug = {"spec": {"ephemeralContainers": [{"name": "dbg", "image": "sh"}]}}
    status, found = await api("PATCH", path, debug, content_type=STRATEGIC)
    assert (status, found["metadata"]["generation"]) == (200, 2)
    status, refused = await api("PATCH", path, {"spec": {"ephemeralContainers": []}}, content_type=MERGE)
    assert (status, "may not be removed" in refused["message"]) == (422, True)


def sized(**resources):
    return {"spec": {"containers": [{"name": "c", "resources": resources}]}}


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (sized(requests={"cpu": "150m"}), 200, ""),
        (sized(requests={"cpu": "900m"}), 422, "must be less than or equal to cpu limit of 200m"),
        (sized(requests={"cpu": "200m", "memory": "10Mi"}, limits={"memory": "10Mi"}), 422, "QOS Class may not change"),
        ({"spec": {"containers": [{"name": "c", "image": "other"}]}}, 200, ""),
    ],
)
async def test_resize(api, pod, change, status, message):
    code, found = await api("PATCH", f"{PODS}/p/resize", change, content_type=STRATEGIC)
    assert code == status
    assert message in found.get("message", "")
    assert code != 200 or found["spec"]["containers"][0]["image"] == "i"


async def test_scale(api):
    place = "/apis/apps/v1/namespaces/default/deployments"
    template = {"metadata": {"labels": {"x": "1"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"x": "1"}}, "template": template}
    await api("POST", place, {"metadata": {"name": "d"}, "spec": spec})
    _, scale = await api("GET", f"{place}/d/scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 2},
        {"replicas": 0, "selector": "x=1"},
    )
    _, scaled = await api("PUT", f"{place}/d/scale", {**scale, "spec": {"replicas": 6}})
    assert scaled["spec"] == {"replicas": 6}
    assert (await api("GET", f"{place}/d"))[1]["metadata"]["generation"] == 2
    status, refused = await api("PUT", f"{place}/d/scale", scale)
    assert (status, refused["reason"]) == (409, "Conflict")
    status, refused = await api("PATCH", f"{place}/d/scale", {"spec": {"replicas": -1}}, content_type=MERGE)
    assert (status, refused["details"]["kind"]) == (422, "Scale")
