"""`namespaces/finalize`: takes names off a namespace's own list of finalizers, in its spec."""

from umiak.api.kind import Kind
from umiak.objects.errors import FieldError
from umiak.objects.types import Object
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.part import Part, SubresourceHandlers


def prepare(kind: Kind, new: Object, old: Object) -> None:
    """Only the finalizers may change here."""
    finalizers = (new.get("spec") or {}).get("finalizers")
    new["status"] = old.get("status") or {}
    new["spec"] = {**(old.get("spec") or {}), "finalizers": finalizers} if finalizers else {}


def validate(kind: Kind, new: Object, old: Object) -> list[FieldError]:
    return []


FINALIZE = Part(name="finalize", prepare=prepare, validate=validate)


async def update(call: Call) -> Answer:
    from umiak.server.verbs import update

    return await update.update(call, FINALIZE)


SUBRESOURCE = SubresourceHandlers(name="finalize", of=(("", "namespaces"),), methods={"PUT": update})
