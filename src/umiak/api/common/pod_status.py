"""What an update of a pod's status may say.

Source: `ValidatePodStatusUpdate` in `pkg/apis/core/validation/validation.go`.
"""

import ipaddress

from umiak.api.common.checks import Errors, ip_address
from umiak.objects import names
from umiak.objects.errors import FieldError, field_forbidden, invalid_value
from umiak.objects.types import Object

_OWN_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})
_NO_PAIR = "may specify no more than one IP for each IP family"


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: Errors = []
    status, before = new.get("status") or {}, old.get("status") or {}
    _conditions(status, errors)
    _nominated(status, before, old["spec"], errors)
    if (status.get("observedGeneration") or 0) < 0:
        path = "status.observedGeneration"
        errors.append(invalid_value(path, status["observedGeneration"], "must be a non-negative integer"))
    if status.get("qosClass") != before.get("qosClass"):
        errors.append(invalid_value("status.qosClass", status.get("qosClass") or "", "field is immutable"))
    _ended_stays_ended(status, before, old["spec"].get("restartPolicy") or "Always", errors)
    _pod_addresses(status, before, errors)
    _host_addresses(status, before, errors)
    return errors


def _conditions(status: Object, errors: Errors) -> None:
    for index, condition in enumerate(status.get("conditions") or ()):
        path, generation = f"status.conditions[{index}]", condition.get("observedGeneration") or 0
        if generation < 0:
            errors.append(invalid_value(f"{path}.observedGeneration", generation, "must be a non-negative integer"))
        name = condition.get("type") or ""
        if name not in _OWN_CONDITIONS:
            errors += [invalid_value(f"{path}.Type", name, why) for why in names.label_key(name)]


def _nominated(status: Object, before: Object, spec: Object, errors: Errors) -> None:
    path, node = "status.nominatedNodeName", status.get("nominatedNodeName") or ""
    if not node or node == (before.get("nominatedNodeName") or ""):
        return
    errors += [invalid_value(path, node, why) for why in names.dns_subdomain(node)]
    if spec.get("nodeName"):
        errors.append(field_forbidden(path, "may not be set on pods that are already bound to a node"))


def _pod_addresses(status: Object, before: Object, errors: Errors) -> None:
    every, first = status.get("podIPs") or [], status.get("podIP") or ""
    _addresses("podIPs", every, before, errors)
    if bool(first) != bool(every):
        text = "podIP and podIPs must either both be set or both be unset"
        errors.append(invalid_value("status.podIPs", _printed(every), text))
    elif every and (every[0].get("ip") or "") != first:
        errors.append(invalid_value("status.podIPs[0].ip", every[0].get("ip") or "", "must be equal to `podIP`"))


def _host_addresses(status: Object, before: Object, errors: Errors) -> None:
    every, first = status.get("hostIPs") or [], status.get("hostIP") or ""
    if every and (every[0].get("ip") or "") != first:
        errors.append(invalid_value("status.hostIPs[0].ip", every[0].get("ip") or "", "must be equal to `hostIP`"))
    _addresses("hostIPs", every, before, errors)


def _addresses(field: str, every: list[Object], before: Object, errors: Errors) -> None:
    """New ones must be addresses; two are of two families."""
    known = {address.get("ip") for address in before.get(field) or ()}
    for index, address in enumerate(every):
        if address.get("ip") not in known:
            ip_address(address.get("ip") or "", f"status.{field}[{index}]", errors)
    if len(every) < 2:
        return
    texts = [address.get("ip") or "" for address in every]
    families = [_family(text) for text in texts]
    if 0 in families:
        wrong = families.index(0)
        why = f"failed to check for dual stack with error:invalid IP[{wrong}]: {texts[wrong]}"
        errors.append(FieldError("InternalError", f"status.{field}", f"Internal error: {why}"))
    if len(every) > 2 or set(families) != {4, 6}:
        errors.append(invalid_value(f"status.{field}", _printed(every), _NO_PAIR))


def _printed(every: list[Object]) -> list[Object] | None:
    """By the name that the field has in the reference's internal version."""
    return [{"IP": address.get("ip") or ""} for address in every] or None


def _family(text: str) -> int:
    """4 or 6; 0 for what is no address."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return 0
    return 4 if found.version == 6 and found.ipv4_mapped is not None else found.version


def _ended_stays_ended(status: Object, before: Object, policy: str, errors: Errors) -> None:
    """A container that ended and is not to be restarted cannot run again."""
    if policy == "Always":
        return
    now = {c.get("name"): c for c in status.get("containerStatuses") or ()}
    for index, container in enumerate(before.get("containerStatuses") or ()):
        ended = (container.get("state") or {}).get("terminated")
        later = now.get(container.get("name"))
        if ended is None or later is None or (policy == "OnFailure" and ended.get("exitCode")):
            continue
        if (later.get("state") or {}).get("terminated") is None:
            text = "may not be transitioned to non-terminated state"
            errors.append(field_forbidden(f"status.containerStatuses[{index}].state", text))
