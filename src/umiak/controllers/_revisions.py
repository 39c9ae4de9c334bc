"""ControllerRevisions: the past templates of a StatefulSet or DaemonSet, to which one can go back."""

from collections.abc import Iterable, Sequence
from typing import Any

from umiak.api.apps import controllerrevision
from umiak.api.kind import Kind
from umiak.controllers._claims import candidates, claim
from umiak.controllers._hash import same
from umiak.controllers._pods import by_age
from umiak.objects import meta
from umiak.objects.selectors import Selector
from umiak.objects.types import Object
from umiak.reconcile.contract import Context

LABEL = "controller-revision-hash"


def number(revision: Object) -> int:
    return revision.get("revision") or 0


def by_number(revision: Object) -> tuple[int, tuple[str, str]]:
    """Sort key: oldest first."""
    return number(revision), by_age(revision)


def highest(revisions: Iterable[Object]) -> int:
    return max(map(number, revisions), default=0)


def template_patch(owner: Object) -> Object:
    """The strategic merge patch that restores the owner's present template, with the keys of every object sorted: the
    reference compares such patches byte by byte, as Go writes maps."""
    return {"spec": {"template": _sorted({**owner["spec"]["template"], "$patch": "replace"})}}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(v) for v in value] if isinstance(value, list) else value


def apply_template(owner: Object, revision: Object) -> Object:
    """The owner as it was with the revision's template."""
    template = {k: v for k, v in revision["data"]["spec"]["template"].items() if k != "$patch"}
    return {**owner, "spec": {**owner["spec"], "template": template}}


def records(revision: Object, data: Object) -> bool:
    """Whether the revision holds that patch."""
    return same(revision.get("data"), data)


def new_revision(owner: Object, name: str, labels: dict[str, str], data: Object, count: int) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": meta.namespace(owner),
            "labels": labels,
            "ownerReferences": [meta.owner_reference(owner)],
        },
        "data": data,
        "revision": count,
    }


async def claim_all(ctx: Context, owner_kind: Kind, owner: Object, selector: Selector) -> list[Object]:
    """The owner's revisions, oldest first, orphans taken in."""
    known = candidates(ctx.cache, controllerrevision.KIND, owner, selector)
    claimed = await claim(ctx, controllerrevision.KIND, owner_kind, owner, selector, known)
    return sorted(claimed, key=by_number)


async def renumber(ctx: Context, revision: Object, count: int) -> Object:
    """Gives an old revision a new number: somebody went back to it."""
    if number(revision) == count:
        return revision
    return await ctx.client.update(controllerrevision.KIND, {**revision, "revision": count})


def expendable(old: Sequence[Object], live: set[str], limit: int, label: str = LABEL) -> list[Object]:
    """The oldest revisions beyond `limit` of which no pod is (`live` are the pods' label values)."""
    surplus = len(old) - limit
    dead = [r for r in sorted(old, key=by_number) if meta.labels(r).get(label) not in live]
    return dead[: max(0, surplus)]
