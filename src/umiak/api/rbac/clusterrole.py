"""ClusterRole: what may be done in every namespace, on cluster-wide kinds and on paths."""

from umiak.api.common.checks import label_selector
from umiak.api.common.metadata import path_segment
from umiak.api.common.rbac import rules
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value, required
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    errors, late = rules(obj, namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None:
        _aggregation(aggregation.get("clusterRoleSelectors") or [], errors)
    return errors + late


def _aggregation(selectors: list[Object], errors: list[FieldError]) -> None:
    path = "aggregationRule.clusterRoleSelectors"
    if not selectors:
        text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        errors.append(required(path, text))
    for index, selector in enumerate(selectors):
        before = len(errors)
        label_selector(selector, f"{path}[{index}]", errors)
        if len(errors) > before:
            errors.append(invalid_value(f"{path}[{index}]", None, "invalid label selector."))


KIND = builtin(
    "rbac.authorization.k8s.io/v1", "ClusterRole", validate=validate, validate_name=path_segment, creates_on_update=True
)
