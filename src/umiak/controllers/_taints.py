"""Taints of nodes, and whether pods tolerate them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from umiak.api.core.node import KIND as NODE
from umiak.objects.meta import format_time, name
from umiak.objects.types import Object
from umiak.reconcile.contract import Context

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
FOREVER = -1


def taints(node: Object, effect: str) -> list[Object]:
    return [t for t in (node.get("spec") or {}).get("taints") or () if t.get("effect") == effect]


def has_taint(node: Object, key: str, effect: str) -> bool:
    return any(t["key"] == key for t in taints(node, effect))


def tolerates(toleration: Object, taint: Object) -> bool:
    """The API's rule: an empty effect or key matches all; Exists ignores the value, Lt and Gt compare integers."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    mine, its = toleration.get("value") or "", taint.get("value") or ""
    if operator in ("Lt", "Gt"):
        try:
            return int(its) < int(mine) if operator == "Lt" else int(its) > int(mine)
        except ValueError:
            return False
    return operator == "Exists" or (operator == "Equal" and mine == its)


def toleration_seconds(tolerations: Sequence[Object], found: Iterable[Object]) -> int | None:
    """How long all of `found` are tolerated: seconds, FOREVER, or None when one is not tolerated at all."""
    used = []
    for taint in found:
        match = next((t for t in tolerations if tolerates(t, taint)), None)
        if match is None:
            return None
        used.append(match)
    limits = [max(0, t["tolerationSeconds"]) for t in used if t.get("tolerationSeconds") is not None]
    return min(limits, default=FOREVER)


def swapped(node: Object, add: Iterable[Object], drop: Iterable[tuple[str, str]], now: datetime) -> list[Object] | None:
    """The node's taints with `add` in and `drop` (key, effect) out; None when that changes nothing."""
    present: list[Object] = (node.get("spec") or {}).get("taints") or []
    wanted = {(t["key"], t["effect"]): t for t in add}
    gone = set(drop) - wanted.keys()
    kept = [t for t in present if (t["key"], t.get("effect", "")) not in gone]
    known = {(t["key"], t.get("effect", "")) for t in kept}
    fresh = [{**t, "timeAdded": format_time(now)} for k, t in wanted.items() if k not in known]
    return [*kept, *fresh] if fresh or len(kept) != len(present) else None


async def swap_taints(ctx: Context, node: Object, add: Iterable[Object], drop: Iterable[tuple[str, str]]) -> bool:
    """Writes the change, if it is one, unless the node has changed meanwhile (then StatusError Conflict)."""
    new = swapped(node, add, drop, ctx.clock.now())
    if new is None:
        return False
    version = node["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "spec": {"taints": new or None}}
    await ctx.client.patch(NODE, name(node), "", patch)
    return True
