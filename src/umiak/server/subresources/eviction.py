"""`pods/eviction`: a deletion that disruption budgets may refuse (KEP-85)."""

from functools import cache
from typing import Any

from umiak.api import registry
from umiak.api.kind import Kind
from umiak.objects.errors import (
    StatusError,
    bad_request,
    forbidden,
    too_many_requests,
)
from umiak.objects.meta import format_time
from umiak.objects.selectors import InvalidSelector, from_label_selector
from umiak.objects.types import Object
from umiak.server import bodies, metadata, representation
from umiak.server.answer import Answer, success
from umiak.server.call import Call
from umiak.server.contract import Phase
from umiak.server.options import DeleteOptions, read_delete_options, write_options
from umiak.server.part import SubresourceHandlers
from umiak.server.subresources.binding import set_condition
from umiak.server.verbs.delete import delete_object

MOST_DISRUPTED = 2000
"""Evictions that nobody has confirmed yet."""
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


@cache
def kinds() -> tuple[Kind, Kind]:
    """(Eviction, PodDisruptionBudget)."""
    from umiak.api import compiled
    from umiak.api.schema import Schema

    def load_schema() -> Schema:
        return compiled.schema("policy/v1", "Eviction")

    eviction = Kind(
        group="policy",
        version="v1",
        kind="Eviction",
        plural="evictions",
        singular="eviction",
        namespaced=True,
        verbs=(),
        load_schema=load_schema,
    )
    return eviction, registry.find("policy/v1", "PodDisruptionBudget")


async def create(call: Call) -> Answer:
    eviction_kind, _ = kinds()
    options = write_options(call.request, "CreateOptions")
    eviction = bodies.read_object(call, eviction_kind, options.directive)
    metadata.ensure_namespace(metadata.of(eviction), call.namespace)
    admitted = call.admitted("CREATE", eviction, None, options.as_object("CreateOptions"), options.dry_run)
    await call.app.gate.pass_through(admitted, Phase.MUTATE)
    if (metadata.of(eviction).get("name") or "") != call.name:
        raise bad_request("name in URL does not match name in Eviction object")
    deletion = read_delete_options(eviction.get("deleteOptions") or {})
    deletion.dry_run_values = deletion.dry_run_values or options.dry_run_values
    await call.app.gate.pass_through(admitted, Phase.VALIDATE)
    await _evict(call, deletion)
    return representation.of_value(call, success(201), 201)


async def _evict(call: Call, deletion: DeleteOptions) -> None:
    pod = await call.app.objects.get(call.kind, call.namespace, call.name)
    if not is_beyond_budgets(pod):
        await _ask_budget(call, pod, deletion)
    await _mark(call, deletion)
    await delete_object(call, call.namespace, call.name, deletion, admitted_before=True)


def is_beyond_budgets(pod: Object) -> bool:
    """Whether the pod counts for nobody any more, or not yet."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


async def _ask_budget(call: Call, pod: Object, deletion: DeleteOptions) -> None:
    """Counts the pod as disrupted. Raises 429 when the budget does not allow it."""
    _, budgets = kinds()
    found = [b for b in await call.app.objects.list(budgets, call.namespace) if _covers(b, pod)]
    if len(found) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise StatusError(500, "", text)
    if not found or may_go_unhealthy(found[0], pod):
        return

    def take(budget: Object) -> Object | None:
        check(budget)
        if deletion.dry_run:
            return None
        status = budget["status"]
        status["disruptionsAllowed"] -= 1
        now = format_time(call.app.clock.now())
        status["disruptedPods"] = {**(status.get("disruptedPods") or {}), call.name: now}
        return budget

    await call.app.objects.modify(budgets, call.namespace, found[0]["metadata"]["name"], take, "status")


def _covers(budget: Object, pod: Object) -> bool:
    try:
        selector = from_label_selector((budget.get("spec") or {}).get("selector"))
    except InvalidSelector:
        return False
    return selector.matches(pod["metadata"].get("labels"))


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def may_go_unhealthy(budget: Object, pod: Object) -> bool:
    """A pod that is not ready may go when its policy says so, or enough others are healthy."""
    if is_ready(pod):
        return False
    status = budget.get("status") or {}
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired: int = status.get("desiredHealthy") or 0
    return desired > 0 and (status.get("currentHealthy") or 0) >= desired


def check(budget: Object) -> None:
    """Raises what refuses a disruption."""
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if (status.get("observedGeneration") or 0) < (budget["metadata"].get("generation") or 0):
        raise _refusal(10, f"The disruption budget {name} is still being processed by the server.")
    allowed = status.get("disruptionsAllowed") or 0
    if allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative", "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise _forbidden(name, why, "too many pending evictions not confirmed by PDB controller")
    if allowed == 0:
        raise _refusal(0, _why(name, status))


def _refusal(retry_after: int, message: str) -> StatusError:
    error = too_many_requests(REFUSED, retry_after)
    error.details = {"causes": [{"reason": "DisruptionBudget", "message": message}]}
    if retry_after:
        error.details["retryAfterSeconds"] = retry_after
    return error


def _forbidden(name: str, why: str, cause: str) -> StatusError:
    error = forbidden("policy", "poddisruptionbudget", name, why)
    message = f"The disruption budget {name} does not allow evicting pods currently: {cause}"
    error.details = {**(error.details or {}), "causes": [{"reason": "DisruptionBudget", "message": message}]}
    return error


def _why(name: str, status: Object) -> str:
    text = f"The disruption budget {name} does not allow evicting pods currently"
    blocked: Any = next((c for c in status.get("conditions") or () if c.get("type") == "DisruptionAllowed"), {})
    told = blocked.get("status") == "False" and bool(blocked.get("message"))
    if told and blocked.get("reason") == "SyncFailed":
        return f"{text} because it failed sync: {blocked['message']}"
    current, desired = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
    if current <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
    return f"{text} ({blocked.get('reason', '')}): {blocked['message']}" if told else text


async def _mark(call: Call, deletion: DeleteOptions) -> None:
    """The pod says why it ends."""
    if deletion.dry_run:
        return
    now = format_time(call.app.clock.now())
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }

    marked: list[bool] = []

    def mark(pod: Object) -> Object | None:
        about = pod["metadata"]
        for wanted, field in ((deletion.uid, "uid"), (deletion.resource_version, "resourceVersion")):
            if wanted is not None and wanted != about[field]:
                return None  # the deletion will say so
        set_condition(pod.setdefault("status", {}), condition, now)
        marked.append(True)
        return pod

    pod = await call.app.objects.modify(call.kind, call.namespace, call.name, mark)
    if marked and deletion.resource_version is not None:
        deletion.resource_version = pod["metadata"]["resourceVersion"]


SUBRESOURCE = SubresourceHandlers(name="eviction", of=(("", "pods"),), methods={"POST": create})
