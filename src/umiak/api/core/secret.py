"""Secret: confidential data by key."""

import base64

from umiak.api.common.cells import AGE, NAME, column, counts, reads
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    """`stringData` is for writing only: it is stored as `data`, and wins over it."""
    texts = obj.pop("stringData", None)
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    if not obj.get("type"):
        obj["type"] = "Opaque"


KIND = builtin(
    "v1",
    "Secret",
    default=default,
    columns=(NAME, column("Type", reads("type"), "Secret.type"), column("Data", counts("data"), "Secret.data"), AGE),
    selectable={"type": lambda obj: obj.get("type") or ""},
)
