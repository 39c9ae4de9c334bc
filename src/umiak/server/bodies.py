"""Request bodies: from bytes to an object of the wanted kind, with the reference's words for what is wrong.

Go's decoder is imitated where its errors reach clients: first the group, version and kind are read, then the fields.
"""

from typing import Any

from umiak.api import registry, schema
from umiak.api.faults import HEAD_TYPE, SCHEME
from umiak.api.kind import Kind
from umiak.objects import encoding
from umiak.objects.encoding import Unreadable
from umiak.objects.errors import StatusError, bad_request, invalid, invalid_value
from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server import metadata
from umiak.server.call import Call
from umiak.server.negotiation import body_format, unsupported_media

SHOWN = 30
"""Bytes of an unreadable body that are shown in the error."""


def read_object(call: Call, kind: Kind, directive: str) -> Object:
    """The body as an object of `kind` with its defaults; unknown fields are dropped, warned of or refused. 400, 415."""
    obj = parse(call, kind, directive)
    return as_kind(call, obj, kind, directive)


def parse(call: Call, kind: Kind, directive: str) -> Object:
    """The body as plain data that claims to be of `kind`, or of another version of it."""
    body = call.request.body
    form = body_format(call.request.header("content-type"))
    if form is None:
        raise unsupported_media()
    try:
        value = _decoded(call, kind, body, form, directive)
    except Unreadable as error:
        raise _unrecognized(kind, str(error), body) from None
    obj = _object(value, kind, body)
    if kind.is_custom and not obj.get("kind"):
        shown = body.decode(errors="replace") if form == "json" else encoding.to_json(obj).decode()
        raise _unrecognized(kind, f"Object 'Kind' is missing in '{shown}'", body)
    return obj


def _unrecognized(kind: Kind, why: str, body: bytes) -> StatusError:
    return bad_request(f"the object provided is unrecognized (must be of type {kind.kind}): {why} ({summary(body)})")


def summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    shown = body[:SHOWN].decode(errors="replace") if body[:1] == b"{" else body[:SHOWN].hex()
    return f"{shown} ..." if len(body) > SHOWN else shown


def _object(value: Any, kind: Kind, body: bytes) -> Object:
    if value is None:
        return {}
    if not isinstance(value, dict):
        why = f"couldn't get version/kind; json parse error: json: cannot unmarshal {go_kind(value)} into {HEAD_TYPE}"
        raise _unrecognized(kind, why, body)
    if why := claim_fault(value):
        raise _unrecognized(kind, why, body)
    return value


def claim_fault(obj: Object) -> str:
    """Go's words for an apiVersion or kind that is no text; empty when both are, or are not there."""
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field), str | None):
            why = f"json: cannot unmarshal {go_kind(obj[field])} into Go struct field .{field} of type string"
            return f"couldn't get version/kind; json parse error: {why}"
    return ""


def go_kind(value: Any) -> str:
    """A JSON value's type in Go's errors."""
    if isinstance(value, bool):
        return "bool"
    names: dict[type, str] = {list: "array", dict: "object", str: "string"}
    return names.get(type(value), "number")


def as_kind(call: Call, obj: Object, kind: Kind, directive: str) -> Object:
    """Checks what `obj` claims to be, reads its fields by the schema, fills in defaults."""
    check_claim(obj, kind)
    obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
    resets = metadata.resets_managers(obj)
    obj, faults = schema.decode(kind.schema, obj, kind.kind, kind.version)
    if faults:
        report(call, kind, faults, directive)
    give_defaults(call, kind, obj)
    if resets:
        metadata.of(obj)["managedFields"] = []
    if call.request.audit is not None:
        call.request.audit.sent(obj, kind)
    return obj


def give_defaults(call: Call, kind: Kind, obj: Object) -> None:
    kind.default(obj)
    if kind.default_times is not None:
        kind.default_times(obj, format_time(call.app.clock.now()))


