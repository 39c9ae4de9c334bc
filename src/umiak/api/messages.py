"""Which protobuf messages there are, as `scripts/compile-protobuf` wrote them down."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from umiak.api import compiled

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_PARTIAL = META + "PartialObjectMetadata"
_PARTIAL_LIST_V1BETA1 = "io.k8s.apimachinery.pkg.apis.meta.v1beta1.PartialObjectMetadataList"
_PARTIALS: dict[str, list[Any]] = {
    _PARTIAL: [[1, "metadata", META + "ObjectMeta", ""]],
    _PARTIAL + "List": [[1, "metadata", META + "ListMeta", ""], [2, "items", _PARTIAL, "r"]],
    _PARTIAL_LIST_V1BETA1: [[2, "metadata", META + "ListMeta", ""], [1, "items", _PARTIAL, "r"]],
}
"""No definitions of OpenAPI: what any object can be asked for as."""
_FURTHER_KINDS = {
    ("meta.k8s.io/v1", "PartialObjectMetadata"): _PARTIAL,
    ("meta.k8s.io/v1beta1", "PartialObjectMetadata"): _PARTIAL,
    ("meta.k8s.io/v1", "PartialObjectMetadataList"): _PARTIAL + "List",
    ("meta.k8s.io/v1beta1", "PartialObjectMetadataList"): _PARTIAL_LIST_V1BETA1,
    ("apidiscovery.k8s.io/v2", "APIGroupDiscoveryList"): "io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList",
}

Field = tuple[str, str, str]
"""Name, type and how, as `scripts/compile-protobuf` explains them."""


@cache
def _descriptions() -> dict[str, Any]:
    data = Path(__file__).with_name("_compiled").joinpath("protobuf.json").read_bytes()
    found: dict[str, Any] = msgspec.json.decode(data)
    return found | _PARTIALS


@cache
def fields_of(name: str) -> dict[int, Field]:
    """A message's fields by number, in the order of numbers."""
    return {number: (field, kind, how) for number, field, kind, how in sorted(_descriptions()[name])}


@cache
def declared_fields(name: str) -> tuple[str, ...]:
    """The names of a message's fields as Go's struct declares them, with those it embeds in their place."""
    names: list[str] = []
    for _, field, kind, how in _descriptions()[name]:
        names += declared_fields(kind) if how == "." and not is_list(kind) else (field,)
    return tuple(names)


def is_list(name: str) -> bool:
    return _descriptions().get(name) == "list"


@cache
def message_of(api_version: str, kind: str) -> str:
    """The message of a kind; empty when there is none, as for custom resources."""
    try:
        name = _FURTHER_KINDS.get((api_version, kind)) or compiled.schema(api_version, kind).definition
    except KeyError:
        return ""
    return name if name in _descriptions() else ""
