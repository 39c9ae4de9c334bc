"""Validates the volumes of a pod."""

from umiak.api.common import volume_sources as sources
from umiak.api.common.checks import (
    Errors,
    check,
    file_mode,
    filled,
    filled_one_of,
    label_selector,
    local_path,
    user_or_group,
)
from umiak.api.common.field_refs import FILE_FIELDS, field_ref, resource_field_ref
from umiak.api.common.metadata import validate_annotations, validate_labels
from umiak.api.internal import shown
from umiak.objects import names
from umiak.objects.errors import duplicate, field_forbidden, invalid_value, not_supported, required
from umiak.objects.quantity import ZERO, parse
from umiak.objects.types import Object

_SECOND = "may not specify more than 1 volume type"
_KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")


def volumes(every: list[Object], pod_name: str, path: str, errors: Errors) -> dict[str, Object]:
    """The volumes that are fine, by name. `pod_name` is empty in templates."""
    created = (
        {f"{pod_name}-{v.get('name') or ''}" for v in every if v.get("ephemeral") is not None} if pod_name else set()
    )
    fine: dict[str, Object] = {}
    for index, volume in enumerate(every):
        where, before = f"{path}[{index}]", len(errors)
        name = volume.get("name") or ""
        _source(volume, name, pod_name, where, errors)
        if not name:
            errors.append(required(f"{where}.name"))
        else:
            check(names.dns_label, name, f"{where}.name", errors)
        if name in fine:
            errors.append(duplicate(f"{where}.name", name))
        if len(errors) == before:
            fine[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in created:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            errors.append(invalid_value(f"{where}.persistentVolumeClaim.claimName", claim, text))
    return fine


def _source(volume: Object, name: str, pod_name: str, path: str, errors: Errors) -> None:
    """Exactly one source; a second one is only told that it is too much."""
    given = [field for field in volume if field in _SOURCES and volume[field] is not None]
    if len(given) > 1:
        given.sort(key=list(_SOURCES).index)
    for number, field in enumerate(given):
        source, (shown, shown_second, run) = volume[field], _SOURCES[field]
        if number > 0 and field != "emptyDir":
            errors.append(field_forbidden(f"{path}.{shown_second}", _SECOND))
        else:
            run(source, f"{path}.{shown}", errors)
        if field == "iscsi" and source.get("initiatorName") is not None:
            _iscsi_length(source, name, path, errors)
        if field == "ephemeral" and number == 0 and pod_name and name:
            claim = f"{pod_name}-{name}"
            for text in names.dns_subdomain(claim):
                errors.append(invalid_value(f"{path}.name", name, f'PVC name "{claim}": {text}'))
    if not given:
        errors.append(required(path, "must specify a volume type"))


def _iscsi_length(source: Object, name: str, path: str, errors: Errors) -> None:
    if len(f"{name}:{source.get('targetPortal') or ''}") > 64:
        text = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters"
            " if iscsi.initiatorName is specified."
        )
        errors.append(invalid_value(f"{path}.name", name, text))


def _empty_dir(source: Object, path: str, errors: Errors) -> None:
    if source.get("sizeLimit") is not None and parse(source["sizeLimit"]) < ZERO:
        errors.append(field_forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity"))


def _git_repo(source: Object, path: str, errors: Errors) -> None:
    filled(source, "repository", path, errors)
    directory = source.get("directory") or ""
    if directory:
        local_path(directory, f"{path}.directory", errors)


def _items(source: Object, path: str, errors: Errors) -> None:
    for index, item in enumerate(source.get("items") or ()):
        where = f"{path}.items[{index}]"
        filled(item, "key", where, errors)
        filled(item, "path", where, errors)
        local_path(item.get("path") or "", f"{where}.path", errors)
        file_mode(item, "mode", where, errors)
        user_or_group(item, "user", where, errors)


def _secret(source: Object, path: str, errors: Errors) -> None:
    filled(source, "secretName", path, errors)
    file_mode(source, "defaultMode", path, errors)
    _items(source, path, errors)


def _config_map(source: Object, path: str, errors: Errors) -> None:
    filled(source, "name", path, errors)
    file_mode(source, "defaultMode", path, errors)
    _items(source, path, errors)


def _downward_file(file: Object, path: str, errors: Errors) -> None:
    filled(file, "path", path, errors)
    local_path(file.get("path") or "", f"{path}.path", errors)
    if file.get("fieldRef") is not None:
        field_ref(file["fieldRef"], FILE_FIELDS, f"{path}.fieldRef", errors)
        if file.get("resourceFieldRef") is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid_value(path, "resource", text))
    elif file.get("resourceFieldRef") is not None:
        resource_field_ref(file["resourceFieldRef"], True, f"{path}.resourceFieldRef", errors)
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    file_mode(file, "mode", path, errors)


