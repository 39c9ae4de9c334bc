"""CSIDriver: what a storage driver can do."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, UNSET, column, reads
from umiak.api.common.checks import one_of
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, duplicate, invalid_value
from umiak.objects.types import Object

_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
    "preventPodSchedulingIfMissing": False,
}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for name, value in _DEFAULTS.items():
        if spec.get(name) is None:
            spec[name] = value
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj["spec"]
    policies = ("File", "None", "ReadWriteOnceWithFSType")
    one_of(spec["fsGroupPolicy"], policies, "spec.fsGroupPolicy", errors)
    seen: set[str] = set()
    for index, request in enumerate(spec.get("tokenRequests") or ()):
        path, audience = f"spec.tokenRequests[{index}]", request.get("audience") or ""
        if audience in seen:
            errors.append(duplicate(f"{path}.audience", audience))
        seen.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < 600:
            text = "may not specify a duration less than 10 minutes"
            errors.append(invalid_value(f"{path}.expirationSeconds", seconds, text))
        if seconds is not None and seconds > 2**32:
            text = "may not specify a duration larger than 2^32 seconds"
            errors.append(invalid_value(f"{path}.expirationSeconds", seconds, text))
    for mode in spec["volumeLifecycleModes"]:
        one_of(mode, ("Persistent", "Ephemeral"), "spec.volumeLifecycleModes", errors)
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < 10:
        path = "spec.nodeAllocatableUpdatePeriodSeconds"
        errors.append(invalid_value(path, period, "must be greater than or equal to 10 seconds"))
    in_secrets = spec.get("serviceAccountTokenInSecrets")
    if in_secrets is not None and not spec.get("tokenRequests"):
        path = "spec.serviceAccountTokenInSecrets"
        text = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        errors.append(invalid_value(path, in_secrets, text))
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    for field, shown in (("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")):
        value = new["spec"].get(field)
        if value != old["spec"].get(field):
            errors.append(invalid_value(f"spec.{shown}", value, "field is immutable"))
    return errors


def prepare_update(new: Object, old: Object) -> None:
    """Changes are counted from the first one: a new driver has no generation."""
    if new["spec"] != old["spec"]:
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def warnings(new: Object, old: Object | None) -> list[str]:
    spec = new["spec"]
    if old is not None and spec.get("tokenRequests") == old["spec"].get("tokenRequests"):
        return []
    if not spec.get("tokenRequests") or spec.get("serviceAccountTokenInSecrets") is not None:
        return []
    advice = "set to true to prevent possible logging of tokens in volume attributes"
    return [f"spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, {advice}"]


def modes(obj: Object, now: float) -> Any:
    return ",".join((obj.get("spec") or {}).get("volumeLifecycleModes") or ()) or NONE


def audiences(obj: Object, now: float) -> Any:
    requests = (obj.get("spec") or {}).get("tokenRequests")
    return UNSET if requests is None else ",".join(r.get("audience") or "" for r in requests)


def _flag(name: str, otherwise: bool = False) -> Any:
    return reads("spec", name, otherwise=otherwise)


KIND = builtin(
    "storage.k8s.io/v1",
    "CSIDriver",
    default=default,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    columns=(
        NAME,
        column("AttachRequired", _flag("attachRequired", True), "CSIDriverSpec.attachRequired", type="boolean"),
        column("PodInfoOnMount", _flag("podInfoOnMount"), "CSIDriverSpec.podInfoOnMount", type="boolean"),
        column("StorageCapacity", _flag("storageCapacity"), "CSIDriverSpec.storageCapacity", type="boolean"),
        column("TokenRequests", audiences, "CSIDriverSpec.tokenRequests"),
        column("RequiresRepublish", _flag("requiresRepublish"), "CSIDriverSpec.requiresRepublish", type="boolean"),
        column("Modes", modes, "CSIDriverSpec.volumeLifecycleModes"),
        AGE,
    ),
    updates_unconditionally=False,
    deletion_returns_object=True,
)
