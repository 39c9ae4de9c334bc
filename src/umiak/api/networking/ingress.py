"""Ingress: HTTP routes from outside to Services."""

from typing import Any

from umiak.api.common.address_warnings import load_balancer_warnings
from umiak.api.common.cells import AGE, NAME, NONE, column, load_balancer_text, reads
from umiak.api.common.ingress_validation import validate
from umiak.api.common.load_balancer_status import validate_points
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object

_SHOWN = 3


def prepare_create(obj: Object) -> None:
    obj["status"] = {"loadBalancer": {}}


def hosts(obj: Object, now: float) -> Any:
    """The first three rules' hosts; the count of the rest is that of rules, with hosts or without."""
    rules = (obj.get("spec") or {}).get("rules") or ()
    found: list[str] = []
    for rule in rules:
        if len(found) == _SHOWN:
            return f"{','.join(found)} + {len(rules) - _SHOWN} more..."
        if rule.get("host"):
            found.append(rule["host"])
    return ",".join(found) or "*"


def address(obj: Object, now: float) -> Any:
    return load_balancer_text((obj.get("status") or {}).get("loadBalancer"))


def ports(obj: Object, now: float) -> Any:
    return "80, 443" if (obj.get("spec") or {}).get("tls") else "80"


CLASS_ANNOTATION = "kubernetes.io/ingress.class"


def warnings(new: Object, old: Object | None) -> list[str]:
    annotations = (new.get("metadata") or {}).get("annotations") or {}
    if old is not None or CLASS_ANNOTATION not in annotations or new["spec"].get("ingressClassName") is not None:
        return []
    return [f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"]


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    validate_points(new, old, False, errors)
    return errors


KIND = builtin(
    "networking.k8s.io/v1",
    "Ingress",
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    validate_status=validate_status,
    warnings=warnings,
    status_warnings=load_balancer_warnings,
    columns=(
        NAME,
        column(
            "Class",
            reads("spec", "ingressClassName", otherwise=NONE),
            "The name of the IngressClass resource that should be used for additional configuration",
        ),
        column("Hosts", hosts, "Hosts that incoming requests are matched against before the ingress rule"),
        column("Address", address, "Address is a list containing ingress points for the load-balancer"),
        column("Ports", ports, "Ports of TLS configurations that open"),
        AGE,
    ),
    counts_generation=True,
)
