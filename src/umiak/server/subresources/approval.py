"""`certificatesigningrequests/approval`: conditions Approved and Denied, set by whoever may sign."""

from umiak.api.kind import Kind
from umiak.objects.errors import FieldError
from umiak.objects.types import Object
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.part import Part, SubresourceHandlers
from umiak.server.verbs.get import get


def prepare(kind: Kind, new: Object, old: Object) -> None:
    """Only conditions may change here."""
    status = {**(old.get("status") or {}), "conditions": (new.get("status") or {}).get("conditions")}
    new["spec"] = old["spec"]
    new["status"] = {name: value for name, value in status.items() if value is not None}


def validate(kind: Kind, new: Object, old: Object) -> list[FieldError]:
    return [*kind.validate(new), *kind.validate_status(new, old)]


APPROVAL = Part(name="approval", prepare=prepare, validate=validate)


async def update(call: Call) -> Answer:
    from umiak.server.verbs import update

    return await update.update(call, APPROVAL)


async def patch(call: Call) -> Answer:
    from umiak.server.verbs import patch

    return await patch.patch(call, APPROVAL)


SUBRESOURCE = SubresourceHandlers(
    name="approval",
    of=(("certificates.k8s.io", "certificatesigningrequests"),),
    methods={"GET": get, "PUT": update, "PATCH": patch},
)
