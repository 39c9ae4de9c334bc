"""Bodies made to cost: each is answered, or refused as kube-apiserver refuses it, for a bounded price.

Bounds are for one request. They are far above what was measured (docs/security.md has the figures), so that only what
grows with the square of the body, or worse, breaks them.
"""

import gzip
import itertools
from urllib.parse import quote

import pytest
from attacked import Attacked

MAPS = "/api/v1/namespaces/default/configmaps"
TEMPLATE = "/api/v1/namespaces/default/podtemplates/t?dryRun=All"
PODS = "/api/v1/namespaces/default/pods?dryRun=All"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All"
YAML, MERGE, STRATEGIC, JSON_PATCH, APPLY = (
    "application/yaml",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
LETTERS = "abcdefghij"


def bomb() -> bytes:
    """Nine times nine times nine ...: a billion."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{here}: &{here} [{','.join([f'*{before}'] * 9)}]" for before, here in itertools.pairwise(LETTERS)]
    return "\n".join(lines).encode()


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize(
    ("media", "body", "told"),
    [
        pytest.param(YAML, bomb(), "document contains excessive aliasing", id="YAML bomb"),
        pytest.param(
            YAML, b"a: &a [" + b"x," * 350_000 + b"]\nb: [" + b"*a," * 10 + b"]", "excessive aliasing", id="aliases"
        ),
        pytest.param(YAML, b"a: &a [*a]", "anchor 'a' value contains itself", id="alias of itself"),
        pytest.param(YAML, b"data: " + b"[" * 1_000_000, "exceeded max depth of 10000", id="deep YAML"),
        pytest.param("application/json", b'{"data":' + b"[" * 1_000_000, "exceeded max depth", id="deep JSON"),
        pytest.param("application/json", nested(5000).encode(), "exceeded max depth", id="deep JSON objects"),
        pytest.param(
            "application/json", b'{"metadata":{"generation":' + b"9" * 1_000_000 + b"}}", "number", id="long number"
        ),
        pytest.param("application/json", gzip.compress(b"\0" * 200_000_000), "invalid character", id="gzip bomb"),
        pytest.param(
            "application/vnd.kubernetes.protobuf",
            b"k8s\0" + b"\x0a\xff\xff\xff\xff\x0f",
            "unexpected EOF",
            id="protobuf length",
        ),
    ],
)
def test_a_body_is_refused(server: Attacked, media: str, body: bytes, told: str) -> None:
    with server.bounded():
        encoding = {"Content_Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}
        answer = server.ask("POST", MAPS, body, Content_Type=media, **encoding)
    assert answer.status == 400
    assert told in answer.message


def test_deep_protobuf(server: Attacked) -> None:
    """A schema in a schema in a schema, 3,000 times."""
    body = b""
    for _ in range(3000):
        body = b"\xe2\x01" + _length(body) + body  # JSONSchemaProps.not
    with server.bounded():
        answer = server.ask("POST", DEFINITIONS, _definition(body), Content_Type="application/vnd.kubernetes.protobuf")
    assert (answer.status, "nested too deeply" in answer.message) == (400, True), answer.message


def _length(data: bytes) -> bytes:
    size, out = len(data), b""
    while size > 127:
        out, size = out + bytes([size & 127 | 128]), size >> 7
    return out + bytes([size])


def _part(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _length(data) + data


def _definition(schema: bytes) -> bytes:
    version = _part(1, b"v1") + _part(4, _part(1, schema))
    content = _part(2, _part(7, version))
    about = _part(1, b"apiextensions.k8s.io/v1") + _part(2, b"CustomResourceDefinition")
    return b"k8s\0" + _part(1, about) + _part(2, content)


@pytest.mark.parametrize("depth", [100, 900, 5000])
@pytest.mark.parametrize("media", [MERGE, STRATEGIC, JSON_PATCH, APPLY])
def test_a_deep_patch_is_refused(server: Attacked, media: str, depth: int) -> None:
    """Status codes as the reference's for 100 levels; it follows 10,000, here it ends at some hundreds, with 400."""
    value = nested(depth)
    body = f'[{{"op":"add","path":"/data","value":{value}}}]' if media == JSON_PATCH else f'{{"data":{value}}}'
    if media == APPLY:
        body = f'{{"apiVersion":"v1","kind":"ConfigMap","data":{value}}}'
    with server.bounded():
        answer = server.ask("PATCH", f"{MAPS}/cm?fieldManager=a", body.encode(), Content_Type=media)
    told = {APPLY: "failed to create typed patch object"}.get(media, "is invalid: patch")
    assert answer.status in (400, 422) or (depth == 100 and told in answer.message), answer.message


BIG = "x" * 200_000
CONTAINERS = [{"name": f"c{i}", "image": "y"} for i in range(20_000)]


def _in_spec(**fields: object) -> object:
    return {"template": {"spec": fields}}


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        pytest.param(
            JSON_PATCH,
            [{"op": "add", "path": "/metadata/annotations", "value": {"a": BIG}}]
            + [
                {"op": "copy", "from": "/metadata/annotations/a", "path": f"/metadata/annotations/{i}"}
                for i in range(9000)
            ],
            422,
            id="copies add up",
        ),
        pytest.param(
            JSON_PATCH,
            [{"op": "add", "path": "/x", "value": ["x"]}] + [{"op": "copy", "from": "/x", "path": "/x/-"}] * 60,
            422,
            id="copies double",
        ),
        pytest.param(
            JSON_PATCH, [{"op": "test", "path": "/kind", "value": "PodTemplate"}] * 10_000, 200, id="10,000 operations"
        ),
        pytest.param(
            JSON_PATCH, [{"op": "test", "path": "/kind", "value": "PodTemplate"}] * 10_001, 413, id="one more"
        ),
        pytest.param(STRATEGIC, _in_spec(containers=CONTAINERS), 200, id="20,000 elements"),
        pytest.param(
            STRATEGIC, _in_spec(containers=[{**c, "$patch": "delete"} for c in CONTAINERS]), 422, id="20,000 deletions"
        ),
        pytest.param(
            STRATEGIC,
            _in_spec(containers=CONTAINERS, **{"$setElementOrder/containers": CONTAINERS}),
            200,
            id="20,000 in order",
        ),
        pytest.param(
            APPLY,
            {"apiVersion": "v1", "kind": "PodTemplate", **_in_spec(containers=CONTAINERS)},
            409,
            id="20,000 applied",
        ),  # type: ignore[dict-item]
    ],
)
def test_a_large_patch_is_affordable(server: Attacked, media: str, body: object, status: int) -> None:
    with server.bounded(cpu=10, memory=160):
        answer = server.ask("PATCH", f"{TEMPLATE}&fieldManager=a", body, Content_Type=media)
    assert answer.status == status, answer.message[:300]


