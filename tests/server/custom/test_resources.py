"""Custom resources over the API: reading, defaults, status, scale, versions, columns, selectors."""

import pytest

from umiak.objects.encoding import copy

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KITES = "/apis/toys.example/v1/namespaces/default/kites"
PARTS = {
    "status": {},
    "scale": {
        "specReplicasPath": ".spec.tails",
        "statusReplicasPath": ".status.tails",
        "labelSelectorPath": ".status.selector",
    },
}


@pytest.fixture
async def kites(api, plain_version):
    """A server with kites that have all parts."""
    columns = [{"name": "Tails", "type": "integer", "jsonPath": ".spec.tails"}]
    more = {
        "subresources": PARTS,
        "additionalPrinterColumns": columns,
        "selectableFields": [{"jsonPath": ".spec.colour"}],
    }
    await api.define(versions=[{**plain_version, **more}])
    return api


async def test_unknown_fields_go_and_defaults_come(kites, kite):
    sent = {**kite(odd=1, free={"any": {"x": None}}), "top": 1}
    response = await kites.raw("POST", KITES, sent)
    assert response.status == 201
    _, found = await kites("GET", f"{KITES}/a")
    assert found["spec"] == {"colour": "red", "tails": 2, "free": {"any": {"x": None}}}
    assert "top" not in found


async def test_strict_names_every_fault(kites, kite):
    body = (
        b'{"apiVersion":"toys.example/v1","kind":"Kite","metadata":{"name":"a","odd":1},'
        b'"spec":{"colour":"red","colour":"blue","weird":1}}'
    )
    status, answer = await kites("POST", f"{KITES}?fieldValidation=Strict", body)
    faults = 'duplicate field "spec.colour", unknown field "metadata.odd", unknown field "spec.weird"'
    assert (status, answer["message"]) == (
        400,
        f'Kite in version "v1" cannot be handled as a Kite: strict decoding error: {faults}',
    )


@pytest.mark.parametrize(
    ("obj", "code", "text"),
    [
        (
            {"kind": "Balloon", "apiVersion": "toys.example/v1", "metadata": {"name": "a"}},
            422,
            'Balloon.toys.example "a" is invalid: kind: Invalid value: "Balloon": must be Kite',
        ),
        (
            {"kind": "Kite", "apiVersion": "toys.example/v2", "metadata": {"name": "a"}},
            400,
            "the API version in the data (toys.example/v2) does not match the expected API version (toys.example/v1)",
        ),
        (
            {"metadata": {"name": "a"}},
            400,
            "the object provided is unrecognized (must be of type Kite): Object 'Kind' is missing in "
            '\'{"metadata":{"name":"a"}}\' ({"metadata":{"name":"a"}})',
        ),
        (
            {"kind": "Kite", "apiVersion": "toys.example/v1", "metadata": {"name": "a", "labels": {"x": 1}}},
            400,
            'Kite in version "v1" cannot be handled as a Kite: json: cannot unmarshal number into Go struct field '
            "ObjectMeta.labels of type string",
        ),
    ],
)
async def test_what_is_no_kite(kites, obj, code, text):
    status, answer = await kites("POST", KITES, obj)
    assert (status, answer["message"]) == (code, text)


async def test_status_changes_alone_and_no_generation(kites, kite):
    await kites("POST", KITES, kite())
    status, found = await kites.patch(
        f"{KITES}/a/status", {"metadata": {"labels": {"x": "y"}}, "spec": {"tails": 5}, "status": {"tails": 1}}
    )
    assert (status, found["spec"]["tails"], found["status"]) == (200, 2, {"tails": 1})
    assert (found["metadata"]["generation"], found["metadata"].get("labels")) == (1, None)
    _, found = await kites.patch(f"{KITES}/a", {"spec": {"tails": 5}, "status": {"tails": 9}})
    assert (found["metadata"]["generation"], found["status"]) == (2, {"tails": 1})


async def test_without_a_status_part_the_status_counts(api, kite):
    await api.define()
    await api("POST", KITES, {**kite(), "status": {"tails": 1}})
    _, found = await api.patch(f"{KITES}/a", {"status": {"tails": 2}})
    assert (found["metadata"]["generation"], found["status"]) == (2, {"tails": 2})
    assert (await api("GET", f"{KITES}/a/status"))[0] == 404


async def test_paths_that_lead_nowhere(kites, kite):
    await kites("POST", KITES, kite())
    nowhere = (404, "404 page not found\n")
    assert await kites("GET", "/apis/toys.example/v1/kites/a") == nowhere
    assert await kites("GET", f"{KITES.replace('/v1/', '/v2/')}") == nowhere
    status, answer = await kites("GET", f"{KITES}/a/nothing")
    assert (status, answer["message"]) == (404, 'kites.toys.example "a" not found')
    status, answer = await kites("POST", f"{KITES}/a/status", kite())
    assert (status, answer["message"]) == (
        405,
        'create is not supported on resources of kind "kites.toys.example"',
    )


