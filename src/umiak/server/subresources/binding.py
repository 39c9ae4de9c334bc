"""`pods/binding` and `bindings`: a pod gets its node, once."""

from functools import cache

from umiak.api import registry
from umiak.api.kind import Kind
from umiak.objects import names
from umiak.objects.errors import StatusError, bad_request, conflict, invalid_value, not_found
from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server import bodies, metadata, representation, stored
from umiak.server.answer import Answer, success, unknown_failure
from umiak.server.call import Call
from umiak.server.change import storage_place
from umiak.server.contract import Phase
from umiak.server.options import write_options
from umiak.server.part import SubresourceHandlers
from umiak.store.contract import Mismatch


@cache
def kinds() -> tuple[Kind, Kind]:
    """(Binding, Pod)."""
    return registry.find("v1", "Binding"), registry.find("v1", "Pod")


async def create(call: Call) -> Answer:
    binding_kind, _ = kinds()
    options = write_options(call.request, "CreateOptions")
    binding = bodies.read_object(call, binding_kind, options.directive)
    about = metadata.of(binding)
    metadata.ensure_namespace(about, call.namespace)
    name = about.get("name") or ""
    admitted = call.admitted("CREATE", binding, None, options.as_object("CreateOptions"), options.dry_run, name)
    await call.app.gate.pass_through(admitted, Phase.MUTATE)
    if call.name and call.name != name:
        raise bad_request("name in URL does not match name in Binding object")
    _check_target(binding.get("target") or {})
    await call.app.gate.pass_through(admitted, Phase.VALIDATE)
    if not name:
        raise bad_request("Name parameter required.")
    if odd := names.path_segment(name):
        raise bad_request(f'Name parameter invalid: "{name}": {"; ".join(odd)}')
    await _assign(call, binding, name, options.dry_run)
    return representation.of_value(call, success(201), 201)


def _check_target(target: Object) -> None:
    """The reference answers these without wrapping them as invalid: 500."""
    faults = []
    if target.get("kind") not in (None, "", "Node"):
        faults.append(f'target.kind: Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"')
    if not target.get("name"):
        faults.append("target.name: Required value")
    else:
        faults += [str(invalid_value("target.name", target["name"], t)) for t in names.dns_subdomain(target["name"])]
    if faults:
        raise unknown_failure(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")


async def _assign(call: Call, binding: Object, name: str, dry_run: bool) -> None:
    _, pods = kinds()
    key = pods.store_key(call.namespace, name)
    while True:
        entry = await call.app.store.latest(key)
        if entry is None:
            raise not_found("", "pods", name)
        pod = stored.read(pods, entry.value)
        _check_preconditions(pods, binding["metadata"], pod)
        if why := refusal(pod):
            raise conflict("", "pods/binding", name, why)
        bind(pod, binding, format_time(call.app.clock.now()))
        if dry_run:
            return
        try:
            await call.app.store.put(key, stored.render(pods, pod), expect=entry.modified)
        except Mismatch:
            continue
        return


def _check_preconditions(pods: Kind, asked: Object, pod: Object) -> None:
    about = pod["metadata"]
    place = f"/registry/{storage_place(pods)}/{about['namespace']}/{about['name']}"
    for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if asked.get(field) and asked[field] != about[field]:
            raise _precondition_failed(about["name"], place, label, asked[field], about[field])


def _precondition_failed(name: str, place: str, label: str, wanted: str, found: str) -> StatusError:
    why = (
        f"StorageError: invalid object, Code: 4, Key: {place}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {found}"
    )
    return conflict("", "pods", name, why)


def refusal(pod: Object) -> str:
    """Why the pod can not be bound, or nothing."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    if pod["metadata"].get("deletionTimestamp"):
        return f"pod {name} is being deleted, cannot be assigned to a host"
    if spec.get("nodeName"):
        return f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    if spec.get("schedulingGates"):
        return f"pod {name} has non-empty .spec.schedulingGates"
    return ""


def bind(pod: Object, binding: Object, now: str) -> None:
    pod["spec"]["nodeName"] = binding["target"]["name"]
    about, asked, status = pod["metadata"], binding["metadata"], pod.setdefault("status", {})
    for field in ("annotations", "labels"):
        if asked.get(field):
            about[field] = {**(about.get(field) or {}), **asked[field]}
    status.pop("nominatedNodeName", None)
    set_condition(status, {"type": "PodScheduled", "status": "True"}, now)


def set_condition(status: Object, wanted: Object, now: str) -> None:
    """Adds the condition, or replaces the one of its type; the time of transition moves when the status changes."""
    conditions = status.setdefault("conditions", [])
    for index, found in enumerate(conditions):
        if found.get("type") == wanted["type"]:
            same = found.get("status") == wanted["status"]
            since = found.get("lastTransitionTime") if same else now
            conditions[index] = {**_blank(), **wanted, "lastTransitionTime": since}
            return
    conditions.append({**_blank(), **wanted, "lastTransitionTime": now})


def _blank() -> Object:
    """Fields of a pod condition that are written even when nobody set them."""
    return {"lastProbeTime": None}


SUBRESOURCE = SubresourceHandlers(name="binding", of=(("", "pods"),), methods={"POST": create})
