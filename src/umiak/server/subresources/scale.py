"""`scale`: how many replicas, in one form for every kind that has replicas (`autoscaling/v1` Scale)."""

from functools import cache
from typing import Any

from msgspec.structs import replace

from umiak.api import compiled
from umiak.api.kind import Kind
from umiak.api.kind import Scale as Paths
from umiak.api.schema import Schema
from umiak.objects import fieldset
from umiak.objects.errors import StatusError, internal, invalid, invalid_value, not_found
from umiak.objects.selectors import InvalidSelector, from_label_selector, from_set
from umiak.objects.types import Object
from umiak.server import representation, stored
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.managed_fields import replicas
from umiak.server.part import Part, SubresourceHandlers, faults_of_update

GROUP, VERSION = "autoscaling", "v1"
SHOWN_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


@cache
def scale_kind() -> Kind:
    """The kind of the body; it has no resource of its own."""
    from umiak.api.common.cells import AGE, NAME, column, reads

    def load_schema() -> Schema:
        return compiled.schema(f"{GROUP}/{VERSION}", "Scale")

    return Kind(
        group=GROUP,
        version=VERSION,
        kind="Scale",
        plural="scales",
        singular="scale",
        namespaced=True,
        verbs=(),
        load_schema=load_schema,
        columns=(
            replace(NAME, format=""),
            column("Desired", reads("spec", "replicas"), "ScaleSpec.replicas", type="integer"),
            column("Available", reads("status", "replicas"), "ScaleStatus.replicas", type="integer"),
            AGE,
        ),
    )


def at(obj: Object, path: str) -> Any:
    """The value at a dotted path (with or without a dot in front); None when there is none."""
    found: Any = obj
    for part in path.lstrip(".").split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def put(obj: Object, path: str, value: Any) -> None:
    *folders, last = path.lstrip(".").split(".")
    for part in folders:
        obj = obj.setdefault(part, {})
    obj[last] = value


def selector_text(paths: Paths, obj: Object) -> str:
    """Raises 500 when the object's own selector can not be read."""
    selector = at(obj, paths.selector) if paths.selector else None
    if not selector or isinstance(selector, str):
        return selector or ""
    is_plain = not ({"matchLabels", "matchExpressions"} & set(selector))
    try:
        return str(from_set(selector) if is_plain else from_label_selector(selector))
    except InvalidSelector as error:
        raise StatusError(500, "", str(error)) from None


def live(kind: Kind, obj: Object) -> Object:
    """The view with the managers of the replicas."""
    found = view(kind, obj)
    if entries := replicas.to_scale(_replicas_path(kind), obj["metadata"].get("managedFields") or []):
        found["metadata"] = {**found["metadata"], "managedFields": entries}
    return found


def _replicas_path(kind: Kind) -> fieldset.Path:
    return tuple(map(fieldset.field, _paths(kind).spec_replicas.lstrip(".").split(".")))


def view(kind: Kind, obj: Object) -> Object:
    paths = _paths(kind)
    about = {field: obj["metadata"][field] for field in SHOWN_METADATA if field in obj["metadata"]}
    wanted = at(obj, paths.spec_replicas)
    status: Object = {"replicas": at(obj, paths.status_replicas) or 0}
    if text := selector_text(paths, obj):
        status["selector"] = text
    return {
        "kind": "Scale",
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": about,
        "spec": {"replicas": wanted} if wanted else {},
        "status": status,
    }


def merge(kind: Kind, sent: Object, old: Object) -> Object:
    """The stored object with the replicas that were sent."""
    wanted = (sent.get("spec") or {}).get("replicas") or 0
    if wanted < 0:
        fault = invalid_value("spec.replicas", wanted, "must be greater than or equal to 0")
        raise invalid(GROUP, "Scale", old["metadata"]["name"], [fault])
    put(old, _paths(kind).spec_replicas, wanted)
    about = old["metadata"]
    about["resourceVersion"] = sent["metadata"]["resourceVersion"]
    entries, scaled = about.pop("managedFields", None) or [], sent["metadata"].get("managedFields") or []
    if entries := replicas.to_parent(kind, _replicas_path(kind), entries, scaled):
        about["managedFields"] = entries
    return old


def _paths(kind: Kind) -> Paths:
    return kind.scale or Paths()


def prepare(kind: Kind, new: Object, old: Object) -> None:
    kind.prepare_update(new, old)


SCALE = Part(
    name="scale",
    body_kind=lambda kind: scale_kind(),
    view=view,
    live=live,
    merge=merge,
    prepare=prepare,
    validate=faults_of_update,
    warnings=lambda kind, new, old: kind.warnings(new, old),
)


async def get(call: Call) -> Answer:
    kind = call.kind
    entry = await call.store.get(kind.store_key(call.namespace, call.name))
    if entry is None:
        raise not_found(kind.group, kind.plural, call.name)
    obj = stored.read(kind, entry.value)
    if kind.is_custom and at(obj, _paths(kind).spec_replicas) is None:
        raise internal(f'the spec replicas field "{_paths(kind).spec_replicas}" does not exist')
    value = stored.encode(scale_kind(), view(kind, obj))
    return representation.of_object(call, value, kind=scale_kind())


async def update(call: Call) -> Answer:
    from umiak.server.verbs import update

    return await update.update(call, SCALE)


async def patch(call: Call) -> Answer:
    from umiak.server.verbs import patch

    return await patch.patch(call, SCALE)


SUBRESOURCE = SubresourceHandlers(name="scale", methods={"GET": get, "PUT": update, "PATCH": patch})
