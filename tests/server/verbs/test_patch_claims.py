"""What an object says it is after a patch: answers as kube-apiserver 1.37.1 gave them."""

import pytest

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
NOT_TOLD = (
    "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go struct field .{} of type string"
)
UNNAMED = "the name of the object (cm based on URL) was undeterminable: name must be provided"


@pytest.mark.parametrize(
    ("media", "body", "code", "told"),
    [
        ("merge-patch", {"apiVersion": 3}, 422, NOT_TOLD.format("number", "apiVersion")),
        ("merge-patch", {"kind": []}, 422, NOT_TOLD.format("array", "kind")),
        ("merge-patch", {"kind": {"a": 1}}, 422, NOT_TOLD.format("object", "kind")),
        ("merge-patch", {"kind": "Foo", "apiVersion": True}, 422, NOT_TOLD.format("bool", "apiVersion")),
        ("merge-patch", {"apiVersion": None}, 400, UNNAMED),
        ("json-patch", [{"op": "remove", "path": "/apiVersion"}], 400, UNNAMED),
        ("json-patch", [{"op": "replace", "path": "/kind", "value": 3}], 422, NOT_TOLD.format("number", "kind")),
        ("strategic-merge-patch", {"kind": {}}, 422, "unrecognized type: string"),
        ("strategic-merge-patch", {"kind": 1.5}, 422, "unrecognized type: string"),
        ("strategic-merge-patch", {"apiVersion": 3}, 422, "cannot convert int64 to string"),
    ],
)
async def test_is_refused(api, media, body, code, told):
    await api("POST", CONFIG_MAPS, {"metadata": {"name": "cm"}})
    status, answer = await api("PATCH", f"{CONFIG_MAPS}/cm", body, content_type=f"application/{media}+json")
    assert (status, answer["message"].endswith(told)) == (code, True), answer["message"]


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("merge-patch", {"kind": None}),
        ("strategic-merge-patch", {"kind": "", "apiVersion": None}),
        ("strategic-merge-patch", {"apiVersion": "v2"}),
    ],
)
async def test_is_passed_over(api, media, body):
    await api("POST", CONFIG_MAPS, {"metadata": {"name": "cm"}})
    status, _ = await api("PATCH", f"{CONFIG_MAPS}/cm", body, content_type=f"application/{media}+json")
    assert status == 200
