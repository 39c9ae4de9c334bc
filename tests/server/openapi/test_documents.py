"""OpenAPI documents name what the reference's name."""

import gzip
import json
from pathlib import Path

import pytest

from umiak.api import registry
from umiak.server.contract import Request
from umiak.server.openapi.documents import names, version_2, version_3
from umiak.server.openapi.operations import camel, tag
from umiak.server.openapi.routes import V2, V3, Documents
from umiak.testing.clock import VirtualClock

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "golden" / "schema"
NO_GOLDEN = pytest.mark.skipif(not GOLDEN.exists(), reason="the recordings are not beside this clone")


def ask(path, accept="application/json", query=None, **headers):
    documents = Documents(registry.kinds, VirtualClock())
    found = {"accept": [accept], **{name.replace("_", "-"): [value] for name, value in headers.items()}}
    return documents.answer(Request("GET", path, query or {}, found))


@pytest.mark.parametrize(
    ("group", "name", "label"),
    [("", "CoreV1", "core_v1"), ("rbac.authorization.k8s.io", "RbacAuthorizationV1", "rbacAuthorization_v1")],
)
def test_words(group, name, label):
    assert (camel(group, "v1"), tag(group, "v1")) == (name, label)


def test_index_leads_to_documents_that_keep():
    url = json.loads(ask(V3).body)["paths"]["apis/apps/v1"]["serverRelativeURL"]
    path, _, tag = url.partition("?hash=")
    found = ask(path, query={"hash": [tag]})
    assert json.loads(found.body)["openapi"] == "3.0.0"
    assert ("Cache-Control", "public, immutable") in found.headers
    assert ask(path, if_none_match=f'"{tag}"').status == 304
    moved = ask(path, query={"hash": ["old"]})
    assert (moved.status, dict(moved.headers)["Location"]) == (301, url)


def test_unknown_document():
    assert ask(f"{V3}/apis/none/v1").status == 404


def test_patch_says_field_validation():
    """kubectl looks for it before it validates on the server's side."""
    paths = version_3("apis/apps/v1", registry.kinds())["paths"]
    patch = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "fieldValidation" in [p["name"] for p in patch["parameters"]]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}


@pytest.mark.slow
@pytest.mark.shared
@NO_GOLDEN
def test_equals_reference():
    golden = json.loads(gzip.decompress((GOLDEN / "openapi-v3.json.gz").read_bytes()))
    kinds = registry.kinds()
    assert names(kinds) == sorted(golden)
    for name, want in golden.items():
        got = version_3(name, kinds)
        assert got["paths"].keys() == want["paths"].keys(), name
        assert got["components"].get("schemas", {}).keys() == want["components"].get("schemas", {}).keys(), name
        for path, item in want["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    assert got["paths"][path][method]["operationId"] == operation["operationId"]


@pytest.mark.slow
@pytest.mark.shared
@NO_GOLDEN
def test_version_2_equals_reference():
    golden = json.loads(gzip.decompress((GOLDEN / "openapi-v2.json.gz").read_bytes()))
    got = json.loads(ask(V2).body)
    assert got["paths"].keys() == golden["paths"].keys()
    assert got["definitions"].keys() == golden["definitions"].keys()
    assert got == json.loads(json.dumps(version_2(registry.kinds())))
