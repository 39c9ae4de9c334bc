"""One authorizer of the row, as it is configured."""

import msgspec

WEBHOOK = "Webhook"


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds; a time to live of 0 means that answers are not remembered."""

    kubeconfig: str
    version: str
    timeout: float
    authorized_ttl: float
    unauthorized_ttl: float
    denies_on_failure: bool = False
    conditions: tuple[str, ...] = ()


class Member(msgspec.Struct, frozen=True):
    """One authorizer of the row. `webhook` is there exactly when `type` is Webhook."""

    type: str
    name: str
    webhook: Webhook | None = None


USUAL = (Member("Node", "node"), Member("RBAC", "rbac"))
