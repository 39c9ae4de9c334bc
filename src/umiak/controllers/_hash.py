"""Short, stable names for contents, in the alphabet and length that Kubernetes uses for them."""

import msgspec

from umiak.controllers._go_print import template_text
from umiak.objects.types import Object

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, so no words
_OFFSET, _PRIME = 0x811C9DC5, 0x01000193
_encode = msgspec.json.Encoder(order="deterministic").encode


def fnv32a(data: bytes) -> int:
    """FNV-1a."""
    value = _OFFSET
    for byte in data:
        value = (value ^ byte) * _PRIME & 0xFFFFFFFF
    return value


def fnv32(data: bytes) -> int:
    """FNV-1, which multiplies first."""
    value = _OFFSET
    for byte in data:
        value = value * _PRIME & 0xFFFFFFFF ^ byte
    return value


def go_json(content: object) -> bytes:
    """As Go writes it: keys in order, and what HTML reserves as escapes."""
    data = _encode(content)
    for letter in "<>&\u2028\u2029":
        data = data.replace(letter.encode(), f"\\u{ord(letter):04x}".encode())
    return data


def safe_encode(text: str) -> str:
    """Maps each character into an alphabet that spells no words."""
    return "".join(_ALPHABET[ord(c) % len(_ALPHABET)] for c in text)


_MAPS = frozenset(
    ("annotations", "labels", "limits", "matchLabels", "metadata", "nodeSelector", "overhead", "requests", "resources")
)
"""Fields in which an empty object says nothing; elsewhere, as in `emptyDir: {}`, it does."""


def without_empties(value: object) -> object:
    """The value without nulls, empty lists and empty maps inside objects: those mean the same as absent."""
    if isinstance(value, dict):
        kept = ((k, without_empties(v)) for k, v in value.items())
        return {k: v for k, v in kept if v is not None and v != [] and not (v == {} and k in _MAPS)}
    if isinstance(value, list):
        return [without_empties(v) for v in value]
    return value


def template_hash(template: Object, collisions: int | None = None) -> str:
    """The very one that the reference gives a pod template; `collisions` (when not None) make it another."""
    data = template_text(template).encode()
    if collisions is not None:
        data += collisions.to_bytes(8, "little")
    return safe_encode(str(fnv32a(data)))


def same(a: object, b: object) -> bool:
    """Whether two objects mean the same: absent, null and empty are one."""
    return a == b or without_empties(a) == without_empties(b)


def without_label(template: Object, label: str) -> Object:
    """A copy of a pod template that lacks one label."""
    about = dict(template.get("metadata") or {})
    about["labels"] = {k: v for k, v in (about.get("labels") or {}).items() if k != label}
    return {**template, "metadata": about}
