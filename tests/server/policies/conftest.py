"""A server that enforces admission policies, and short ways to write them."""

import random

import pytest

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.kit.clock import RealClock
from umiak.server.admission import mutating_admission_policy, validating_admission_policy
from umiak.server.app import ApiServer
from umiak.server.contract import Attributes, Decision
from umiak.server.policies.book import PolicyBook, hang_in
from umiak.store.memory import MemoryStore

GROUP = "/apis/admissionregistration.k8s.io/v1"
MAPS = "/api/v1/namespaces/default/configmaps"

OF_POLICIES = ("variables", "paramKind", "matchConditions", "failurePolicy")


class Authorizer:
    """Allows all but what `forbidden` names."""

    def __init__(self) -> None:
        self.forbidden: set[tuple[str, str]] = set()
        self.asked: list[Attributes] = []

    async def authorize(self, attributes: Attributes) -> Decision:
        self.asked.append(attributes)
        return Decision((attributes.verb, attributes.resource) not in self.forbidden, "because")


@pytest.fixture
def authorizer() -> Authorizer:
    return Authorizer()


@pytest.fixture
async def server(authorizer):
    store = MemoryStore()
    found: ApiServer
    book = PolicyBook(lambda: found)
    found = ApiServer(
        store,
        clock=RealClock(),
        random=random.Random(7),
        authenticators=(),
        authorizer=authorizer,
        admission=(mutating_admission_policy.ADMISSION, validating_admission_policy.ADMISSION),
        policies=book,
    )
    hang_in(found, book)
    await found.start()
    await found.objects.create(NAMESPACE, {"metadata": {"name": "default"}})
    yield found
    await found.close()
    await store.close()


class Cluster:
    """Requests, each with the status it is expected to be answered with."""

    def __init__(self, api) -> None:
        self.api = api

    async def post(self, path: str, body: dict, status: int = 201) -> dict:
        code, answer = await self.api("POST", path, body)
        assert code == status, answer
        return answer

    async def make_map(self, name: str = "m", status: int = 201, **more) -> dict:
        return await self.post(MAPS, {"metadata": {"name": name}, **more}, status)

    async def enforce(self, kind: str, spec: dict, binding: dict | None = None, name: str = "p") -> None:
        """A policy for ConfigMaps, bound; `kind` is validating or mutating."""
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
        policy = {"metadata": {"name": name}, "spec": {"matchConstraints": {"resourceRules": [rule]}, **spec}}
        await self.post(f"{GROUP}/{kind}admissionpolicies", policy)
        actions = {"validationActions": ["Deny"]} if kind == "validating" else {}
        bound = {"metadata": {"name": name}, "spec": {"policyName": name, **actions, **(binding or {})}}
        await self.post(f"{GROUP}/{kind}admissionpolicybindings", bound)

    async def validate(self, expression: str, binding: dict | None = None, **more) -> None:
        policy = {name: more.pop(name) for name in OF_POLICIES if name in more}
        spec = {"validations": [{"expression": expression, **more}], **policy}
        await self.enforce("validating", spec, binding)


@pytest.fixture
def cluster(api) -> Cluster:
    return Cluster(api)
