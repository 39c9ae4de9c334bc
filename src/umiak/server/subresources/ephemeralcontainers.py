"""`pods/ephemeralcontainers`: containers for debugging, added to a running pod and never taken away."""

from umiak.api.internal import difference
from umiak.api.kind import Kind
from umiak.objects.errors import FieldError, field_forbidden
from umiak.objects.types import Object
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.part import Part, SubresourceHandlers
from umiak.server.verbs.get import get

MIRROR = "kubernetes.io/config.mirror"
PATH = "spec.ephemeralContainers"


def prepare(kind: Kind, new: Object, old: Object) -> None:
    """Only the ephemeral containers may change here."""
    containers = (new.get("spec") or {}).get("ephemeralContainers")
    new["spec"] = {k: v for k, v in old["spec"].items() if k != "ephemeralContainers"}
    if containers:
        new["spec"]["ephemeralContainers"] = containers
    new["status"] = old.get("status") or {}
    keep_metadata(new["metadata"], old["metadata"])


def keep_metadata(about: Object, before: Object) -> None:
    """As `metav1.ResetObjectMetaForStatus`: labels and the rest of the user's metadata stay."""
    for field in ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp"):
        if field in before:
            about[field] = before[field]
        else:
            about.pop(field, None)


def validate(kind: Kind, new: Object, old: Object) -> list[FieldError]:
    if MIRROR in (old["metadata"].get("annotations") or {}):
        return [field_forbidden("", "static pods do not support ephemeral containers")]
    return [*kind.validate(new), *_changes(new, old)]


def _changes(new: Object, old: Object) -> list[FieldError]:
    now = {c.get("name"): c for c in new["spec"].get("ephemeralContainers") or ()}
    found = []
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container["name"]
        if name not in now:
            found.append(field_forbidden(PATH, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif now[name] != container:
            change = difference("core.EphemeralContainer", container, now[name])
            found.append(field_forbidden(PATH, f'existing ephemeral containers "{name}" may not be changed\n{change}'))
    return found


EPHEMERAL = Part(name="ephemeralcontainers", prepare=prepare, validate=validate)


async def update(call: Call) -> Answer:
    from umiak.server.verbs import update

    return await update.update(call, EPHEMERAL)


async def patch(call: Call) -> Answer:
    from umiak.server.verbs import patch

    return await patch.patch(call, EPHEMERAL)


SUBRESOURCE = SubresourceHandlers(
    name="ephemeralcontainers", of=(("", "pods"),), methods={"GET": get, "PUT": update, "PATCH": patch}
)
