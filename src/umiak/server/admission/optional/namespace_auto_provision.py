"""A namespace is made when something is put into it (`plugin/pkg/admission/namespace/autoprovision`)."""

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects.errors import StatusError
from umiak.server.admission._common import refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings


def concerns(request: Admitted) -> bool:
    asked = request.attributes
    is_namespace = asked.resource == "namespaces" and not asked.group
    return request.operation == "CREATE" and bool(asked.namespace) and not is_namespace and not request.dry_run


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    where = request.attributes.namespace
    if await around.objects.find(NAMESPACE, "", where) is not None:
        return
    made = {
        "metadata": {"name": where, "labels": {"kubernetes.io/metadata.name": where}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
    try:
        await around.objects.create(NAMESPACE, made)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise refuse(request, error.message) from None


ADMISSION = Admission(name="NamespaceAutoProvision", order=1, phases=(Phase.MUTATE,), run=run, concerns=concerns)
