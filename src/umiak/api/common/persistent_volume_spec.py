"""Validates the spec of a PersistentVolume, also where a VolumeAttachment carries it inline."""

from umiak.api.common.checks import NOT_POSITIVE, Errors, check, filled, no_backsteps, one_of
from umiak.api.common.pod_scheduling import node_selector
from umiak.api.common.volume_sources import SHARED, access_modes, csi_driver_name
from umiak.objects import names
from umiak.objects.errors import field_forbidden, invalid_value, not_supported, required
from umiak.objects.quantity import ZERO, parse
from umiak.objects.types import Object

_INLINE = "may not be specified in the context of inline volumes"
_SECOND = "may not specify more than 1 volume type"
_SECRETS = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
)


def volume_spec(spec: Object, is_inline: bool, path: str, errors: Errors) -> None:
    if is_inline:
        for field in ("claimRef", "capacity"):
            if spec.get(field):
                errors.append(field_forbidden(f"{path}.{field}", _INLINE))
        if spec.get("csi") is None:
            errors.append(required(f"{path}.csi", "has to be specified in the context of inline volumes"))
    if not spec.get("accessModes"):
        errors.append(required(f"{path}.accessModes"))
    access_modes(spec.get("accessModes") or [], f"{path}.accessModes", errors)
    if not is_inline:
        _capacity(spec.get("capacity"), f"{path}.capacity", errors)
    _reclaim(spec, is_inline, f"{path}.persistentVolumeReclaimPolicy", errors)
    if spec.get("nodeAffinity") is not None:
        _node_affinity(spec["nodeAffinity"], is_inline, f"{path}.nodeAffinity", errors)
    _sources(spec, path, errors)
    if (spec.get("hostPath") or {}).get("path") == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        errors.append(field_forbidden(f"{path}.persistentVolumeReclaimPolicy", text))
    _classes(spec, is_inline, path, errors)


def _classes(spec: Object, is_inline: bool, path: str, errors: Errors) -> None:
    mode, attributes = spec.get("volumeMode"), spec.get("volumeAttributesClassName")
    if spec.get("storageClassName") and is_inline:
        errors.append(field_forbidden(f"{path}.storageClassName", _INLINE))
    elif spec.get("storageClassName"):
        check(names.dns_subdomain, spec["storageClassName"], f"{path}.storageClassName", errors)
    if mode is not None and is_inline and mode != "Filesystem":
        text = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        errors.append(field_forbidden(f"{path}.volumeMode", text))
    elif mode is not None and not is_inline:
        one_of(mode, ("Block", "Filesystem"), f"{path}.volumeMode", errors)
    if attributes is None:
        return
    if filled(spec, "volumeAttributesClassName", path, errors, "an empty string is disallowed"):
        check(names.dns_subdomain, attributes, f"{path}.volumeAttributesClassName", errors)
    if spec.get("csi") is None:
        errors.append(required(f"{path}.csi", "has to be specified when using volumeAttributesClassName"))


def _capacity(capacity: Object | None, path: str, errors: Errors) -> None:
    if not capacity:
        errors.append(required(path))
    if set(capacity or ()) != {"storage"}:
        errors.append(not_supported(path, capacity, ("storage",)))
    for name, text in sorted((capacity or {}).items()):
        if parse(text) < ZERO:
            errors.append(invalid_value(f"{path}[{name}]", parse(text).value(), "must be a valid resource quantity"))
        if parse(text) <= ZERO:
            errors.append(invalid_value(f"{path}[{name}]", text, NOT_POSITIVE))


def _reclaim(spec: Object, is_inline: bool, path: str, errors: Errors) -> None:
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy and is_inline and policy != "Retain":
        errors.append(field_forbidden(path, "may only be Retain in the context of inline volumes"))
    elif policy and not is_inline:
        one_of(policy, ("Delete", "Recycle", "Retain"), path, errors)


def _node_affinity(affinity: Object, is_inline: bool, path: str, errors: Errors) -> None:
    if is_inline:
        errors.append(field_forbidden(path, _INLINE))
    elif affinity.get("required") is None:
        errors.append(required(f"{path}.required", "must specify required node constraints"))
    else:
        node_selector(affinity["required"], f"{path}.required", errors)


def _sources(spec: Object, path: str, errors: Errors) -> None:
    found = 0
    for field, (shown, second, run) in SHARED.items():
        source = spec.get(field)
        if source is None:
            continue
        found += 1
        if found > 1 and field != "flexVolume":
            errors.append(field_forbidden(f"{path}.{second}", _SECOND))
        else:
            run(source, f"{path}.{shown}", errors)
    if spec.get("local") is not None:
        found += 1
        if found > 1:
            errors.append(field_forbidden(f"{path}.local", _SECOND))
        else:
            _local(spec, path, errors)
    if spec.get("csi") is not None:
        found += 1
        if found > 1:
            errors.append(field_forbidden(f"{path}.csi", _SECOND))
        else:
            _csi(spec["csi"], f"{path}.csi", errors)
    if not found:
        errors.append(required(path, "must specify a volume type"))


def _local(spec: Object, path: str, errors: Errors) -> None:
    if filled(spec["local"], "path", f"{path}.local", errors):
        no_backsteps(spec["local"]["path"], f"{path}.local.path", errors)
    if spec.get("nodeAffinity") is None:
        errors.append(required(f"{path}.nodeAffinity", "Local volume requires node affinity"))


def _csi(source: Object, path: str, errors: Errors) -> None:
    csi_driver_name(source.get("driver") or "", f"{path}.driver", errors)
    filled(source, "volumeHandle", path, errors)
    for name in _SECRETS:
        ref = source.get(name)
        if ref is not None:
            for field in ("name", "namespace"):
                filled(ref, field, f"{path}.{name}", errors)
