"""With the same configuration files our server answers tokens and requests as the real kube-apiserver does."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from beside import Beside
from side_by_side import ISSUER, Both, agree

from umiak.testing import reference
from umiak.testing.patience import until

pytestmark = [pytest.mark.shared, pytest.mark.slow]

CONFIG = "apiserver.config.k8s.io/v1"
REVIEWS, ACCESS = "/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io/v1"
USERS = ("ines,ines,1,crew", "un,unasked,2", "den,denied,3", 'node,system:node:n1,4,"system:nodes"')
SECOND = {"issuer": "/second", "hd": "example.com", "roles": ["a", "b"]}
HIDDEN = {"issuer": "/hidden", "email": "a@b"}
PLAIN = {"uid": "7"}


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    for name in ("kube-apiserver", "etcd"):
        try:
            reference.program(name)
        except reference.Missing as missing:
            pytest.skip(str(missing))


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    found = Beside(tmp_path_factory.mktemp("beside"))
    found.start()
    yield found
    found.stop()


def authentication(beside: Beside) -> dict[str, Any]:
    def issuer(path: str, **more: Any) -> dict[str, Any]:
        return {"url": beside.url + path, "audiences": ["me"], "certificateAuthority": beside.ca, **more}

    plain = {
        "issuer": issuer(""),
        "claimMappings": {
            "username": {"claim": "sub", "prefix": "oidc:"},
            "groups": {"claim": "groups", "prefix": "g:"},
            "uid": {"claim": "uid"},
        },
    }
    second = {
        "issuer": issuer("/second", audiences=["me", "you"], audienceMatchPolicy="MatchAny"),
        "claimMappings": {
            "username": {"expression": "'x:' + claims.sub"},
            "groups": {"expression": "claims.roles"},
            "uid": {"expression": "has(claims.n) ? string(claims.n) : ''"},
            "extra": [
                {"key": "example.com/team", "valueExpression": "claims.?team.orValue('')"},
                {"key": "example.com/deep", "valueExpression": "claims.?deep.?a__dot__b.orValue([])"},
            ],
        },
        "claimValidationRules": [
            {"claim": "hd", "requiredValue": "example.com"},
            {"expression": "claims.exp - claims.iat <= 86400.0", "message": "too long"},
        ],
        "userValidationRules": [{"expression": "!user.username.startsWith('x:system')", "message": "reserved"}],
    }
    hidden = {
        "issuer": issuer("/hidden", discoveryURL=f"{beside.url}/elsewhere/.well-known/openid-configuration"),
        "claimMappings": {"username": {"claim": "email", "prefix": ""}},
    }
    anonymous = {"enabled": True, "conditions": [{"path": "/livez"}, {"path": "/readyz"}]}
    head = {"apiVersion": CONFIG, "kind": "AuthenticationConfiguration", "anonymous": anonymous}
    return {**head, "jwt": [plain, second, hidden]}


def authorization(beside: Beside) -> dict[str, Any]:
    def webhook(policy: str, kubeconfig: str, *conditions: str) -> dict[str, Any]:
        return {
            "timeout": "3s",
            "subjectAccessReviewVersion": "v1",
            "matchConditionSubjectAccessReviewVersion": "v1",
            "failurePolicy": policy,
            "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": kubeconfig},
            "matchConditions": [{"expression": text} for text in conditions],
        }

    file = beside.kubeconfig("/access")
    nowhere = beside.folder / "nowhere.kubeconfig"
    nowhere.write_text(re.sub(r"https://127.0.0.1:\d+", "https://127.0.0.1:9", Path(file).read_text()))
    failing = (
        "!has(request.resourceAttributes) || request.resourceAttributes.name != 'failing' || "
        "request.extra['none'][0] == 'x'"
    )
    row = [
        {"type": "Node", "name": "node"},
        {
            "type": "Webhook",
            "name": "closed",
            "webhook": webhook("Deny", str(nowhere), "request.user == 'denied'"),
        },
        {
            "type": "Webhook",
            "name": "open",
            "webhook": webhook("NoOpinion", file, "request.user != 'unasked'", failing),
        },
        {"type": "RBAC", "name": "rbac"},
        {"type": "AlwaysDeny", "name": "alwaysdeny"},
    ]
    return {"apiVersion": CONFIG, "kind": "AuthorizationConfiguration", "authorizers": row}


@pytest.fixture(scope="module")
def both(beside: Beside, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("both")
    for name, content in (("authn", authentication(beside)), ("authz", authorization(beside))):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    flags = [
        f"--authentication-config={folder}/authn.yaml",
        f"--authorization-config={folder}/authz.yaml",
        f"--authentication-token-webhook-config-file={beside.kubeconfig('/tokens')}",
        "--authentication-token-webhook-version=v1",
    ]
    found = Both(folder, flags, USERS)
    try:
        found.start()
        wait_for_issuers(found, beside)
        yield found
    finally:
        found.stop()


def wait_for_issuers(both: Both, beside: Beside) -> None:
    body = {"spec": {"token": beside.token(**PLAIN)}}

    def are_found() -> bool:
        answers = both.ask("POST", f"{REVIEWS}/tokenreviews", body=body)
        return all(answer.body.get("status", {}).get("authenticated") for answer in answers)

    until(are_found)


def check_equal(both: Both, *question: Any, **more: Any) -> None:
    agree(lambda: both.ask(*question, **more))


HOUR = 3600
TOKENS: dict[str, dict[str, Any]] = {
    "plain": {**PLAIN, "groups": ["a", "b"]},
    "one group": {**PLAIN, "groups": "a"},
    "groups are numbers": {**PLAIN, "groups": [1]},
    "groups are an object": {**PLAIN, "groups": {"a": 1}},
    "no uid": {},
    "uid is a number": {"uid": 5},
    "with a name of its own": {**PLAIN, "jti": "abc"},
    "subject is a number": {**PLAIN, "sub": 5},
    "no subject": {**PLAIN, "sub": None},
    "no expiry": {**PLAIN, "exp": None},
    "for others": {**PLAIN, "aud": "you"},
    "for several": {**PLAIN, "aud": ["you", "me"]},
    "for nobody": {**PLAIN, "aud": None},
    "elliptic": {**PLAIN, "key": "ec", "algorithm": "ES256"},
    "padded otherwise": {**PLAIN, "algorithm": "PS256"},
    "unknown issuer": {"issuer": "/third"},
    "second": SECOND,
    "second for the other audience": {**SECOND, "aud": "you"},
    "second for nobody we know": {**SECOND, "aud": "other"},
    "second, wrong claim": {**SECOND, "hd": "x"},
    "second without the claim": {**SECOND, "hd": None},
    "second, claim is a number": {**SECOND, "hd": 5},
    "second without roles": {**SECOND, "roles": None},
    "second, roles are numbers": {**SECOND, "roles": [5]},
    "second, reserved name": {**SECOND, "sub": "system:x"},
    "second with extra": {**SECOND, "team": ["r", "", "b"], "deep": {"a.b": ["q"]}},
    "second, extra is a number": {**SECOND, "team": 5},
    "second with a number": {**SECOND, "n": 5},
    "second with a fraction": {**SECOND, "n": 5.5},
    "hidden": HIDDEN,
    "hidden, verified": {**HIDDEN, "email_verified": True},
    "hidden, not verified": {**HIDDEN, "email_verified": False},
    "hidden, oddly verified": {**HIDDEN, "email_verified": "yes"},
    "hidden without an address": {"issuer": "/hidden"},
}
TIMED = {"expired": {"exp": -10}, "of the future": {"nbf": 600}, "of soon": {"nbf": 30}}
OTHERS = ("garbage", "a.b.c", "webhook:wim:wgroup", "broken:x", "admintoken")


@pytest.mark.parametrize("name", [*TOKENS, *TIMED, *OTHERS, "long", "bad signature"])
def test_tokens(both: Both, beside: Beside, name: str) -> None:
    now = int(time.time())
    if name in TOKENS:
        token = beside.token(**TOKENS[name])
    elif name in TIMED:
        token = beside.token(**PLAIN, **{claim: now + seconds for claim, seconds in TIMED[name].items()})
    elif name == "long":
        token = beside.token(**SECOND, exp=now + 10**6)
    else:
        token = name if name in OTHERS else beside.token(**PLAIN)[:-8] + "AAAAAAAA"
    check_equal(both, "POST", f"{REVIEWS}/tokenreviews", body={"spec": {"token": token}})
    check_equal(both, "POST", f"{REVIEWS}/selfsubjectreviews", token, {})
    for audiences in (["x"], [ISSUER], ["x", ISSUER]):
        body = {"spec": {"token": token, "audiences": audiences}}
        check_equal(both, "POST", f"{REVIEWS}/tokenreviews", body=body)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/version", "/api", "/readyz/ping"])
def test_anonymous(both: Both, path: str) -> None:
    check_equal(both, "GET", path, "")


PATHS = (
    "/api/v1/namespaces/allow/pods",
    "/api/v1/namespaces/deny/pods",
    "/api/v1/namespaces/both/pods",
    "/api/v1/namespaces/other/pods",
    "/api/v1/namespaces/other/pods/failing",
    "/foo",
    "/api/v1/nodes",
    "/apis/apps/v1/namespaces/echo/deployments?labelSelector=a%3Db,c%20in%20(d,e),!f,g!=h"
    "&fieldSelector=metadata.name%3Dx,status.y!=z",
    "/api/v1/namespaces/echo/pods?labelSelector=a%20in%20(",
    "/api/v1/namespaces/echo/pods/x/log",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["ines", "un", "den", "node", ""])
def test_requests(both: Both, token: str, path: str) -> None:
    check_equal(both, "GET", path, token)


def resource(namespace: str, **more: Any) -> dict[str, Any]:
    return {"resourceAttributes": {"namespace": namespace, "verb": "list", "resource": "pods", **more}}


def selecting(fields: Any, labels: Any) -> dict[str, Any]:
    return resource("echo", fieldSelector=fields, labelSelector=labels)


def requiring(*requirements: tuple[str, str, list[str]]) -> dict[str, Any]:
    return {"requirements": [{"key": k, "operator": o, **({"values": v} if v else {})} for k, o, v in requirements]}


QUESTIONS = {
    "allowed": resource("allow"),
    "denied": resource("deny"),
    "undecided": resource("both"),
    "failing": resource("x", name="failing"),
    "failing, with a selector that is none": resource("x", name="failing", labelSelector={"rawSelector": "x in (y"}),
    "path": {"nonResourceAttributes": {"path": "/x", "verb": "get"}},
    "requirements": selecting(requiring(("a", "In", ["b"])), requiring(("a", "In", ["b", "c"]), ("d", "Exists", []))),
    "raw": selecting({"rawSelector": "a=b,c!=d"}, {"rawSelector": "x in (y,z)"}),
    "raw and wrong": selecting({"rawSelector": "a=b,c!=d,,"}, {"rawSelector": "x in (y,z"}),
    "half understood": selecting(
        requiring(("a", "Foo", ["b"]), ("a", "Exists", [])), requiring(("a", "Foo", ["c"]), ("d", "Exists", []))
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("user", ["ines", "unasked", "denied", "system:node:n1"])
def test_reviews_of_access(both: Both, user: str, question: str) -> None:
    group = "system:nodes" if "node" in user else "g"
    spec = {**QUESTIONS[question], "user": user, "groups": [group], "extra": {"Foo": ["bar"]}}
    check_equal(both, "POST", f"{ACCESS}/subjectaccessreviews", body={"spec": spec})


@pytest.mark.parametrize("token", ["ines", "den"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Impersonate_User": "bob"},
        {"Impersonate_User": "bob", "Impersonate_Group": "g"},
        {"Impersonate_User": "denied"},
        {"Impersonate_User": "system:node:n1"},
        {"Impersonate_User": "system:serviceaccount:a:b"},
        {"Impersonate_Group": "g"},
        {"Impersonate_User": "bob", "Impersonate_Uid": "7"},
    ],
    ids=str,
)
def test_impersonation(both: Both, token: str, headers: dict[str, str]) -> None:
    check_equal(both, "GET", "/api/v1/namespaces/other/pods", token, **headers)
