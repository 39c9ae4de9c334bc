"""Nothing is created in a namespace that is missing or on its way out; the namespaces of the system stay."""

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects.errors import forbidden, not_found
from umiak.server.admission._common import refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
CAUSE = "NamespaceTerminating"


def concerns(request: Admitted) -> bool:
    asked = request.attributes
    if asked.resource == "namespaces" and not asked.group:
        return request.operation == "DELETE" and asked.name in IMMORTAL
    # Reviews of access must not tell whether a namespace exists.
    is_review = asked.resource == "localsubjectaccessreviews"
    return request.operation == "CREATE" and bool(asked.namespace) and not is_review


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    asked = request.attributes
    if request.operation == "DELETE":
        raise forbidden("", "namespaces", asked.name, "this namespace may not be deleted")
    namespace = await around.objects.look(NAMESPACE, "", asked.namespace)
    if namespace is None:
        raise not_found("", "namespaces", asked.namespace)
    if (namespace.get("status") or {}).get("phase") == "Terminating":
        error = refuse(
            request, f"unable to create new content in namespace {asked.namespace} because it is being terminated"
        )
        cause = {
            "reason": CAUSE,
            "message": f"namespace {asked.namespace} is being terminated",
            "field": "metadata.namespace",
        }
        error.details = {**(error.details or {}), "causes": [cause]}
        raise error


ADMISSION = Admission(
    name="NamespaceLifecycle",
    order=2,
    phases=(Phase.MUTATE,),
    looks_at=("/core/namespaces/",),
    run=run,
    concerns=concerns,
)
