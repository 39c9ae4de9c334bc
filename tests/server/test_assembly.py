"""The whole server, put together: who may what, tokens, services and reviews over the API."""

import random

import msgspec
import pytest

from umiak.kit import pki
from umiak.server.assembly import Secrets, assemble
from umiak.server.contract import MASTERS, Request, User
from umiak.server.local import LocalTransport
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.clock import NOON, VirtualClock

ADMIN = User("admin", groups=(MASTERS, "system:authenticated"))
INES = User("ines", groups=("system:authenticated",))
AUTHENTICATION, AUTHORIZATION = "/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io/v1"


@pytest.fixture
async def ask():
    store = MemoryStore()
    secrets = Secrets(service_account_key=pki.new_authority("keys", 1, NOON).key_pem)
    app = await assemble(store, clock=VirtualClock(), chance=random.Random(1), settings=Settings(), secrets=secrets)
    await app.start()

    async def request(method, target, body=None, user=ADMIN, accept=""):
        sent = msgspec.json.encode(body) if body is not None else b""
        headers = {"content-type": "application/json"} if sent else {}
        headers |= {"accept": accept} if accept else {}
        response = await LocalTransport(app, user).request(method, target, headers, sent)
        return response.status, msgspec.json.decode(response.body)

    request.app = app
    yield request
    await app.close()
    await store.close()


async def test_default_objects_are_served(ask):
    status, service = await ask("GET", "/api/v1/namespaces/default/services/kubernetes")
    assert (status, service["spec"]["clusterIP"]) == (200, "10.96.0.1")


async def test_service_takes_and_frees_an_address(ask):
    services = "/api/v1/namespaces/default/services"
    _, made = await ask("POST", services, {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
    address = made["spec"]["clusterIP"]
    wish = {"metadata": {"name": "b"}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}}
    status, refused = await ask("POST", services, wish)
    assert (status, refused["reason"]) == (422, "Invalid")
    await ask("DELETE", f"{services}/a")
    assert (await ask("POST", services, wish))[0] == 201


async def test_pod_in_a_missing_namespace(ask):
    status, answer = await ask("POST", "/api/v1/namespaces/none/pods", {"metadata": {"name": "p"}})
    assert (status, answer["message"]) == (404, 'namespaces "none" not found')


async def test_token_goes_round(ask):
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    _, issued = await ask("POST", path, {"spec": {}})
    token = issued["status"]["token"]
    _, review = await ask("POST", f"{AUTHENTICATION}/tokenreviews", {"spec": {"token": token}})
    user = review["status"]["user"]
    assert review["status"]["authenticated"] and user["username"] == "system:serviceaccount:default:default"
    sent = Request("GET", "/", {}, {"authorization": [f"Bearer {token}"]})
    assert (await ask.app.authenticate(sent)).name == user["username"]
    _, garbage = await ask("POST", f"{AUTHENTICATION}/tokenreviews", {"spec": {"token": "garbage"}})
    assert garbage["status"] == {"user": {}, "error": "invalid bearer token"}


async def test_who_am_i(ask):
    _, review = await ask("POST", f"{AUTHENTICATION}/selfsubjectreviews", {}, INES)
    assert review["status"]["userInfo"] == {"username": "ines", "groups": ["system:authenticated"]}


async def test_reviews_have_no_table(ask):
    """Conformance: `should return a 406 for a backend which does not implement metadata`."""
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    question = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    status, answer = await ask("POST", f"{AUTHORIZATION}/selfsubjectaccessreviews", question, accept=table)
    assert (status, answer["reason"]) == (406, "NotAcceptable")


async def test_what_may_i(ask):
    question = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}}
    _, review = await ask("POST", f"{AUTHORIZATION}/selfsubjectaccessreviews", question, INES)
    assert review["status"] == {"allowed": False}
    status, refused = await ask("GET", "/api/v1/namespaces/default/pods", user=INES)
    assert (status, refused["message"]) == (
        403,
        'pods is forbidden: User "ines" cannot list resource "pods" in API group "" in the namespace "default"',
    )
    _, rules = await ask("POST", f"{AUTHORIZATION}/selfsubjectrulesreviews", {"spec": {"namespace": "x"}}, INES)
    reviews = {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]}
    assert reviews in rules["status"]["resourceRules"]


@pytest.mark.parametrize(
    ("resource", "spec", "message"),
    [
        (
            "subjectaccessreviews",
            {"resourceAttributes": {}},
            '.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": '
            "at least one of user or group must be specified",
        ),
        (
            "namespaces/default/localsubjectaccessreviews",
            {"user": "rosa", "resourceAttributes": {"namespace": "elsewhere"}},
            '.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "elsewhere": '
            "must match metadata.namespace",
        ),
        (
            "selfsubjectaccessreviews",
            {"nonResourceAttributes": {"path": "/"}, "resourceAttributes": {"verb": "get"}},
            '.authorization.k8s.io "" is invalid: spec: Invalid value: {"Path":"/","Verb":""}: '
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ),
        ("selfsubjectrulesreviews", {}, "no namespace on request"),
    ],
)
async def test_questions_that_make_no_sense(ask, resource, spec, message):
    status, answer = await ask("POST", f"{AUTHORIZATION}/{resource}", {"spec": spec})
    assert (status >= 400, answer["message"]) == (True, message)


async def test_nobody_grants_more_than_they_have(ask):
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    some = [{"verbs": ["create"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}]
    await ask("POST", roles, {"metadata": {"name": "clerk"}, "rules": some})
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "clerk"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ines"}
    await ask("POST", bindings, {"metadata": {"name": "clerks"}, "roleRef": ref, "subjects": [subject]})
    assert (await ask("POST", roles, {"metadata": {"name": "same"}, "rules": some}, INES))[0] == 201
    more = [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["secrets"]}]
    status, refused = await ask("POST", roles, {"metadata": {"name": "more"}, "rules": more}, INES)
    assert (status, refused["message"]) == (
        403,
        'clusterroles.rbac.authorization.k8s.io "more" is forbidden: user "ines" (groups=["system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
    )


async def test_issuer_is_described(ask):
    _, about = await ask("GET", "/.well-known/openid-configuration")
    assert about["jwks_uri"] == "https://127.0.0.1:6443/openid/v1/jwks"
    _, keys = await ask("GET", "/openid/v1/jwks")
    assert [key["alg"] for key in keys["keys"]] == about["id_token_signing_alg_values_supported"] == ["ES256"]