def _pod(**container: object) -> object:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x", **container}]}}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param(PODS, _pod(env=[{"name": "a"}] * 60_000), 201, id="one variable 60,000 times"),
        pytest.param(PODS, _pod(ports=[{"containerPort": 1}] * 30_000), 201, id="one port 30,000 times"),
        pytest.param(PODS, _pod(ports=[{"containerPort": 1, "name": "a"}] * 20_000), 422, id="one name 20,000 times"),
        pytest.param(
            PODS, _pod(resources={"limits": {"cpu": "1e999999999", "memory": "9" * 100_000}}), 400, id="quantities"
        ),
        pytest.param(
            f"{MAPS}?dryRun=All",
            {
                "metadata": {
                    "name": "o",
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": "X", "name": "a", "uid": str(i)} for i in range(20_000)
                    ],
                }
            },
            201,
            id="20,000 owners",
        ),
        pytest.param(
            f"{MAPS}?dryRun=All",
            {"metadata": {"name": "l", "labels": {f"a{i}": "b" for i in range(100_000)}}},
            201,
            id="100,000 labels",
        ),
        pytest.param(
            f"{MAPS}?dryRun=All",
            {"metadata": {"name": "l"}, **{f"{'x' * 50}{i}": 1 for i in range(50_000)}},
            201,
            id="unknown fields",
        ),
    ],
)
def test_a_long_list_is_affordable(server: Attacked, path: str, body: object, status: int) -> None:
    with server.bounded(cpu=10, memory=160):
        answer = server.ask("POST", path, body)
    assert answer.status == status, answer.message[:300]
    assert sum(len(value) for name, value in answer.headers if name == "Warning") < 8192


