"""Patch: part of an object changes, by a JSON patch, a merge patch or a strategic merge patch.

Each kind of patch is a function from the object as it is to the object as it should be; what is stored goes through
`change`, like an update. Further kinds of patches are further entries of `MECHANISMS`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from umiak.api import go_order, schema
from umiak.api.kind import Kind
from umiak.objects import encoding, go_text, json_patch, merge_patch, strategic_merge
from umiak.objects.errors import StatusError, bad_request, invalid, invalid_value, not_found
from umiak.objects.types import Object
from umiak.server import bodies, metadata, representation, stored
from umiak.server.answer import Answer, unknown_failure, unprocessable
from umiak.server.call import Call
from umiak.server.change import Change, change
from umiak.server.negotiation import unroutable_body, unsupported_media
from umiak.server.options import WriteOptions, write_options
from umiak.server.part import WHOLE, Part
from umiak.server.precedents import cases
from umiak.server.verbs import apply
from umiak.server.verbs.update import check_name

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
FOR_CUSTOM = f"{JSON_PATCH}, {MERGE_PATCH}, {APPLY_PATCH}"
MOST_OPERATIONS = 10000


Claim = Callable[[Object, Kind], list[str]]
"""Checks apiVersion and kind of the outcome; returns strict faults. Raises 400."""


def claim_in_json(obj: Object, kind: Kind) -> list[str]:
    """What was patched as JSON is read like a body; without a version Go's decoder knows none of its fields. Returns
    the faults of that."""
    if fault := bodies.claim_fault(obj):
        raise bad_request(fault)
    bodies.check_claim(obj, kind)
    if obj.get("apiVersion"):
        return []
    unknown = [f"unknown field {go_text.quoted(name)}" for name in sorted(obj) if name not in ("apiVersion", "kind")]
    obj.clear()
    return unknown


def claim_in_fields(obj: Object, kind: Kind) -> list[str]:
    """What was patched field by field is not asked what it is; apiVersion and kind need only be texts."""
    for name in ("apiVersion", "kind"):
        value = obj.get(name)
        if not isinstance(value, str | None):
            raise bad_request("cannot convert int64 to string" if type(value) is int else "unrecognized type: string")
    return []


class Patched(msgspec.Struct):
    """The outcome of a patch before it is read as the kind: the object, how the reference would show it in an error,
    and strict faults of the patch itself."""

    obj: Object
    shown: Callable[[Object], str]
    faults: list[str] = msgspec.field(default_factory=list)
    touched: schema.Touched | None = None
    """What the patch may have changed; None when that can be anything."""
    claim: Claim = claim_in_json


class Asked(msgspec.Struct, frozen=True):
    """A patch as it was sent; `strict` unless unknown fields are to be ignored."""

    kind: Kind
    body: Any
    strict: bool


Mechanism = Callable[[Asked, Object], Patched]


class Attempt(msgspec.Struct, frozen=True):
    """Patches the latest object; `to_be_shown` does so with its fields in the order of Go, for errors that quote it."""

    patch: Callable[[], Patched]
    to_be_shown: Callable[[], Patched]


async def patch(call: Call, part: Part = WHOLE) -> Answer:
    if _type_of(call) == APPLY_PATCH:
        return await apply.apply(call, part)
    mechanism = _mechanism(call)
    options = write_options(call.request, "PatchOptions")
    kind = part.body_kind(call.kind)
    case = cases.change(call, part, options)
    if case is not None and (decided := await case.follow()) is not None:
        return representation.of_object(call, decided[0], 200, kind)
    try:
        asked = Asked(kind, encoding.from_json(call.request.body), options.directive != "Ignore")
    except encoding.Unreadable:
        raise bad_request("invalid JSON patch") from None
    if call.request.audit is not None:
        call.request.audit.sent_patch(call.request.body)

    async def make(current: Callable[[], Object] | None) -> Object:
        if current is None:
            raise not_found(call.kind.group, call.kind.plural, call.name)
        attempt = Attempt(
            lambda: mechanism(asked, current()), lambda: mechanism(asked, go_order.of_kind(kind, current()))
        )
        return read(call, kind, attempt, options)

    changed = await change(
        call,
        Change(
            part=part,
            make=make,
            options=options.as_object("UpdateOptions"),
            create_options=options.as_object("CreateOptions"),
            dry_run=options.dry_run,
            asked=case,
            manager=options.manager,
        ),
    )
    return representation.of_object(call, changed.value, 201 if changed.created else 200, kind)


def _type_of(call: Call) -> str:
    return call.request.header("content-type").partition(";")[0].strip()


def _mechanism(call: Call) -> Mechanism:
    """Raises 415 for other types of patches."""
    name = _type_of(call)
    custom = metadata.is_custom(call.kind)
    if name not in MECHANISMS or (custom and name == STRATEGIC_PATCH):
        raise unsupported_media(FOR_CUSTOM) if custom else unroutable_body()
    return MECHANISMS[name]


def read(call: Call, kind: Kind, attempt: Attempt, options: WriteOptions) -> Object:
    """The outcome as an object of its kind, with defaults. Raises 400 and 422. What is unknown is taken out, which
    errors have to show: so they patch once more."""
    patched = attempt.patch()
    obj = patched.obj
    try:
        claimed = patched.claim(obj, kind)
        obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
        resets = metadata.resets_managers(obj)
        touched = patched.touched if kind is call.kind and stored.is_direct(kind) else None
        obj, faults = schema.decode(kind.schema, obj, kind.kind, kind.version, touched)
    except StatusError as error:
        if patched.claim is claim_in_fields:
            claimed = []
            resets = metadata.resets_managers(obj)
            obj, faults = _read_leniently(kind, attempt)
        else:
            _, _, why = error.message.partition(f" cannot be handled as a {kind.kind}: ")
            raise _unusable(attempt.to_be_shown(), why or error.message) from None
    faults = [*patched.faults, *claimed, *faults]
    if faults and options.directive == "Strict":
        raise _unusable(attempt.to_be_shown(), f"strict decoding error: {', '.join(faults)}")
    if faults and options.directive == "Warn":
        call.warn(faults)
    bodies.give_defaults(call, kind, obj)
    if resets:
        metadata.of(obj)["managedFields"] = []
    metadata.ensure_namespace(metadata.of(obj), call.namespace)
    check_name(obj, call.name, call.namespace)
    return obj


def _read_leniently(kind: Kind, attempt: Attempt) -> tuple[Object, list[str]]:
    """The outcome field by field, which takes some values that are none in JSON. Raises 422."""
    from umiak.api import unstructured

    patched = attempt.patch()
    try:
        patched.claim(patched.obj, kind)
        named = {**patched.obj, "kind": kind.kind, "apiVersion": kind.api_version}
        return unstructured.convert(kind.schema, named)
    except StatusError as error:
        raise _unusable(attempt.to_be_shown(), error.message) from None
    except unstructured.Unconvertible as error:
        raise _unusable(attempt.to_be_shown(), str(error)) from None


def _unusable(patched: Patched, why: str) -> StatusError:
    """The reference does not name the object here."""
    return invalid("", "", "", [invalid_value("patch", patched.shown(patched.obj), why)])


def _as_json(obj: Object, touched: Object) -> str:
    """Go's patch library sorts the keys of what it had to look into; `touched` is nested like that."""
    return go_text.json_text(_sorted_where(obj, touched))


