"""Lists: pages, selectors, versions."""

import gzip

import msgspec
import pytest

from umiak.server.verbs.list import decode_token, encode_token

CMS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def five(api):
    for number in range(1, 6):
        labels = {"odd": "1"} if number % 2 else {}
        await api("POST", CMS, {"metadata": {"name": f"p{number}", "labels": labels}})
    return api


async def names(api, query=""):
    status, found = await api("GET", f"{CMS}{query}")
    assert status == 200, found
    return [item["metadata"]["name"] for item in found["items"]], found["metadata"]


async def test_items_have_no_kind(five):
    _, found = await five("GET", CMS)
    assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
    assert not {"kind", "apiVersion"} & set(found["items"][0])


async def test_empty(api):
    assert (await api("GET", CMS))[1]["items"] == []


async def test_pages_show_one_moment(five):
    first, about = await names(five, "?limit=2")
    assert (first, about["remainingItemCount"]) == (["p1", "p2"], 3)
    await five("DELETE", f"{CMS}/p5")
    await five("POST", CMS, {"metadata": {"name": "p3a"}})
    second, after = await names(five, f"?limit=2&continue={about['continue']}")
    assert (second, after["resourceVersion"]) == (["p3", "p4"], about["resourceVersion"])
    last, end = await names(five, f"?limit=2&continue={after['continue']}")
    assert (last, "continue" in end) == (["p5"], False)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?labelSelector=odd", ["p1", "p3", "p5"]),
        ("?labelSelector=!odd", ["p2", "p4"]),
        ("?fieldSelector=metadata.name=p3", ["p3"]),
        ("?fieldSelector=metadata.name!=p3", ["p1", "p2", "p4", "p5"]),
        ("?fieldSelector=metadata.name=p3&labelSelector=!odd", []),
        ("?fieldSelector==", ["p1", "p2", "p3", "p4", "p5"]),
        ("?labelSelector=%zz&fieldSelector=metadata.name=p3", ["p3"]),
        ("?fieldSelector=metadata.name=p3;a", ["p1", "p2", "p3", "p4", "p5"]),
        ("?labelSelector=odd&limit=2", ["p1", "p3"]),
        ("?limit=2&resourceVersion=0", ["p1", "p2", "p3", "p4", "p5"]),
    ],
)
async def test_selectors(five, query, found):
    assert (await names(five, query))[0] == found


async def test_selected_pages_go_on(five):
    _, about = await names(five, "?labelSelector=odd&limit=2")
    assert "remainingItemCount" not in about
    assert (await names(five, f"?labelSelector=odd&limit=2&continue={about['continue']}"))[0] == ["p5"]


async def test_exact_version_shows_the_past(five):
    _, second = await five("GET", f"{CMS}/p2")
    version = second["metadata"]["resourceVersion"]
    assert (await names(five, f"?resourceVersion={version}&resourceVersionMatch=Exact"))[0] == ["p1", "p2"]
    assert len((await names(five, f"?resourceVersion={version}"))[0]) == 5


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?resourceVersion=99999", 504),
        ("?resourceVersion=new", 400),
        ("?resourceVersionMatch=Exact", 422),
        ("?limit=two", 400),
        ("?continue=nonsense", 400),
        ("?labelSelector=a%20in", 400),
        ("?fieldSelector=spec.colour=red", 400),
        ("?sendInitialEvents=true", 422),
    ],
)
async def test_refusals(five, query, status):
    assert (await five("GET", f"{CMS}{query}"))[0] == status


async def test_forgotten_versions(five, server):
    await server.store.compact(server.store.revision)
    status, refused = await five(
        "GET", f"{CMS}?limit=1&continue={encode_token('/core/configmaps/default/p1', ROOT, 2)}"
    )
    assert (status, refused["reason"]) == (410, "Expired")
    assert (await names(five, f"?continue={refused['metadata']['continue']}"))[0] == ["p2", "p3", "p4", "p5"]


ROOT = "/core/configmaps/default/"


def test_token_round_trip():
    assert decode_token(encode_token(f"{ROOT}a", ROOT, 7), ROOT) == (f"{ROOT}a\0", 7)


async def test_deletion_of_a_selection(five):
    status, gone = await five("DELETE", f"{CMS}?labelSelector=odd")
    assert (status, len(gone["items"])) == (200, 3)
    assert (await names(five))[0] == ["p2", "p4"]


async def test_all_namespaces(five):
    await five("POST", "/api/v1/namespaces/other/configmaps", {"metadata": {"name": "x"}})
    _, found = await five("GET", "/api/v1/configmaps")
    assert len(found["items"]) == 6
    _, found = await five("GET", "/api/v1/configmaps?fieldSelector=metadata.namespace=other")
    assert [item["metadata"]["name"] for item in found["items"]] == ["x"]


async def test_long_lists_are_the_same_in_pieces_and_compressed(api):
    for number in range(150):
        await api("POST", CMS, {"metadata": {"name": f"a{number:03}"}, "data": {"k": "x" * 1500}})
    plain = await api.raw("GET", CMS)
    packed = await api.raw("GET", CMS, accept_encoding="gzip")
    assert (packed.headers["content-encoding"], gzip.decompress(packed.body)) == ("gzip", plain.body)
    items = msgspec.json.decode(plain.body)["items"]
    assert [item["metadata"]["name"] for item in items] == [f"a{number:03}" for number in range(150)]
    assert not any("kind" in item for item in items)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/apis/batch/v1/jobs?fieldSelector=spec.a=b", 'field label "spec.a" not supported for Job'),
        ("/api/v1/nodes?fieldSelector=metadata.namespace=a", "field label not supported: metadata.namespace"),
        ("/api/v1/pods?fieldSelector=status.podIPs=", None),
        ("/apis/batch/v1/jobs?fieldSelector=metadata.namespace=a", None),
        ("/apis/storage.k8s.io/v1/storageclasses?fieldSelector=metadata.namespace=a", None),
        (
            f"{CMS}?continue=abcde",
            "invalid continue token: continue key is not valid: illegal base64 data at input byte 4",
        ),
    ],
)
async def test_what_can_be_selected_by(api, path, told):
    """As kube-apiserver 1.37.1 answers."""
    status, answer = await api("GET", path)
    assert (status, answer.get("message")) == ((400, told) if told else (200, None))
