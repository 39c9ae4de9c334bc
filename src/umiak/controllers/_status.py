"""Status fields and conditions as the reference writes them."""

from collections.abc import Collection
from datetime import datetime

from umiak.objects.meta import format_time
from umiak.objects.types import Object


def compact(status: Object, keep: Collection[str] = ()) -> Object:
    """Drops what Go's `omitempty` drops: zero, empty text, empty list, nothing; `keep` names the exceptions."""
    return {k: v for k, v in status.items() if k in keep or (v is not None and v != 0 and v != "" and v != [])}


def find_condition(status: Object, type: str) -> Object | None:
    return next((c for c in status.get("conditions") or () if c["type"] == type), None)


def with_condition(obj: Object, condition: Object) -> Object:
    """The change of a status (strategic merge) that puts one condition at the end, or where one of its type stands."""
    types = [c["type"] for c in (obj.get("status") or {}).get("conditions") or ()]
    order = [{"type": type} for type in dict.fromkeys([*types, condition["type"]])]
    return {"$setElementOrder/conditions": order, "conditions": [condition]}


def drop_condition(status: Object, type: str) -> None:
    kept = [c for c in status.get("conditions") or () if c["type"] != type]
    if kept:
        status["conditions"] = kept
    else:
        status.pop("conditions", None)


def put_condition(status: Object, condition: Object) -> None:
    """Adds or replaces, moving it to the end."""
    drop_condition(status, condition["type"])
    status["conditions"] = [*(status.get("conditions") or ()), condition]


def new_condition(type: str, value: str, reason: str, message: str, now: datetime) -> Object:
    """A condition that became so now; empty texts are left out."""
    made = {"type": type, "status": value, "lastTransitionTime": format_time(now), "reason": reason, "message": message}
    return {k: v for k, v in made.items() if v}
