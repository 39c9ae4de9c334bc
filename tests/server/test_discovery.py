"""Discovery says what the reference says, and tells clients when nothing changed."""

import gzip
import json
from pathlib import Path

import pytest

from umiak.api import protobuf, registry
from umiak.objects.errors import StatusError
from umiak.server.contract import Request
from umiak.server.discovery import Discovery, form_in_one, version_rank

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden" / "schema" / "discovery.json.gz"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PROTOBUF_V2 = V2.replace("json", "vnd.kubernetes.protobuf")


def ask(path, accept="application/json", **headers):
    discovery = Discovery(registry.kinds, lambda: "192.0.2.2:36443")
    return discovery.answer(Request("GET", path, {}, {"accept": [accept], **{k: [v] for k, v in headers.items()}}))


@pytest.mark.parametrize(
    ("accept", "want"),
    [
        (V2, "application/json"),
        (f"{V2};profile=nopeer,application/json", "application/json"),
        (f"{PROTOBUF_V2},{V2}", "application/vnd.kubernetes.protobuf"),
        ("application/json", ""),
        ("", ""),
        (V2.replace("v=v2", "v=v2beta1") + ",application/json", ""),
        (V2.replace("v=v2", "v=v2beta1"), ""),
    ],
)
def test_who_asks_for_all_in_one(accept, want):
    assert form_in_one(accept) == want


def test_all_in_one_as_protobuf_says_the_same():
    answer = ask("/apis", PROTOBUF_V2)
    assert answer.type == PROTOBUF_V2
    assert protobuf.encode(json.loads(ask("/apis", V2).body)) == answer.body
    read = protobuf.decode(answer.body)
    apps = next(item for item in read["items"] if item["metadata"]["name"] == "apps")
    (version,) = apps["versions"]
    daemons = version["resources"][1]
    assert (version["freshness"], daemons["resource"], daemons["scope"]) == ("Current", "daemonsets", "Namespaced")
    assert daemons["subresources"][0]["subresource"] == "status"


def test_versions_best_first():
    shuffled = ["v1alpha1", "v1", "v2beta1", "foo", "v11", "v1beta2", "v2"]
    assert sorted(shuffled, key=version_rank) == ["v11", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]


def test_same_document_is_not_sent_twice():
    first = ask("/apis", V2)
    tag = dict(first.headers)["ETag"]
    again = ask("/apis", V2, **{"if-none-match": tag})
    assert (again.status, again.body) == (304, b"")


def test_unknown_paths():
    assert ask("/apis/none.example").body == b"404 page not found\n"
    with pytest.raises(StatusError):  # of the group without a name everything is ours
        ask("/api/v2")
    with pytest.raises(StatusError) as error:
        ask("/apis/apps/v2")
    assert error.value.message == "the server could not find the requested resource"


@pytest.mark.shared
@pytest.mark.skipif(not GOLDEN.exists(), reason="the recordings are not beside this clone")
@pytest.mark.parametrize("form", ["plain", "aggregated"])
def test_equals_reference(form):
    golden = json.loads(gzip.decompress(GOLDEN.read_bytes()))[form]
    for path, want in golden.items():
        if path != "/version":
            assert json.loads(ask(path, V2 if form == "aggregated" else "application/json").body) == want, path
