"""Every kind that the reference serves is here, with the same words."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from umiak.api import compiled, registry
from umiak.api.registry import UnknownKind

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT.parent / "shared/golden/schema"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="the reference's documents are not on this machine")


def test_find():
    kind = registry.find("apps/v1", "Deployment")
    assert (kind.plural, kind.singular, kind.short_names) == ("deployments", "deployment", ("deploy",))
    assert registry.find("apps/v1", "Deployment") is kind
    assert registry.resource("apps", "v1", "deployments") is kind
    assert kind.schema.definition == "io.k8s.api.apps.v1.Deployment"


@pytest.mark.parametrize(
    ("api_version", "name"),
    [("apps/v1", "Pod"), ("v2", "Pod"), ("nowhere/v1", "Pod"), ("v1", "pod"), ("v1", "../x"), ("", ""), ("a/b/c", "d")],
)
def test_unknown_kinds(api_version, name):
    with pytest.raises(UnknownKind):
        registry.find(api_version, name)


def test_looking_up_one_kind_imports_no_other():
    code = (
        "import sys; from umiak.api import registry; registry.find('v1', 'ConfigMap');"
        "print([m for m in sys.modules if m.startswith('umiak.api.') and m.count('.') == 3])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "core.configmap" in found
    assert "core.pod'" not in found


def test_every_module_of_a_group_has_its_kind():
    for kind in registry.kinds():
        assert registry.find(kind.api_version, kind.kind) is kind


def test_kinds_that_are_not_stored_have_schemas():
    for api_version, kind in [("policy/v1", "Eviction"), ("autoscaling/v1", "Scale"), ("v1", "DeleteOptions")]:
        assert compiled.schema(api_version, kind).type == "object"
    with pytest.raises(KeyError):
        compiled.definition("io.k8s.api.core.v1.Nothing")


def discovery():
    return json.loads(gzip.decompress((GOLDEN / "discovery.json.gz").read_bytes()))["plain"]


@pytest.mark.shared
@needs_golden
def test_discovery_is_the_references():
    for path, document in discovery().items():
        if document.get("kind") != "APIResourceList":
            continue
        group, _, version = document["groupVersion"].rpartition("/")
        served = {}
        for facts in document["resources"]:
            name, _, subresource = facts["name"].partition("/")
            kind = registry.resource(group, version, name)
            if subresource:
                found = next(s for s in kind.subresources if s.name == subresource)
                assert (found.kind, found.group, found.version) == (
                    facts["kind"],
                    facts.get("group", ""),
                    facts.get("version", ""),
                )
                assert list(found.verbs) == facts["verbs"]
                served.setdefault(name, set()).add(subresource)
                continue
            served.setdefault(name, set())
            assert (kind.kind, kind.singular, kind.namespaced) == (
                facts["kind"],
                facts["singularName"],
                facts["namespaced"],
            ), path
            assert list(kind.verbs) == facts["verbs"]
            assert list(kind.short_names) == facts.get("shortNames", [])
            assert list(kind.categories) == facts.get("categories", [])
            assert registry.storage_hash(kind) == facts.get("storageVersionHash", "")
        for name, subresources in served.items():
            assert {s.name for s in registry.resource(group, version, name).subresources} == subresources


@pytest.mark.shared
@needs_golden
def test_nothing_is_served_that_the_reference_does_not_know():
    known = {
        (document["groupVersion"], facts["name"])
        for document in discovery().values()
        if document.get("kind") == "APIResourceList"
        for facts in document["resources"]
    }
    assert {(kind.api_version, kind.plural) for kind in registry.kinds()} <= known


@pytest.mark.shared
@pytest.mark.slow
@needs_golden
@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
def test_the_compiled_file_can_be_made_again(tmp_path):
    """The same documents give the same file, byte for byte."""
    out = tmp_path / "schema.json"
    command = [sys.executable, "scripts/compile-schema", "-o", str(out)]
    documents = [str(GOLDEN / "openapi-v3.json.gz"), str(GOLDEN / "discovery.json.gz")]
    made = subprocess.run([*command, *documents], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    if made.returncode and "go" in made.stderr:
        pytest.skip("the Go modules of the reference are not on this machine")
    assert made.returncode == 0, made.stderr
    assert out.read_bytes() == (ROOT / "src/umiak/api/_compiled/schema.json").read_bytes()
