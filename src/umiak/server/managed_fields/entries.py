"""`metadata.managedFields`: from the entries that are written to managers with their fields, and back."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from umiak.objects import fieldset
from umiak.objects.fieldset import FieldSet, InvalidFields
from umiak.objects.go_text import quoted
from umiak.objects.types import Object

APPLY, UPDATE = "Apply", "Update"
FIELDS_TYPE = "FieldsV1"


class Owner(NamedTuple):
    """Tells one entry from another. Of an applier the version is left out: it has one entry, whatever it applied."""

    manager: str
    operation: str
    version: str = ""
    subresource: str = ""

    @property
    def applied(self) -> bool:
        return self.operation == APPLY


class Held(msgspec.Struct, frozen=True):
    """Fields, in order, in the terms of an apiVersion, and when they were last taken (RFC 3339, or empty)."""

    fields: FieldSet
    version: str
    time: str = ""


Managers = dict[Owner, Held]


def decode(entries: Sequence[Object], *, trusted: bool = False) -> Managers:
    """Raises InvalidFields. `trusted` are entries that this server wrote."""
    found: Managers = {}
    for index, entry in enumerate(entries):
        if not trusted:
            _check(entry, index)
        operation, version = entry["operation"], entry["apiVersion"]
        owner = Owner(
            entry.get("manager", ""),
            operation,
            "" if operation == APPLY else version,
            entry.get("subresource", ""),
        )
        fields = entry.get("fieldsV1") or fieldset.NONE
        fields = fields if trusted else fieldset.ordered(fieldset.parse(fields))
        held = Held(fields, version, entry.get("time") or "")
        found[owner] = held
    return found


def _check(entry: Object, index: int) -> None:
    if entry.get("operation") not in (APPLY, UPDATE):
        raise InvalidFields("operation must be `Apply` or `Update`")
    if not entry.get("apiVersion"):
        raise InvalidFields("apiVersion must not be empty")
    kind = entry.get("fieldsType")
    if kind != FIELDS_TYPE:
        fault = f"invalid fieldsType {quoted(kind)}" if kind else "missing fieldsType"
        raise InvalidFields(f"{fault} in managed fields entry {index}")


def encode(managers: Managers, *, alphabetical: bool = False) -> list[Object]:
    """Appliers first, then by time. Keys of custom resources are in the order of the alphabet."""
    owners = sorted(managers, key=lambda owner: _order(owner, managers[owner]))
    entries = [_entry(owner, managers[owner]) for owner in owners]
    return [dict(sorted(entry.items())) for entry in entries] if alphabetical else entries


def _order(owner: Owner, held: Held) -> tuple[str, ...]:
    return owner.operation, held.time, owner.manager, held.version, owner.subresource


def _entry(owner: Owner, held: Held) -> Object:
    entry: Object = {}
    if owner.manager:
        entry["manager"] = owner.manager
    entry["operation"], entry["apiVersion"] = owner.operation, held.version
    if held.time:
        entry["time"] = held.time
    entry["fieldsType"], entry["fieldsV1"] = FIELDS_TYPE, held.fields
    if owner.subresource:
        entry["subresource"] = owner.subresource
    return entry
