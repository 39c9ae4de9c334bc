"""IngressClass: which controller serves an Ingress."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column, reads
from umiak.api.common.checks import check, domain_prefixed_path, immutable
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, field_forbidden, not_supported, required, too_long
from umiak.objects.types import Object

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def default(obj: Object) -> None:
    parameters = obj.setdefault("spec", {}).get("parameters")
    if parameters and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    spec = obj["spec"]
    controller, ref = spec.get("controller") or "", spec.get("parameters")
    if len(controller) > 250:
        errors.append(too_long("spec.controller", 250))
    domain_prefixed_path(controller, "spec.controller", errors)
    if ref is not None:
        _parameters(ref, "spec.parameters", errors, late)
    return errors + late


def _parameters(ref: Object, path: str, errors: list[FieldError], late: list[FieldError]) -> None:
    if ref.get("apiGroup") is not None:
        check(names.dns_subdomain, ref["apiGroup"], f"{path}.apiGroup", errors)
    for field in ("kind", "name"):
        if ref.get(field):
            check(names.path_segment, ref[field], f"{path}.{field}", errors)
        else:
            late.append(required(f"{path}.{field}"))
    scope, namespace = ref["scope"], ref.get("namespace")
    if scope not in ("Cluster", "Namespace"):
        errors.append(not_supported(f"{path}.scope", scope, ("Cluster", "Namespace")))
    elif scope == "Namespace":
        if namespace is None:
            errors.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
        else:
            check(names.dns_label, namespace, f"{path}.namespace", errors)
    elif namespace is not None:
        errors.append(field_forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    immutable(new["spec"].get("controller") or "", old["spec"].get("controller"), "spec.controller", errors)
    return [*errors, *validate(new)]


def name(obj: Object, now: float) -> Any:
    is_default = (obj["metadata"].get("annotations") or {}).get(DEFAULT_ANNOTATION) == "true"
    return obj["metadata"]["name"] + (" (default)" if is_default else "")


def parameters(obj: Object, now: float) -> Any:
    ref = (obj.get("spec") or {}).get("parameters")
    if not ref:
        return NONE
    group = f".{ref['apiGroup']}" if ref.get("apiGroup") is not None else ""
    return f"{ref.get('kind') or ''}{group}/{ref.get('name') or ''}"


KIND = builtin(
    "networking.k8s.io/v1",
    "IngressClass",
    default=default,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(
        column("Name", name, NAME.description, format="name"),
        column("Controller", reads("spec", "controller"), "Controller that is responsible for handling this class"),
        column("Parameters", parameters, "A reference to a resource with additional parameters"),
        AGE,
    ),
    counts_generation=True,
)
