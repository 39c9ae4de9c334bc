"""`status`: what controllers say of an object; the rest of the object stays as it is."""

from umiak.api.kind import Kind
from umiak.objects.errors import FieldError
from umiak.objects.types import Object
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.part import Part, SubresourceHandlers
from umiak.server.verbs.get import get


def prepare(kind: Kind, new: Object, old: Object) -> None:
    kind.prepare_status(new, old)


def validate(kind: Kind, new: Object, old: Object) -> list[FieldError]:
    return kind.validate_status(new, old)


STATUS = Part(
    name="status",
    prepare=prepare,
    validate=validate,
    warnings=lambda kind, new, old: kind.status_warnings(new, old),
)


async def update(call: Call) -> Answer:
    from umiak.server.verbs import update

    return await update.update(call, STATUS)


async def patch(call: Call) -> Answer:
    from umiak.server.verbs import patch

    return await patch.patch(call, STATUS)


SUBRESOURCE = SubresourceHandlers(name="status", methods={"GET": get, "PUT": update, "PATCH": patch})
