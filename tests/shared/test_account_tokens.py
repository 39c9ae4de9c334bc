"""Service account tokens, everlasting ones and bootstrap tokens: ours are read as kube-apiserver reads its own."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from side_by_side import ISSUER, Both, agree

from umiak.testing import reference
from umiak.testing.patience import until

pytestmark = [pytest.mark.shared, pytest.mark.slow]

REVIEWS = "/apis/authentication.k8s.io/v1"
NAMESPACE = "/api/v1/namespaces/default"
FLAGS = (
    "--service-account-issuer=https://older.example.com",
    "--service-account-jwks-uri=https://keys.example.com/jwks",
    "--service-account-max-token-expiration=2h",
    f"--api-audiences=api,{ISSUER}",
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    for name in ("kube-apiserver", "etcd"):
        try:
            reference.program(name)
        except reference.Missing as missing:
            pytest.skip(str(missing))
    found = Both(tmp_path_factory.mktemp("tokens"), FLAGS)
    try:
        found.start()
        prepare(found)
        yield found
    finally:
        found.stop()


def prepare(both: Both) -> None:
    containers = [{"name": "c", "image": "i"}]
    pod = {"serviceAccountName": "sa", "automountServiceAccountToken": False, "containers": containers}
    made = [
        (f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "sa"}}),
        (f"{NAMESPACE}/secrets", {"metadata": {"name": "s"}}),
        ("/api/v1/nodes", {"metadata": {"name": "n1"}}),
        (f"{NAMESPACE}/pods", {"metadata": {"name": "p"}, "spec": {**pod, "nodeName": "n1"}}),
        (f"{NAMESPACE}/pods", {"metadata": {"name": "q"}, "spec": {**pod, "nodeName": "n2"}}),
    ]
    for path, body in made:
        assert [answer.status for answer in both.ask("POST", path, body=body)] == [201, 201]


def compare(answers: list[Any]) -> None:
    theirs, ours = answers
    assert ours.comparable() == theirs.comparable()
    assert ours.headers.get("Warning") == theirs.headers.get("Warning")


def ask_each(both: Both, tokens: list[str], method: str, path: str, body: Any = None) -> None:
    asked = list(zip(both.servers, tokens, strict=True))
    agree(lambda: [server.ask(method, path, token, body) for server, token in asked])


def review(both: Both, tokens: list[str], *audiences: str) -> None:
    more = {"audiences": list(audiences)} if audiences else {}
    bodies = [{"spec": {"token": token, **more}} for token in tokens]
    asked = list(zip(both.servers, bodies, strict=True))
    agree(lambda: [server.ask("POST", f"{REVIEWS}/tokenreviews", body=body) for server, body in asked])


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/openid/v1/jwks"])
def test_discovery(both: Both, path: str) -> None:
    compare(both.ask("GET", path))


def bound(kind: str, name: str, api_version: str = "v1") -> dict[str, Any]:
    return {"boundObjectRef": {"kind": kind, "apiVersion": api_version, "name": name}}


HOOK = bound("ValidatingWebhookConfiguration", "none", "admissionregistration.k8s.io/v1")
REQUESTS: dict[str, Any] = {
    "plain": {"spec": {}},
    "audiences": {"spec": {"audiences": ["x", "api"]}},
    "others' audience": {"spec": {"audiences": ["x"]}},
    "too short": {"spec": {"expirationSeconds": 60}},
    "too long": {"spec": {"expirationSeconds": 2**33}},
    "shortened": {"spec": {"expirationSeconds": 100_000}},
    "wrong uid": {"metadata": {"uid": "nope"}},
    "wrong name": {"metadata": {"name": "nope"}},
    "wrong namespace": {"metadata": {"namespace": "nope"}},
    "attestations": {"spec": {"attestations": {"a": ["b"]}}},
    "no pod": {"spec": bound("Pod", "none")},
    "no secret": {"spec": bound("Secret", "none")},
    "no node": {"spec": bound("Node", "none")},
    "no kind": {"spec": bound("Foo", "none", "a/b")},
    "a webhook": {"spec": HOOK},
    "a webhook, attested": {"spec": {**HOOK, "audiences": ["a"], "attestations": {"admissionReviewAPIGroups": ["x"]}}},
    "a webhook, wrongly attested": {"spec": {**HOOK, "audiences": ["a"], "attestations": {"foo": ["x"]}}},
    "bound to a pod": {"spec": {**bound("Pod", "p"), "expirationSeconds": 3607}},
    "bound to a pod whose node is gone": {"spec": bound("Pod", "q")},
    "bound to a secret": {"spec": bound("Secret", "s")},
    "bound to a node": {"spec": bound("Node", "n1")},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(both: Both, name: str) -> None:
    answers = both.ask("POST", f"{NAMESPACE}/serviceaccounts/sa/token", body=REQUESTS[name])
    compare(answers)
    if answers[0].status == 201:
        tokens = [answer.body["status"]["token"] for answer in answers]
        for audiences in ((), ("api",), ("x",), ("y", "x")):
            review(both, tokens, *audiences)
        ask_each(both, tokens, "POST", f"{REVIEWS}/selfsubjectreviews", {})
        ask_each(both, tokens, "GET", f"{NAMESPACE}/pods")


def sign(both: Both, claims: dict[str, Any]) -> str:
    key = ECKey.import_key((both.folder / "sa.key").read_text())
    kept = {name: value for name, value in claims.items() if value is not None}
    return jws.serialize_compact({"alg": "ES256"}, json.dumps(kept).encode(), key, algorithms=["ES256"])


def uids(both: Both) -> list[str]:
    return [answer.body["metadata"]["uid"] for answer in both.ask("GET", f"{NAMESPACE}/serviceaccounts/sa")]


MADE: dict[str, dict[str, Any]] = {
    "good": {},
    "older issuer": {"iss": "https://older.example.com"},
    "unknown issuer": {"iss": "https://x"},
    "without audience": {"aud": None},
    "one audience": {"aud": "api"},
    "without expiry": {"exp": None},
    "about nobody": {"kubernetes.io": None},
    "another account": {"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "none", "uid": "x"}}},
    "another uid": {"kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "sa", "uid": "x"}}},
}
TIMED = {
    "expired": ("exp", -100),
    "just expired": ("exp", -30),
    "not yet": ("nbf", 100),
    "of the future": ("iat", 1000),
}


@pytest.mark.parametrize("name", [*MADE, *TIMED])
def test_made_by_hand(both: Both, name: str) -> None:
    now = int(time.time())
    tokens = []
    for uid in uids(both):
        about = {"namespace": "default", "serviceaccount": {"name": "sa", "uid": uid}}
        who = {"iss": ISSUER, "sub": "system:serviceaccount:default:sa", "aud": ["api"], "kubernetes.io": about}
        changes = MADE.get(name) or ({TIMED[name][0]: now + TIMED[name][1]} if name in TIMED else {})
        tokens.append(sign(both, {**who, "iat": now, "nbf": now, "exp": now + 3600, **changes}))
    review(both, tokens)


KEPT = "kubernetes.io/serviceaccount/"


def everlasting(both: Both, secret: str, labels: dict[str, str] | None = None, **changes: Any) -> list[str]:
    """Kept in a secret on each server."""
    tokens = []
    for server, uid in zip(both.servers, uids(both), strict=True):
        account = {"service-account.name": "sa", "service-account.uid": uid}
        about = {"namespace": "default", "secret.name": secret, **account}
        whole = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:default:sa"}
        whole |= {KEPT + name: value for name, value in about.items()} | changes
        tokens.append(sign(both, whole))
        annotations = {"kubernetes.io/service-account.name": "sa", "kubernetes.io/service-account.uid": uid}
        body = {
            "metadata": {"name": secret, "labels": labels or {}, "annotations": annotations},
            "type": "kubernetes.io/service-account-token",
            "data": {"token": base64.b64encode(tokens[-1].encode()).decode()},
        }
        assert server.ask("POST", f"{NAMESPACE}/secrets", body=body).status == 201
    return tokens


def labels_of(both: Both, secret: str) -> list[Any]:
    return [answer.body["metadata"].get("labels") for answer in both.ask("GET", f"{NAMESPACE}/secrets/{secret}")]


def same_labels(both: Both, secret: str) -> bool:
    theirs, ours = labels_of(both, secret)
    assert ours == theirs
    return True


def test_everlasting(both: Both) -> None:
    tokens = everlasting(both, "kept")
    review(both, tokens)
    review(both, tokens, "other")
    ask_each(both, tokens, "POST", f"{REVIEWS}/selfsubjectreviews", {})
    until(lambda: same_labels(both, "kept"))
    assert "kubernetes.io/legacy-token-last-used" in labels_of(both, "kept")[0]


def test_everlasting_and_generated(both: Both) -> None:
    tokens = everlasting(both, "made")
    patch = {"Content_Type": "application/merge-patch+json"}
    both.ask("PATCH", f"{NAMESPACE}/serviceaccounts/sa", body={"secrets": [{"name": "made"}]}, **patch)
    review(both, tokens)
    ask_each(both, tokens, "POST", f"{REVIEWS}/selfsubjectreviews", {})


def test_everlasting_and_invalid(both: Both) -> None:
    review(both, everlasting(both, "invalid", {"kubernetes.io/legacy-token-invalid-since": "2024-01-01"}))
    until(lambda: same_labels(both, "invalid"))


LACKING = ("sub", *(KEPT + name for name in ("namespace", "secret.name", "service-account.name")))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in LACKING),
        {"sub": "system:serviceaccount:default:x"},
        {KEPT + "service-account.uid": "x"},
    ],
    ids=str,
)
def test_everlasting_and_wrong(both: Both, changes: dict[str, Any]) -> None:
    name = f"wrong-{abs(hash(str(changes))) % 10**8}"
    review(both, everlasting(both, name, None, **changes))


GROUPS = "auth-extra-groups"
BOOTSTRAP = {
    "plain": {},
    "groups": {GROUPS: "system:bootstrappers:a,system:bootstrappers:b"},
    "too much": {GROUPS: "system:masters"},
    "expired": {"expiration": "2020-01-01T00:00:00Z"},
    "oddly expired": {"expiration": "junk"},
    "still good": {"expiration": "2100-01-01T00:00:00Z"},
    "for something else": {"usage-bootstrap-authentication": "false"},
}


@pytest.mark.parametrize("name", BOOTSTRAP)
def test_bootstrap_tokens(both: Both, name: str) -> None:
    public, private = f"abc{list(BOOTSTRAP).index(name):03}", "0123456789abcdef"
    data = {"token-id": public, "token-secret": private, "usage-bootstrap-authentication": "true", **BOOTSTRAP[name]}
    body = {
        "metadata": {"name": f"bootstrap-token-{public}"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }
    both.ask("POST", "/api/v1/namespaces/kube-system/secrets", body=body)
    for token in (f"{public}.{private}", f"{public}.{private[:-1]}0", f"xyz{public[3:]}.{private}"):
        review(both, [token, token])
        ask_each(both, [token, token], "POST", f"{REVIEWS}/selfsubjectreviews", {})
