"""`pods/resize`: CPU and memory of a running pod's containers (KEP-1287)."""

from typing import Any

from umiak.api.common.pod_levels import quality_of_service
from umiak.api.kind import Kind
from umiak.objects.errors import FieldError, field_forbidden, invalid_value
from umiak.objects.types import Object
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.part import Part, SubresourceHandlers
from umiak.server.subresources.ephemeralcontainers import MIRROR, keep_metadata
from umiak.server.verbs.get import get

RESIZABLE = ("cpu", "memory")
ONLY = "only cpu and memory resources are mutable"
LISTS = ("initContainers", "containers")


def prepare(kind: Kind, new: Object, old: Object) -> None:
    """Only resources and resize policies of containers may change here."""
    spec, before = new["spec"], old["spec"]
    if any(len(spec.get(name) or ()) != len(before.get(name) or ()) for name in LISTS):
        return
    sized = {name: _sized(spec.get(name) or [], before.get(name) or []) for name in LISTS}
    volumes, resources = spec.get("volumes"), spec.get("resources") or before.get("resources")
    kept = {"volumes": volumes, "resources": resources, **sized}
    new["spec"] = {**before, **kept}
    for name in [name for name, value in kept.items() if not value]:
        new["spec"].pop(name, None)
    new["status"] = old.get("status") or {}
    keep_metadata(new["metadata"], old["metadata"])


def _sized(new: list[Object], old: list[Object]) -> list[Object]:
    """The old containers with the new sizes; the new ones as they are when they are not in the same order."""
    if [c.get("name") for c in new] != [c.get("name") for c in old]:
        return new
    fields = ("resources", "resizePolicy")
    return [
        {**{k: v for k, v in before.items() if k not in fields}, **{k: now[k] for k in fields if k in now}}
        for now, before in zip(new, old, strict=True)
    ]


def validate(kind: Kind, new: Object, old: Object) -> list[FieldError]:
    if MIRROR in (old["metadata"].get("annotations") or {}):
        return [field_forbidden("", "static pods cannot be resized")]
    if (old["spec"].get("os") or {}).get("name") == "windows":
        return [field_forbidden("", "windows pods cannot be resized")]
    found = list(kind.validate(new))
    before = (old.get("status") or {}).get("qosClass") or quality_of_service(old["spec"])
    if quality_of_service(new["spec"]) != before:
        why = "Pod QOS Class may not change as a result of resizing"
        found.append(invalid_value("spec", (new.get("status") or {}).get("qosClass") or "", why))
    if not _is_supported(old):
        found.append(field_forbidden("spec", "Pod running on node without support for resize"))
    if ordering := _ordering(new["spec"], old["spec"]):
        return [*found, *ordering]
    for name in LISTS:
        pairs = zip(new["spec"].get(name) or (), old["spec"].get(name) or (), strict=True)
        for index, (now, was) in enumerate(pairs):
            found += _container(f"spec.{name}[{index}]", name, now, was)
    return [*found, *_volumes(new["spec"], old["spec"])]


def _is_supported(pod: Object) -> bool:
    """A node that supports resizing says what its running containers have."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if (status.get("state") or {}).get("running") is not None:
            return status.get("resources") is not None
    return True


def _ordering(new: Object, old: Object) -> list[FieldError]:
    found = []
    for name in LISTS:
        now, was = ([c.get("name") for c in spec.get(name) or ()] for spec in (new, old))
        if len(now) != len(was):
            found.append(field_forbidden(f"spec.{name}", f"{name} may not be added or removed on resize"))
        else:
            found += [
                field_forbidden(f"spec.{name}[{i}].name", f"{name} may not be renamed or reordered on resize")
                for i, (a, b) in enumerate(zip(now, was, strict=True))
                if a != b
            ]
    return found


def _container(path: str, list_name: str, new: Object, old: Object) -> list[FieldError]:
    found = []
    now, was = new.get("resources") or {}, old.get("resources") or {}
    for field, text in (("requests", "resource requests"), ("limits", "resource limits")):
        if set(was.get(field) or ()) - set(now.get(field) or ()):
            found.append(field_forbidden(f"{path}.resources.{field}", f"{text} cannot be removed"))
    if _others(new) != _others(old):
        init = "only cpu and memory resources for init or sidecar containers are mutable"
        found.append(field_forbidden(*(("spec", ONLY) if list_name == "containers" else (path, init))))
    return found


def _others(container: Object) -> Any:
    """A container without what may be resized."""
    resources = container.get("resources") or {}
    fixed = {
        field: {k: v for k, v in (resources.get(field) or {}).items() if k not in RESIZABLE}
        for field in ("requests", "limits")
    }
    rest = {k: v for k, v in container.items() if k not in ("resources", "resizePolicy")}
    return rest, fixed, resources.get("claims") or []


def _volumes(new: Object, old: Object) -> list[FieldError]:
    now, was = new.get("volumes") or [], old.get("volumes") or []
    if len(now) != len(was):
        return [field_forbidden("spec.volumes", "volumes may not be added or removed on resize")]
    why = "only sizeLimit of memory-backed emptyDir volumes is mutable on resize"
    return [
        field_forbidden(f"spec.volumes[{i}]", why)
        for i, (a, b) in enumerate(zip(now, was, strict=True))
        if a != b and not _only_memory_limit(a, b)
    ]


def _only_memory_limit(new: Object, old: Object) -> bool:
    now, was = dict(new.get("emptyDir") or {}), dict(old.get("emptyDir") or {})
    if now.get("medium") != "Memory" or not (now.pop("sizeLimit", None) and was.pop("sizeLimit", None)):
        return False
    return {**new, "emptyDir": now} == {**old, "emptyDir": was}


RESIZE = Part(name="resize", prepare=prepare, validate=validate)


async def update(call: Call) -> Answer:
    from umiak.server.verbs import update

    return await update.update(call, RESIZE)


async def patch(call: Call) -> Answer:
    from umiak.server.verbs import patch

    return await patch.patch(call, RESIZE)


SUBRESOURCE = SubresourceHandlers(
    name="resize", of=(("", "pods"),), methods={"GET": get, "PUT": update, "PATCH": patch}
)
