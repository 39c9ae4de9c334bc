"""One object in several versions of its kind: managers speak of the fields of the version they wrote."""

from collections.abc import Callable
from functools import lru_cache

from umiak.api import schema
from umiak.api.kind import Kind
from umiak.objects import encoding
from umiak.objects.shapes import Shape
from umiak.objects.types import Object
from umiak.server import stored
from umiak.server.metadata import is_custom

Find = Callable[[str], Kind | None]
"""The same kind in another apiVersion, if it is served."""

Convert = Callable[[Object, Kind, Kind], Object]
"""(object, its kind, the wanted kind) to the object as one of the wanted kind. Raises Mismatch."""


@lru_cache(1024)
def zero(kind: Kind) -> Object:
    """An object that says nothing yet; not to be changed."""
    obj: Object = {"kind": kind.kind, "apiVersion": kind.api_version}
    return obj if is_custom(kind) else schema.decode(kind.schema, obj, kind.kind, kind.version)[0]


def shape_of(kind: Kind) -> Shape:
    return kind.schema.shape


def converted(obj: Object, source: Kind, target: Kind) -> Object:
    """`obj`, of the kind `source`, as one of the kind `target`; the caller's own unless both are the same."""
    if source is target or source.api_version == target.api_version:
        return obj
    kept = encoding.copy(obj)
    if target.is_custom:
        return {**kept, "apiVersion": target.api_version}
    if source.to_storage is not None:
        kept = source.to_storage(kept)
    kept["apiVersion"] = stored.storage_api_version(source)
    if target.from_storage is not None:
        kept = target.from_storage(kept)
    kept["kind"], kept["apiVersion"] = target.kind, target.api_version
    return kept
