"""RuntimeClass: which container runtime runs a pod."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.common.checks import check, declared_immutable, label_selector
from umiak.api.common.pod_scheduling import tolerations
from umiak.api.common.pod_warnings import OLD_LABELS
from umiak.api.common.resource_requirements import requirements
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, required
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    if obj.get("handler"):
        check(names.dns_label, obj["handler"], "handler", errors)
    else:
        late.append(required("handler"))
    fixed = (obj.get("overhead") or {}).get("podFixed")
    if fixed:
        requirements({"limits": fixed}, (), "overhead.podFixed", errors)
    scheduling = obj.get("scheduling") or {}
    label_selector({"matchLabels": scheduling.get("nodeSelector")}, "scheduling.nodeSelector", errors)
    if scheduling.get("tolerations"):
        tolerations(scheduling["tolerations"], "scheduling.tolerations", errors)
    return errors + late


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    declared_immutable(new.get("handler"), old.get("handler"), "handler", errors)
    return errors


def warnings(new: Object, old: Object | None) -> list[str]:
    labels = (new.get("scheduling") or {}).get("nodeSelector") or {}
    return [f"scheduling.nodeSelector: {OLD_LABELS[label]}" for label in sorted(labels) if label in OLD_LABELS]


KIND = builtin(
    "node.k8s.io/v1",
    "RuntimeClass",
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    columns=(NAME, column("Handler", reads("handler")), AGE),
    creates_on_update=True,
    updates_unconditionally=False,
)
