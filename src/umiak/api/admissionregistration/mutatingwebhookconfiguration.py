"""MutatingWebhookConfiguration: programs that may change a write."""

from umiak.api.common.webhooks import COLUMNS, default_webhook, validate_webhooks
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    for webhook in obj.get("webhooks") or ():
        default_webhook(webhook)
        if webhook.get("reinvocationPolicy") is None:
            webhook["reinvocationPolicy"] = "Never"


KIND = builtin(
    "admissionregistration.k8s.io/v1",
    "MutatingWebhookConfiguration",
    default=default,
    validate=validate_webhooks,
    columns=COLUMNS,
    counts_generation=True,
    updates_unconditionally=False,
)
