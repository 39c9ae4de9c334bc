"""Get: one object, as it lies in the store."""

from umiak.objects.errors import bad_request, not_found
from umiak.server import representation, stored
from umiak.server.answer import Answer, unknown_failure
from umiak.server.call import Call
from umiak.server.options import boolean, too_large, version_fault, version_number


async def get(call: Call) -> Answer:
    kind = call.kind
    if call.request.query:
        _check_options(call)
    entry = await call.store.get(kind.store_key(call.namespace, call.name))
    if entry is None:
        raise not_found(kind.group, kind.plural, call.name)
    return representation.of_object(call, stored.shown(kind, entry.value))


def _check_options(call: Call) -> None:
    if boolean(call.request.query.get("export") or ()):
        raise bad_request("the export parameter, deprecated since v1.14, is no longer supported")
    text = call.request.option("resourceVersion")
    if text and not (text.isascii() and text.isdigit()):
        raise unknown_failure(version_fault(text))
    wanted = version_number(text)
    if wanted > call.store.revision:
        raise too_large(wanted, call.store.revision)
