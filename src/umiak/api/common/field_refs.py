"""Validates references to fields of the pod itself, from the environment and from files (the downward API)."""

import re
from collections.abc import Collection

from umiak.api.common.checks import Errors, check
from umiak.api.common.metadata import label_key
from umiak.objects.errors import invalid_value, not_supported, required
from umiak.objects.quantity import canonical
from umiak.objects.types import Object

ENVIRONMENT_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
FILE_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN = {*ENVIRONMENT_FIELDS, *FILE_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
_SUBSCRIPT = re.compile(r"(.*?)\['(.*)'\]", re.DOTALL)

_RESOURCES = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_BYTES = frozenset({"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"})
_HUGE = ("limits.hugepages-", "requests.hugepages-")


def field_ref(ref: Object, allowed: Collection[str], path: str, errors: Errors) -> None:
    version, field = ref.get("apiVersion") or "", ref.get("fieldPath") or ""
    if not version or not field:
        errors.append(required(f"{path}.{'fieldPath' if version else 'apiVersion'}"))
        return
    subscript = _SUBSCRIPT.fullmatch(field)
    fault = _conversion_fault(version, field, subscript)
    if fault:
        errors.append(invalid_value(f"{path}.fieldPath", field, f"error converting fieldPath: {fault}"))
    elif subscript:
        key = subscript[2].lower() if subscript[1] == "metadata.annotations" else subscript[2]
        check(label_key, key, path, errors)
    else:
        field = "spec.nodeName" if field == "spec.host" else field
        if field not in allowed:
            errors.append(not_supported(f"{path}.fieldPath", field, allowed))


def _conversion_fault(version: str, field: str, subscript: re.Match[str] | None) -> str:
    if version != "v1":
        return f"unsupported pod version: {version}"
    if subscript:
        is_map = subscript[1] in ("metadata.annotations", "metadata.labels")
        return "" if is_map else f"field label does not support subscript: {field}"
    return "" if field in _KNOWN or field == "spec.host" else f"field label not supported: {field}"


def resource_field_ref(ref: Object, in_file: bool, path: str, errors: Errors) -> None:
    resource = ref.get("resource") or ""
    if in_file and not ref.get("containerName"):
        errors.append(required(f"{path}.containerName"))
    elif not resource:
        errors.append(required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE):
        errors.append(not_supported(f"{path}.resource", resource, _RESOURCES))
    _divisor(resource, canonical(str(ref.get("divisor") or "0")), f"{path}.divisor", errors)


def _divisor(resource: str, divisor: str, path: str, errors: Errors) -> None:
    if divisor == "0":
        return
    if resource in ("limits.cpu", "requests.cpu"):
        if divisor not in ("1", "1m"):
            errors.append(
                invalid_value(path, resource, "only divisor's values 1m and 1 are supported with the cpu resource")
            )
        return
    noun = "hugepages" if resource.startswith(_HUGE) else ""
    noun = "memory" if resource.endswith(".memory") else noun
    noun = "local ephemeral storage" if resource.endswith(".ephemeral-storage") else noun
    if noun and divisor not in _BYTES:
        text = "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported"
        errors.append(invalid_value(path, resource, f"{text} with the {noun} resource"))
