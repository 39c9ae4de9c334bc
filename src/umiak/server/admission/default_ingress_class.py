"""An ingress that names no class gets the default one, if there is one."""

from umiak.api import registry
from umiak.objects.meta import annotations, name
from umiak.server.admission._common import is_resource
from umiak.server.admission._defaults import newest_default
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

MARK = "ingressclass.kubernetes.io/is-default-class"
OLD_CLASS = "kubernetes.io/ingress.class"


def concerns(request: Admitted) -> bool:
    return is_resource(request, "networking.k8s.io", "ingresses", "CREATE")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    ingress = request.new
    assert ingress is not None
    if OLD_CLASS in annotations(ingress) or (ingress.get("spec") or {}).get("ingressClassName") is not None:
        return
    if default := newest_default(
        await around.objects.look_all(registry.find("networking.k8s.io/v1", "IngressClass")), MARK
    ):
        ingress.setdefault("spec", {})["ingressClassName"] = name(default)


ADMISSION = Admission(
    name="DefaultIngressClass", order=28, phases=(Phase.MUTATE,), run=run, concerns=concerns, resources=("ingresses",)
)
