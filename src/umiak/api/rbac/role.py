"""Role: what may be done inside a namespace."""

from umiak.api.common.metadata import path_segment
from umiak.api.common.rbac import rules
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    errors, late = rules(obj, namespaced=True)
    return errors + late


KIND = builtin(
    "rbac.authorization.k8s.io/v1", "Role", validate=validate, validate_name=path_segment, creates_on_update=True
)