def _definition_with(**schema: object) -> object:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", **schema}},
    }
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "hostile.example", "scope": "Cluster", "names": names, "versions": [version]}
    return {"metadata": {"name": "things.hostile.example"}, "spec": spec}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        pytest.param("(" * 5000 + "true" + ")" * 5000, "expression recursion limit exceeded: 250", id="deep CEL"),
        pytest.param("!" * 90_000 + "true", "", id="long CEL"),
        pytest.param("true" + " || true" * 12_000, "", id="many terms"),
        pytest.param("'a'.matches('" + "(" * 3000 + ")" * 3000 + "')", "", id="deep pattern"),
        pytest.param("'a'.matches('((a{100}){100}){100}')", "invalid matches argument", id="repeated repetitions"),
    ],
)
def test_a_rule_is_affordable(server: Attacked, rule: str, told: str) -> None:
    with server.bounded(cpu=20):
        answer = server.ask("POST", DEFINITIONS, _definition_with(**{"x-kubernetes-validations": [{"rule": rule}]}))
    assert answer.status == (422 if told else 201), answer.message[:300]
    assert told in answer.message


def test_patterns_are_affordable(server: Attacked) -> None:
    """On Python's engine each of them would run for ever; Go's has linear time."""
    patterns = {"a": "^(a+)+$", "b": "^(a|aa)+$", "c": "(a*)*b", "d": "a?" * 28 + "a" * 28}
    fields = {name: {"type": "string", "pattern": pattern} for name, pattern in patterns.items()}
    definition = _definition_with(properties=fields)
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert server.ask("POST", path, definition).status == 201
    thing = {"apiVersion": "hostile.example/v1", "kind": "Thing", "metadata": {"name": "a"}}
    with server.bounded():
        for name in patterns:
            answer = server.ask("POST", "/apis/hostile.example/v1/things", {**thing, name: "a" * 27 + "!"})
            assert answer.status == 422 and "should match" in answer.message, answer.message
    server.ask("DELETE", f"{path}/things.hostile.example")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("labelSelector=" + "(" * 200_000, 400),
        ("labelSelector=" + "!" * 200_000, 400),
        ("labelSelector=" + quote("a in (" + ",".join(f"v{i}" for i in range(50_000)) + ")"), 200),
        ("labelSelector=" + quote("a>" + "9" * 100_000), 400),
        ("fieldSelector=" + quote(",".join(f"a{i}=b" for i in range(50_000))), 400),
        ("limit=" + "9" * 5000, 400),
        ("resourceVersion=" + "9" * 5000, 400),
        ("watch=1&timeoutSeconds=" + "9" * 5000, 400),
        ("continue=" + "A" * 100_000, 400),
        ("&".join(f"a{i}=b" for i in range(50_000)), 200),
    ],
)
def test_a_query_is_affordable(server: Attacked, query: str, status: int) -> None:
    with server.bounded():
        assert server.ask("GET", f"{MAPS}?{query}").status == status


def test_a_body_has_at_most_3_mib(server: Attacked) -> None:
    with server.bounded():
        answer = server.ask("POST", MAPS, b" " * (3 * 1024 * 1024 + 1))
    assert (answer.status, answer.message) == (413, "Request entity too large: limit is 3145728")
    assert b'"RequestEntityTooLarge"' in answer.body
