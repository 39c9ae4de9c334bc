"""Changing a stored object: read the latest, let the caller make the new one, judge it, swap it in; again if raced.

This is apiserver's `Store.Update` with `BeforeUpdate`, for updates and patches of any part of any kind.
"""

from collections.abc import Awaitable, Callable

import msgspec

from umiak.api.kind import Kind
from umiak.objects.errors import MODIFIED, FieldError, StatusError, conflict, invalid, invalid_value, not_found
from umiak.objects.go_text import whole
from umiak.objects.types import Object
from umiak.server import metadata, stored, wording
from umiak.server.answer import unknown_failure
from umiak.server.call import Call, undo
from umiak.server.contract import Phase
from umiak.server.managed_fields import manager, tracking
from umiak.server.options import unsigned_fault
from umiak.server.part import Part, itself, taken
from umiak.server.precedents.cases import Asked, Case
from umiak.server.verbs import create
from umiak.store.contract import Entry, Mismatch

Make = Callable[[Callable[[], Object] | None], Awaitable[Object]]
"""Makes the object as the client wants it. Gets a function that reads the stored one anew, in the part's view, or None
when there is none yet; what it returns is the caller's to change."""


class Changed(msgspec.Struct, frozen=True):
    """What came of it: the view's bytes in the part's own kind."""

    value: bytes
    created: bool = False


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One update or patch. `uid` is demanded of the stored object when not empty."""

    part: Part
    make: Make
    options: Object
    create_options: Object
    dry_run: bool = False
    uid: str = ""
    allows_create: bool = False
    asked: Asked | None = None
    """Learns what comes of it."""
    manager: str | None = None
    """Who is to be remembered for what changes, as the options name it; None when `make` sees to that."""


async def change(call: Call, wanted: Change) -> Changed:
    """Raises not-found, conflict, invalid, or what admission raises."""
    key = call.kind.store_key(call.namespace, call.name)
    while True:
        entry = await call.store.latest(key)
        case = wanted.asked.case(entry) if wanted.asked is not None else None
        try:
            if entry is None:
                return await _create(call, wanted, case)
            return await _replace(call, wanted, entry, case)
        except Mismatch:
            continue


async def _create(call: Call, wanted: Change, case: Case | None) -> Changed:
    kind = call.kind
    if not wanted.allows_create:
        raise not_found(kind.group, kind.plural, call.name)
    obj = await wanted.make(None)
    about = metadata.of(obj)
    if wanted.uid:
        raise _precondition_failed(call, "uid", wanted.uid, "")
    if wanted.manager is not None:
        await tracking.track_creation(call, obj, wanted.manager)
    about.pop("resourceVersion", None)
    metadata.wipe(about)
    await call.app.authorize_create(call)
    try:
        return Changed(await create.create_object(call, obj, wanted.create_options, wanted.dry_run, case), True)
    except StatusError as error:
        if error.reason == "AlreadyExists":  # somebody was faster: now it is an update
            raise Mismatch("", None) from None
        raise


async def _replace(call: Call, wanted: Change, entry: Entry, case: Case | None) -> Changed:
    kind, part = call.kind, wanted.part
    old = stored.read(kind, entry.value)
    if wanted.uid and wanted.uid != old["metadata"]["uid"]:
        raise _precondition_failed(call, "UID", wanted.uid, old["metadata"]["uid"])
    sent = await wanted.make(lambda: part.live(kind, stored.read(kind, entry.value)))
    if wanted.manager is not None:
        await tracking.track_change(call, part.body_kind(kind), part.name, part.live(kind, old), sent, wanted.manager)
    admitted = call.admitted("UPDATE", sent, part.view(kind, old), wanted.options, wanted.dry_run)
    try:
        await tracking.mutate(call, admitted)
        call.warn(metadata.without_duplicate_owners(metadata.of(sent), after_admission=True))
        _check_version(call, kind, sent, entry.modified)
        new = sent if part.merge is taken else part.merge(kind, sent, stored.read(kind, entry.value))
        async with create.Reservation(call, admitted, new, old):
            _keep(kind, part, new, old)
            _check(call, part, new, old)
            call.warn(part.warnings(kind, new, old))
            if part.view is not itself:
                admitted.new = part.view(kind, new)
            await call.app.gate.pass_through(admitted, Phase.VALIDATE)
            changed, is_stored = await _store(call, wanted, entry, new, old)
    except BaseException:
        await undo(admitted)
        raise
    if case is not None and is_stored:
        case.learn(admitted, changed.value)
    return changed


def _check_version(call: Call, kind: Kind, sent: Object, current: int) -> None:
    """An update either names the version it is based on, or does not care where the kind allows that."""
    about = metadata.of(sent)
    text = about.get("resourceVersion") or "0"
    if not (text.isascii() and text.isdigit()):
        raise unknown_failure(unsigned_fault(text))
    version = whole(text)
    if version >= 2**64:
        raise unknown_failure(unsigned_fault(text, "value out of range"))
    if version == 0:
        if not kind.updates_unconditionally:
            fault = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(kind.group, kind.plural, call.name, [fault])
        about["resourceVersion"] = str(current)
    elif version != current:
        raise conflict(kind.group, kind.plural, call.name, MODIFIED)


def _keep(kind: Kind, part: Part, new: Object, old: Object) -> None:
    """What the client has no say in stays as it was."""
    about, before = metadata.of(new), old["metadata"]
    metadata.ensure_namespace(about, before.get("namespace") or "")
    _carry(about, before, "generation")
    part.prepare(kind, new, old)
    if not about.get("uid"):
        about["uid"] = before["uid"]
    for field in ("creationTimestamp", "deletionTimestamp"):
        if before.get(field):
            about[field] = before[field]
    if before.get("deletionGracePeriodSeconds") is not None and about.get("deletionGracePeriodSeconds") is None:
        about["deletionGracePeriodSeconds"] = before["deletionGracePeriodSeconds"]
    if kind.counts_generation and about.get("generation") == before.get("generation") and _differs(new, old):
        about["generation"] = (before.get("generation") or 0) + 1


def _carry(about: Object, before: Object, field: str) -> None:
    if field in before:
        about[field] = before[field]
    else:
        about.pop(field, None)


def _differs(new: Object, old: Object) -> bool:
    """Whether anything outside metadata and status changed."""
    ignored = ("metadata", "status", "kind", "apiVersion")
    return any(new.get(k) != old.get(k) for k in {**new, **old} if k not in ignored)


def _check(call: Call, part: Part, new: Object, old: Object) -> None:
    kind, about = call.kind, metadata.of(new)

    def judge(new: Object) -> list[FieldError]:
        return [*metadata.faults_of_update(kind, metadata.of(new), old["metadata"]), *part.validate(kind, new, old)]

    faults = wording.as_sent(call, new, judge(new), judge)
    if faults:
        raise invalid(stored.error_group(kind), kind.kind, about.get("name") or "", create.said_once(kind, faults))


def is_finished(new: Object, old: Object) -> bool:
    """Whether the last finalizer went from an object that waits for its deletion."""
    about, before = new["metadata"], old["metadata"]
    waits = bool(before.get("deletionTimestamp")) and not before.get("deletionGracePeriodSeconds")
    return waits and not about.get("finalizers")


async def _store(call: Call, wanted: Change, entry: Entry, new: Object, old: Object) -> tuple[Changed, bool]:
    """(what came of it, whether that is stored now)"""
    kind, part = call.kind, wanted.part
    if is_finished(new, old) and call.app.special(kind).may_vanish(new):
        if not wanted.dry_run:
            await call.app.vanish(kind, entry, old)
        return Changed(_viewed(kind, part, new)), False
    is_fresh = manager.are_same(new, old) and not call.store.is_stale(entry.key)
    if is_fresh and await call.app.objects.is_settled(kind, entry, new):
        return Changed(_viewed(kind, part, old)), False
    if wanted.dry_run:
        if part.view is itself:
            return Changed(await call.app.objects.rehearsed(kind, new)), False
        return Changed(_viewed(kind, part, new)), False
    entry = await call.store.put(entry.key, stored.render(kind, new), expect=entry.modified)
    if part.view is itself:
        return Changed(stored.shown(kind, entry.value)), True
    return Changed(_viewed(kind, part, new)), True


def _viewed(kind: Kind, part: Part, obj: Object) -> bytes:
    return stored.encode(part.body_kind(kind), part.view(kind, obj))


def _precondition_failed(call: Call, what: str, wanted: str, found: str) -> StatusError:
    """The reference's storage speaks here; its key is that of etcd."""
    kind = call.kind
    place = f"/registry/{storage_place(kind)}/" + (f"{call.namespace}/" if call.namespace else "") + call.name
    why = (
        f"StorageError: invalid object, Code: 4, Key: {place}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    )
    return conflict(kind.group, kind.plural, call.name, why)


def storage_place(kind: Kind) -> str:
    """Where the reference keeps a kind: under its plural, but a custom one under its group too."""
    return f"{kind.group}/{kind.plural}" if metadata.is_custom(kind) else kind.plural
