"""Whether a request may be served: the say of all authorizers in turn, and the 403 that says no."""

from collections.abc import Sequence

from umiak.objects.errors import StatusError, forbidden
from umiak.objects.types import Object
from umiak.server.access.node import PREFIX, NodeAuthorizer, node_of
from umiak.server.access.rbac import Policy, RoleRef
from umiak.server.access.rules import Rule, plain
from umiak.server.contract import MASTERS, Attributes, Authorizer, Decision, User

ALLOWED = Decision(True)


class Authorization:
    """Members of system:masters may do anything; for others the node authorizer speaks first, then the roles."""

    def __init__(self, policy: Policy, node: NodeAuthorizer) -> None:
        self.policy = policy
        self._node = node
        self._others: tuple[tuple[str, Authorizer], ...] = (("node", node), ("rbac", policy))

    async def authorize(self, attributes: Attributes) -> Decision:
        if MASTERS in attributes.user.groups:
            return ALLOWED
        if attributes.user.name.startswith(PREFIX):
            return await union(self._others, attributes)
        decision = self.policy.grants(attributes.user, attributes.namespace).decide(attributes)
        if decision.allowed or not decision.reason:
            return decision
        return Decision(False, f"rbac: {decision.reason}")

    def rules_for(self, user: User, namespace: str) -> tuple[list[Rule], str, bool]:
        """(the rules that apply to `user`, what went wrong finding them, whether there are more than rules can say)."""
        grants = self.policy.grants(user, namespace)
        rules = [rule for rule, _ in grants.rules]
        faults = [grants.trouble()] if grants.missing else []
        if node_of(user) is not None:
            faults.insert(0, "node authorizer does not support user rule resolution")
        return rules, ", ".join(faults) if len(faults) < 2 else f"[{', '.join(faults)}]", node_of(user) is not None

    def rules_of(self, user: User, namespace: str, resource: str) -> tuple[list[Object], str]:
        """As `contract.RuleBook`."""
        grants = self.policy.grants(user, namespace)
        return [plain(rule) for rule, _ in grants.rules], grants.trouble(resource) if grants.missing else ""

    def rules_of_role(self, ref: Object, namespace: str) -> list[Object] | None:
        """As `contract.RuleBook`."""
        try:
            rules = self.policy.role_rules(RoleRef(ref.get("kind", ""), ref.get("name", "")), namespace)
        except LookupError:
            return None
        return [plain(rule) for rule in rules]

    def stop(self) -> None:
        self.policy.stop()
        self._node.stop()


async def union(authorizers: Sequence[tuple[str, Authorizer]], attributes: Attributes) -> Decision:
    """The first yes or explicit no; else no, with every reason on a line of its own, after its authorizer's name."""
    reasons = []
    for name, authorizer in authorizers:
        decision = await authorizer.authorize(attributes)
        if decision.allowed or decision.denied:
            return decision
        if decision.reason:
            reasons.append(f"{name}: {decision.reason}")
    return Decision(False, "\n".join(reasons))


def _sanitized(text: str) -> str:
    """Nothing in a refusal may look like HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def refusal(asked: Attributes, reason: str = "") -> StatusError:
    """The 403 for a request that was not allowed."""
    why = _sanitized(refused(asked)) + (f": {reason}" if reason else "")
    if not asked.is_resource or not (asked.resource or asked.group):
        return StatusError(403, "Forbidden", f"forbidden: {why}", {})
    return forbidden(asked.group, asked.resource, asked.name, why)


def refused(asked: Attributes) -> str:
    """`User "x" cannot list resource "pods" in API group "" in the namespace "y"`."""
    if not asked.is_resource:
        return f'User "{asked.user.name}" cannot {asked.verb} path "{asked.path}"'
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    return f'User "{asked.user.name}" cannot {asked.verb} resource "{resource}" in API group "{asked.group}" {where}'