def _sorted_where(value: Any, touched: Any) -> Any:
    if isinstance(value, dict) and isinstance(touched, dict):
        return {key: _sorted_where(value[key], touched.get(key)) for key in sorted(value)}
    if touched is True or isinstance(touched, list):  # a merge patch reads lists to the bottom
        return go_order.by_name(value)
    if isinstance(value, list) and isinstance(touched, dict):
        return [_sorted_where(item, touched.get(str(index))) for index, item in enumerate(value)]
    return value


def _looked_into(operations: list[Any]) -> Object:
    """The places on the paths of a JSON patch; True for those that a test read to the bottom."""
    found: Object = {}
    for operation in operations:
        for name in ("path", "from"):
            place: Any = found
            *way, last = [json_patch.unescaped(part) for part in str(operation.get(name) or "").split("/")[1:]] or [""]
            for part in way:
                place = place.setdefault(part, {})
                if place is True:
                    break
            else:
                if operation.get("op") == "test" and name == "path":
                    place[last] = True
    return found


def by_json_patch(asked: Asked, obj: Object) -> Patched:
    """RFC 6902."""
    operations = _operations(asked)
    if len(operations) > MOST_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}"
        raise StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {text}", {})
    try:
        outcome = json_patch.apply(obj, encoding.copy(operations))
    except json_patch.InvalidPatch as error:
        raise bad_request(str(error)) from None
    except json_patch.PatchFailed:
        raise unprocessable() from None
    if not isinstance(outcome, dict):
        raise unprocessable()
    return Patched(
        outcome, lambda obj: _as_json(obj, _looked_into(operations)), _odd_keys(operations) if asked.strict else []
    )


