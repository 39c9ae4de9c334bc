"""The options of create, update, patch, delete, list and watch, from the query or a body, and what is wrong with them.

Numbers and booleans are read as leniently as Go's query conversion reads them; unknown parameters are passed over.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from umiak.objects.errors import (
    FieldError,
    StatusError,
    bad_request,
    field_forbidden,
    invalid,
    invalid_value,
    not_supported,
    required,
    too_long,
)
from umiak.objects.go_text import whole
from umiak.objects.types import Object
from umiak.server.contract import Request
from umiak.server.negotiation import META_GROUP

DIRECTIVES = ("", "Ignore", "Strict", "Warn")
POLICIES = ("Foreground", "Background", "Orphan")
MAX_MANAGER = 128


class WriteOptions(msgspec.Struct, frozen=True):
    """Of create, update and patch. `directive` is what to do about unknown fields: Ignore, Warn or Strict."""

    dry_run: bool = False
    directive: str = "Warn"
    manager: str = ""
    force: bool = False
    dry_run_values: tuple[str, ...] = ()
    names_directive: bool = False

    def as_object(self, kind: str) -> Object:
        found: Object = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
        if self.dry_run_values:
            found["dryRun"] = list(self.dry_run_values)
        if self.manager:
            found["fieldManager"] = self.manager
        if self.directive and self.names_directive:
            found["fieldValidation"] = self.directive
        return found


def number(text: str) -> int:
    """400 with Go's words unless it is a decimal integer of 64 bits."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f"strconv.ParseInt: parsing {msgspec.json.encode(text).decode()}: invalid syntax")
    value = whole(text)
    if not -(2**63) <= value < 2**63:
        raise bad_request(f"strconv.ParseInt: parsing {msgspec.json.encode(text).decode()}: value out of range")
    return value


def boolean(values: Sequence[str]) -> bool:
    return bool(values) and values[0] != "0" and values[0].lower() != "false"


def _refuse(kind: str, faults: Sequence[FieldError]) -> None:
    if faults:
        raise invalid(META_GROUP, kind, "", faults)


def write_options(request: Request, kind: str, *, apply: bool = False) -> WriteOptions:
    """`kind` is CreateOptions, UpdateOptions or PatchOptions. Raises 422."""
    query = request.query
    if not query:
        if apply:
            _refuse(kind, [required("fieldManager", "is required for apply patch")])
        return NO_WRITE_OPTIONS
    dry_run = tuple(query.get("dryRun") or ())
    manager, directive = request.option("fieldManager"), request.option("fieldValidation")
    faults: list[FieldError] = []
    if kind == "PatchOptions":
        if apply and not manager:
            faults.append(required("fieldManager", "is required for apply patch"))
        if not apply and "force" in query:
            faults.append(field_forbidden("force", "may not be specified for non-apply patch"))
    faults += [*_manager_faults(manager), *_dry_run_faults(dry_run)]
    if directive not in DIRECTIVES:
        faults.append(not_supported("fieldValidation", directive, DIRECTIVES))
    _refuse(kind, faults)
    force = boolean(query.get("force") or ())
    return WriteOptions(bool(dry_run), directive or "Warn", manager, force, dry_run, bool(directive))


NO_WRITE_OPTIONS = WriteOptions()


def _manager_faults(manager: str) -> list[FieldError]:
    found = [too_long("fieldManager", MAX_MANAGER)] if len(manager.encode()) > MAX_MANAGER else []
    for position, letter in enumerate(manager):
        if not letter.isprintable():
            why = f"invalid character U+{ord(letter):04X} (at position {position})"
            found.append(invalid_value("fieldManager", manager, why))
    return found


def _dry_run_faults(values: Sequence[str]) -> list[FieldError]:
    if all(v == "All" for v in values):
        return []
    return [not_supported("dryRun", list(values), ("All",))]


class DeleteOptions(msgspec.Struct):
    """As `metav1.DeleteOptions`; None where nothing was said."""

    grace: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    orphan: bool | None = None
    policy: str | None = None
    dry_run_values: tuple[str, ...] = ()
    raw: Object = msgspec.field(default_factory=dict)

    @property
    def dry_run(self) -> bool:
        return bool(self.dry_run_values)

    def as_object(self) -> Object:
        return {**self.raw, "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}


def delete_options(request: Request, body: Object | None) -> DeleteOptions:
    """From the body when there is one, else from the query. Raises 400 or 422."""
    options = read_delete_options(body) if body is not None else _from_query(request)
    faults = []
    if options.orphan is not None and options.policy is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        faults.append(invalid_value("propagationPolicy", options.policy, why))
    if options.policy is not None and options.policy not in POLICIES:
        faults.append(not_supported("propagationPolicy", options.policy, (*POLICIES, "nil")))
    _refuse("DeleteOptions", [*faults, *_dry_run_faults(options.dry_run_values)])
    return options


def _from_query(request: Request) -> DeleteOptions:
    options = DeleteOptions()
    query = request.query
    if "gracePeriodSeconds" in query:
        options.grace = options.raw["gracePeriodSeconds"] = number(request.option("gracePeriodSeconds"))
    if "orphanDependents" in query:
        options.orphan = options.raw["orphanDependents"] = boolean(query["orphanDependents"])
    if "propagationPolicy" in query:
        options.policy = options.raw["propagationPolicy"] = request.option("propagationPolicy")
    if "dryRun" in query:
        options.dry_run_values = tuple(query["dryRun"])
        options.raw["dryRun"] = list(query["dryRun"])
    return options


def _typed(body: Object, name: str, type_: type, go: str) -> Any:
    value = body.get(name)
    if value is None or (isinstance(value, type_) and not (type_ is int and isinstance(value, bool))):
        return value
    told = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}[type(value)]
    raise bad_request(f"json: cannot unmarshal {told} into Go struct field DeleteOptions.{name} of type {go}")


