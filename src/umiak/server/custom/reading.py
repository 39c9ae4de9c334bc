"""How a custom resource is read: repeated and unknown fields, metadata, what is dropped and what is filled in.

The steps and their order are those of apiextensions' `schemaCoercingDecoder`.
"""

from collections.abc import Callable
from typing import Any

from umiak.api.apiextensions import _embedded as embedded
from umiak.api.schema import plain
from umiak.objects.encoding import Doubled
from umiak.objects.errors import StatusError, bad_request, internal
from umiak.objects.structural.prune import drop_nulls, fill_in, prune
from umiak.objects.types import Object


def reader(schema: Object) -> Callable[[Object, str, str], tuple[Object, list[str]]]:
    """What reads an object of `schema` for `api.schema.decode`."""

    def read(obj: Object, kind: str, version: str) -> tuple[Object, list[str]]:
        faults = [f'duplicate field "{path}"' for path in _doubled(obj, "")]
        obj = plain(obj) if faults else obj
        try:
            unknown = [f"metadata.{field}" for field in embedded.read_metadata(obj)]
            unknown += prune(obj, schema)
            drop_nulls(obj, schema)
            unknown += embedded.coerce(obj, schema)
        except embedded.Malformed as error:
            raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {error}') from None
        return obj, [*faults, *(f'unknown field "{field}"' for field in unknown)]

    return read


def _doubled(value: Any, path: str) -> list[str]:
    """The paths of keys that came more than once."""
    found: list[str] = []
    if isinstance(value, Doubled):
        keys = [key for key, _ in value.pairs]
        repeated = dict.fromkeys(key for index, key in enumerate(keys) if key in keys[:index])
        found += [f"{path}.{key}" if path else key for key in repeated]
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list):
                found += _doubled(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                found += _doubled(item, f"{path}[{index}]")
    return found


def filler(schema: Object) -> Callable[[Object], None]:
    return lambda obj: fill_in(obj, schema)


def from_storage(schema: Object, api_version: str, kind: str, conversion: str) -> Callable[[Object], Object]:
    """Makes a stored object one of this version: what is unknown to it goes, its defaults come."""

    def convert(obj: Object) -> Object:
        if conversion != "None" and obj["apiVersion"] != api_version:
            raise _no_conversion(obj["apiVersion"], kind)
        prune(obj, schema)
        drop_nulls(obj, schema)
        fill_in(obj, schema)
        obj["metadata"].setdefault("generation", 1)
        return obj

    return convert


def to_storage(schema: Object, api_version: str, conversion: str) -> Callable[[Object], Object]:
    """Makes an object one of the stored version, whose schema is given."""

    def convert(obj: Object) -> Object:
        if conversion != "None" and obj["apiVersion"] != api_version:
            raise _no_conversion(obj["apiVersion"], obj["kind"])
        prune(obj, schema)
        drop_nulls(obj, schema)
        return obj

    return convert


def _no_conversion(api_version: str, kind: str) -> StatusError:
    why = "this server calls no webhooks to convert"
    return internal(f"conversion webhook for {api_version}, Kind={kind} failed: {why}")
