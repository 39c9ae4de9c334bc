"""Nothing is written where there is no namespace (`plugin/pkg/admission/namespace/exists`)."""

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects.errors import not_found
from umiak.server.contract import Admission, Admitted, Phase, Surroundings


def concerns(request: Admitted) -> bool:
    asked = request.attributes
    is_namespace = asked.resource == "namespaces" and not asked.group
    return bool(asked.namespace) and not is_namespace and request.operation in ("CREATE", "UPDATE", "DELETE")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    where = request.attributes.namespace
    if await around.objects.find(NAMESPACE, "", where) is None:
        raise not_found("", "namespaces", where)


ADMISSION = Admission(name="NamespaceExists", order=3, phases=(Phase.VALIDATE,), run=run, concerns=concerns)