def read_delete_options(body: Object) -> DeleteOptions:
    before = _typed(body, "preconditions", dict, "v1.Preconditions") or {}
    return DeleteOptions(
        grace=_typed(body, "gracePeriodSeconds", int, "int64"),
        uid=before.get("uid"),
        resource_version=before.get("resourceVersion"),
        orphan=_typed(body, "orphanDependents", bool, "bool"),
        policy=_typed(body, "propagationPolicy", str, "v1.DeletionPropagation"),
        dry_run_values=tuple(_typed(body, "dryRun", list, "[]string") or ()),
        raw=dict(body),
    )


EXACT, NOT_OLDER = "Exact", "NotOlderThan"


class ListOptions(msgspec.Struct, frozen=True):
    """Of list and watch. `timeout` in seconds, 0 for none of its own."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    resource_version: str = ""
    match: str = ""
    watch: bool = False
    timeout: int = 0
    bookmarks: bool = False
    initial_events: bool | None = None

    @property
    def is_everything(self) -> bool:
        return not self.labels and not self.fields


EVERYTHING = ListOptions()


def list_options(request: Request, is_watch: bool) -> ListOptions:
    """Raises 400 or 422."""
    query = request.query
    if not query:
        return ListOptions(watch=True, initial_events=True, match=NOT_OLDER) if is_watch else EVERYTHING
    initial = boolean(query["sendInitialEvents"]) if "sendInitialEvents" in query else None
    options = ListOptions(
        request.option("labelSelector"),
        request.option("fieldSelector"),
        max(0, number(request.option("limit") or "0")) if "limit" in query else 0,
        request.option("continue"),
        request.option("resourceVersion"),
        request.option("resourceVersionMatch"),
        is_watch,
        number(request.option("timeoutSeconds")) if "timeoutSeconds" in query else 0,
        boolean(query.get("allowWatchBookmarks") or ()),
        initial,
    )
    if is_watch and initial is None and not options.match and options.resource_version in ("", "0"):
        # A watch from no version, or from 0, begins with what there is.
        options = replace(options, initial_events=True, match=NOT_OLDER)
    _refuse("ListOptions", _watch_faults(options) if is_watch else _list_faults(options))
    return options


PATH = "resourceVersionMatch"


def _list_faults(o: ListOptions) -> list[FieldError]:
    found = []
    if o.match:
        if not o.resource_version:
            found.append(field_forbidden(PATH, f"{PATH} is forbidden unless resourceVersion is provided"))
        if o.token:
            found.append(field_forbidden(PATH, f"{PATH} is forbidden when continue is provided"))
        if o.match not in (EXACT, NOT_OLDER):
            found.append(not_supported(PATH, o.match, (EXACT, NOT_OLDER, "")))
        if o.match == EXACT and o.resource_version == "0":
            found.append(field_forbidden(PATH, f'{PATH} "exact" is forbidden for resourceVersion "0"'))
    if o.initial_events is not None:
        found.append(field_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return found


def _watch_faults(o: ListOptions) -> list[FieldError]:
    found = []
    if o.initial_events is not None and o.match != NOT_OLDER:
        found.append(field_forbidden(PATH, f"sendInitialEvents requires setting {PATH} to {NOT_OLDER}"))
    if o.match:
        if o.initial_events is None:
            found.append(field_forbidden(PATH, f"{PATH} is forbidden for watch unless sendInitialEvents is provided"))
        if o.match != NOT_OLDER:
            found.append(not_supported(PATH, o.match, (NOT_OLDER,)))
        if o.token:
            found.append(field_forbidden(PATH, f"{PATH} is forbidden when continue is provided"))
    return found


def version_number(text: str) -> int:
    """A resourceVersion of a list or get; 0 for none. Raises 400."""
    if text in ("", "0"):
        return 0
    number, fault = _version(text)
    if fault:
        raise bad_request(f"invalid resource version: {fault}")
    return number


def watched_version(text: str) -> int:
    """That of a watch, which nobody prepared for being wrong. Raises 500 as the reference does."""
    number, fault = _version(text or "0")
    if fault:
        raise StatusError(500, "", fault)
    return number


def _version(text: str) -> tuple[int, str]:
    """(the number, or what is wrong with it)"""
    if not (text.isascii() and text.isdigit()):
        return 0, version_fault(text)
    number = whole(text)
    return number, version_fault(text, "value out of range") if number >= 2**64 else ""


def version_fault(text: str, why: str = "invalid syntax") -> str:
    shown = msgspec.json.encode(text).decode()
    return f"resourceVersion: Invalid value: {shown}: {unsigned_fault(text, why)}"


def unsigned_fault(text: str, why: str = "invalid syntax") -> str:
    """Go's words for what is no unsigned number of 64 bits."""
    return f"strconv.ParseUint: parsing {msgspec.json.encode(text).decode()}: {why}"


def too_large(wanted: int, current: int) -> StatusError:
    """The version asked for has not happened yet."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return StatusError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})
