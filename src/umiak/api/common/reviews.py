"""What the reviews of access share.

Source: `pkg/apis/authorization/validation`.
"""

from umiak.api.common.checks import Errors
from umiak.objects.errors import invalid_value
from umiak.objects.types import Object

_ONE_QUESTION = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
_NOBODY = "at least one of user or group must be specified"


def question(spec: Object, errors: Errors, about_self: bool = False) -> None:
    """Who asks for what."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        shown = {"Path": path.get("path") or "", "Verb": path.get("verb") or ""}
        errors.append(invalid_value("spec", shown, _ONE_QUESTION))
    if resource is None and path is None:
        errors.append(invalid_value("spec.resourceAttributes", path, _ONE_QUESTION))
    if not about_self and not spec.get("user") and not spec.get("groups"):
        errors.append(invalid_value("spec.user", spec.get("user") or "", _NOBODY))


def inside(obj: Object, errors: Errors) -> None:
    """A local review asks about its own namespace."""
    spec, namespace = obj.get("spec") or {}, (obj.get("metadata") or {}).get("namespace") or ""
    resource = spec.get("resourceAttributes")
    if resource is not None and (resource.get("namespace") or "") != namespace:
        text = "must match metadata.namespace"
        errors.append(invalid_value("spec.resourceAttributes.namespace", resource.get("namespace") or "", text))
    if spec.get("nonResourceAttributes") is not None:
        text = "disallowed on this kind of request"
        errors.append(invalid_value("spec.nonResourceAttributes", spec["nonResourceAttributes"], text))
