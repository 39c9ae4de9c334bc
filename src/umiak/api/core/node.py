"""Node: a machine that runs pods."""

from typing import Any

from umiak.api.common.address_warnings import range_warnings
from umiak.api.common.cells import AGE, NAME, NONE, UNKNOWN, column, condition, or_else, reads
from umiak.api.common.checks import check
from umiak.api.common.metadata import label_key, label_value
from umiak.api.common.pod_scheduling import EFFECTS
from umiak.api.common.resource_requirements import quantity_of
from umiak.api.common.resources import round_up
from umiak.api.common.service_validation import cidr_faults
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, duplicate, field_forbidden, invalid_value, not_supported, required
from umiak.objects.quantity import parse
from umiak.objects.types import Object

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def default(obj: Object) -> None:
    """What a node can give is its capacity, unless it says otherwise."""
    _default_ranges(obj.setdefault("spec", {}))
    status = obj.setdefault("status", {})
    if status.get("allocatable") is None and status.get("capacity") is not None:
        status["allocatable"] = dict(status["capacity"])
    for name in ("capacity", "allocatable"):
        if status.get(name):
            round_up(status[name])


def _default_ranges(spec: Object) -> None:
    """Keeps `podCIDR` and the first of `podCIDRs` the same; the former wins."""
    first, every = spec.get("podCIDR"), spec.get("podCIDRs")
    if first and (not every or every[0] != first):
        spec["podCIDRs"] = [first]
    elif every and not first:
        spec["podCIDR"] = every[0]


def validate(obj: Object) -> list[FieldError]:
    """Taints are reported as if they were metadata, as in the reference."""
    errors: list[FieldError] = []
    spec = obj.get("spec") or {}
    _amounts(obj.get("status") or {}, errors)
    _taints(spec.get("taints") or [], "metadata.taints", errors)
    ranges = spec.get("podCIDRs") or []
    for index, value in enumerate(ranges):
        check(cidr_faults, value, f"spec.podCIDRs[{index}]", errors)
    if len(ranges) > 2 or (len(ranges) == 2 and len({":" in r for r in ranges}) == 1):
        errors.append(invalid_value("spec.podCIDRs", ranges, "may specify no more than one CIDR for each IP family"))
    return errors


def _taints(taints: list[Object], path: str, errors: list[FieldError]) -> None:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        key, value, effect = (taint.get(n) or "" for n in ("key", "value", "effect"))
        where = f"{path}[{index}]"
        check(label_key, key, f"{where}.key", errors)
        faults = label_value(value)
        if faults:
            errors.append(invalid_value(f"{where}.value", value, ";".join(faults)))
        if not effect:
            errors.append(required(f"{where}.effect"))
        elif effect not in EFFECTS:
            errors.append(not_supported(f"{where}.effect", effect, EFFECTS))
        if (key, effect) in seen:
            printed = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            found = duplicate(where, printed)
            text = f"{found.message}: taints must be unique by key and effect pair"
            errors.append(FieldError(found.type, where, text))
        seen.add((key, effect))


def drop(obj: Object) -> None:
    """Configuration by the API is gone, and a policy of preemption not there yet."""
    for name in ("configSource", "podPreemptionPolicy"):
        (obj.get("spec") or {}).pop(name, None)


def prepare_create(obj: Object) -> None:
    (obj.get("status") or {}).pop("config", None)


def _amounts(status: Object, errors: list[FieldError]) -> None:
    for field in ("capacity", "allocatable"):
        for name, text in sorted((status.get(field) or {}).items()):
            quantity_of(name, parse(text), f"status.{field}.{name}", errors)


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """Of the spec only taints, schedulability, and what was not set yet may change."""
    errors: list[FieldError] = []
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
        text = 'node updates may not change podCIDR except from "" to valid'
        errors.append(field_forbidden("spec.podCIDRs", text))
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        text = "field cannot be modified once set" if spec.get("providerID") else "field cannot be cleared once set"
        errors.append(invalid_value("spec.providerID", None, text))
    if (spec.get("externalID") or "") != (before.get("externalID") or ""):
        errors.append(field_forbidden("spec.externalID", "may not be updated"))
    return errors


def status_text(obj: Object, now: float) -> Any:
    ready = condition(obj, "Ready")
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else text


def roles(obj: Object, now: float) -> Any:
    found = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith(ROLE_PREFIX):
            found.add(key[len(ROLE_PREFIX) :])
        elif key == ROLE_LABEL:
            found.add(value)
    return ",".join(sorted(found - {""})) or NONE


def address(kind: str) -> Any:
    """A cell with the first address of a type."""

    def cell(obj: Object, now: float) -> Any:
        every = (obj.get("status") or {}).get("addresses") or ()
        return next((a.get("address") for a in every if a.get("type") == kind), NONE)

    return cell


def kernel(obj: Object, now: float) -> Any:
    info = (obj.get("status") or {}).get("nodeInfo") or {}
    version = info.get("kernelVersion") or UNKNOWN
    return f"{version} ({info['architecture']})" if info.get("architecture") else version


def unschedulable(obj: Object) -> str:
    return "true" if (obj.get("spec") or {}).get("unschedulable") else "false"


def warnings(new: Object, old: Object | None) -> list[str]:
    spec, found = new["spec"], []
    if spec.get("externalID"):
        found.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    for index, text in enumerate(spec.get("podCIDRs") or ()):
        found += range_warnings(f"spec.podCIDRs[{index}]", text)
    return found


_INFO = ("status", "nodeInfo")

KIND = builtin(
    "v1",
    "Node",
    default=default,
    drop=drop,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    validate_update=validate_update,
    free=(),
    warnings=warnings,
    columns=(
        NAME,
        column("Status", status_text, "The status of the node"),
        column("Roles", roles, "The roles of the node"),
        AGE,
        column("Version", reads(*_INFO, "kubeletVersion"), "NodeSystemInfo.kubeletVersion"),
        column("Internal-IP", address("InternalIP"), "NodeStatus.addresses", wide=True),
        column("External-IP", address("ExternalIP"), "NodeStatus.addresses", wide=True),
        column("OS-Image", or_else(*_INFO, "osImage", otherwise=UNKNOWN), "NodeSystemInfo.osImage", wide=True),
        column("Kernel-Version", kernel, "NodeSystemInfo.kernelVersion", wide=True),
        column(
            "Container-Runtime",
            or_else(*_INFO, "containerRuntimeVersion", otherwise=UNKNOWN),
            "NodeSystemInfo.containerRuntimeVersion",
            wide=True,
        ),
    ),
    selectable={"spec.unschedulable": unschedulable},
)
