"""VolumeAttachment: a volume that is to be attached to a node."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.common.pod_defaults import default_volume_source
from umiak.api.common.resources import round_up
from umiak.api.common.strategy import keep_status, nothing_but_status
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    inline = (obj.setdefault("spec", {}).get("source") or {}).get("inlineVolumeSpec")
    if inline:
        if inline.get("capacity"):
            round_up(inline["capacity"])
        default_volume_source(inline)


def prepare_create(obj: Object) -> None:
    obj["status"] = {"attached": False}


KIND = builtin(
    "storage.k8s.io/v1",
    "VolumeAttachment",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
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
