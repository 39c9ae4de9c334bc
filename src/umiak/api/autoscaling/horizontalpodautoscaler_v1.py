"""HorizontalPodAutoscaler (v1): the older form of the same objects; kept, checked and shown as v2."""

from typing import Any

from msgspec.structs import replace

from umiak.api.autoscaling._versions import NOTES, to_v1, to_v2
from umiak.api.autoscaling.horizontalpodautoscaler import COLUMNS
from umiak.api.autoscaling.horizontalpodautoscaler import default as default_v2
from umiak.api.common import scaling_rules
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.kind import Column
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object


def default(obj: Object) -> None:
    """Also applies what only the conversion knows: the assumed CPU utilization, metrics noted in annotations."""
    spec = obj.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    obj.update(to_v1(to_v2(obj)))


def prepare_create(obj: Object) -> None:
    obj["status"] = {"currentReplicas": 0, "desiredReplicas": 0}


def validate(obj: Object) -> list[FieldError]:
    """The rules of v2 hold for what is stored."""
    stored = to_v2(obj)
    default_v2(stored)
    return scaling_rules.validate(stored)


def _of_newer(column: Column) -> Column:
    def cell(obj: Object, now: float) -> Any:
        return column.cell(to_v2(obj), now)

    return replace(column, cell=cell)


KIND = builtin(
    "autoscaling/v1",
    "HorizontalPodAutoscaler",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    to_storage=to_v2,
    from_storage=to_v1,
    storage_version="v2",
    columns=tuple(map(_of_newer, COLUMNS)),
    annotated_fields=NOTES,
    counts_generation=True,
)
