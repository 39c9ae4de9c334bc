"""One object's life: create, get, update, patch, delete, for kinds of several sorts."""

import pytest

CMS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
JAR = {"metadata": {"name": "jar", "labels": {"full": "yes"}}, "data": {"lid": "tight"}}
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


async def test_created_as_it_is_stored(api):
    status, made = await api("POST", CMS, JAR)
    assert status == 201
    assert (await api("GET", f"{CMS}/jar")) == (200, made)
    assert (made["kind"], made["apiVersion"], made["metadata"]["namespace"]) == ("ConfigMap", "v1", "default")


async def test_create_twice(api):
    await api("POST", CMS, JAR)
    status, refused = await api("POST", CMS, JAR)
    assert (status, refused["message"]) == (409, 'configmaps "jar" already exists')


async def test_dry_run_stores_nothing(api):
    status, made = await api("POST", f"{CMS}?dryRun=All", JAR)
    assert (status, "resourceVersion" in made["metadata"]) == (201, False)
    assert (await api("GET", f"{CMS}/jar"))[0] == 404


async def test_generated_names(api):
    names = {(await api("POST", CMS, {"metadata": {"generateName": "jar-"}}))[1]["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("jar-") and len(name) == 9 for name in names)


async def test_unknown_fields(api):
    body = {"metadata": {"name": "a"}, "nope": 1}
    response = await api.raw("POST", f"{CMS}?dryRun=All", body)
    assert response.headers["warning"] == '299 - "unknown field \\"nope\\""'
    status, refused = await api("POST", f"{CMS}?fieldValidation=Strict", body)
    assert status == 400
    assert refused["message"].endswith('strict decoding error: unknown field "nope"')
    assert "warning" not in (await api.raw("POST", f"{CMS}?fieldValidation=Ignore", body)).headers


async def test_update_needs_the_newest_version(api):
    _, made = await api("POST", CMS, JAR)
    _, second = await api("PUT", f"{CMS}/jar", {**made, "data": {"lid": "loose"}})
    assert second["data"] == {"lid": "loose"}
    status, refused = await api("PUT", f"{CMS}/jar", {**made, "data": {"lid": "gone"}})
    assert (status, refused["reason"]) == (409, "Conflict")


async def test_update_without_change_keeps_the_version(api):
    _, made = await api("POST", CMS, JAR)
    assert (await api("PUT", f"{CMS}/jar", JAR)) == (200, made)


async def test_update_of_a_missing_object(api):
    assert (await api("PUT", f"{CMS}/jar", JAR))[0] == 404
    status, _ = await api("PUT", f"{LEASES}/l", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}})
    assert status == 201


async def test_update_of_another_name(api):
    status, refused = await api("PUT", f"{CMS}/pot", JAR)
    text = "the name of the object (jar) does not match the name on the URL (pot)"
    assert (status, refused["message"]) == (400, text)


