"""Who may make roles with more than he has himself (`pkg/registry/rbac`)."""

import pytest

from umiak.objects.errors import StatusError
from umiak.server.admission.rbac_escalation import ADMISSION
from umiak.server.contract import Admitted, Attributes, Phase, Surroundings, User

GROUP = "rbac.authorization.k8s.io"
RULE = {"verbs": ["get"], "apiGroups": [""], "resources": ["x"]}
ROLE = {"metadata": {"name": "r", "namespace": "n"}, "rules": [RULE]}


class Nothing:
    """A user without rules."""

    def rules_of(self, user, namespace, resource):
        return [], ""

    def rules_of_role(self, ref, namespace):
        return ROLE["rules"]


@pytest.mark.parametrize(
    ("verb", "given", "allowed"),
    [
        pytest.param("create", ("escalate", "roles", ""), True, id="any role"),
        pytest.param("create", ("escalate", "roles", "r"), False, id="a new role cannot be named"),
        pytest.param("update", ("escalate", "roles", "r"), True, id="this role"),
    ],
)
async def test_escalation(gate, verb, given, allowed):
    around = Surroundings(gate.around.objects, gate.around.clock, gate.leaves, rules=Nothing())
    gate.leaves.given.add(given)
    asked = Attributes(User("ada"), verb, GROUP, "v1", "roles", "", "n", "r")
    old = {**ROLE, "rules": []} if verb == "update" else None
    request = Admitted(asked, None, verb.upper(), ROLE, old, {})
    try:
        await ADMISSION.run(around, request, Phase.VALIDATE)
    except StatusError as error:
        assert not allowed
        assert "is attempting to grant RBAC permissions not currently held" in error.message
    else:
        assert allowed
