"""Webhooks inside a server, with a sender that is asked in memory."""

import base64
import json
import random
from copy import deepcopy

import pytest

from umiak.kit.clock import RealClock
from umiak.server.app import ApiServer
from umiak.server.contract import Attributes, Decision
from umiak.server.webhooks import plugins
from umiak.server.webhooks.sender import CallFailed, url_of
from umiak.store.memory import MemoryStore

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
MAPS = "/api/v1/namespaces/default/configmaps"


class Told:
    """Answers as `answers` says, by the path of the webhook's URL."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.answers: dict[str, dict] = {}

    async def ask(self, config, body, seconds):
        self.asked.append(deepcopy(body["request"]))
        answer = self.answers.get(url_of(config).rpartition("/")[2])
        if answer is None:
            raise CallFailed("nobody there")
        response = {"uid": body["request"]["uid"], "allowed": True, **answer}
        return {"apiVersion": body["apiVersion"], "kind": "AdmissionReview", "response": response}

    async def tidy(self) -> None: ...

    async def close(self) -> None: ...


class Everybody:
    async def authorize(self, attributes: Attributes) -> Decision:
        return Decision(True)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def server(told):
    store = MemoryStore()
    found: ApiServer
    hooks, asking = plugins.plugins(lambda: found, told)
    found = ApiServer(
        store, clock=RealClock(), random=random.Random(7), authenticators=(), authorizer=Everybody(), admission=asking
    )
    plugins.hang_in(found, hooks)
    await found.start()
    yield found
    await found.close()
    await store.close()


def webhook(path: str, **more) -> dict:
    rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    config = {"url": f"https://hooks.example/{path}"}
    about = {"admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": config, "rules": [rule]}
    return {"name": f"{path}.hooks.example", **about, **more}


def patch(*operations: dict) -> dict:
    return {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(operations).encode()).decode()}


async def configure(api, kind: str, *webhooks: dict) -> None:
    body = {"metadata": {"name": "w"}, "webhooks": list(webhooks)}
    status, answer = await api("POST", f"{CONFIGURATIONS}/{kind}webhookconfigurations", body)
    assert status == 201, answer


async def test_a_webhook_changes_what_is_stored(api, told):
    told.answers["label"] = patch({"op": "add", "path": "/metadata/labels", "value": {"a": "b"}})
    await configure(api, "mutating", webhook("label"))
    status, made = await api("POST", MAPS, {"metadata": {"name": "m"}})
    assert (status, made["metadata"]["labels"]) == (201, {"a": "b"})
    assert told.asked[0]["operation"] == "CREATE"
    assert told.asked[0]["object"]["metadata"]["name"] == "m"


async def test_a_webhook_refuses(api, told):
    told.answers["no"] = {"allowed": False, "status": {"message": "no way", "code": 403}}
    await configure(api, "validating", webhook("no"))
    status, answer = await api("POST", MAPS, {"metadata": {"name": "m"}})
    assert (status, answer["message"]) == (403, 'admission webhook "no.hooks.example" denied the request: no way')


@pytest.mark.parametrize(("policy", "code"), [("Fail", 500), ("Ignore", 201)])
async def test_what_a_silent_webhook_means(api, policy, code):
    await configure(api, "validating", webhook("gone", failurePolicy=policy))
    status, answer = await api("POST", MAPS, {"metadata": {"name": "m"}})
    assert status == code
    if code == 500:
        told = 'failed calling webhook "gone.hooks.example": failed to call webhook: nobody there'
        assert answer["message"] == f"Internal error occurred: {told}"


async def test_a_condition_spares_the_call(api, told):
    only_b = {"name": "b", "expression": "object.metadata.name == 'b'"}
    await configure(api, "validating", webhook("gone", matchConditions=[only_b]))
    assert (await api("POST", MAPS, {"metadata": {"name": "a"}}))[0] == 201
    assert (await api("POST", MAPS, {"metadata": {"name": "b"}}))[0] == 500
    assert len(told.asked) == 1


async def test_an_eager_webhook_sees_what_later_ones_changed(api, told):
    told.answers["first"] = {}
    told.answers["second"] = patch({"op": "add", "path": "/data", "value": {"k": "v"}})
    await configure(api, "mutating", webhook("first", reinvocationPolicy="IfNeeded"), webhook("second"))
    assert (await api("POST", MAPS, {"metadata": {"name": "m"}}))[0] == 201
    assert [request["object"].get("data") for request in told.asked] == [None, None, {"k": "v"}]


async def test_a_dry_run_has_no_side_effects(api, told):
    told.answers["some"] = {}
    await configure(api, "validating", webhook("some"))
    assert (await api("POST", f"{MAPS}?dryRun=All", {"metadata": {"name": "m"}}))[0] == 201
    assert told.asked[0]["dryRun"] is True
