"""IngressClass: which controller serves an Ingress."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column, reads
from umiak.api.registry import builtin
from umiak.objects.types import Object

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def default(obj: Object) -> None:
    parameters = obj.setdefault("spec", {}).get("parameters")
    if parameters and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


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
    columns=(
        column("Name", name, NAME.description, format="name"),
        column("Controller", reads("spec", "controller"), "Controller that is responsible for handling this class"),
        column("Parameters", parameters, "A reference to a resource with additional parameters"),
        AGE,
    ),
    counts_generation=True,
)