async def test_scale(kites, kite):
    await kites("POST", KITES, kite())
    _, scaled = await kites.patch(f"{KITES}/a/scale", {"spec": {"replicas": 5}})
    assert scaled["spec"] == {"replicas": 5}
    status, refused = await kites.patch(f"{KITES}/a/scale", {"spec": {"replicas": 10}})
    assert status == 422
    assert refused["message"].endswith("Invalid value: 10: spec.tails in body should be less than or equal to 9")


async def test_updates_name_their_version(kites, kite):
    await kites("POST", KITES, kite())
    status, refused = await kites("PUT", f"{KITES}/a", kite())
    why = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    assert (status, refused["message"]) == (422, f'kites.toys.example "a" is invalid: {why}')


async def test_strategic_patches_are_not_for_custom_resources(kites, kite):
    await kites("POST", KITES, kite())
    status, refused = await kites.patch(f"{KITES}/a", {}, "strategic-merge")
    assert (status, refused["reason"]) == (415, "UnsupportedMediaType")


async def test_selectors_and_tables(kites, kite):
    for name, colour in (("a", "red"), ("b", "blue")):
        await kites("POST", KITES, kite(name, colour=colour))
    _, found = await kites("GET", f"{KITES}?fieldSelector=spec.colour=blue")
    assert [k["metadata"]["name"] for k in found["items"]] == ["b"]
    status, refused = await kites("GET", f"{KITES}?fieldSelector=spec.tails=2")
    assert (status, refused["message"]) == (400, "field label not supported: spec.tails")
    _, table = await kites("GET", KITES, accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    assert [row["cells"] for row in table["rows"]] == [["a", 2], ["b", 2]]


async def test_what_was_wrong_before_stays(kites, kite, plain_version):
    await kites("POST", KITES, kite(tails=8))
    schema = {"openAPIV3Schema": {**plain_version["schema"]["openAPIV3Schema"]}}
    spec = schema["openAPIV3Schema"]["properties"]["spec"]
    less = {**spec, "properties": {**spec["properties"], "tails": {"type": "integer", "maximum": 4}}}
    schema["openAPIV3Schema"]["properties"] = {"spec": less}
    await kites.patch(
        f"{DEFINITIONS}/kites.toys.example", {"spec": {"versions": [{**plain_version, "schema": schema}]}}
    )
    assert (await kites.patch(f"{KITES}/a", {"spec": {"colour": "blue"}}))[0] == 200
    assert (await kites.patch(f"{KITES}/a", {"spec": {"tails": 7}}))[0] == 422


async def test_versions_differ_by_their_schemas(api, kite, plain_version):
    old = {**plain_version, "name": "v1beta1", "storage": False, "deprecated": True}
    spec = {"type": "object", "properties": {"colour": {"type": "string"}}}
    old["schema"] = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    await api.define(versions=[old, plain_version])
    before = KITES.replace("/v1/", "/v1beta1/")
    response = await api.raw("POST", before, kite(version="v1beta1", tails=5))
    assert response.status == 201
    assert (await api("GET", f"{KITES}/a"))[1]["spec"] == {"colour": "red", "tails": 2}
    _, found = await api("GET", f"{before}/a")
    assert (found["apiVersion"], found["spec"]) == ("toys.example/v1beta1", {"colour": "red"})
    response = await api.raw("GET", f"{before}/a")
    assert response.headers["warning"] == '299 - "toys.example/v1beta1 Kite is deprecated; use toys.example/v1 Kite"'


async def test_a_status_has_its_default_from_the_start(api, plain_version, kite):
    """As Gateways have: what is stored is read with defaults, a status that was dropped included."""
    schema = copy(plain_version["schema"]["openAPIV3Schema"])
    status = {"type": "object", "default": {"phase": "new"}, "properties": {"phase": {"type": "string"}}}
    schema["properties"]["status"] = status
    version = {**plain_version, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
    await api.define(versions=[version])
    _, made = await api("POST", KITES, {**kite(), "status": {"phase": "sent"}})
    assert made["status"] == {"phase": "new"}


async def test_of_fields_of_other_types_nobody_is_the_manager(kites, kite):
    """structured-merge-diff can make nothing of such an object; the status goes anyhow."""
    _, made = await kites("POST", KITES, {**kite(), "status": 7})
    assert "managedFields" not in made["metadata"]
    _, refused = await kites("POST", KITES, {**kite(), "spec": 7})
    assert refused["code"] == 422
