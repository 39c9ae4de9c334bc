"""DeviceClass: a named choice of devices."""

from umiak.api.common.cells import AGE, NAME
from umiak.api.common.checks import Errors
from umiak.api.common.device_requests import MOST_SELECTORS, configuration
from umiak.api.common.expressions import device_selectors
from umiak.api.common.resource_requirements import is_extended
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value, too_many
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    late: Errors = []
    spec = obj.get("spec") or {}
    selectors = spec.get("selectors") or []
    device_selectors(selectors, "spec.selectors", errors)
    if len(selectors) > MOST_SELECTORS:
        late.append(too_many("spec.selectors", len(selectors), MOST_SELECTORS))
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