def _operations(asked: Asked) -> list[Any]:
    """A patch of nothing at all has none. Raises 400."""
    if asked.body is None:
        return []
    if not isinstance(asked.body, list):
        raise _undecodable(asked, asked.body, "[]handlers.jsonPatchOp", "jsonpatch.Patch")
    for operation in asked.body:
        if not isinstance(operation, dict | None):
            raise _undecodable(asked, operation, "handlers.jsonPatchOp", "jsonpatch.Operation")
        for name in ("op", "path", "from") if asked.strict else ():
            value = (operation or {}).get(name)
            if not isinstance(value, str | None):
                text = (
                    f"cannot unmarshal {bodies.go_kind(value)} into Go struct field jsonPatchOp.{name} of type string"
                )
                raise bad_request(f"error decoding patch: json: {text}")
    return [operation or {} for operation in asked.body]


def _undecodable(asked: Asked, value: Any, strictly: str, loosely: str) -> StatusError:
    """Strict reading comes first, and into another type of Go."""
    prefix, type = ("error decoding patch: ", strictly) if asked.strict else ("", loosely)
    return bad_request(f"{prefix}json: cannot unmarshal {bodies.go_kind(value)} into Go value of type {type}")


def _odd_keys(operations: list[Any]) -> list[str]:
    known = {"op", "path", "from", "value"}
    return [
        f'json patch unknown field "[{i}].{key}"'
        for i, operation in enumerate(operations)
        for key in (operation if isinstance(operation, dict) else ())
        if key not in known
    ]


def _map(asked: Asked, prefix: str) -> Object:
    if isinstance(asked.body, dict):
        return asked.body
    if asked.body is None:
        return {}
    found = bodies.go_kind(asked.body)
    raise bad_request(f"{prefix}json: cannot unmarshal {found} into Go value of type map[string]interface {{}}")


def by_merge_patch(asked: Asked, obj: Object) -> Patched:
    """RFC 7386."""
    if asked.body is None or not (asked.strict or isinstance(asked.body, dict | list)):
        raise bad_request("Invalid JSON Patch")
    sent = _map(asked, "error decoding patch: ")
    outcome = merge_patch.apply(obj, encoding.copy(sent))
    return Patched(outcome, lambda obj: _as_json(obj, sent), repeated(asked.body), _touched(sent))


def by_strategic_patch(asked: Asked, obj: Object) -> Patched:
    sent = _map(asked, "")
    used = encoding.copy(sent)
    try:
        outcome = strategic_merge.apply(obj, used, asked.kind.schema)
    except strategic_merge.PatchError as error:
        failures = {400: bad_request(str(error)), 422: unprocessable()}
        raise failures.get(error.code) or unknown_failure(str(error)) from None
    return Patched(outcome, lambda obj: go_text.plain(used), repeated(asked.body), _touched(sent), claim_in_fields)


def _touched(sent: Object) -> schema.Touched | None:
    """What a patch mentions; directives can reach further."""
    about = sent.get("metadata")
    below = dict.fromkeys(about) if isinstance(about, dict) and not any(map(_is_directive, about)) else None
    if any(map(_is_directive, sent)):
        return None
    return {name: below if name == "metadata" else None for name in sent}


def _is_directive(name: str) -> bool:
    return name.startswith("$")


def repeated(body: Any) -> list[str]:
    """Keys of a patch that came more than once."""
    return list(_repeated(body, "")) if _holds_repeated(body) else []


def _holds_repeated(body: Any) -> bool:
    """Hardly any patch does, and to find that out without telling where is several times as fast."""
    left = [body]
    while left:
        value = left.pop()
        if isinstance(value, encoding.Doubled):
            return True
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        left += [v for v in inner if isinstance(v, dict | list)]
    return False


def _repeated(value: Any, path: str) -> Any:
    if isinstance(value, encoding.Doubled):
        seen: set[str] = set()
        for key, _ in value.pairs:
            if key in seen:
                yield f'duplicate field "{path}{key}"'
            seen.add(key)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _repeated(inner, f"{path}{key}.")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _repeated(inner, f"{path.removesuffix('.')}[{index}].")


MECHANISMS: dict[str, Mechanism] = {
    JSON_PATCH: by_json_patch,
    MERGE_PATCH: by_merge_patch,
    STRATEGIC_PATCH: by_strategic_patch,
}
