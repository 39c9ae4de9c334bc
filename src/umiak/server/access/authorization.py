"""Whether a request may be served: the say of all authorizers in turn, and the 403 that says no."""

from collections.abc import Callable, Sequence

from umiak.objects.errors import StatusError, forbidden, together
from umiak.objects.types import Object
from umiak.server.access.node import PREFIX, NodeAuthorizer
from umiak.server.access.rbac import Policy, RoleRef
from umiak.server.access.row import Row, Rules
from umiak.server.access.rules import plain
from umiak.server.contract import MASTERS, Attributes, Authorizer, Decision, User

ALLOWED = Decision(True)


class Authorization:
    """Members of system:masters may do anything; for others the row of authorizers is asked, usually the node
    authorizer and then the roles."""

    def __init__(self, policy: Policy, node: NodeAuthorizer, row: Row) -> None:
        """`policy` is there for checks of escalation even where `row` does not ask it."""
        self.policy = policy
        self._node = node
        self.row = row

    async def authorize(self, attributes: Attributes) -> Decision:
        if MASTERS in attributes.user.groups:
            return ALLOWED
        if attributes.user.name.startswith(PREFIX) or not self.row.is_usual:
            return await union(self.row.named, attributes)
        decision = self.policy.grants(attributes.user, attributes.namespace).decide(attributes)
        if decision.allowed or not decision.reason:
            return decision
        return Decision(False, f"rbac: {decision.reason}")

    def of_any_name(self, asked: Attributes) -> bool:
        """Whether the user may do this to objects of whatever name, as long as `on_change` is silent; where that is not
        plain, no."""
        if MASTERS in asked.user.groups:
            return True
        if asked.user.name.startswith(PREFIX) or not self.row.is_usual:
            return False
        return self.policy.grants(asked.user, asked.namespace).of_any_name(asked)

    def on_change(self, told: Callable[[], None]) -> None:
        """Has `told` called when requests may be judged otherwise than before."""
        self.policy.on_change.append(told)
        self.row.on_change.append(told)

    def rules_for(self, user: User, namespace: str) -> Rules:
        return self.row.rules_for(user, namespace)

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

    async def close(self) -> None:
        self.policy.stop()
        self._node.stop()
        await self.row.close()


async def union(authorizers: Sequence[tuple[str, Authorizer]], attributes: Attributes) -> Decision:
    """The first yes or explicit no; else no, with every reason on a line of its own, after its authorizer's name."""
    reasons: list[str] = []
    errors: list[str] = []
    for name, authorizer in authorizers:
        decision = await authorizer.authorize(attributes)
        if decision.allowed or decision.denied:
            return decision
        if decision.reason:
            reasons.append(f"{name}: {decision.reason}")
        if decision.error:
            errors.append(decision.error)
    return Decision(False, "\n".join(reasons), error=together(errors) if errors else "")


class Unjudged(Exception):
    """Authorization failed rather than refused."""


def sanitized(text: str) -> str:
    """Nothing in a refusal may look like HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def refusal(asked: Attributes, reason: str = "") -> StatusError:
    """The 403 for a request that was not allowed."""
    why = sanitized(refused(asked)) + (f": {reason}" if reason else "")
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
