"""How a custom resource is read: repeated and unknown fields, metadata, what is dropped and what is filled in.

The steps and their order are those of apiextensions' `schemaCoercingDecoder`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from umiak.api.apiextensions import _embedded as embedded
from umiak.api.schema import plain
from umiak.objects.encoding import Doubled
from umiak.objects.errors import bad_request
from umiak.objects.structural.prune import NOTHING, drop_nulls, fill_in, prune
from umiak.objects.types import Object
from umiak.server.answer import unknown_failure
from umiak.server.custom.conversion import NotConverted


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


class Forms:
    """The schemas of all versions of a definition, by apiVersion: what an object may be in each."""

    def __init__(self, schemas: Mapping[str, Object]) -> None:
        self._schemas = schemas

    def loaded(self, obj: Object) -> Object:
        """A stored object, in place, in the version it was stored in: what is unknown goes, defaults come."""
        schema = self._schemas.get(obj["apiVersion"], NOTHING)
        prune(obj, schema)
        drop_nulls(obj, schema)
        fill_in(obj, schema)
        obj["metadata"].setdefault("generation", 1)
        return obj

    def fitted(self, obj: Object) -> Object:
        """A converted object, in place, with nothing that is unknown to its version. Raises NotConverted."""
        schema = self._schemas.get(obj["apiVersion"], NOTHING)
        try:
            embedded.read_metadata(obj)
            prune(obj, schema)
            drop_nulls(obj, schema)
            embedded.coerce(obj, schema)
        except embedded.Malformed as error:
            raise NotConverted(str(error)) from None
        return obj

    def relabelled(self, obj: Object, api_version: str) -> Object:
        """An object, in place, in another version that differs in name and schema alone. Raises StatusError 500."""
        if obj["apiVersion"] == api_version:
            return obj
        obj["apiVersion"] = api_version
        try:
            return self.fitted(obj)
        except NotConverted as error:
            raise unknown_failure(str(error)) from None


def from_storage(forms: Forms, api_version: str) -> Callable[[Object], Object]:
    """Makes a stored object one of this version. Defaults are those of the version it was stored in, as in the
    reference."""
    return lambda obj: forms.relabelled(forms.loaded(obj), api_version)


def to_storage(forms: Forms, api_version: str) -> Callable[[Object], Object]:
    """Makes an object one of the version that is stored."""
    return lambda obj: forms.relabelled(obj, api_version)
