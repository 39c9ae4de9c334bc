"""Authorization by a file of policies, one JSON object a line (`abac.authorization.kubernetes.io/v1beta1`). Pure.

Source: `pkg/auth/authorizer/abac`. Lines without a version, of the time before v1beta1, are refused.
"""

from collections.abc import Iterator

import msgspec

from umiak.api.configuration import SWITCH, TEXT, Unacceptable, document, read, struct
from umiak.server.access.rules import Rule
from umiak.server.contract import Attributes, Decision, User

READING = ("get", "list", "watch")
OWN_NAMES = {"apiGroup": "api_group", "nonResourcePath": "path"}
_SPEC = struct(
    "PolicySpec",
    user=TEXT,
    group=TEXT,
    readonly=SWITCH,
    apiGroup=TEXT,
    resource=TEXT,
    namespace=TEXT,
    nonResourcePath=TEXT,
)
_KNOWN = {("abac.authorization.kubernetes.io/v1beta1", "Policy"): document("Policy", spec=_SPEC)}


class Line(msgspec.Struct, frozen=True):
    user: str = ""
    group: str = ""
    readonly: bool = False
    api_group: str = ""
    resource: str = ""
    namespace: str = ""
    path: str = ""

    def concerns(self, user: User) -> bool:
        """Whoever is named must fit, and somebody must be named."""
        if not (self.user or self.group):
            return False
        return self.user in ("", "*", user.name) and (self.group in ("", "*") or self.group in user.groups)

    def allows(self, asked: Attributes) -> bool:
        if not self.concerns(asked.user) or (self.readonly and asked.verb not in READING):
            return False
        if not asked.is_resource:
            return self.path in ("*", asked.path) or (
                self.path.endswith("*") and asked.path.startswith(self.path.rstrip("*"))
            )
        mine = (self.namespace, self.resource, self.api_group)
        wanted = (asked.namespace, asked.resource, asked.group)
        return all(own in ("*", other) for own, other in zip(mine, wanted, strict=True))

    def rules(self) -> Iterator[Rule]:
        verbs = READING if self.readonly else ("*",)
        if self.resource:
            yield Rule(verbs=verbs, groups=(self.api_group,), resources=(self.resource,))
        if self.path:
            yield Rule(verbs=verbs, urls=(self.path,))


class Abac:
    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines

    async def authorize(self, asked: Attributes) -> Decision:
        if any(line.allows(asked) for line in self._lines):
            return Decision(True)
        return Decision(False, "No policy matched.")

    def rules(self, user: User, namespace: str) -> list[Rule]:
        mine = (line for line in self._lines if line.concerns(user) and line.namespace in ("*", namespace))
        return [rule for line in mine for rule in line.rules()]


def parse(text: str, path: str) -> Abac:
    """Raises Unacceptable, naming the line."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip() or raw.strip().startswith("#"):
            continue
        try:
            spec = read(raw.encode(), _KNOWN).get("spec") or {}
        except Unacceptable as error:
            raise Unacceptable(f"error reading policy file {path}, line {number}: {raw}: {error}") from None
        lines.append(Line(**{OWN_NAMES.get(name, name): value for name, value in spec.items()}))
    return Abac(lines)
