"""Updates and applications among managers: who loses which fields to whom, and what goes when nobody wants it.

The rules are those of structured-merge-diff's `merge.Updater`.
"""

import msgspec
from msgspec.structs import replace

from umiak.api.kind import Kind
from umiak.objects import apply as merged_objects
from umiak.objects import fieldset, typed
from umiak.objects.fieldset import FieldSet, Path
from umiak.objects.shapes import Mismatch, named_fields, reconciled
from umiak.objects.typed import Comparison
from umiak.objects.types import Object
from umiak.server.managed_fields.entries import Held, Managers, Owner
from umiak.server.managed_fields.reset import filter_of
from umiak.server.managed_fields.versions import Convert, Find, converted, shape_of


class Conflicts(Exception):
    """Fields to be applied belong to others, with other values."""

    def __init__(self, fields: dict[Owner, FieldSet]) -> None:
        super().__init__("conflicts")
        self.fields = fields

    def paths(self) -> list[tuple[Owner, Path]]:
        return [(owner, path) for owner in sorted(self.fields) for path in fieldset.paths(self.fields[owner])]


class Scope(msgspec.Struct):
    """What a request is about: a kind in the request's version, a subresource or empty, other versions."""

    kind: Kind
    subresource: str
    find: Find
    convert: Convert = converted
    same_schema: bool = True
    """Whether the entries can be taken to fit the schema, as they do unless it changed or a client made them up."""

    @property
    def version(self) -> str:
        return self.kind.api_version

    def kind_in(self, version: str) -> Kind | None:
        return self.kind if version == self.kind.api_version else self.find(version)

    def managed(self, kind: Kind, fields: FieldSet) -> FieldSet:
        """Without what the path resets."""
        chosen = filter_of(kind, self.subresource)
        return fields if chosen is None or not fields else chosen(fields)

    def compare(self, kind: Kind, old: Object, new: Object) -> Comparison:
        """Both in the version of `kind`."""
        found = typed.compare(shape_of(kind), old, new)
        return Comparison(*(self.managed(kind, fields) for fields in (found.removed, found.modified, found.added)))

    def converted(self, obj: Object, source: Kind, target: Kind) -> Object:
        """Raises Mismatch when the object does not fit the other version."""
        if source.api_version == target.api_version:
            return obj
        found = self.convert(obj, source, target)
        if target.is_custom and (faults := typed.faults(shape_of(target), found, allow_repeated=True)):
            raise Mismatch(faults[0])
        return found

    def fitting(self, live: Object, managers: Managers) -> Managers:
        """Without versions that are not served any more, and as the schema is now. Raises Mismatch."""
        out: Managers = {}
        for owner, held in managers.items():
            if (kind := self.kind_in(held.version)) is None:
                continue
            if kind.is_custom:
                self.converted(live, self.kind, kind)
            fields = held.fields if self.same_schema else reconciled(shape_of(kind), held.fields)
            out[owner] = held if fields is held.fields else replace(held, fields=fields)
        return out


def update(scope: Scope, old: Object, new: Object, managers: Managers) -> tuple[FieldSet, Managers]:
    """(the fields that the change sets, what the managers have left)."""
    found = scope.compare(scope.kind, old, new)
    changes: Changes = {scope.version: _taken(found)}
    left = _settled(scope, old, new, changes, scope.fitting(old, managers), None, force=True)
    return scope.managed(scope.kind, fieldset.union(found.modified, found.added)), left


def apply(
    scope: Scope, old: Object, config: Object, managers: Managers, owner: Owner, force: bool
) -> tuple[Object | None, Managers]:
    """(the new object, None when nothing changes; the managers). Raises Conflicts and Mismatch."""
    managers = scope.fitting(old, managers)
    shape = shape_of(scope.kind)
    new = merged_objects.merge(shape, old, config)
    last = managers.get(owner)
    fields = scope.managed(scope.kind, typed.field_set(shape, config))
    managers[owner] = Held(fields, scope.version, last.time if last else "")
    new = _pruned(scope, new, managers, owner, last)
    managers = _settled(scope, old, new, {}, managers, owner, force)
    return (None if new == old else new), managers


