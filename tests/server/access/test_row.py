"""The row of authorizers follows its file; a file that is wrong changes nothing."""

import random

import yaml

from umiak.server.access.authorization import Authorization
from umiak.server.access.node import NodeAuthorizer
from umiak.server.access.rbac import Policy
from umiak.server.access.row import Row, Surroundings, members
from umiak.server.access.settings import AccessSettings
from umiak.server.bootstrap.roles import node_rules
from umiak.server.contract import Attributes, User
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock

ADA = User("ada")
GET = Attributes(ADA, "get", "", "v1", "pods")


def file(*names):
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    return yaml.safe_dump({**head, "authorizers": [{"type": name, "name": name.lower()} for name in names]}).encode()


async def test_follows_its_file(tmp_path, caplog):
    path = tmp_path / "authorization.yaml"
    path.write_bytes(file("RBAC"))
    named, _ = members(AccessSettings(authorization_config=path))
    policy, node = Policy(), NodeAuthorizer(MemoryStore(), node_rules)
    row = Row(named, Surroundings(policy, node, VirtualClock(), random.Random(1)))
    authorization = Authorization(policy, node, row)
    assert not (await authorization.authorize(GET)).allowed

    await row._changed(file("RBAC", "AlwaysAllow"))
    assert (await authorization.authorize(GET)).allowed
    for wrong in (b"", file("AlwaysDeny"), file("RBAC", "Node"), file("RBAC", "Foo")):
        await row._changed(wrong)
        assert (await authorization.authorize(GET)).allowed
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "reloading authorization config: failed to load AuthorizationConfiguration from file: "
        "Object 'Kind' is missing in '{}'",
        "reloading authorization config: missing required types: [RBAC]",
        "reloading authorization config: authorizer type Node is not allowed if it was not enabled at initial "
        "server startup",
        'reloading authorization config: authorizers[1].type: Unsupported value: "Foo": supported values: "ABAC", '
        '"AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"',
    ]

    await row._changed(file("RBAC", "AlwaysDeny"))
    decision = await authorization.authorize(GET)
    assert (decision.allowed, decision.reason) == (False, "alwaysdeny: Everything is forbidden.")
    assert authorization.rules_for(ADA, "n") == ([], "", False)
