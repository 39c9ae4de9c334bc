"""What the two kinds of webhook configuration share."""

from umiak.api.common.cells import AGE, NAME, column, counts
from umiak.objects.types import Object

COLUMNS = (
    NAME,
    column(
        "Webhooks",
        counts("webhooks"),
        "Webhooks indicates the number of webhooks registered in this configuration",
        type="integer",
    ),
    AGE,
)

_DEFAULTS = {"failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 10}


def default_webhook(webhook: Object) -> None:
    for name, value in _DEFAULTS.items():
        if webhook.get(name) is None:
            webhook[name] = value
    for name in ("namespaceSelector", "objectSelector"):
        if webhook.get(name) is None:
            webhook[name] = {}
    service = webhook.setdefault("clientConfig", {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = 443
    default_scopes(webhook.get("rules"))


def default_scopes(rules: list[Object] | None) -> None:
    for rule in rules or ():
        if rule.get("scope") is None:
            rule["scope"] = "*"
