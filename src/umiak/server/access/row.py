"""The row of authorizers that a configuration names, and what each says of a user's rules; follows the file it came
from.

Source: kubeapiserver's `authorizer/{config,reload}.go`.
"""

import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from umiak.kit.clock import Clock
from umiak.objects.errors import together
from umiak.server.access.member import USUAL, WEBHOOK, Member
from umiak.server.access.node import NodeAuthorizer, node_of
from umiak.server.access.rbac import Policy
from umiak.server.access.rules import EVERYTHING, Rule
from umiak.server.access.settings import AccessSettings
from umiak.server.contract import Attributes, Authorizer, Decision, User

log = logging.getLogger(__name__)

Rules = tuple[list[Rule], str, bool]
"""(the rules that apply to a user, what went wrong finding them, whether there are more than rules can say)."""


class AlwaysAllow:
    async def authorize(self, attributes: Attributes) -> Decision:
        return Decision(True)


class AlwaysDeny:
    async def authorize(self, attributes: Attributes) -> Decision:
        return Decision(False, "Everything is forbidden.")


class Surroundings(msgspec.Struct, frozen=True):
    """What authorizers are made of."""

    policy: Policy
    node: NodeAuthorizer
    clock: Clock
    dice: random.Random


class Row:
    """The authorizers in force. `is_usual` tells that they are Node and RBAC, which has a quick way."""

    def __init__(self, members: Sequence[Member], around: Surroundings, policy_file: str = "") -> None:
        """Raises Unacceptable when a kubeconfig or the policy file cannot be used."""
        self.on_change: list[Callable[[], None]] = []
        """Called when others are asked than before."""
        self._around = around
        self._policy_file = policy_file
        self.known = frozenset(member.type for member in members if member.type != WEBHOOK)
        self._set(members)

    def _set(self, members: Sequence[Member]) -> None:
        made = [(member, self._made(member)) for member in members]
        self._parts = made
        self.named: tuple[tuple[str, Authorizer], ...] = tuple((member.name, part) for member, part in made)
        self.is_usual = tuple(members) == USUAL
        for changed in self.on_change:
            changed()

    def _made(self, member: Member) -> Authorizer:
        match member.type:
            case "Node":
                return self._around.node
            case "RBAC":
                return self._around.policy
            case "AlwaysAllow":
                return AlwaysAllow()
            case "AlwaysDeny":
                return AlwaysDeny()
            case "ABAC":
                return _abac(self._policy_file)
        from umiak.server.access.webhook_authorizer import WebhookAuthorizer

        assert member.webhook is not None
        return WebhookAuthorizer(member.webhook, self._around.clock, self._around.dice)

    def rules_for(self, user: User, namespace: str) -> Rules:
        rules: list[Rule] = []
        faults: list[str] = []
        incomplete = False
        for member, part in self._parts:
            found, fault, partial = self._rules_of(member, part, user, namespace)
            rules += found
            faults += [fault] if fault else []
            incomplete = incomplete or partial
        return rules, together(faults) if faults else "", incomplete

    def _rules_of(self, member: Member, part: Authorizer, user: User, namespace: str) -> Rules:
        match member.type:
            case "Node" if node_of(user) is not None:
                return [], "node authorizer does not support user rule resolution", True
            case "RBAC":
                grants = self._around.policy.grants(user, namespace)
                return [rule for rule, _ in grants.rules], grants.trouble() if grants.missing else "", False
            case "AlwaysAllow":
                return list(EVERYTHING), "", False
            case "ABAC":
                return part.rules(user, namespace), "", False  # type: ignore[attr-defined]
            case "Webhook":
                return [], "webhook authorizer does not support user rule resolution", True
        return [], "", False

    async def follow(self, path: Path, known: bytes) -> None:
        """Takes over what the file says anew; a file that is wrong changes nothing. Runs until cancelled."""
        from umiak.kit.following import follow

        await follow(path, known, self._changed)

    async def _changed(self, data: bytes) -> None:
        from umiak.api.configuration import Unacceptable
        from umiak.server.access.authorization_config import load

        try:
            members = load(data, self.known)
            if more := {member.type for member in members} - self.known - {"AlwaysAllow", "AlwaysDeny", WEBHOOK}:
                why = "is not allowed if it was not enabled at initial server startup"
                raise Unacceptable(f"authorizer type {min(more)} {why}")
            before = self._parts
            self._set(members)
        except Unacceptable as error:
            log.error("reloading authorization config: %s", error)
            return
        log.info("reloaded authz config")
        await _close(before)

    async def close(self) -> None:
        await _close(self._parts)


async def _close(parts: Sequence[tuple[Member, Authorizer]]) -> None:
    for member, part in parts:
        if member.type == WEBHOOK:
            await part.close()  # type: ignore[attr-defined]


def _abac(path: str) -> Authorizer:
    from umiak.api.configuration import Unacceptable
    from umiak.server.access.abac import parse

    try:
        return parse(Path(path).read_text(), path)
    except OSError as error:
        raise Unacceptable(f"open {path}: {error.strerror}") from None


def members(settings: AccessSettings) -> tuple[list[Member], bytes]:
    """(the authorizers that the settings name, the file they come from as it was read). Raises Unacceptable."""
    if settings.is_usually_authorized:
        return list(USUAL), b""
    from umiak.api.configuration import Unacceptable
    from umiak.server.access.authorization_config import load, of_flags

    path = settings.authorization_config
    if path is None:
        return of_flags(settings), b""
    if settings.authorization_flags_given:
        why = "can not be specified when --authorization-mode or --authorization-webhook-* flags are defined"
        raise Unacceptable(f"--authorization-config {why}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unacceptable(f"open {path}: {(error.strerror or '').lower()}") from None
    return load(data), data
