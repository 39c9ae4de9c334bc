"""Managers of an object's replicas, seen from its scale and back (apimachinery's ScaleHandler)."""

from collections.abc import Sequence

from msgspec.structs import replace

from umiak.api.kind import Kind
from umiak.objects import fieldset
from umiak.objects.fieldset import Path
from umiak.objects.types import Object
from umiak.server.managed_fields.entries import Held, Managers, decode, encode

SCALE = "autoscaling/v1"
IN_SCALE: Path = ("f:spec", "f:replicas")


def to_scale(path: Path, entries: Sequence[Object]) -> list[Object]:
    """The entries that have the replicas, which are at `path` in the object, in terms of its Scale."""
    fields = fieldset.of_paths(IN_SCALE)
    managers = decode(entries, trusted=True)
    return encode(
        {owner: Held(fields, SCALE, held.time) for owner, held in managers.items() if fieldset.has(held.fields, path)}
    )


def to_parent(kind: Kind, path: Path, entries: Sequence[Object], scaled: Sequence[Object]) -> list[Object]:
    """The object's entries after its Scale changed: who has the replicas there has them here, and nobody else."""
    fields = fieldset.of_paths(path)
    parents, scales = decode(entries, trusted=True), decode(scaled, trusted=True)
    out: Managers = {}
    for owner, held in parents.items():
        if not fieldset.has(held.fields, path) or scales.pop(owner, None) is not None:
            out[owner] = held
        elif left := fieldset.difference(held.fields, fields):
            out[owner] = replace(held, fields=left)
    for owner, held in scales.items():
        if fieldset.has(held.fields, IN_SCALE):
            before = parents.get(owner)
            out[owner] = Held(fields, kind.api_version, before.time if before else "")
    return encode(out, alphabetical=kind.is_custom)
