"""ResourceClaimTemplate: what the claims made for pods look like."""

from umiak.api.common import switched_off
from umiak.api.common.cells import AGE, NAME
from umiak.api.common.device_requests import claim_spec, default_claim_spec
from umiak.api.common.metadata import validate_annotations, validate_labels
from umiak.api.internal import shown
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value
from umiak.objects.meta import FIELDS
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("metadata") is None:
        spec["metadata"] = {}
    default_claim_spec(spec.setdefault("spec", {}))


_OTHER_METADATA = tuple(name for name in FIELDS if name not in ("labels", "annotations"))


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    metadata = obj["spec"].get("metadata") or {}
    validate_annotations(metadata.get("annotations"), "spec.metadata.annotations", errors)
    validate_labels(metadata.get("labels"), "spec.metadata.labels", errors)
    for name in _OTHER_METADATA:
        if metadata.get(name) is not None:
            errors.append(field_forbidden(f"spec.metadata.{name}", "cannot be set"))
    return errors + claim_spec(obj["spec"]["spec"], "spec.spec")


def validate_update(new: Object, old: Object) -> list[FieldError]:
    if new["spec"] == old["spec"]:
        return []
    return [invalid_value("spec", shown("resource.ResourceClaimTemplateSpec", new["spec"]), "field is immutable")]


KIND = builtin(
    "resource.k8s.io/v1",
    "ResourceClaimTemplate",
    drop=lambda obj: switched_off.of_device_requests(obj["spec"]["spec"]),
    default=default,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(NAME, AGE),
    deletion_returns_object=True,
)
