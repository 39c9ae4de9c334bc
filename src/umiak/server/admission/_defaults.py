"""Choosing the default among classes of storage or ingress."""

from collections.abc import Iterable

from umiak.objects.meta import annotations, metadata, name
from umiak.objects.types import Object


def newest_default(classes: Iterable[Object], *marks: str) -> Object | None:
    """Of those with an annotation among `marks` saying true, the newest; by name when made in the same second."""
    found = [c for c in classes if any(annotations(c).get(mark) == "true" for mark in marks)]
    newest = max((metadata(c).get("creationTimestamp") or "" for c in found), default="")
    return min((c for c in found if (metadata(c).get("creationTimestamp") or "") == newest), key=name, default=None)
