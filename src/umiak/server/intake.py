"""What a body says that is to become a new object: the object with its defaults, and the fields that it sets.

All of that follows from the bytes. Controllers make pods by the hundred from one template, with bodies equal but for
the name, and so it is remembered for the next one.
"""

import msgspec

from umiak.kit.memo import Memo
from umiak.objects import fieldset
from umiak.objects.fieldset import FieldSet
from umiak.objects.types import Object
from umiak.server import bodies, metadata
from umiak.server.call import Call
from umiak.server.managed_fields import manager, tracking

LONGEST = 32 * 1024
"""Bytes of a body that is remembered."""


class Intake(msgspec.Struct, frozen=True):
    """`fields` are what the creator will manage; None when that takes more than the object to say. `emptied` are those
    that were sent empty."""

    obj: Object
    fields: FieldSet | None
    emptied: FieldSet


class Known(msgspec.Struct, frozen=True):
    """An `Intake` to be had again, the object in MessagePack and without its name, and what there was to warn of."""

    obj: bytes
    fields: FieldSet
    warnings: tuple[str, ...]


Memory = Memo[Known]


class _Metadata(msgspec.Struct):
    name: str = ""


class _Named(msgspec.Struct):
    metadata: _Metadata


_NAMED = msgspec.json.Decoder(_Named)


def take_in(call: Call, directive: str) -> Intake:
    """Raises what reading raises."""
    found = body_key(call, directive)
    if found is None:
        return _read(call, directive)
    key, name = found
    known = call.app.intakes.get(key)
    if known is None:
        before = len(call.warnings)
        made = _read(call, directive)
        _remember(call, key, made, tuple(call.warnings[before:]))
        return made
    obj: Object = msgspec.msgpack.decode(known.obj)
    if name:
        obj["metadata"]["name"] = name
    call.warn(known.warnings)
    if call.request.audit is not None:
        call.request.audit.sent(obj, call.kind)
    return Intake(obj, known.fields, fieldset.NONE)


def body_key(call: Call, directive: str) -> tuple[tuple[object, ...], str] | None:
    """(all that decides but the name, the name). A zero byte stands for the name, and for nothing else in JSON: so two
    bodies with one key are the same, or differ in what both have for metadata.name."""
    body = call.request.body
    if call.kind.judged_by is None or len(body) > LONGEST:
        return None
    try:
        name = _NAMED.decode(body).metadata.name
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    rest = body.replace(b'"%b"' % name.encode(), b"\0", 1) if name else body
    return (call.kind, call.request.header("content-type"), directive, rest), name


def _read(call: Call, directive: str) -> Intake:
    sent = bodies.parse(call, call.kind, directive)
    emptied = manager.emptied(call.kind, sent) if b"[]" in call.request.body else fieldset.NONE
    obj = bodies.as_kind(call, sent, call.kind, directive)
    metadata.wipe(metadata.of(obj))
    return Intake(obj, tracking.fields_of_new(call, obj, emptied), emptied)


def _remember(call: Call, key: tuple[object, ...], made: Intake, warnings: tuple[str, ...]) -> None:
    if made.fields is None:
        return
    about = made.obj["metadata"]
    nameless = {**made.obj, "metadata": {field: about[field] for field in about if field != "name"}}
    known = Known(msgspec.msgpack.encode(nameless), made.fields, warnings)
    call.app.intakes.keep(key, known, 3 * len(known.obj))
