"""ServiceAccount: who a pod is to the API."""

from umiak.api.common.cells import AGE, NAME
from umiak.api.registry import builtin
from umiak.objects.types import Object

MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"


def prepare(new: Object, *_: Object) -> None:
    """Secrets are referred to by name, whatever else was said of them."""
    if new.get("secrets"):
        new["secrets"] = [{"name": secret["name"]} if secret.get("name") else {} for secret in new["secrets"]]


def warnings(new: Object, old: Object | None) -> list[str]:
    def has_it(obj: Object | None) -> bool:
        return MOUNTABLE in (((obj or {}).get("metadata") or {}).get("annotations") or {})

    if not has_it(new) or has_it(old):
        return []
    text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"metadata.annotations[{MOUNTABLE}]: {text}"]


KIND = builtin(
    "v1",
    "ServiceAccount",
    prepare_create=prepare,
    prepare_update=prepare,
    warnings=warnings,
    columns=(NAME, AGE),
    deletion_returns_object=True,
)
