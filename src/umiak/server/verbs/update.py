"""Update: a whole object replaces the stored one."""

from collections.abc import Callable

from umiak.api.kind import Kind
from umiak.objects.errors import bad_request
from umiak.objects.types import Object
from umiak.server import bodies, metadata, representation
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.change import Change, change
from umiak.server.options import write_options
from umiak.server.part import WHOLE, Part


async def update(call: Call, part: Part = WHOLE) -> Answer:
    options = write_options(call.request, "UpdateOptions")
    kind = part.body_kind(call.kind)
    sent = _read(call, kind, options.directive)

    drafts = [sent]

    async def make(current: Callable[[], Object] | None) -> Object:
        """What was sent; read anew from the body when the first draft was used up by a race."""
        return drafts.pop() if drafts else _read(call, kind, options.directive)

    changed = await change(
        call,
        Change(
            part=part,
            make=make,
            options=options.as_object("UpdateOptions"),
            create_options=options.as_object("CreateOptions"),
            dry_run=options.dry_run,
            uid=metadata.of(sent).get("uid") or "",
            allows_create=part.creates and call.kind.creates_on_update,
            manager=options.manager,
        ),
    )
    return representation.of_object(call, changed.value, 201 if changed.created else 200, kind)


def _read(call: Call, kind: Kind, directive: str) -> Object:
    sent = bodies.read_object(call, kind, directive)
    metadata.ensure_namespace(metadata.of(sent), call.namespace)
    check_name(sent, call.name, call.namespace)
    call.warn(metadata.without_duplicate_owners(metadata.of(sent), after_admission=False))
    return sent


def check_name(obj: Object, name: str, namespace: str) -> None:
    """The object has to be the one the URL names."""
    about = metadata.of(obj)
    own = about.get("name") or ""
    if not own:
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if own != name:
        raise bad_request(f"the name of the object ({own}) does not match the name on the URL ({name})")
    other = about.get("namespace") or ""
    if namespace and other and other != namespace:
        raise bad_request(
            f"the namespace of the object ({other}) does not match the namespace on the request ({namespace})"
        )
