"""Delete: at once, after a grace period, or when the last finalizer is gone (apiserver's `Store.Delete`)."""

from datetime import datetime, timedelta

import msgspec

from umiak.api.kind import Kind
from umiak.objects import encoding
from umiak.objects.errors import StatusError, conflict, not_found
from umiak.objects.meta import format_time, parse_time
from umiak.objects.types import Object
from umiak.server import bodies, representation, stored
from umiak.server.answer import Answer, success
from umiak.server.call import Call, undo
from umiak.server.contract import Phase
from umiak.server.metadata import FOREGROUND, ORPHAN
from umiak.server.options import DeleteOptions, delete_options
from umiak.store.contract import Mismatch

JOB_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


class Deleted(msgspec.Struct, frozen=True):
    """The object's last state in the kind's own form; `gone` when it is no longer there."""

    value: bytes
    gone: bool


async def delete(call: Call) -> Answer:
    options = delete_options(call.request, bodies.read_delete_options(call))
    if (call.kind.group, call.kind.plural) == ("batch", "jobs") and options.orphan is None and options.policy is None:
        call.warn([JOB_WARNING])
    done = await delete_object(call, call.namespace, call.name, options)
    code = 202 if not done.gone and options.orphan is False else 200
    return answer(call, done, code)


def answer(call: Call, done: Deleted, code: int) -> Answer:
    """The object while it is still there, and always where clients expect that; else a Status."""
    kind = call.kind
    if not done.gone or kind.deletion_returns_object:
        return representation.of_object(call, done.value, code)
    about = msgspec.json.decode(stored.metadata_of(done.value))
    details = {"name": about["name"], "group": kind.group, "kind": kind.plural, "uid": about["uid"]}
    return representation.of_value(call, success(details={k: v for k, v in details.items() if v}), code)


async def delete_object(
    call: Call, namespace: str, name: str, options: DeleteOptions, admitted_before: bool = False
) -> Deleted:
    """Raises not-found, conflict, or what admission raises, unless that was asked already."""
    kind = call.kind
    key = kind.store_key(namespace, name)
    while True:
        entry = await call.store.latest(key)
        if entry is None:
            raise not_found(kind.group, kind.plural, name)
        old = stored.read(kind, entry.value)
        _check_preconditions(kind, old, options)
        admitted = call.admitted("DELETE", None, old, options.as_object(), options.dry_run, name)
        try:
            if not admitted_before:
                await call.app.gate.pass_through(admitted, Phase.MUTATE)
                await call.app.gate.pass_through(admitted, Phase.VALIDATE)
            new = _own(call, old)
            waits = _is_waiting(call, new, options)
            if options.dry_run:
                return Deleted(stored.encode(kind, new), not waits)
            changed = new != old
            if waits and changed:
                entry = await call.store.put(key, stored.render(kind, new), expect=entry.modified)
            elif not waits:
                entry = await call.app.vanish(kind, entry, new, changed)
            return Deleted(stored.shown(kind, entry.value), not waits)
        except Mismatch:
            await undo(admitted)
        except BaseException:
            await undo(admitted)
            raise


def _own(call: Call, obj: Object) -> Object:
    """A copy of what a deletion changes, which is metadata, and for special kinds more."""
    if call.app.special(call.kind).end is not None:
        return encoding.copy(obj)
    return {**obj, "metadata": {**obj["metadata"]}}


def _is_waiting(call: Call, obj: Object, options: DeleteOptions) -> bool:
    """Marks `obj` as this deletion leaves it; whether something keeps it still."""
    now = call.app.clock.now()
    end = call.app.special(call.kind).end
    if end is not None and end(obj, now):
        _set_finalizers(call.kind, obj["metadata"], options)
        return True
    return not decide(call.kind, obj, options, now)


