"""VolumeAttachment: a volume that is to be attached to a node."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.common.checks import check, declared_immutable
from umiak.api.common.persistent_volume_spec import volume_spec
from umiak.api.common.pod_defaults import default_volume_source
from umiak.api.common.resources import round_up
from umiak.api.common.strategy import keep_status, nothing_but_status
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, required, too_long
from umiak.objects.types import Object


def default(obj: Object) -> None:
    inline = (obj.setdefault("spec", {}).get("source") or {}).get("inlineVolumeSpec")
    if inline:
        if inline.get("capacity"):
            round_up(inline["capacity"])
        default_volume_source(inline)


def prepare_create(obj: Object) -> None:
    obj["status"] = {"attached": False}


def _attacher(name: str, late: list[FieldError]) -> None:
    path = "spec.attacher"
    if not name:
        late.append(required(path))
        return
    if len(name) > 63:
        late.append(too_long(path, 63))
    if names.dns_subdomain(name.lower()):
        rule = (
            "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        shape = names.mismatch(rule, names.DNS_SUBDOMAIN, "Example.com")
        late.append(invalid_value(path, name, shape))


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    spec = obj["spec"]
    source = spec.get("source") or {}
    volume, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    _attacher(spec.get("attacher") or "", late)
    exactly_one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if volume is None and inline is None:
        errors.append(required("spec.source", exactly_one))
    elif volume is not None and inline is not None:
        errors.append(field_forbidden("spec.source", exactly_one))
    elif volume == "":
        errors.append(required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName"))
    elif inline is not None:
        volume_spec(inline, True, "spec.source.inlineVolumeSpec", errors)
    check(names.dns_subdomain, spec.get("nodeName") or "", "spec.nodeName", errors)
    if volume is not None:
        check(names.dns_subdomain, volume, "spec.source.persistentVolumeName", errors)
    return errors + late


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    declared_immutable(new.get("spec"), old.get("spec"), "spec", errors)
    return errors


KIND = builtin(
    "storage.k8s.io/v1",
    "VolumeAttachment",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    validate=validate,
    validate_update=validate_update,
    columns=(
        NAME,
        column("Attacher", reads("spec", "attacher"), "VolumeAttachmentSpec.attacher", format="name"),
        column("PV", reads("spec", "source", "persistentVolumeName"), "VolumeAttachmentSource.persistentVolumeName"),
        column("Node", reads("spec", "nodeName"), "VolumeAttachmentSpec.nodeName"),
        column(
            "Attached", reads("status", "attached", otherwise=False), "VolumeAttachmentStatus.attached", type="boolean"
        ),
        AGE,
    ),
    updates_unconditionally=False,
    deletion_returns_object=True,
)
