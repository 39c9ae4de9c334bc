"""Objects and lists in the form the client asked for: JSON, YAML, protobuf, tables, metadata alone."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec

from umiak.api.kind import Kind
from umiak.kit.http.exchange import Pieces, whole
from umiak.objects.errors import StatusError
from umiak.objects.meta import resource_version
from umiak.objects.types import Object
from umiak.server import binary, stored, tables
from umiak.server.answer import GZIP_ABOVE, Answer, indented, unknown_failure
from umiak.server.call import Call
from umiak.server.negotiation import Media


def text(media: Media, encoded: bytes) -> bytes:
    """One JSON value in the negotiated format."""
    if media.is_binary:
        return binary.body(encoded)
    if media.format == "yaml":
        from umiak.objects.encoding import to_yaml

        return to_yaml(msgspec.json.decode(encoded))
    return indented(encoded) if media.pretty else encoded + b"\n"


def _answer(call: Call, status: int, encoded: bytes) -> Answer:
    return Answer(status, text(call.media, encoded), call.media.type)


def of_value(call: Call, value: Any, status: int = 200) -> Answer:
    """Anything that is not an object of the call's kind, such as a Status."""
    return _answer(call, status, msgspec.json.encode(value))


def go_type(kind: Kind, suffix: str = "") -> str:
    """How the reference names the type inside its errors."""
    if kind.is_custom:
        return f"*unstructured.Unstructured{suffix}"
    return f"*{kind.group.partition('.')[0] or 'core'}.{kind.kind}{suffix}"


def _mismatch(target: str, found: str, why: str) -> StatusError:
    return StatusError(406, "NotAcceptable", f"you requested {target}, but the requested object is {why} ({found})")


def of_object(call: Call, value: bytes, status: int = 200, kind: Kind | None = None) -> Answer:
    """One object, from its bytes in the kind's own form."""
    if call.media.is_plain:
        return Answer(status, value + b"\n")
    kind = kind or call.kind
    if call.media.is_binary and not call.media.target:
        return Answer(status, call.app.messages.body(kind, value), call.media.type)
    return _answer(call, status, converted(call, value, kind))


def converted(call: Call, value: bytes, kind: Kind, *, with_headers: bool = True) -> bytes:
    """One object's bytes as the target kind, if one was asked for."""
    target, version = call.media.target, call.media.target_version
    if not target:
        return value
    if target == "PartialObjectMetadata":
        return tables.partial(kind, value, version)
    if target == "PartialObjectMetadataList":
        if kind.is_custom:
            raise unknown_failure("content is not a list")
        raise _mismatch(target, go_type(kind), "not a list")
    about = {"resourceVersion": resource_version({"metadata": msgspec.json.decode(stored.metadata_of(value))})}
    now = call.app.clock.now().timestamp()
    include = tables.include_policy(call.request)
    return msgspec.json.encode(tables.table(kind, version, [value], about, include, now, with_headers=with_headers))


async def of_list(call: Call, values: Sequence[bytes], about: Object) -> Answer:
    """A list, from its objects' bytes in the kind's own form; `about` is the list's metadata."""
    kind, media = call.kind, call.media
    if media.is_binary and not media.target:
        return Answer(200, await call.app.messages.list_body(kind, values, about), media.type)
    if not media.target:
        if kind.is_custom:
            about.setdefault("continue", "")
        meta = msgspec.json.encode(about)
        head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
            kind.list_kind.encode(),
            kind.api_version.encode(),
            meta,
        )
        tail = b"]}\n" if media.is_plain else b"]}"
        inside = stored.joined_size(kind, values)
        size = len(head) + inside + len(tail)
        body = Pieces(size, lambda: chain((head,), stored.joined(kind, values, inside), (tail,)))
        if media.is_plain:
            return Answer(200, body if size > GZIP_ABOVE else whole(body))
        return _answer(call, 200, whole(body))
    if media.target == "PartialObjectMetadata":
        raise _mismatch(media.target, go_type(kind, "List"), "a list")
    if media.target == "PartialObjectMetadataList":
        return _partial_list(call, values, about)
    include, now = tables.include_policy(call.request), call.app.clock.now().timestamp()
    table = tables.table(kind, media.target_version, values, about, include, now, is_list=True)
    return _answer(call, 200, msgspec.json.encode(table))


def _partial_list(call: Call, values: Sequence[bytes], about: Object) -> Answer:
    """An empty one has no items at all, as in the reference."""
    version = call.media.target_version
    items = [tables.partial(call.kind, value, version) for value in values]
    if call.media.is_binary:
        return Answer(200, binary.partial_list(version, items, about), call.media.type)
    shown = {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": about,
        "items": [msgspec.Raw(item) for item in items] or None,
    }
    return _answer(call, 200, msgspec.json.encode(shown))