Changes = dict[str, tuple[FieldSet, FieldSet] | None]
"""By version: (what was modified or added, what was removed); None for versions that are not served."""


def _settled(
    scope: Scope, old: Object, new: Object, changes: Changes, managers: Managers, owner: Owner | None, force: bool
) -> Managers:
    """Others than `owner` lose what changed or went; `changes` has what is known already. Raises Conflicts unless
    forced."""
    conflicts: dict[Owner, FieldSet] = {}
    lost: dict[Owner, FieldSet] = {}
    gone: set[Owner] = set()
    for other, held in managers.items():
        if other == owner:
            continue
        if held.version not in changes:
            changes[held.version] = _in_version(scope, held.version, old, new)
        change = changes[held.version]
        if change is None:
            gone.add(other)
            continue
        taken, removed = change
        if taken and (clash := fieldset.intersection(held.fields, taken)):
            conflicts[other] = clash
        if removed:
            lost[other] = removed
    if conflicts and not force:
        raise Conflicts(conflicts)
    out: Managers = {}
    for other, held in managers.items():
        fields = held.fields
        for minus in (conflicts.get(other), lost.get(other)):
            fields = fieldset.difference(fields, minus) if minus else fields
        if fields and other not in gone:
            out[other] = held if fields is held.fields else replace(held, fields=fields)
    return out


def _taken(found: Comparison) -> tuple[FieldSet, FieldSet]:
    return fieldset.union(found.modified, found.added), found.removed


def _in_version(scope: Scope, version: str, old: Object, new: Object) -> tuple[FieldSet, FieldSet] | None:
    kind = scope.kind_in(version)
    if kind is None:
        return None
    return _taken(scope.compare(kind, *(scope.converted(obj, scope.kind, kind) for obj in (old, new))))


def _pruned(scope: Scope, merged: Object, managers: Managers, owner: Owner, last: Held | None) -> Object:
    """Without what the applier had applied before, did not apply now, and no one else has."""
    if last is None or not last.fields:
        return merged
    now = managers[owner]
    if last.version == now.version and not fieldset.difference(last.fields, now.fields):
        return merged  # it gives nothing up
    kind = scope.kind_in(last.version)
    if kind is None:
        return merged
    merged = scope.converted(merged, scope.kind, kind)
    shape = shape_of(kind)
    pruned = merged_objects.remove(shape, merged, named_fields(shape, last.fields)) or {}
    pruned = _with_owned(scope, kind, merged, pruned, managers)
    pruned = _with_foreign(kind, merged, pruned, last.fields)
    return scope.converted(pruned, kind, scope.kind)


def _with_owned(scope: Scope, kind: Kind, merged: Object, pruned: Object, managers: Managers) -> Object:
    """What some manager has comes back; first in the version of `kind`."""
    owned: dict[str, FieldSet] = {kind.api_version: fieldset.NONE}
    for held in managers.values():
        owned[held.version] = fieldset.union(owned.get(held.version, fieldset.NONE), held.fields)
    for version, fields in owned.items():
        other = scope.kind_in(version)
        if other is None or not fields:
            continue
        shape = shape_of(other)
        whole = scope.converted(merged, kind, other)
        left = fieldset.union(_all_fields(other, scope.converted(pruned, kind, other)), named_fields(shape, fields))
        pruned = merged_objects.remove(shape, whole, fieldset.difference(_all_fields(other, whole), left)) or {}
        pruned = scope.converted(pruned, other, kind)
    return pruned


def _with_foreign(kind: Kind, merged: Object, pruned: Object, last: FieldSet) -> Object:
    """What the applier never had comes back."""
    gone = fieldset.difference(_all_fields(kind, merged), _all_fields(kind, pruned))
    shape = shape_of(kind)
    result: Object = merged_objects.remove(shape, merged, fieldset.intersection(gone, named_fields(shape, last)))
    return result or {}


def _all_fields(kind: Kind, obj: Object) -> FieldSet:
    shape = shape_of(kind)
    return named_fields(shape, typed.field_set(shape, obj))