def _check_preconditions(kind: Kind, obj: Object, options: DeleteOptions) -> None:
    about = obj["metadata"]
    if options.uid is not None and options.uid != about["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({about['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise precondition_conflict(kind, about["name"], why)
    if options.resource_version is not None and options.resource_version != about["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the ResourceVersion "
            f"in record ({about['resourceVersion']}). The object might have been modified"
        )
        raise precondition_conflict(kind, about["name"], why)


def precondition_conflict(kind: Kind, name: str, why: str) -> StatusError:
    """The reference names the kind here, not the resource."""
    return conflict(kind.group, kind.kind, name, why)


def decide(kind: Kind, obj: Object, options: DeleteOptions, now: datetime) -> bool:
    """Marks `obj` as a deletion with `options` leaves it; True when nothing keeps it any longer."""
    about = obj["metadata"]
    graceful, pending = _grace(kind, obj, options, now)
    if pending:
        return False
    _set_finalizers(kind, about, options)
    waits_for_finalizers = bool(about.get("finalizers"))
    if graceful:
        return not waits_for_finalizers and about["deletionGracePeriodSeconds"] == 0
    if waits_for_finalizers:
        _mark(about, now)
        return False
    return True


def _grace(kind: Kind, obj: Object, options: DeleteOptions, now: datetime) -> tuple[bool, bool]:
    """(whether the object got or changed a grace period, whether it is in one that stays as it is)."""
    if kind.default_grace is None:
        return False, False
    about = obj["metadata"]
    asked = 1 if options.grace is not None and options.grace < 0 else options.grace
    if about.get("deletionTimestamp"):
        return _shorten(about, asked, now)
    seconds = kind.default_grace(obj, asked)
    about["deletionTimestamp"] = format_time(now + timedelta(seconds=seconds))
    about["deletionGracePeriodSeconds"] = seconds
    if about.get("generation"):
        about["generation"] += 1
    return True, False


def _shorten(about: Object, asked: int | None, now: datetime) -> tuple[bool, bool]:
    """A second deletion may end the grace period sooner, never later."""
    current = about.get("deletionGracePeriodSeconds") or 0
    if current == 0:
        return False, False
    if asked is None or asked >= current:
        return False, True
    end = parse_time(about["deletionTimestamp"]) - timedelta(seconds=current - asked)
    if end < now:
        end, asked = now, 1 if asked else 0
    about["deletionTimestamp"], about["deletionGracePeriodSeconds"] = format_time(end), asked
    return True, False


def _set_finalizers(kind: Kind, about: Object, options: DeleteOptions) -> None:
    """The garbage collector's finalizers, as the propagation policy wants them."""
    before = about.get("finalizers") or []
    after = [f for f in before if f not in (ORPHAN, FOREGROUND)]
    policy = propagation(kind, before, options)
    if policy == "Orphan":
        after.append(ORPHAN)
    elif policy == "Foreground":
        after.append(FOREGROUND)
    if set(after) == set(before):
        return
    if after:
        about["finalizers"] = after
    else:
        about.pop("finalizers", None)


def propagation(kind: Kind, finalizers: list[str], options: DeleteOptions) -> str:
    """Orphan, Foreground or Background: said, or left from an earlier deletion, or the kind's habit."""
    if kind.default_propagation == "Unsupported":
        return "Background"
    if options.orphan is not None:
        return "Orphan" if options.orphan else "Background"
    if options.policy is not None:
        return options.policy
    for name in finalizers:
        if name == ORPHAN:
            return "Orphan"
        if name == FOREGROUND:
            return "Foreground"
    return kind.default_propagation


def _mark(about: Object, now: datetime) -> None:
    """Says that the object is to be deleted as soon as its finalizers are done."""
    if not about.get("deletionTimestamp") and about.get("generation"):
        about["generation"] += 1
    if not about.get("deletionTimestamp") or parse_time(about["deletionTimestamp"]) > now:
        about["deletionTimestamp"] = format_time(now)
    about["deletionGracePeriodSeconds"] = 0
