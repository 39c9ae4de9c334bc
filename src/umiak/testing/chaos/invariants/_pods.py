"""What invariants ask about pods; written apart from the controllers' own, which may be wrong."""

from umiak.objects import meta
from umiak.objects.types import Object


def phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase") or ""


def is_over(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Neither ended nor on its way out."""
    return not is_over(pod) and not meta.is_being_deleted(pod)


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def serves(pod: Object) -> bool:
    """Ready, and to stay."""
    return is_active(pod) and is_ready(pod)


def replicas(obj: Object) -> int:
    found = obj["spec"].get("replicas")
    return 1 if found is None else int(found)


def share(value: int | str | None, whole: int, *, up: bool) -> int:
    """An absolute number or a percentage of `whole`."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%"))
    return -(-percent * whole // 100) if up else percent * whole // 100
