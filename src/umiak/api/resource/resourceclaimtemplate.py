"""ResourceClaimTemplate: what the claims made for pods look like."""

from umiak.api.common.cells import AGE, NAME
from umiak.api.common.device_requests import default_claim_spec
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("metadata") is None:
        spec["metadata"] = {}
    default_claim_spec(spec.setdefault("spec", {}))


KIND = builtin(
    "resource.k8s.io/v1",
    "ResourceClaimTemplate",
    default=default,
    columns=(NAME, AGE),
    deletion_returns_object=True,
)