def report(call: Call, kind: Kind, faults: list[str], directive: str) -> None:
    """Unknown and repeated fields: warned of, or a reason to refuse."""
    if directive == "Warn":
        call.warn(each_told(faults))
    elif directive == "Strict":
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"strict decoding error: {', '.join(faults)}"
        )


YAML_FAULTS = "yaml: unmarshal errors:\n"


def each_told(faults: list[str]) -> list[str]:
    """As warnings: the YAML reader has one text with a line for each of its faults."""
    return [line.strip() for fault in faults for line in fault.removeprefix(YAML_FAULTS).split("\n")]


def check_claim(obj: Object, kind: Kind) -> None:
    """400 unless the body's apiVersion and kind, where given, are those of the path."""
    if kind.is_custom:
        api_version, name = obj.get("apiVersion") or "", obj.get("kind") or ""
    else:
        api_version, name = obj.get("apiVersion") or kind.api_version, obj.get("kind") or kind.kind
    if (api_version, name) == (kind.api_version, kind.kind):
        return
    group, _, version = api_version.rpartition("/")
    told = f'{name} in version "{version}" cannot be handled as a {kind.kind}: '
    if kind.is_custom:
        raise _not_the_custom_kind(obj, kind)
    try:
        registry.find(api_version, name)
    except registry.UnknownKind:
        place = api_version if "/" in api_version else version
        raise bad_request(f'{told}no kind "{name}" is registered for version "{place}" {SCHEME}') from None
    if (group, name) != (kind.group, kind.kind):
        shown = ".".join((version, name)), f"{kind.group.partition('.')[0] or 'core'}.{kind.kind}"
        raise bad_request(f"{told}converting ({shown[0]}) to ({shown[1]}): unknown conversion")
    raise bad_request(
        f"the API version in the data ({api_version}) does not match the expected API version ({kind.api_version})"
    )


def _not_the_custom_kind(obj: Object, kind: Kind) -> StatusError:
    """Only apiVersion and kind of an object in another version or of another kind are looked at."""
    api_version, name = obj.get("apiVersion") or "", obj.get("kind") or ""
    if api_version != kind.api_version:
        return bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version ({kind.api_version})"
        )
    fault = invalid_value("kind", name, f"must be {kind.kind}")
    about = obj.get("metadata")
    return invalid(kind.group, name, (about.get("name") if isinstance(about, dict) else "") or "", [fault])


def _decoded(call: Call, kind: Kind, body: bytes, form: str, directive: str) -> Any:
    """Plain data; raises Unreadable with Go's words."""
    if form == "protobuf":
        return _from_protobuf(body)
    if form == "yaml":
        value, repeated = encoding.from_yaml(body)
        if repeated:
            report(call, kind, repeated, directive)
        return value
    try:
        return encoding.from_json(body)
    except Unreadable as error:
        raise Unreadable(f"couldn't get version/kind; json parse error: {error}") from None


def _from_protobuf(body: bytes) -> Object:
    from umiak.api import protobuf  # most clients send JSON

    try:
        return protobuf.decode(body)
    except protobuf.Malformed as error:
        raise Unreadable(str(error)) from None


def read_delete_options(call: Call) -> Object | None:
    """The DeleteOptions of a body; None when there is none. Raises 400, 415."""
    body = call.request.body
    if not body:
        return None
    form = body_format(call.request.header("content-type"))
    if form is None:
        raise unsupported_media()
    try:
        value = _decoded(call, call.kind, body, form, "Ignore")
    except Unreadable as error:
        raise bad_request(str(error)) from None
    value = _object(value, call.kind, body)
    api_version, name = value.get("apiVersion") or "meta.k8s.io/v1", value.get("kind") or "DeleteOptions"
    if name != "DeleteOptions":
        raise bad_request(f'no kind "{name}" is registered for version "{api_version}" {SCHEME}')
    if call.request.audit is not None:
        said = {"kind": name, "apiVersion": "meta.k8s.io/__internal"}  # whatever was sent, as the reference has it
        call.request.audit.sent_options({**said, **value, **said})
    return value
