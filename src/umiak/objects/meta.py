"""Reads and writes what every object has: names, labels, owners, times."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import floor
from typing import Any, NamedTuple

from umiak.objects.types import Object

FIELDS = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
"""Of metadata, in the order of Go's ObjectMeta, in which objects are written."""


class Key(NamedTuple):
    """Names an object of a known kind; `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def metadata(obj: Mapping[str, Any]) -> Object:
    return obj.get("metadata") or {}


def name(obj: Mapping[str, Any]) -> str:
    return metadata(obj).get("name") or ""


def namespace(obj: Mapping[str, Any]) -> str:
    return metadata(obj).get("namespace") or ""


def key(obj: Mapping[str, Any]) -> Key:
    about = metadata(obj)
    return Key(about.get("namespace") or "", about.get("name") or "")


def uid(obj: Mapping[str, Any]) -> str:
    return metadata(obj).get("uid") or ""


def labels(obj: Mapping[str, Any]) -> dict[str, str]:
    return metadata(obj).get("labels") or {}


def annotations(obj: Mapping[str, Any]) -> dict[str, str]:
    return metadata(obj).get("annotations") or {}


def resource_version(obj: Mapping[str, Any]) -> str:
    return metadata(obj).get("resourceVersion") or ""


def generation(obj: Mapping[str, Any]) -> int:
    return metadata(obj).get("generation") or 0


def is_being_deleted(obj: Mapping[str, Any]) -> bool:
    return bool(metadata(obj).get("deletionTimestamp"))


def owners(obj: Mapping[str, Any]) -> list[Object]:
    return metadata(obj).get("ownerReferences") or []


def controller_of(obj: Mapping[str, Any]) -> Object | None:
    """The owner reference marked `controller: true`, if any."""
    return next((o for o in owners(obj) if o.get("controller")), None)


def owner_reference(owner: Mapping[str, Any], *, controller: bool = True) -> Object:
    """A reference to `owner`, which must carry apiVersion and kind, blocking its foreground deletion."""
    about = metadata(owner)
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": about["name"],
        "uid": about["uid"],
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def format_time(moment: datetime) -> str:
    """RFC 3339 with seconds, as `metav1.Time` is written."""
    return _second(floor(moment.timestamp()))


@lru_cache(256)
def _second(seconds: int) -> str:
    """Most of what is written happens in a second that was written already."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")[:19] + "Z"


def format_micro_time(moment: datetime) -> str:
    """RFC 3339 with microseconds, as `metav1.MicroTime` is written."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def parse_time(text: str) -> datetime:
    """Reads both forms; raises ValueError on anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment
