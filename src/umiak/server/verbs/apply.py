"""Apply: a client says which fields it wants how; the server merges, and remembers who wanted what (KEP-555)."""

from collections.abc import Callable
from functools import partial

from umiak.api import schema
from umiak.api.kind import Kind
from umiak.objects import encoding
from umiak.objects.errors import StatusError, bad_request, conflict
from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server import bodies, metadata, representation
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.change import Change, change
from umiak.server.managed_fields import manager, tracking
from umiak.server.managed_fields.versions import zero
from umiak.server.options import WriteOptions, write_options
from umiak.server.part import Part
from umiak.server.precedents import cases
from umiak.server.verbs.update import check_name


async def apply(call: Call, part: Part) -> Answer:
    options = write_options(call.request, "PatchOptions", apply=True)
    kind = part.body_kind(call.kind)
    is_client_side = options.manager == manager.CLIENT_SIDE  # looks into an annotation
    asked = None if is_client_side else cases.change(call, part, options)
    if asked is not None and (decided := await asked.follow()) is not None:
        value, is_new = decided
        return representation.of_object(call, value, 201 if is_new else 200, kind)
    config, repeated = read(call.request.body)
    if call.request.audit is not None:
        call.request.audit.sent_patch(encoding.to_json(config))
    scope = tracking.scope(call, kind, part.name)

    async def make(current: Callable[[], Object] | None) -> Object:
        told = f"{kind.group}/{kind.version}, Kind={kind.kind}"
        if manager.kind_text(config) != told:
            raise bad_request(f"invalid object type: {manager.kind_text(config)}")
        live = current() if current is not None else encoding.copy(zero(kind))
        now = format_time(call.app.clock.now())
        given = encoding.copy(config)
        merge = partial(manager.applied, scope, live, given, options.manager, options.force, now)
        new = await tracking.undisturbed(kind, merge)
        _tell_repeated(call, repeated, options)
        new = _typed(call, kind, new, config)
        return _checked(call, new, is_new=current is None)

    changed = await change(
        call,
        Change(
            part=part,
            make=make,
            options=options.as_object("UpdateOptions"),
            create_options=options.as_object("CreateOptions"),
            dry_run=options.dry_run,
            asked=asked,
            allows_create=part.creates,
        ),
    )
    return representation.of_object(call, changed.value, 201 if changed.created else 200, kind)


def read(body: bytes) -> tuple[Object, list[str]]:
    """The configuration and the texts of repeated keys. Raises 400."""
    value, repeated = _decoded(body)
    if value is None:
        return {}, repeated
    if not isinstance(value, dict):
        found = bodies.go_kind(value)
        raise bad_request(
            "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
            f"{found} into Go value of type map[string]interface {{}}"
        )
    return value, repeated


def _decoded(body: bytes) -> tuple[object, list[str]]:
    """JSON is read as such: it is much quicker."""
    if body[:1] == b"{":
        try:
            value = encoding.from_json(body)
        except encoding.Unreadable:
            value = encoding.Doubled()
        if len(encoding.to_json(value)) == len(body) or not _is_doubled(value):
            return value, []
    try:
        return encoding.from_yaml(body)
    except encoding.Unreadable as error:
        raise bad_request(f"error encoding patch: {error}") from None


def _is_doubled(value: object) -> bool:
    if isinstance(value, dict):
        return isinstance(value, encoding.Doubled) or any(map(_is_doubled, value.values()))
    return isinstance(value, list) and any(map(_is_doubled, value))


def _tell_repeated(call: Call, repeated: list[str], options: WriteOptions) -> None:
    if repeated and options.directive == "Strict":
        raise bad_request(f"error strict decoding patch: error converting YAML to JSON: {', '.join(repeated)}")
    if options.directive == "Warn":
        call.warn(bodies.each_told(repeated))


def _typed(call: Call, kind: Kind, obj: Object, config: Object) -> Object:
    """The merged object read as one of its kind, with defaults. Raises 500 as the reference does."""
    try:
        obj = schema.normalize(kind.schema, obj)
    except (schema.Odd, StatusError):
        from umiak.api import unstructured

        try:
            obj, _ = unstructured.convert(kind.schema, obj)
        except unstructured.Unconvertible as error:
            told = f"failed to convert new object ({manager.title(config)}) to proper version"
            why = f"unable to convert unstructured object to {manager.kind_text(config)}: {error}"
            raise StatusError(500, "", f"{told}: {why}") from None
    bodies.give_defaults(call, kind, obj)
    return obj


def _checked(call: Call, obj: Object, is_new: bool) -> Object:
    about = metadata.of(obj)
    if is_new and about.get("uid"):
        why = f"uid mismatch: the provided object specified uid {about['uid']}, and no existing object was found"
        raise conflict(call.kind.group, call.kind.plural, call.name, why)
    metadata.ensure_namespace(about, call.namespace)
    check_name(obj, call.name, call.namespace)
    return obj
