"""IPAddress: one address of a Service range that is taken."""

from typing import Any

from umiak.api.common.cells import NAME, NONE, column
from umiak.api.registry import builtin
from umiak.objects.types import Object


def parent(obj: Object, now: float) -> Any:
    """The owner as `resource.group/namespace/name`, lower case in its first part."""
    ref = (obj.get("spec") or {}).get("parentRef")
    if not ref:
        return NONE
    group = f".{ref['group']}" if ref.get("group") else ""
    namespace = f"/{ref['namespace']}" if ref.get("namespace") else ""
    return f"{ref.get('resource') or ''}{group}".lower() + f"{namespace}/{ref.get('name') or ''}"


KIND = builtin(
    "networking.k8s.io/v1",
    "IPAddress",
    columns=(NAME, column("ParentRef", parent, "IPAddressSpec.parentRef")),
)