def _downward(source: Object, path: str, errors: Errors) -> None:
    file_mode(source, "defaultMode", path, errors)
    for file in source.get("items") or ():
        _downward_file(file, path, errors)


def _projected(source: Object, path: str, errors: Errors) -> None:
    file_mode(source, "defaultMode", path, errors)
    taken: set[str] = set()
    for index, part in enumerate(source.get("sources") or ()):
        _projection(part, taken, path, f"{path}.sources[{index}]", errors)


def _take(place: str, shown: str, taken: set[str], path: str, errors: Errors) -> None:
    """Two files cannot have one path."""
    if place in taken:
        errors.append(invalid_value(path, shown, "conflicting duplicate paths"))
    taken.add(place)


def _projection(part: Object, taken: set[str], path: str, where: str, errors: Errors) -> None:
    for name in ("secret", "configMap"):
        source = part.get(name)
        if source is not None:
            filled(source, "name", f"{where}.{name}", errors)
            _items(source, f"{where}.{name}", errors)
            for item in source.get("items") or ():
                if item.get("path"):
                    _take(item["path"], source.get("name") or "", taken, path, errors)
    if part.get("downwardAPI") is not None:
        for file in part["downwardAPI"].get("items") or ():
            _downward_file(file, f"{where}.downwardAPI", errors)
            if file.get("path"):
                _take(file["path"], file["path"], taken, path, errors)
    if part.get("serviceAccountToken") is not None:
        _token(part["serviceAccountToken"], path, f"{where}.serviceAccountToken", errors)
    if part.get("clusterTrustBundle") is not None:
        _trust_bundle(part["clusterTrustBundle"], taken, path, f"{where}.clusterTrustBundle", errors)
    if part.get("podCertificate") is not None:
        _pod_certificate(part["podCertificate"], taken, path, f"{where}.podCertificate", errors)
    if sum(value is not None for value in part.values()) > 1:
        errors.append(field_forbidden(where, "may not specify more than 1 volume type per source"))


def _token(token: Object, path: str, where: str, errors: Errors) -> None:
    seconds = token.get("expirationSeconds") or 0
    if seconds < 600:
        text = "may not specify a duration less than 10 minutes"
        errors.append(invalid_value(f"{where}.expirationSeconds", seconds, text))
    if seconds > 2**32:
        text = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid_value(f"{where}.expirationSeconds", seconds, text))
    if filled(token, "path", path, errors):
        local_path(token["path"], f"{path}.path", errors)


def _trust_bundle(bundle: Object, taken: set[str], path: str, where: str, errors: Errors) -> None:
    name, signer = bundle.get("name"), bundle.get("signerName")
    if name is not None and signer is not None:
        errors.append(
            invalid_value(
                where, shown("core.ClusterTrustBundleProjection", bundle), "only one of name and signerName may be used"
            )
        )
    elif name is not None:
        if not name:
            errors.append(required(f"{where}.name", "must be a valid object name"))
        for text in names.dns_subdomain(name.rpartition(":")[2]):
            errors.append(invalid_value(f"{where}.name", name, f"not a valid clustertrustbundlename: {text}"))
        if bundle.get("labelSelector") is not None:
            text = "labelSelector must be unset if name is specified"
            errors.append(invalid_value(f"{where}.labelSelector", bundle["labelSelector"], text))
    elif signer is not None:
        if not signer:
            errors.append(required(f"{where}.signerName", "must be a valid signer name"))
        label_selector(bundle.get("labelSelector"), f"{where}.labelSelector", errors)
    else:
        errors.append(required(where, "either name or signerName must be specified"))
    filled(bundle, "path", where, errors)
    local_path(bundle.get("path") or "", f"{where}.path", errors)
    _take(bundle.get("path") or "", bundle.get("path") or "", taken, path, errors)