async def test_generation_grows_with_the_spec_alone(api):
    _, made = await api("POST", PODS, POD)
    _, labelled = await api("PATCH", f"{PODS}/p", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    change = {"spec": {"activeDeadlineSeconds": 5}}
    _, changed = await api("PATCH", f"{PODS}/p", change, content_type=MERGE)
    assert [o["metadata"]["generation"] for o in (made, labelled, changed)] == [1, 1, 2]


MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
OPERATIONS = "application/json-patch+json"


@pytest.mark.parametrize(
    ("type_", "patch", "data"),
    [
        (MERGE, {"data": {"lid": None, "a": "b"}}, {"a": "b"}),
        (STRATEGIC, {"data": {"a": "b"}}, {"lid": "tight", "a": "b"}),
        (OPERATIONS, [{"op": "replace", "path": "/data/lid", "value": "loose"}], {"lid": "loose"}),
    ],
)
async def test_patch(api, type_, patch, data):
    await api("POST", CMS, JAR)
    status, patched = await api("PATCH", f"{CMS}/jar", patch, content_type=type_)
    assert (status, patched["data"]) == (200, data)
    assert (await api("GET", f"{CMS}/jar"))[1] == patched


@pytest.mark.parametrize(
    ("type_", "patch", "status", "message"),
    [
        (MERGE, b"{", 400, "invalid JSON patch"),
        (OPERATIONS, [{"op": "test", "path": "/data/lid", "value": "x"}], 422, None),
        (MERGE, {"metadata": {"name": "pot"}}, 400, None),
        (MERGE, {"metadata": {"resourceVersion": "1"}}, 409, None),
        ("text/plain", {}, 415, "415: Unsupported Media Type"),
        (MERGE, {"data": {"lid": 5}}, 422, None),
    ],
)
async def test_refused_patch(api, type_, patch, status, message):
    await api("POST", CMS, JAR)
    code, refused = await api("PATCH", f"{CMS}/jar", patch, content_type=type_)
    assert code == status
    assert message is None or refused["message"] == message


async def test_patch_of_a_missing_object(api):
    assert (await api("PATCH", f"{CMS}/jar", {}, content_type=MERGE))[0] == 404


async def test_delete_answers_a_status_or_the_object(api):
    _, made = await api("POST", CMS, JAR)
    status, gone = await api("DELETE", f"{CMS}/jar")
    details = {"name": "jar", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (status, gone["status"], gone["details"]) == (200, "Success", details)
    await api("POST", PODS, POD)
    _, pod = await api("DELETE", f"{PODS}/p")
    assert (pod["kind"], pod["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 0)
    assert (await api("GET", f"{PODS}/p"))[0] == 404


async def test_scheduled_pods_end_gracefully(api):
    """A second deletion may end the grace period sooner, never later; 0 ends it at once."""
    await api("POST", PODS, {**POD, "spec": {**POD["spec"], "nodeName": "n"}})
    _, first = await api("DELETE", f"{PODS}/p")
    assert first["metadata"]["deletionGracePeriodSeconds"] == 30
    _, longer = await api("DELETE", f"{PODS}/p?gracePeriodSeconds=60")
    assert longer["metadata"] == first["metadata"]
    _, sooner = await api("DELETE", f"{PODS}/p?gracePeriodSeconds=5")
    assert sooner["metadata"]["deletionGracePeriodSeconds"] == 5
    await api("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
    assert (await api("GET", f"{PODS}/p"))[0] == 404


async def test_finalizers_hold_an_object(api):
    await api("POST", CMS, {"metadata": {"name": "f", "finalizers": ["a.example/a"]}})
    _, marked = await api("DELETE", f"{CMS}/f")
    assert marked["metadata"]["deletionTimestamp"]
    assert (await api("POST", CMS, {"metadata": {"name": "f"}}))[1]["message"].startswith("object is being deleted: ")
    await api("PATCH", f"{CMS}/f", {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert (await api("GET", f"{CMS}/f"))[0] == 404


@pytest.mark.parametrize(("policy", "finalizers"), [("Orphan", ["orphan"]), ("Foreground", ["foregroundDeletion"])])
async def test_propagation(api, policy, finalizers):
    await api("POST", CMS, JAR)
    _, marked = await api("DELETE", f"{CMS}/jar?propagationPolicy={policy}")
    assert marked["metadata"]["finalizers"] == finalizers
    await api("DELETE", f"{CMS}/jar?propagationPolicy=Background")
    assert (await api("GET", f"{CMS}/jar"))[0] == 404


@pytest.mark.parametrize(("field", "value"), [("uid", "other"), ("resourceVersion", "1")])
async def test_preconditions(api, field, value):
    await api("POST", CMS, JAR)
    status, refused = await api("DELETE", f"{CMS}/jar", {"preconditions": {field: value}})
    assert (status, refused["reason"]) == (409, "Conflict")


async def test_namespaces_end_in_steps(api):
    await api("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    _, ending = await api("DELETE", "/api/v1/namespaces/n")
    assert ending["status"]["phase"] == "Terminating"
    _, found = await api("GET", "/api/v1/namespaces/n")
    found["spec"]["finalizers"] = []
    assert (await api("PUT", "/api/v1/namespaces/n/finalize", found))[0] == 200
    assert (await api("GET", "/api/v1/namespaces/n"))[0] == 404


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/api/v1/configmaps", 405),
        ("PUT", CMS, 405),
        ("POST", f"{CMS}/jar", 405),
        ("GET", "/api/v1/configmaps/jar", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/namespaces/default/things", 404),
        ("GET", f"{CMS}/jar/status", 404),
        ("OPTIONS", f"{CMS}/jar", 405),
    ],
)
async def test_routes_that_do_not_fit(api, method, target, status):
    assert (await api(method, target))[0] == status


async def test_unknown_group_is_no_status(api):
    response = await api.raw("GET", "/apis/none.example/v1/things")
    assert (response.status, response.body) == (404, b"404 page not found\n")


async def test_forms_of_one_object(api):
    await api("POST", CMS, JAR)
    table = "application/json;as=Table;g=meta.k8s.io;v=v1"
    _, shown = await api("GET", f"{CMS}/jar", accept=table)
    assert shown["rows"][0]["cells"][:2] == ["jar", 1]
    assert shown["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    _, shown = await api("GET", f"{CMS}/jar?includeObject=None", accept=table)
    assert shown["rows"][0]["object"] is None
    partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    _, shown = await api("GET", f"{CMS}/jar", accept=partial)
    assert set(shown) == {"kind", "apiVersion", "metadata"}
    yaml = await api.raw("GET", f"{CMS}/jar", accept="application/yaml")
    assert yaml.headers["content-type"] == "application/yaml"
    assert yaml.body.startswith(b"apiVersion: v1\ndata:\n  lid: tight\nkind: ConfigMap\n")
    assert (await api("GET", f"{CMS}/jar", accept="text/html"))[0] == 406
    pretty = await api.raw("GET", f"{CMS}/jar?pretty=true")
    assert pretty.body.startswith(b'{\n  "kind": "ConfigMap"')


async def test_both_versions_share_their_objects(api):
    scaler = {
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}},
    }
    place = "namespaces/default/horizontalpodautoscalers"
    await api("POST", f"/apis/autoscaling/v1/{place}", {**scaler, "spec": {**scaler["spec"]}})
    status, found = await api("GET", f"/apis/autoscaling/v2/{place}/h")
    assert (status, found["apiVersion"], found["spec"]["maxReplicas"]) == (200, "autoscaling/v2", 3)


async def test_certificate_requests_say_who_asks(api):
    """What the client writes there is replaced: signers rely on it."""
    request = pki_request()
    spec = {"request": request, "signerName": "example.com/x", "usages": ["client auth"], "username": "system:node:x"}
    place = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    status, made = await api("POST", place, {"metadata": {"name": "c"}, "spec": {**spec, "groups": ["forged"]}})
    assert (status, made["spec"]["username"]) == (201, "admin")
    assert made["spec"]["groups"] == ["system:masters", "system:authenticated"]


def pki_request():
    """A signing request in base64."""
    import base64

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "me")])
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.PEM)).decode()
