"""The bookkeeping of one write: what apimachinery's chain of field managers does to `metadata.managedFields`."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from umiak.api.kind import Kind
from umiak.objects import encoding, fieldset, typed
from umiak.objects.errors import StatusError, bad_request
from umiak.objects.fieldset import FieldSet, InvalidFields, Path
from umiak.objects.go_text import quoted
from umiak.objects.shapes import Mismatch
from umiak.objects.types import Object
from umiak.server import metadata
from umiak.server.managed_fields import merging
from umiak.server.managed_fields.entries import APPLY, UPDATE, Held, Managers, Owner, decode, encode
from umiak.server.managed_fields.merging import Conflicts, Scope
from umiak.server.managed_fields.versions import shape_of, zero

MOST_UPDATERS = 10
ANCIENT, BEFORE = "ancient-changes", "before-first-apply"
UNNAMED = "unknown"
LONGEST_NAME = 128
"""Bytes (metav1 validation's FieldManagerMaxLength)."""
MOST_KEPT = 512
"""Characters of a User-Agent that is remembered."""
CLIENT_SIDE = "kubectl"
"""The manager of `kubectl apply --server-side`, which takes over from client-side apply."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NEVER_MANAGED = fieldset.of_paths(
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    ),
)


def name_of(asked: str, user_agent: str) -> str:
    """The manager's name: as asked for, or the client's program."""
    if asked:
        return asked
    return _program(user_agent) if len(user_agent) < MOST_KEPT else _program.__wrapped__(user_agent)


@lru_cache(256)
def _program(user_agent: str) -> str:
    printable = "".join(filter(str.isprintable, user_agent.partition("/")[0]))
    return printable.encode()[:LONGEST_NAME].decode(errors="ignore") or UNNAMED


def emptied(kind: Kind, sent: Object) -> FieldSet:
    """What a body that is not decoded yet says is empty."""
    return typed.emptied(zero(kind), sent)


def created(scope: Scope, obj: Object, manager: str, now: str, emptied: FieldSet = fieldset.NONE) -> None:
    """Everything in a new object is set by its creator, also what was sent empty."""
    given = metadata.of(obj).pop("managedFields", None)
    if given and not _is_reset(given):
        _created_with(scope, obj, _decoded(given) or {}, manager, now)
    else:
        hold(scope, obj, fields_of_new(scope, obj, emptied), manager, now)


def _created_with(scope: Scope, obj: Object, managers: Managers, manager: str, now: str) -> None:
    """Whose fields cannot be told, keeps the managers that were sent."""
    try:
        _update(scope, zero(scope.kind), obj, managers, manager, now)
    except Mismatch:
        if managers:
            metadata.of(obj)["managedFields"] = _encoded(scope, managers)


def fields_of_new(scope: Scope, obj: Object, emptied: FieldSet = fieldset.NONE) -> FieldSet:
    """All that is set in a new object without managed fields; empty when that can not be told."""
    try:
        _check_types(scope.kind, obj)
        fields = typed.filled(shape_of(scope.kind), zero(scope.kind), obj) or fieldset.NONE
    except Mismatch:
        return fieldset.NONE
    if emptied:
        fields = fieldset.ordered(fieldset.union(fields, emptied))
    return fieldset.difference(scope.managed(scope.kind, fields), NEVER_MANAGED)


def hold(scope: Scope, obj: Object, fields: FieldSet, manager: str, now: str) -> None:
    """Notes that `manager` has set `fields` of a new object."""
    if fields:
        owner = Owner(manager, UPDATE, scope.version, scope.subresource)
        metadata.of(obj)["managedFields"] = _encoded(scope, {owner: Held(fields, scope.version, now)})


def updated(scope: Scope, old: Object, new: Object, manager: str, now: str) -> None:
    """`new`, of which clients may have sent the managed fields, too, is about to replace `old`."""
    about, held = metadata.of(new), old["metadata"].get("managedFields") or []
    given = about.pop("managedFields", None)
    managers: Managers | None = None
    if not scope.subresource and given is not None and given != held:
        if _is_reset(given):
            return
        managers = _decoded(given) or None
        scope = scope if managers is None else replace(scope, same_schema=False)
    if managers is None:
        if not held:
            return
        managers = decode(held, trusted=True)
    try:
        _update(scope, old, new, managers, manager, now)
    except Mismatch:
        about["managedFields"] = held


def _is_reset(entries: Sequence[Object]) -> bool:
    return not entries or (len(entries) == 1 and not any(entries[0].values()))


def _decoded(entries: Sequence[Object]) -> Managers | None:
    """None when they are not valid: then those of the stored object count."""
    try:
        return decode(entries)
    except InvalidFields:
        return None


def _check_types(kind: Kind, *objects: Object) -> None:
    """Raises Mismatch for a custom resource that its schema does not describe; other kinds are decoded by theirs."""
    if kind.is_custom and not all(typed.conforms(shape_of(kind), obj) for obj in objects):
        raise Mismatch("fields of other types than the schema says")


def _update(scope: Scope, old: Object, new: Object, managers: Managers, manager: str, now: str) -> None:
    _check_types(scope.kind, old, new)
    fields, left = merging.update(scope, old, new, managers)
    fields = fieldset.difference(fields, NEVER_MANAGED)
    if fields:
        owner = Owner(manager, UPDATE, scope.version, scope.subresource)
        before = left.get(owner)
        whole = fieldset.union(before.fields, fields) if before else fields
        left[owner] = Held(fieldset.ordered(whole, before.fields if before else fieldset.NONE), scope.version, now)
    if left:
        metadata.of(new)["managedFields"] = _encoded(scope, _capped(left))


def _capped(managers: Managers) -> Managers:
    """Not more updaters than MOST_UPDATERS: the oldest of a version become one."""
    updaters = [owner for owner in managers if not owner.applied]
    excess = len(updaters) - MOST_UPDATERS
    if excess <= 0:
        return managers
    updaters.sort(key=lambda owner: (managers[owner].time, owner))
    first: dict[str, Owner] = {}
    for owner in updaters:
        if excess <= 0:
            break
        version = managers[owner].version
        bucket = Owner(ANCIENT, UPDATE, version)
        if version not in first:
            first[version] = owner
            continue
        if bucket not in managers:
            managers[bucket] = managers.pop(first[version])
        held = managers.pop(owner)
        fields = fieldset.union(held.fields, managers[bucket].fields)
        managers[bucket] = Held(fieldset.ordered(fields), version, held.time)
        excess -= 1
    return managers


def applied(scope: Scope, live: Object, config: Object, manager: str, force: bool, now: str) -> Object:
    """`live` with `config` applied and its managers; `live` is the caller's. Raises 400, 409 and 500."""
    _check(scope, config)
    if scope.kind.is_custom:
        _check_shape(scope.kind, live, "live", typed.faults(shape_of(scope.kind), live, allow_repeated=True))
    held = metadata.of(live).get("managedFields") or []
    managers = decode(held, trusted=True) if held else _before(scope, live, now)
    owner = Owner(manager, APPLY, "", scope.subresource)
    try:
        new, managers = _apply(scope, live, config, managers, owner, force)
    except Mismatch as error:
        raise StatusError(500, "", f"failed to merge config: {error}") from None
    mine = managers.get(owner)
    if mine is not None:
        fields = fieldset.difference(mine.fields, NEVER_MANAGED)
        if fields:
            managers[owner] = Held(fieldset.ordered(fields), mine.version, mine.time if new is None else now)
        else:
            del managers[owner]
    return _with_managers(scope, live if new is None else new, managers, config, manager)


def _encoded(scope: Scope, managers: Managers) -> list[Object]:
    return encode(managers, alphabetical=scope.kind.is_custom)


def _with_managers(scope: Scope, obj: Object, managers: Managers, config: Object, manager: str) -> Object:
    about = dict(metadata.of(obj))
    about.pop("managedFields", None)
    if managers:
        about["managedFields"] = _encoded(scope, managers)
    if manager == CLIENT_SIDE and (about.get("annotations") or {}).get(LAST_APPLIED):
        about["annotations"] = _with_last_applied(about["annotations"], config)
    return {**obj, "metadata": about}


def _before(scope: Scope, live: Object, now: str) -> Managers:
    """Nobody is known to have set anything: whatever is there is of one manager."""
    if not metadata.of(live).get("uid"):
        return {}
    fields, managers = merging.update(scope, zero(scope.kind), live, {})
    fields = fieldset.difference(fields, NEVER_MANAGED)
    if fields:
        owner = Owner(BEFORE, UPDATE, scope.version, scope.subresource)
        managers[owner] = Held(fieldset.ordered(fields), scope.version, now)
    return managers


def _check(scope: Scope, config: Object) -> None:
    about = config.get("metadata")
    about = about if isinstance(about, dict) else {}
    if about.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    _check_shape(scope.kind, config, "patch", typed.faults(shape_of(scope.kind), config))


def _check_shape(kind: Kind, obj: Object, role: str, faults: list[str]) -> None:
    if faults:
        text = faults[0] if len(faults) == 1 else "\n  ".join(["errors:", *faults])
        raise StatusError(500, "", f"failed to create typed {role} object ({title(obj)}): {text}")


def title(obj: Object) -> str:
    """An object in errors: `namespace/name; group/version, Kind=kind`."""
    about = obj.get("metadata")
    about = about if isinstance(about, dict) else {}
    return f"{about.get('namespace') or ''}/{about.get('name') or ''}; {kind_text(obj)}"


def kind_text(obj: Object) -> str:
    """schema.GroupVersionKind as Go prints it; empty when the apiVersion is not readable."""
    api_version = str(obj.get("apiVersion") or "")
    if api_version.count("/") > 1:
        return "/, Kind="
    group, _, version = api_version.rpartition("/")
    return f"{group}/{version}, Kind={obj.get('kind') or ''}"


def _apply(
    scope: Scope, live: Object, config: Object, managers: Managers, owner: Owner, force: bool
) -> tuple[Object | None, Managers]:
    try:
        return merging.apply(scope, live, config, managers, owner, force)
    except Conflicts as found:
        conflicts = found.paths()
    if owner.manager == CLIENT_SIDE and (allowed := _allowed(scope, live)) is not None:
        conflicts = [(other, path) for other, path in conflicts if not fieldset.has(allowed, path)]
        if not conflicts:
            return merging.apply(scope, live, config, managers, owner, True)
    raise conflict(conflicts)


def _allowed(scope: Scope, live: Object) -> FieldSet | None:
    """What client-side apply set and nobody changed since; None when there is no telling."""
    text = (metadata.of(live).get("annotations") or {}).get(LAST_APPLIED)
    try:
        last = encoding.from_json(text.encode()) if text else None
    except encoding.Unreadable:
        return None
    shape = shape_of(scope.kind)
    if not isinstance(last, dict) or last.get("apiVersion") != scope.version or typed.faults(shape, last):
        return None
    found = typed.compare(shape, last, live)
    fields = typed.field_set(shape, last)
    for changed in (found.modified, found.added, found.removed):
        fields = fieldset.difference(fields, changed)
    return fields


def _with_last_applied(annotations: Object, config: Object) -> Object:
    """kubectl's annotation follows what was applied, as long as there is room for it."""
    about = {**metadata.of(config)}
    if "annotations" in about:
        about["annotations"] = {k: v for k, v in (about["annotations"] or {}).items() if k != LAST_APPLIED}
    text = encoding.to_json(_sorted({**config, "metadata": about})).decode() + "\n"
    rest = {k: v for k, v in annotations.items() if k != LAST_APPLIED}
    size = sum(len(k.encode()) + len(v.encode()) for k, v in rest.items()) + len(LAST_APPLIED) + len(text.encode())
    return rest if size > metadata.MAX_ANNOTATIONS else {**rest, LAST_APPLIED: text}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def are_same(new: Object, old: Object) -> bool:
    """Whether nothing but times of managers differ."""
    return new == old or differ_in_time_alone(new, old)


def differ_in_time_alone(new: Object, old: Object) -> bool:
    """Whether a write would do nothing but renew the times of managers."""
    entries, before = (obj["metadata"].get("managedFields") or [] for obj in (new, old))
    if not entries or len(entries) != len(before) or entries == before:
        return False
    if any({**e, "time": ""} != {**b, "time": ""} for e, b in zip(entries, before, strict=True)):
        return False
    return {**new, "metadata": _unmanaged(new)} == {**old, "metadata": _unmanaged(old)}


def _unmanaged(obj: Object) -> Object:
    return {name: value for name, value in obj["metadata"].items() if name != "managedFields"}


def conflict(conflicts: Sequence[tuple[Owner, Path]]) -> StatusError:
    """409: who has which of the fields that were to be applied."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_shown(owner)}",
            "field": fieldset.text(path),
        }
        for owner, path in conflicts
    ]
    return StatusError(409, "Conflict", _summary(conflicts), {"causes": causes})


def _summary(conflicts: Sequence[tuple[Owner, Path]]) -> str:
    if len(conflicts) == 1:
        owner, path = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {_shown(owner)}: {fieldset.text(path)}"
    lines = []
    for owner in sorted({owner for owner, _ in conflicts}):
        lines.append(f"conflicts with {_shown(owner)}:")
        lines += [f"- {fieldset.text(path)}" for other, path in conflicts if other == owner]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def _shown(owner: Owner) -> str:
    text = quoted(owner.manager)
    if owner.subresource:
        text += f" with subresource {quoted(owner.subresource)}"
    return text if owner.applied else f"{text} using {owner.version}"
