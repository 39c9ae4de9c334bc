"""NetworkPolicy: which pods may talk to which."""

from umiak.api.common.cells import AGE, NAME, column, selects
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            if port.get("protocol") is None:
                port["protocol"] = "TCP"


KIND = builtin(
    "networking.k8s.io/v1",
    "NetworkPolicy",
    default=default,
    columns=(NAME, column("Pod-Selector", selects("spec", "podSelector"), "NetworkPolicySpec.podSelector"), AGE),
    counts_generation=True,
)
