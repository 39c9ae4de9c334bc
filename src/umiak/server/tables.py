"""`kubectl get`'s view of objects: rows of cells, made by the server (`meta.k8s.io` Table)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from umiak.api.kind import Column, Kind
from umiak.objects.errors import bad_request
from umiak.objects.types import Object
from umiak.server import stored
from umiak.server.contract import Request

POLICIES = ("Metadata", "Object", "None", "")
NAME_TEXT = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED_TEXT = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
DEFAULT_COLUMNS = (
    Column("Name", lambda obj, now: obj["metadata"].get("name", ""), "string", "name", description=NAME_TEXT),
    Column(
        "Created At", lambda obj, now: obj["metadata"].get("creationTimestamp"), "date", "", description=CREATED_TEXT
    ),
)


def include_policy(request: Request) -> str:
    """What of its object each row carries; raises 400."""
    policy = request.option("includeObject")
    if policy not in POLICIES:
        shown = msgspec.json.encode(policy).decode()
        raise bad_request(
            f"Unable to convert to Table as requested: includeObject: Invalid value: {shown}: "
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    return policy or "Metadata"


def table(
    kind: Kind,
    version: str,
    values: Sequence[bytes],
    about: Object,
    include: str,
    now: float,
    *,
    with_headers: bool = True,
    is_list: bool = False,
) -> Object:
    """`about` is the table's own metadata; `version` that of `meta.k8s.io`; `values` are objects in the kind's form."""
    columns = kind.columns or DEFAULT_COLUMNS
    rows = [_row(kind, version, value, include, now) for value in values]
    if is_list and kind.marked_default is not None:
        _mark(rows, kind.marked_default([msgspec.json.decode(value) for value in values]))
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": about,
        "columnDefinitions": [_definition(c) for c in columns if c.name] if with_headers else None,
        "rows": rows,
    }


def _mark(rows: Sequence[Object], name: str) -> None:
    """The first column is the name."""
    for row in rows:
        if row["cells"][0] == name:
            row["cells"][0] += " (default)"


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(kind: Kind, version: str, value: bytes, include: str, now: float) -> Object:
    obj: Object = msgspec.json.decode(value)
    cells = [column.cell(obj, now) for column in kind.columns or DEFAULT_COLUMNS]
    return {"cells": cells, "object": _part(kind, value, version, include)}


def _part(kind: Kind, value: bytes, version: str, include: str) -> Any:
    if include == "None":
        return None
    return msgspec.Raw(value if include == "Object" else partial(kind, value, version))


def partial(kind: Kind, value: bytes, version: str) -> bytes:
    """Only the metadata of an object."""
    about = stored.metadata_of(value)
    if kind.annotated_fields and b'"annotations"' in about:
        about = _without_fields(kind, about)
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":%b}' % (version.encode(), about)


def _without_fields(kind: Kind, encoded: bytes) -> bytes:
    about = msgspec.json.decode(encoded)
    kept = {k: v for k, v in (about.get("annotations") or {}).items() if k not in kind.annotated_fields}
    return msgspec.json.encode({**about, "annotations": kept} if kept else _without(about, "annotations"))


def _without(about: Object, field: str) -> Object:
    return {k: v for k, v in about.items() if k != field}
