"""ConfigMap: configuration as key and text."""

from umiak.api.common.cells import AGE, NAME, column
from umiak.api.registry import builtin
from umiak.objects.types import Object


def entries(obj: Object, now: float) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


KIND = builtin("v1", "ConfigMap", columns=(NAME, column("Data", entries, "ConfigMap.data"), AGE))
