"""Nobody grants what they do not hold: neither by writing a role nor by binding one.

In the reference this is part of storing these kinds, after all mutating admission; so it comes last here. It takes
the verb `escalate` on the role, or `bind` on the role that a binding refers to, to go further.
"""

from msgspec.structs import replace

from umiak.objects.errors import StatusError, bad_request, forbidden, not_found
from umiak.objects.go_text import quoted as shown
from umiak.objects.names import path_segment
from umiak.objects.types import Object
from umiak.server.access.rules import EVERYTHING, Rule, compacted, described, missing, parsed, quoted
from umiak.server.admission._signers import only_references_changed
from umiak.server.contract import MASTERS, Admission, Admitted, Attributes, Phase, RuleBook, Surroundings

GROUP = "rbac.authorization.k8s.io"
ROLES = ("roles", "clusterroles")
BINDINGS = ("rolebindings", "clusterrolebindings")
AGGREGATION = "must have cluster-admin privileges to use the aggregationRule"


def concerns(request: Admitted) -> bool:
    asked = request.attributes
    return (
        asked.group == GROUP
        and request.operation in ("CREATE", "UPDATE")
        and asked.resource in (*ROLES, *BINDINGS)
        and MASTERS not in asked.user.groups
    )


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    new, old = request.new, request.old
    if around.rules is None or new is None or (old is not None and only_references_changed(new, old)):
        return
    if request.attributes.resource in ROLES:
        if not await _may(around, _escalate(request.attributes)):
            _check_role(around, request, new)
    elif not await _may(around, _bind(request, new)):
        _check(around, request, _rules_of_role(around.rules, request, new.get("roleRef") or {}))


def _rules_of_role(rules: RuleBook, request: Admitted, ref: Object) -> list[Rule]:
    """Raises 404 when there is no such role; the reference takes its name for that of the binding."""
    asked = request.attributes
    _check_reference(ref, asked.namespace)
    found = rules.rules_of_role(ref, asked.namespace)
    if found is None:
        raise not_found(asked.group, asked.resource, ref.get("name") or "")
    return [parsed(rule) for rule in found]


def _check_reference(ref: Object, namespace: str) -> None:
    """What the reference says of a role that it cannot look for."""
    kind, name = ref.get("kind") or "", ref.get("name") or ""
    if kind not in ("Role", "ClusterRole"):
        raise StatusError(500, "", f"unsupported role reference kind: {shown(kind)}")
    if kind == "Role" and not namespace:
        raise bad_request("Namespace parameter required.")
    if not name:
        raise bad_request("Name parameter required.")
    if wrong := path_segment(name):
        raise bad_request(f"Name parameter invalid: {shown(name)}: {';'.join(wrong)}")


async def _may(around: Surroundings, asked: Attributes) -> bool:
    return (await around.authorizer.authorize(replace(asked, version="*"))).allowed


def _escalate(asked: Attributes) -> Attributes:
    """A path that makes a role does not name it, so that leave for a name does not help to make the role."""
    return replace(asked, verb="escalate", subresource="", name="" if asked.verb == "create" else asked.name)


def _bind(request: Admitted, binding: Object) -> Attributes:
    ref = binding.get("roleRef") or {}
    resource = {"Role": "roles", "ClusterRole": "clusterroles"}.get(ref.get("kind", ""), "")
    asked = request.attributes
    return Attributes(
        asked.user, "bind", ref.get("apiGroup", ""), "*", resource, "", asked.namespace, ref.get("name", "")
    )


def _check_role(around: Surroundings, request: Admitted, role: Object) -> None:
    _check(around, request, [parsed(rule) for rule in role.get("rules") or ()])
    if not (_aggregates(role) or _aggregates(request.old or {})):
        return
    try:
        _check(around, request, list(EVERYTHING))
    except StatusError:
        raise _forbidden(request, AGGREGATION) from None


def _aggregates(role: Object) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _check(around: Surroundings, request: Admitted, wanted: list[Rule]) -> None:
    """Raises 403 when the user lacks any of what is to be granted."""
    assert around.rules is not None
    user = request.attributes.user
    owned, trouble = around.rules.rules_of(user, request.attributes.namespace, request.attributes.resource)
    lacking = missing([parsed(rule) for rule in owned], wanted)
    if not lacking:
        return
    lines = "\n".join(sorted({described(rule) for rule in compacted(lacking)}))
    why = (
        f'user "{user.name}" (groups={quoted(user.groups)}) is attempting to grant RBAC permissions not currently held:'
    )
    raise _forbidden(request, f"{why}\n{lines}" + (f"; resolution errors: [{trouble}]" if trouble else ""))


def _forbidden(request: Admitted, why: str) -> StatusError:
    asked = request.attributes
    name = ((request.new or {}).get("metadata") or {}).get("name") or ""
    return forbidden(asked.group, asked.resource, name, why)


ADMISSION = Admission(
    name="RBACEscalation", order=1000, phases=(Phase.MUTATE,), run=run, concerns=concerns, resources=(*ROLES, *BINDINGS)
)
