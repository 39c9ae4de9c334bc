"""Validates where a volume's content comes from; what pods and PersistentVolumes have in common, and claims.

Field names in some paths differ from the API's on purpose: the reference misspells them.
"""

import re
from collections.abc import Callable

from umiak.api.common.checks import NOT_POSITIVE, Errors, check, filled, label_selector, no_backsteps, one_of
from umiak.api.common.resource_requirements import quantity_of
from umiak.objects import names
from umiak.objects.errors import field_forbidden, invalid_value, not_supported, required, too_long
from umiak.objects.quantity import ZERO, parse
from umiak.objects.types import Object

Check = Callable[[Object, str, Errors], None]

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_IQN = re.compile(r"iqn\.\d{4}-\d{2}\.([\w.-]+)(:[^,;*&$|\s]+)$", re.ASCII)
_EUI = re.compile(r"eui.[0-9a-fA-F]{16}", re.ASCII)
_NAA = re.compile(r"naa.[0-9a-fA-F]{32}", re.ASCII)
_PAIR = "must be a host:port pair or multiple pairs separated by commas"


def needs(*fields: str) -> Check:
    """A check that some fields are there."""

    def run(source: Object, path: str, errors: Errors) -> None:
        for field in fields:
            filled(source, field, path, errors)

    return run


def host_path(source: Object, path: str, errors: Errors) -> None:
    if not filled(source, "path", path, errors):
        return
    no_backsteps(source["path"], f"{path}.path", errors)
    if source.get("type") is not None:
        one_of(source["type"], HOST_PATH_TYPES, f"{path}.type", errors)


def nfs(source: Object, path: str, errors: Errors) -> None:
    filled(source, "server", path, errors)
    filled(source, "path", path, errors)
    if not (source.get("path") or "").startswith("/"):
        errors.append(invalid_value(f"{path}.path", source.get("path") or "", "must be an absolute path"))


def _partition(source: Object, path: str, errors: Errors) -> None:
    partition = source.get("partition") or 0
    if not 0 <= partition <= 255:
        errors.append(invalid_value(f"{path}.partition", partition, "must be between 1 and 255, inclusive"))


def gce_disk(source: Object, path: str, errors: Errors) -> None:
    filled(source, "pdName", path, errors)
    _partition(source, path, errors)


def aws_volume(source: Object, path: str, errors: Errors) -> None:
    filled(source, "volumeID", path, errors)
    _partition(source, path, errors)


def quobyte(source: Object, path: str, errors: Errors) -> None:
    registry = source.get("registry") or ""
    if not registry:
        errors.append(required(f"{path}.registry", _PAIR))
    elif len(source.get("tenant") or "") >= 65:
        text = "must be a UUID and may not exceed a length of 64 characters"
        errors.append(required(f"{path}.tenant", text))
    else:
        for pair in registry.split(","):
            if not re.fullmatch(r"(\[[^]]*\]|[^:]*):[^:]*", pair):
                errors.append(invalid_value(f"{path}.registry", registry, _PAIR))
    filled(source, "volume", path, errors)


def flocker(source: Object, path: str, errors: Errors) -> None:
    name, uuid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    if not name and not uuid:
        errors.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        text = "datasetName and datasetUUID can not be specified simultaneously"
        errors.append(invalid_value(path, "resource", text))
    if "/" in name:
        errors.append(invalid_value(f"{path}.datasetName", name, "must not contain '/'"))


def cinder(source: Object, path: str, errors: Errors) -> None:
    filled(source, "volumeID", path, errors)
    secret_name(source, path, errors)


def secret_name(source: Object, path: str, errors: Errors) -> None:
    """The name in `secretRef`, if that is there."""
    if source.get("secretRef") is not None:
        filled(source["secretRef"], "name", f"{path}.secretRef", errors)


def storage_os(source: Object, path: str, errors: Errors) -> None:
    if filled(source, "volumeName", path, errors):
        check(names.dns_label, source["volumeName"], f"{path}.volumeName", errors)
    if source.get("volumeNamespace"):
        check(names.dns_label, source["volumeNamespace"], f"{path}.volumeNamespace", errors)
    secret_name(source, path, errors)


