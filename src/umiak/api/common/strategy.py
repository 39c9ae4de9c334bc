"""What a create, an update and a status update may not change, for kinds with a status.

Source: `pkg/registry/*/*/strategy.go`.
"""

from umiak.objects.types import Object

_NOT_SPEC = frozenset({"metadata", "status", "apiVersion", "kind"})
_OWNED_BY_SPEC_UPDATES = ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp", "generation")


def reset_status(obj: Object) -> None:
    """A new object has no status, whatever its author wrote."""
    obj["status"] = {}


def drop_status(obj: Object) -> None:
    """As `reset_status`, for kinds whose empty status does not show."""
    obj.pop("status", None)


def keep_status(new: Object, old: Object) -> None:
    """An update leaves the status alone."""
    if "status" in old:
        new["status"] = old["status"]
    else:
        new.pop("status", None)


def only_status(new: Object, old: Object) -> None:
    """A status update changes status and metadata only."""
    for name in [n for n in new if n not in _NOT_SPEC and n not in old]:
        del new[name]
    for name, value in old.items():
        if name not in _NOT_SPEC:
            new[name] = value


def keep_metadata(new: Object, old: Object) -> None:
    """Takes back changes of labels, annotations, finalizers and owners."""
    ours, theirs = new.setdefault("metadata", {}), old.get("metadata") or {}
    for name in _OWNED_BY_SPEC_UPDATES:
        if name in theirs:
            ours[name] = theirs[name]
        else:
            ours.pop(name, None)


def nothing_but_status(new: Object, old: Object) -> None:
    """A status update that changes the status and no metadata."""
    only_status(new, old)
    keep_metadata(new, old)
