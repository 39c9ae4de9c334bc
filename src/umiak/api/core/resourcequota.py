"""ResourceQuota: how much the objects of a namespace may use together."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.resources import round_up
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    for part in (obj.setdefault("spec", {}), obj.get("status") or {}):
        for name in ("hard", "used"):
            if part.get(name):
                round_up(part[name])


def usage(limits: bool) -> Any:
    """A cell with used and allowed amounts, of limits or of all else."""

    def cell(obj: Object, now: float) -> Any:
        status = obj.get("status") or {}
        used, hard = status.get("used") or {}, status.get("hard") or {}
        names = sorted(n for n in hard if n.startswith("limits.") == limits)
        return ", ".join(f"{n}: {used.get(n, '0')}/{hard[n]}" for n in names)

    return cell


KIND = builtin(
    "v1",
    "ResourceQuota",
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=only_status,
    columns=(
        NAME,
        column(
            "Request",
            usage(limits=False),
            "Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        column(
            "Limit",
            usage(limits=True),
            "Limits control the maximum amount of cpu/memory that a container may use"
            " independent of contention on the node.",
        ),
        AGE,
    ),
    deletion_returns_object=True,
)
