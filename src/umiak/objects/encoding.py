"""Objects to and from JSON and YAML, with faults in the words of the reference's decoders.

YAML is read as sigs.k8s.io/yaml does (`umiak.objects.yaml_reader`), whose library is loaded on first use.
"""

import json
import re
from typing import Any

import msgspec

from umiak.objects import json_syntax
from umiak.objects.types import Object


class Unreadable(ValueError):
    """The bytes are not in the format they claim to be."""


class Doubled(dict[str, Any]):
    """An object in which a key came more than once; `pairs` has all in their order, the object itself the last ones."""

    pairs: list[tuple[str, Any]]


def from_json(data: bytes) -> Any:
    """Reads JSON; an object with repeated keys is a `Doubled`. Raises Unreadable."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _leniently(data)
    # Whoever writes compact JSON without repetitions gets back exactly as many bytes as were sent.
    if len(to_json(value)) == len(data) or not _may_repeat(data, value):
        return value
    return json.loads(data, object_pairs_hook=_object)


def _may_repeat(data: bytes, value: Any) -> bool:
    """False when there are certainly as many keys in the text as in the value."""
    if b"\\u" in data:  # an escaped quote would not be counted
        return True
    return len(_KEY_ENDS.findall(data)) != to_json(value).count(b'":')


_KEY_ENDS = re.compile(rb'"[ \t\r\n]*:')


def _object(pairs: list[tuple[str, Any]]) -> Object:
    obj = dict(pairs)
    if len(obj) == len(pairs):
        return obj
    doubled = Doubled(obj)
    doubled.pairs = pairs
    return doubled


def _leniently(data: bytes) -> Any:
    """Go takes text that is no UTF-8 or has lone surrogates, with U+FFFD in their place."""
    fault = json_syntax.fault(data)
    if fault:
        raise Unreadable(fault)
    try:
        value = json.loads(data.decode("utf-8", "replace"), object_pairs_hook=_object)
    except RecursionError:
        raise Unreadable("exceeded max depth") from None
    except ValueError:  # as it is JSON, there is but one thing that Python does not read: numbers of many digits
        raise Unreadable("json: cannot unmarshal number into Go value of type float64") from None
    return _without_surrogates(value)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, Doubled):
        return _object([(_without_surrogates(k), _without_surrogates(v)) for k, v in value.pairs])
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value


def to_json(value: Any) -> bytes:
    """Compact JSON, keys in the order they have."""
    return msgspec.json.encode(value)


def copy(value: Any) -> Any:
    """A deep copy of plain JSON data."""
    if isinstance(value, dict):
        return {k: copy(v) if isinstance(v, dict | list) else v for k, v in value.items()}
    if isinstance(value, list):
        return [copy(v) if isinstance(v, dict | list) else v for v in value]
    return value


def from_yaml(data: bytes) -> tuple[Any, list[str]]:
    """The first document and the faults that strict reading reports (repeated keys). Raises Unreadable."""
    from umiak.objects import yaml_reader

    return yaml_reader.read(data)


def documents(data: bytes) -> list[Any]:
    """All documents of a manifest, JSON or YAML, without the empty ones. Raises Unreadable."""
    from umiak.objects import yaml_reader

    return [value for value, _ in yaml_reader.read_all(data) if value is not None]


def to_yaml(value: Any) -> bytes:
    """Block style, keys sorted, as the reference writes it."""
    from umiak.objects import yaml_writer

    return yaml_writer.write(value)