def fibre_channel(source: Object, path: str, errors: Errors) -> None:
    names_, wwids = source.get("targetWWNs"), source.get("wwids")
    if not names_ and not wwids:
        errors.append(required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both"))
    if names_ and wwids:
        text = "targetWWNs and wwids can not be specified simultaneously"
        errors.append(invalid_value(f"{path}.targetWWNs", names_, text))
    if names_:
        lun = source.get("lun")
        if lun is None:
            errors.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
        elif not 0 <= lun <= 255:
            errors.append(invalid_value(f"{path}.lun", lun, "must be between 0 and 255, inclusive"))


def flex_volume(source: Object, path: str, errors: Errors) -> None:
    filled(source, "driver", path, errors)
    for key in sorted(source.get("options") or ()):
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            text = "kubernetes.io and k8s.io namespaces are reserved"
            errors.append(invalid_value(f"{path}.options[{key}]", key, text))


def iscsi(source: Object, path: str, errors: Errors) -> None:
    filled(source, "targetPortal", path, errors)
    if filled(source, "iqn", path, errors):
        _qualified(source["iqn"], f"{path}.iqn", errors)
    lun = source.get("lun") or 0
    if not 0 <= lun <= 255:
        errors.append(invalid_value(f"{path}.lun", lun, "must be between 0 and 255, inclusive"))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        errors.append(required(f"{path}.secretRef"))
    if source.get("initiatorName") is not None:
        _qualified(source["initiatorName"], f"{path}.initiatorname", errors)


def _qualified(name: str, path: str, errors: Errors) -> None:
    """An iSCSI qualified name."""
    kinds = {"iqn": _IQN, "eui": _EUI, "naa": _NAA}
    pattern = kinds.get(name[:3])
    if pattern is None:
        errors.append(invalid_value(path, name, "must be valid format starting with iqn, eui, or naa"))
    elif not pattern.match(name):
        errors.append(invalid_value(path, name, "must be valid format"))


def azure_disk(source: Object, path: str, errors: Errors) -> None:
    filled(source, "diskName", path, errors)
    filled(source, "diskURI", path, errors)
    kind, uri = source.get("kind"), source.get("diskURI") or ""
    if source.get("cachingMode") is not None:
        one_of(source["cachingMode"], ("None", "ReadOnly", "ReadWrite"), f"{path}.cachingMode", errors)
    if kind is None:
        return
    one_of(kind, ("Dedicated", "Managed", "Shared"), f"{path}.kind", errors)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        place = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
        errors.append(not_supported(f"{path}.diskURI", uri, (place,)))
    if kind != "Managed" and not uri.startswith("https://"):
        place = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
        errors.append(not_supported(f"{path}.diskURI", uri, (place,)))


def csi_driver_name(name: str, path: str, errors: Errors) -> None:
    if not name:
        errors.append(required(path))
        return
    if len(name) > 63:
        errors.append(too_long(path, 63))
    for text in names.dns_subdomain(name.lower()):
        errors.append(invalid_value(path, name, text))


# In the order of the reference: (field, its name in paths, its name when it comes second, the check).
SHARED: dict[str, tuple[str, str, Check]] = {
    "hostPath": ("hostPath", "hostPath", host_path),
    "gcePersistentDisk": ("persistentDisk", "gcePersistentDisk", gce_disk),
    "awsElasticBlockStore": ("awsElasticBlockStore", "awsElasticBlockStore", aws_volume),
    "glusterfs": ("glusterfs", "glusterfs", needs("endpoints", "path")),
    "flocker": ("flocker", "flocker", flocker),
    "nfs": ("nfs", "nfs", nfs),
    "rbd": ("rbd", "rbd", needs("monitors", "image")),
    "quobyte": ("quobyte", "quobyte", quobyte),
    "cephfs": ("cephfs", "cephFS", needs("monitors")),
    "iscsi": ("iscsi", "iscsi", iscsi),
    "cinder": ("cinder", "cinder", cinder),
    "fc": ("fc", "fc", fibre_channel),
    "flexVolume": ("flexVolume", "flexVolume", flex_volume),
    "azureFile": ("azureFile", "azureFile", needs("secretName", "shareName")),
    "vsphereVolume": ("vsphereVolume", "vsphereVolume", needs("volumePath")),
    "photonPersistentDisk": ("photonPersistentDisk", "photonPersistentDisk", needs("pdID")),
    "portworxVolume": ("portworxVolume", "portworxVolume", needs("volumeID")),
    "azureDisk": ("azureDisk", "azureDisk", azure_disk),
    "scaleIO": ("scaleIO", "scaleIO", needs("gateway", "system", "volumeName")),
    "storageos": ("storageos", "storageos", storage_os),
}


def access_modes(modes: list[str], path: str, errors: Errors) -> None:
    for mode in modes:
        one_of(mode, ACCESS_MODES, path, errors)
    known = {mode for mode in modes if mode in ACCESS_MODES}
    if "ReadWriteOncePod" in known and len(known) > 1:
        errors.append(field_forbidden(path, "may not use ReadWriteOncePod with other access modes"))


def claim_spec(spec: Object, path: str, errors: Errors) -> None:
    """The spec of a PersistentVolumeClaim."""
    modes = spec.get("accessModes") or []
    if not modes:
        errors.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    label_selector(spec.get("selector"), f"{path}.selector", errors)
    access_modes(modes, f"{path}.accessModes", errors)
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    where = f"{path}.resources[storage]"
    if storage is None:
        errors.append(required(where))
    elif parse(storage) <= ZERO:
        errors.append(invalid_value(where, storage, NOT_POSITIVE))
    else:
        quantity_of("storage", parse(storage), where, errors)
    if spec.get("storageClassName"):
        check(names.dns_subdomain, spec["storageClassName"], f"{path}.storageClassName", errors)
    if spec.get("volumeMode") is not None:
        one_of(spec["volumeMode"], ("Block", "Filesystem"), f"{path}.volumeMode", errors)
    _data_sources(spec, path, errors)
    if spec.get("volumeAttributesClassName"):
        check(names.dns_subdomain, spec["volumeAttributesClassName"], f"{path}.volumeAttributesClassName", errors)


def _data_sources(spec: Object, path: str, errors: Errors) -> None:
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    for name, value in (("dataSource", source), ("dataSourceRef", ref)):
        if value is not None:
            _data_source(value, f"{path}.{name}", errors)
    if source is None or ref is None:
        return
    if ref.get("namespace"):
        text = "may not be specified when dataSourceRef.namespace is specified"
        errors.append(invalid_value(path, {}, text))
    elif any((source.get(n) or "") != (ref.get(n) or "") for n in ("apiGroup", "kind", "name")):
        errors.append(invalid_value(path, {}, "must match dataSourceRef"))  # the reference prints the path itself


def _data_source(source: Object, path: str, errors: Errors) -> None:
    filled(source, "name", path, errors)
    filled(source, "kind", path, errors)
    kind, group = source.get("kind") or "", source.get("apiGroup") or ""
    if not group and kind != "PersistentVolumeClaim":
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        errors.append(invalid_value(path, kind, text))
    if group:
        check(names.dns_subdomain, group, f"{path}.apiGroup", errors)
    if source.get("namespace"):
        check(names.dns_label, source["namespace"], f"{path}.namespace", errors)


def claim_warnings(spec: Object, path: str) -> list[str]:
    """Of a claim's spec: half a byte can not be had."""
    resources = spec.get("resources") or {}
    return [
        f'{path}.resources.{field}[storage]: fractional byte value "{amount}" is invalid, must be an integer'
        for field in ("requests", "limits")
        if parse(amount := str((resources.get(field) or {}).get("storage") or "0")).milli() % 1000
    ]
