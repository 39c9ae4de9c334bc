"""Delete collection: every object of a list, one by one, as a delete of each would be."""

from msgspec.structs import replace

from umiak.objects.errors import StatusError
from umiak.server import bodies, representation, stored
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.options import delete_options, list_options
from umiak.server.selection import selection
from umiak.server.verbs.delete import delete_object
from umiak.server.verbs.list import read


async def delete_collection(call: Call) -> Answer:
    """Answers the list of what was asked to go, as it was before."""
    wanted = list_options(call.request, is_watch=False)
    options = delete_options(call.request, bodies.read_delete_options(call))
    page = await read(call, wanted, selection(call.kind, wanted))
    for entry in page.entries:
        about = stored.read(call.kind, entry.value)["metadata"]
        try:
            await delete_object(call, about.get("namespace") or "", about["name"], replace(options))
        except StatusError as error:
            if error.reason != "NotFound":
                raise
    values = [stored.shown(call.kind, entry.value) for entry in page.entries]
    return await representation.of_list(call, values, page.metadata())
