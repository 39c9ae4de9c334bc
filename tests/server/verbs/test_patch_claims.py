"""What a patch and its outcome are refused for: answers as kube-apiserver 1.37.1 gave them."""

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


OPS = "error decoding patch: json: cannot unmarshal {}"


@pytest.mark.parametrize(
    ("media", "careless", "body", "code", "told"),
    [
        ("json-patch", False, {"a": 1}, 400, OPS.format("object into Go value of type []handlers.jsonPatchOp")),
        ("json-patch", True, {"a": 1}, 400, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        ("json-patch", False, [[]], 400, OPS.format("array into Go value of type handlers.jsonPatchOp")),
        ("json-patch", True, [[]], 400, "json: cannot unmarshal array into Go value of type jsonpatch.Operation"),
        (
            "json-patch",
            False,
            [{"op": 1}],
            400,
            OPS.format("number into Go struct field jsonPatchOp.op of type string"),
        ),
        ("json-patch", True, [{"op": 1}], 422, "the server rejected our request due to an error in our request"),
        ("json-patch", False, [None], 422, "the server rejected our request due to an error in our request"),
        ("merge-patch", False, None, 400, "Invalid JSON Patch"),
        ("merge-patch", False, 1, 400, OPS.format("number into Go value of type map[string]interface {}")),
        ("merge-patch", True, 1, 400, "Invalid JSON Patch"),
        ("strategic-merge-patch", False, {"metadata": ["x"]}, 422, "cannot restore struct from: slice"),
        ("strategic-merge-patch", False, {"metadata": {"name": 1}}, 422, "cannot convert int64 to string"),
        ("strategic-merge-patch", False, {"data": {"a": 1.5}}, 422, "unrecognized type: string"),
    ],
)
async def test_what_is_no_patch_or_makes_no_object_is_refused(api, media, careless, body, code, told):
    await api("POST", CONFIG_MAPS, {"metadata": {"name": "cm"}})
    path = f"{CONFIG_MAPS}/cm" + ("?fieldValidation=Ignore" if careless else "")
    sent = body if body is not None else b"null"
    status, answer = await api("PATCH", path, sent, content_type=f"application/{media}+json")
    assert (status, answer["message"].endswith(told)) == (code, True), answer["message"]


async def test_an_object_is_quoted_in_the_order_of_go(api):
    await api("POST", CONFIG_MAPS, {"data": {"b": "<2>", "a": "1"}, "metadata": {"name": "cm"}, "immutable": False})
    _, answer = await api(
        "PATCH", f"{CONFIG_MAPS}/cm", {"metadata": {"labels": 1}}, content_type="application/merge-patch+json"
    )
    assert r"\"data\":{\"a\":\"1\",\"b\":\"\\u003c2\\u003e\"},\"immutable\":false" in answer["message"]