def _pod_certificate(source: Object, taken: set[str], path: str, where: str, errors: Errors) -> None:
    if source.get("keyType") not in _KEY_TYPES:
        errors.append(not_supported(f"{where}.keyType", source.get("keyType") or "", _KEY_TYPES))
    seconds = source.get("maxExpirationSeconds")
    if seconds is not None:
        limit = 86400 if (source.get("signerName") or "").startswith("kubernetes.io/") else 91 * 86400
        if seconds < 3600:
            text = "if provided, maxExpirationSeconds must be >= 3600"
            errors.append(invalid_value(f"{where}.maxExpirationSeconds", seconds, text))
        if seconds > limit:
            text = f"if provided, maxExpirationSeconds must be <= {limit}"
            errors.append(invalid_value(f"{where}.maxExpirationSeconds", seconds, text))
    given = [f for f in ("credentialBundlePath", "keyPath", "certificateChainPath") if source.get(f)]
    for field in given:
        local_path(source[field], f"{where}.{field}", errors)
        _take(source[field], source[field], taken, path, errors)
    if not given:
        text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(required(where, text))


def _csi(source: Object, path: str, errors: Errors) -> None:
    sources.csi_driver_name(source.get("driver") or "", f"{path}.driver", errors)
    secret = source.get("nodePublishSecretRef")
    if secret is not None and filled(secret, "name", f"{path}.nodePublishSecretRef", errors):
        check(names.dns_subdomain, secret["name"], f"{path}.name", errors)


def _ephemeral(source: Object, path: str, errors: Errors) -> None:
    template, where = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        errors.append(required(where))
        return
    metadata = template.get("metadata") or {}
    validate_annotations(metadata.get("annotations"), f"{where}.metadata.annotations", errors)
    validate_labels(metadata.get("labels"), f"{where}.metadata.labels", errors)
    for field in metadata:
        if field not in ("annotations", "labels"):
            errors.append(field_forbidden(f"{where}.metadata.{field}", "cannot be set for an ephemeral volume"))
    sources.claim_spec(template.get("spec") or {}, f"{where}.spec", errors)


def _image(source: Object, path: str, errors: Errors) -> None:
    filled_one_of(source.get("pullPolicy"), ("Always", "IfNotPresent", "Never"), f"{path}.pullPolicy", errors)


_S = sources.SHARED
_SOURCES: dict[str, tuple[str, str, sources.Check]] = {
    "emptyDir": ("emptyDir", "emptyDir", _empty_dir),
    "hostPath": _S["hostPath"],
    "gitRepo": ("gitRepo", "gitRepo", _git_repo),
    "gcePersistentDisk": _S["gcePersistentDisk"],
    "awsElasticBlockStore": _S["awsElasticBlockStore"],
    "secret": ("secret", "secret", _secret),
    "nfs": _S["nfs"],
    "iscsi": _S["iscsi"],
    "glusterfs": _S["glusterfs"],
    "flocker": _S["flocker"],
    "persistentVolumeClaim": ("persistentVolumeClaim", "persistentVolumeClaim", sources.needs("claimName")),
    "rbd": _S["rbd"],
    "cinder": _S["cinder"],
    "cephfs": _S["cephfs"],
    "quobyte": _S["quobyte"],
    "downwardAPI": ("downwardAPI", "downwarAPI", _downward),
    "fc": _S["fc"],
    "flexVolume": _S["flexVolume"],
    "configMap": ("configMap", "configMap", _config_map),
    "azureFile": _S["azureFile"],
    "vsphereVolume": _S["vsphereVolume"],
    "photonPersistentDisk": _S["photonPersistentDisk"],
    "portworxVolume": _S["portworxVolume"],
    "azureDisk": _S["azureDisk"],
    "storageos": _S["storageos"],
    "projected": ("projected", "projected", _projected),
    "scaleIO": _S["scaleIO"],
    "csi": ("csi", "csi", _csi),
    "ephemeral": ("ephemeral", "ephemeral", _ephemeral),
    "image": ("image", "image", _image),
}
