"""Impersonation, constrained and of old (KEP-5284, apiserver's `pkg/endpoints/filters/impersonation`)."""

import pytest

from umiak.objects.errors import StatusError
from umiak.server.contract import Attributes, Decision, Request, User
from umiak.server.impersonation import Impersonation

INES = User("ines", groups=("crew",))
ON_NODE = User("system:serviceaccount:a:b", extra={"authentication.kubernetes.io/node-name": ("n1",), "x": ("y",)})


class Granting:
    """Allows what is listed as `verb resource[/subresource] [namespace/]name`; keeps what was asked."""

    def __init__(self, *granted):
        self.granted = granted
        self.asked = []

    async def authorize(self, asked):
        place = f"{asked.namespace}/{asked.name}" if asked.namespace else asked.name
        resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        self.asked.append((f"{asked.verb} {resource} {place}".strip(), asked))
        return Decision(self.asked[-1][0] in self.granted)


async def impersonate(headers, *granted, user=INES):
    sent = {name: [value] if isinstance(value, str) else value for name, value in headers.items()}
    request = Request("GET", "/", {}, sent, user=user)
    authorizer = Granting(*granted)
    asked = Attributes(user, "list", "", "v1", "pods", namespace="n")
    return await Impersonation(authorizer).user(request, asked), authorizer


AS_BOB, AS_NODE = {"impersonate-user": "bob"}, {"impersonate-user": "system:node:n1"}
AS_ACCOUNT = {"impersonate-user": "system:serviceaccount:a:b"}


@pytest.mark.parametrize(
    ("headers", "granted", "user", "wanted"),
    [
        pytest.param(
            AS_BOB,
            ("impersonate-on:user-info:list pods n/", "impersonate:user-info users bob"),
            INES,
            User("bob", groups=("system:authenticated",)),
            id="a user, for this alone",
        ),
        pytest.param(
            AS_BOB,
            ("impersonate users bob",),
            INES,
            User("bob", groups=("system:authenticated",)),
            id="a user, the old way",
        ),
        pytest.param(
            AS_NODE,
            ("impersonate-on:arbitrary-node:list pods n/", "impersonate:arbitrary-node nodes n1"),
            INES,
            User("system:node:n1", groups=("system:nodes", "system:authenticated")),
            id="any node",
        ),
        pytest.param(
            AS_NODE,
            ("impersonate-on:associated-node:list pods n/", "impersonate:associated-node nodes *"),
            ON_NODE,
            User("system:node:n1", groups=("system:nodes", "system:authenticated")),
            id="the node one's pod is on",
        ),
        pytest.param(
            AS_ACCOUNT,
            ("impersonate-on:serviceaccount:list pods n/", "impersonate:serviceaccount serviceaccounts a/b"),
            INES,
            User(
                "system:serviceaccount:a:b",
                groups=("system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"),
            ),
            id="a service account",
        ),
        pytest.param(
            {**AS_BOB, "impersonate-group": ["g"], "impersonate-uid": "7", "impersonate-extra-example.com%2fx": ["1"]},
            (
                "impersonate-on:user-info:list pods n/",
                "impersonate:user-info users bob",
                "impersonate:user-info groups g",
                "impersonate:user-info uids 7",
                "impersonate:user-info userextras/example.com/x 1",
            ),
            INES,
            User("bob", "7", ("g", "system:authenticated"), {"example.com/x": ("1",)}),
            id="everything",
        ),
        pytest.param(
            {**AS_BOB, "impersonate-group": ["g", "h", "i", "j"]},
            (
                "impersonate-on:user-info:list pods n/",
                "impersonate:user-info users bob",
                "impersonate:user-info groups *",
            ),
            INES,
            User("bob", groups=("g", "h", "i", "j", "system:authenticated")),
            id="one question for many groups",
        ),
        pytest.param(
            {"impersonate-user": "system:anonymous"},
            ("impersonate users system:anonymous",),
            INES,
            User("system:anonymous", groups=("system:unauthenticated",)),
            id="nobody",
        ),
        pytest.param({"impersonate-user": ""}, (), INES, INES, id="not at all"),
    ],
)
async def test_leave(headers, granted, user, wanted):
    (found, constraint), _ = await impersonate(headers, *granted, user=user)
    assert found == wanted
    assert constraint == next((words.split()[0] for words in granted if words.startswith("impersonate:")), "")


async def test_who_asks_for_his_own_node_does_not_show_which_it_is():
    granted = ("impersonate-on:associated-node:list pods n/", "impersonate:associated-node nodes *")
    _, authorizer = await impersonate(AS_NODE, *granted, user=ON_NODE)
    shown = {"authentication.kubernetes.io/associated-node-keys": ("authentication.kubernetes.io/node-name", "x")}
    assert [asked.user.extra for _, asked in authorizer.asked] == [shown, shown]


@pytest.mark.parametrize(
    ("headers", "granted", "why"),
    [
        pytest.param(
            AS_BOB,
            (),
            'pods is forbidden: User "ines" cannot impersonate-on:user-info:list resource "pods" in API group "" '
            'in the namespace "n"',
            id="no leave",
        ),
        pytest.param(
            AS_BOB,
            ("impersonate-on:user-info:list pods n/",),
            'users.authentication.k8s.io "bob" is forbidden: User "ines" cannot impersonate:user-info resource '
            '"users" in API group "authentication.k8s.io" at the cluster scope',
            id="half the leave",
        ),
        pytest.param(
            {**AS_BOB, "impersonate-group": ["system:masters"]},
            ("impersonate-on:user-info:list pods n/", "impersonate:user-info users bob"),
            'groups.authentication.k8s.io "system:masters" is forbidden: User "ines" cannot impersonate:user-info '
            'resource "groups" in API group "authentication.k8s.io" at the cluster scope: '
            "impersonating the system:masters group is not allowed",
            id="never masters",
        ),
        pytest.param(
            {**AS_BOB, "impersonate-extra-plain": ["x"]},
            ("impersonate-on:user-info:list pods n/", "impersonate:user-info users bob"),
            'userextras.authentication.k8s.io is forbidden: User "ines" cannot impersonate:user-info resource '
            '"userextras" in API group "authentication.k8s.io" at the cluster scope: impersonating an invalid key in '
            'extra is not allowed: extra.key: Invalid value: "plain": must be a domain-prefixed path (such as '
            '"acme.io/foo")',
            id="a key without a domain",
        ),
        pytest.param(
            {**AS_NODE, "impersonate-group": ["g"]},
            (),
            'users "system:node:n1" is forbidden: User "ines" cannot impersonate resource "users" in API group "" '
            "at the cluster scope",
            id="a node with groups, the old way only",
        ),
        pytest.param(
            {"impersonate-group": ["g"]},
            (),
            'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"g"}, Extra:map[string][]string(nil)} '
            "without impersonating a user name",
            id="groups of nobody",
        ),
    ],
)
async def test_refusals(headers, granted, why):
    with pytest.raises(StatusError) as caught:
        await impersonate(headers, *granted)
    assert caught.value.message == why
