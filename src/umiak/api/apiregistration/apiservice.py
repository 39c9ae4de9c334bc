"""APIService: who serves a group and version: this server, or a Service behind it."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, column, condition
from umiak.api.common.checks import Errors, check
from umiak.api.common.metadata import path_segment
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.common.webhooks import service_faults
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, invalid_value, required
from umiak.objects.types import Object


def default(obj: Object) -> None:
    service = obj.setdefault("spec", {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = 443


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    group, version = spec.get("group") or "", spec.get("version") or ""
    for field in ("generateName", "name"):
        name = (obj.get("metadata") or {}).get(field) or ""
        if name and not path_segment(name, False) and name != f"{version}.{group}":
            text = f'must be `spec.version+"."+spec.group`: "{version}.{group}"'
            errors.append(invalid_value(f"metadata.{field}", name, text))
    if not group:
        if version != "v1":
            text = "only v1 may have an empty group and it better be legacy kube"
            errors.append(required("spec.group", text))
    else:
        check(names.dns_subdomain, group, "spec.group", errors)
    check(names.dns_1035_label, version, "spec.version", errors)
    for field, limit in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(field) or 0
        if not 0 < value <= limit:
            errors.append(invalid_value(f"spec.{field}", value, f"must be positive and less than {limit}"))
    _backend(spec, errors)
    return errors


def _backend(spec: Object, errors: Errors) -> None:
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle"):
            length = f"{len(spec['caBundle']) * 3 // 4 - spec['caBundle'].count('=')} bytes"
            errors.append(invalid_value("spec.caBundle", length, "local APIServices may not have a caBundle"))
        if spec.get("insecureSkipTLSVerify"):
            text = "local APIServices may not have insecureSkipTLSVerify"
            errors.append(invalid_value("spec.insecureSkipTLSVerify", True, text))
        return
    service_faults(service, "spec.service", errors, names_are_mixed_up=False)
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        text = "may not be true if caBundle is present"
        errors.append(invalid_value("spec.insecureSkipTLSVerify", True, text))


def service_text(obj: Object, now: float) -> Any:
    service = (obj.get("spec") or {}).get("service")
    return f"{service.get('namespace') or ''}/{service.get('name') or ''}" if service else "Local"


def available(obj: Object, now: float) -> Any:
    found = condition(obj, "Available")
    if found is None:
        return "Unknown"
    return "True" if found.get("status") == "True" else f"{found.get('status')} ({found.get('reason') or ''})"


KIND = builtin(
    "apiregistration.k8s.io/v1",
    "APIService",
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    validate_name=path_segment,
    columns=(
        NAME,
        column("Service", service_text, "The reference to the service that hosts this API endpoint."),
        column("Available", available, "Whether this service is available."),
        AGE,
    ),
    creates_on_update=False,
    updates_unconditionally=False,
)
