"""DeviceClass: a named choice of devices."""

from umiak.api.common.cells import AGE, NAME
from umiak.api.common.checks import Errors
from umiak.api.common.device_requests import configuration
from umiak.api.common.resource_requirements import is_extended
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    """Apart from what its selectors mean."""
    errors: Errors = []
    late: Errors = []
    spec = obj.get("spec") or {}
    for index, config in enumerate(spec.get("config") or ()):
        configuration(config, f"spec.config[{index}]", errors, late)
    name = spec.get("extendedResourceName")
    if name is not None and not is_extended(name):
        late.append(invalid_value("spec.extendedResourceName", name, "must be a valid extended resource name"))
    return errors + late


KIND = builtin(
    "resource.k8s.io/v1",
    "DeviceClass",
    validate=validate,
    columns=(NAME, AGE),
    counts_generation=True,
    deletion_returns_object=True,
)
