"""Apply, and who manages what, through the whole server."""

import pytest

from umiak.server.verbs.apply import read

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
HPAS = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers/h"
APPLY = "application/apply-patch+yaml"


def config(data, name="m", **more):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data, **more}


def deployment(image="i:1", **spec):
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": pod, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


@pytest.fixture
def apply(api):
    async def send(path, body, manager="ap", more=""):
        return await api("PATCH", f"{path}?fieldManager={manager}{more}", body, content_type=APPLY)

    return send


def told(obj):
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in obj["metadata"].get("managedFields") or []
    }


async def test_creates_then_leaves_alone(apply):
    code, made = await apply(f"{MAPS}/m", config({"a": "1"}))
    again, same = await apply(f"{MAPS}/m", config({"a": "1"}))
    assert (code, again) == (201, 200)
    assert same == made


async def test_yaml_with_an_atomic_and_a_keyed_list(apply):
    code, made = await apply(DEPLOYMENTS + "/d", deployment())
    assert code == 201
    assert made["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    container = {".": {}, "f:image": {}, "f:name": {}}
    template = {
        "f:metadata": {"f:labels": {"f:a": {}}},
        "f:spec": {"f:containers": {'k:{"name":"c"}': container}},
    }
    assert told(made) == {("ap", "Apply", ""): {"f:spec": {"f:selector": {}, "f:template": template}}}


async def test_scale_moves_replicas_between_managers(api, apply):
    await apply(DEPLOYMENTS + "/d", deployment(replicas=2))
    merge = {"content_type": "application/merge-patch+json"}
    code, scale = await api("PATCH", DEPLOYMENTS + "/d/scale?fieldManager=hpa", {"spec": {"replicas": 5}}, **merge)
    assert (code, "managedFields" in scale["metadata"]) == (200, False)
    code, refused = await apply(DEPLOYMENTS + "/d", deployment(replicas=2))
    text = 'Apply failed with 1 conflict: conflict with "hpa" with subresource "scale" using apps/v1: .spec.replicas'
    assert (code, refused["message"]) == (409, text)


async def test_status_is_managed_apart(api, apply):
    await apply(DEPLOYMENTS + "/d", deployment())
    body = {**deployment(), "spec": {"replicas": 9}, "status": {"observedGeneration": 1}}
    code, made = await apply(DEPLOYMENTS + "/d/status", body, "ctl")
    assert (code, made["spec"]["replicas"]) == (200, 1)
    assert told(made)["ctl", "Apply", "status"] == {"f:status": {"f:observedGeneration": {}}}


async def test_versions_of_a_kind_know_each_other(apply):
    body = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}},
    }
    two, one = ({**body, "apiVersion": f"autoscaling/{version}"} for version in ("v2", "v1"))
    await apply(HPAS.format("v2"), two, "two")
    one["spec"] = {**body["spec"], "maxReplicas": 6}
    code, refused = await apply(HPAS.format("v1"), one, "one")
    assert (code, refused["details"]["causes"][0]["field"]) == (409, ".spec.maxReplicas")
    code, made = await apply(HPAS.format("v1"), one, "one", "&force=true")
    assert (code, set(told(made))) == (200, {("one", "Apply", ""), ("two", "Apply", "")})


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        pytest.param({}, 400, "invalid object type: /, Kind=", id="nothing"),
        pytest.param(config({}, apiVersion="a/b/c"), 400, "invalid object type: /, Kind=", id="odd version"),
        pytest.param(
            config({}, name="x"),
            400,
            "the name of the object (x) does not match the name on the URL (m)",
            id="other name",
        ),
        pytest.param(
            config({"a": 1}),
            500,
            "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .data.a: expected string, got "
            "&value.valueUnstructured{Value:1}",
            id="number for a text",
        ),
        pytest.param(
            {**config({}), "metadata": {"name": "m", "managedFields": []}},
            400,
            "metadata.managedFields must be nil",
            id="managed fields",
        ),
    ],
)
async def test_refuses(apply, body, code, message):
    status, refused = await apply(f"{MAPS}/m", body)
    assert (status, refused["message"]) == (code, message)


async def test_needs_a_manager(api):
    code, refused = await api("PATCH", f"{MAPS}/m", config({}), content_type=APPLY)
    assert (code, refused["details"]["causes"][0]["field"]) == (422, "fieldManager")


async def test_a_missing_object_with_a_uid(apply):
    body = config({}, metadata={"name": "m", "uid": "x"})
    code, refused = await apply(f"{MAPS}/m", body)
    assert code == 409
    assert "uid mismatch: the provided object specified uid x, and no existing object was found" in refused["message"]


async def test_dry_run_leaves_nothing(api, apply):
    code, _ = await apply(f"{MAPS}/m", config({}), more="&dryRun=All")
    assert code == 201
    assert (await api("GET", f"{MAPS}/m"))[0] == 404


async def test_repeated_keys(api):
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: x, a: z}\n"
    made = await api.raw("PATCH", f"{MAPS}/m?fieldManager=a", body, content_type=APPLY)
    warned = [value for name, value in made.headers.items() if name.lower() == "warning"]
    assert (made.status, len(warned)) == (201, 1)
    strict = f"{MAPS}/m?fieldManager=a&fieldValidation=Strict"
    code, refused = await api("PATCH", strict, body, content_type=APPLY)
    assert (code, "already set in map" in refused["message"]) == (400, True)


async def test_creations_and_updates_name_the_client(api):
    await api("POST", MAPS, config({"a": "1"}), user_agent="kubectl-create/v1.37 (linux)")
    code, made = await api("PUT", f"{MAPS}/m?fieldManager=me", config({"a": "2"}))
    assert code == 200
    assert told(made) == {
        ("kubectl-create", "Update", ""): {"f:data": {}},
        ("me", "Update", ""): {"f:data": {"f:a": {}}},
    }


async def test_managers_can_be_reset(api):
    await api("POST", MAPS, config({"a": "1"}))
    reset = {"metadata": {"managedFields": []}}
    code, made = await api("PATCH", f"{MAPS}/m", reset, content_type="application/merge-patch+json")
    assert (code, "managedFields" in made["metadata"]) == (200, False)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"a": 1}', ({"a": 1}, [])),
        (b"a: 1", ({"a": 1}, [])),
        (b"", ({}, [])),
        (b"null", ({}, [])),
    ],
)
def test_read(body, wanted):
    assert read(body) == wanted
