"""What admission plugins share: refusing a request, and the parts of pods they look at."""

from collections.abc import Iterator

from umiak.objects.errors import StatusError, forbidden
from umiak.objects.meta import annotations
from umiak.objects.types import Object
from umiak.server.contract import Admitted

MIRROR = "kubernetes.io/config.mirror"
SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and nothing that looks like another, so that chance makes no words."""


def refuse(request: Admitted, why: str) -> StatusError:
    """403 about the object of the request, by the name it has or will be given one from."""
    asked = request.attributes
    about = (request.new or {}).get("metadata") or {}
    name = asked.name or about.get("name") or about.get("generateName") or "Unknown"
    return forbidden(asked.group, asked.resource, name, why)


def is_resource(request: Admitted, group: str, resource: str, *operations: str, subresource: str = "") -> bool:
    asked = request.attributes
    return (
        asked.resource == resource
        and asked.group == group
        and asked.subresource == subresource
        and request.operation in operations
    )


def is_pod(request: Admitted, *operations: str, subresource: str = "") -> bool:
    asked = request.attributes
    is_one = asked.resource == "pods" and not asked.group and asked.subresource == subresource
    return is_one and request.operation in operations


def is_mirror(pod: Object) -> bool:
    """Whether a node made the pod to show one of its static pods."""
    return MIRROR in annotations(pod)


def containers(spec: Object, *, ephemeral: bool = True) -> Iterator[tuple[str, Object]]:
    """(path, container) of all containers: those that start first come first."""
    fields = ("initContainers", "containers", "ephemeralContainers") if ephemeral else ("initContainers", "containers")
    for field in fields:
        for i, container in enumerate(spec.get(field) or ()):
            yield f"spec.{field}[{i}]", container
