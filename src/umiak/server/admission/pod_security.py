"""Pods meet the Pod Security Standards that their namespace's labels ask for."""

from collections import Counter

from umiak.api import registry
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects.errors import forbidden, invalid
from umiak.objects.meta import annotations, controller_of, labels, name
from umiak.objects.types import Object
from umiak.server.contract import Admission, Admitted, Phase, Surroundings
from umiak.server.pod_security.policy import PREFIX, Standard, policy_of

IGNORED = frozenset({"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"})
TEMPLATES = {
    ("", "replicationcontrollers"): ("spec", "template"),
    ("", "podtemplates"): ("template",),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}
"""Where kinds that make pods keep what the pods will be; they are warned of, never refused."""
MOST_PODS = 3000


def concerns(request: Admitted) -> bool:
    if request.operation not in ("CREATE", "UPDATE"):
        return False
    asked = request.attributes
    place = (asked.group, asked.resource)
    if place == ("", "pods"):
        return asked.subresource not in IGNORED
    return not asked.subresource and (place == ("", "namespaces") or place in TEMPLATES)


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    asked = request.attributes
    if asked.resource == "namespaces":
        await check_namespace(around, request)
        return
    if asked.resource == "pods" and not is_significant(request):
        return
    namespace = await around.objects.look(NAMESPACE, "", asked.namespace)
    policy, _ = policy_of(labels(namespace or {}))
    if policy.is_open or request.new is None:
        if asked.resource == "pods":
            request.annotations[f"{PREFIX}enforce-policy"] = str(Standard())
        return
    from umiak.server.pod_security.checks import faults, told  # not needed where no namespace asks for it

    pod = template_of(request)
    if pod is None:
        return
    spec = pod.get("spec") or {}
    if asked.resource == "pods":
        request.annotations[f"{PREFIX}enforce-policy"] = str(policy.enforce)
    if found := faults(policy.audit, annotations(pod), spec):
        said = f'would violate PodSecurity "{policy.audit}": {told(found)}'
        request.annotations[f"{PREFIX}audit-violations"] = said
    if asked.resource == "pods" and (found := faults(policy.enforce, annotations(pod), spec)):
        why = f'violates PodSecurity "{policy.enforce}": {told(found)}'
        raise forbidden(asked.group, asked.resource, asked.name, why)
    if found := faults(policy.warn, annotations(pod), spec):
        request.warnings.append(f'would violate PodSecurity "{policy.warn}": {told(found)}')


def template_of(request: Admitted) -> Object | None:
    """The pod, or the part of the object that will become one."""
    part: Object | None = request.new
    for field in TEMPLATES.get((request.attributes.group, request.attributes.resource), ()):
        part = (part or {}).get(field)
    return part


def is_significant(request: Admitted) -> bool:
    """Updates of pods matter when a container or an image changes."""
    if request.old is None:
        return True
    new, old = (request.new or {}).get("spec") or {}, request.old.get("spec") or {}
    for field in ("containers", "initContainers"):
        if [c.get("image") for c in new.get(field) or ()] != [c.get("image") for c in old.get(field) or ()]:
            return True
    known = {c.get("name"): c.get("image") for c in old.get("ephemeralContainers") or ()}
    return any(known.get(c.get("name")) != c.get("image") for c in new.get("ephemeralContainers") or ())


async def check_namespace(around: Surroundings, request: Admitted) -> None:
    """Labels must make sense; a stricter policy warns of pods that are there already."""
    new, old = request.new or {}, request.old
    policy, wrong = policy_of(labels(new))
    before, wrong_before = policy_of(labels(old or {}))
    if wrong and (old is None or wrong != wrong_before):
        raise invalid("", "Namespace", request.attributes.name or name(new), wrong)
    if old is None or not _is_stricter(policy.enforce, before.enforce):
        return
    request.warnings += warnings(
        name(new), policy.enforce, await around.objects.list(registry.find("v1", "Pod"), name(new))
    )


def _is_stricter(new: Standard, old: Standard) -> bool:
    if new == old or new.level == "privileged":
        return False
    return new.version != old.version or new.strictness > old.strictness


def warnings(namespace: str, standard: Standard, pods: list[Object]) -> list[str]:
    """What is wrong with pods that are there; one of each controller is looked at first."""
    from umiak.server.pod_security.checks import faults

    checked = _by_controller(pods)[:MOST_PODS]
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for pod in checked:
        if found := faults(standard, annotations(pod), pod.get("spec") or {}):
            text = ", ".join(what for what, _ in found)
            counts[text] += 1
            first[text] = min(first.get(text, name(pod)), name(pod))
    said = []
    if len(checked) < len(pods):
        only = f"the first {len(checked)} of {len(pods)} existing pods"
        said.append(f"new PodSecurity enforce level only checked against {only}")
    if counts:
        said.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{standard}"')
    return said + sorted(f"{first[text]}{_others(count)}: {text}" for text, count in counts.items())


def _others(count: int) -> str:
    return "" if count == 1 else f" (and {count - 1} other pod{'s' if count > 2 else ''})"


def _by_controller(pods: list[Object]) -> list[Object]:
    seen: set[str] = set()
    first: list[Object] = []
    rest: list[Object] = []
    for pod in pods:
        owner = (controller_of(pod) or {}).get("uid", "")
        (rest if owner in seen else first).append(pod)
        if owner:
            seen.add(owner)
    return first + rest


ADMISSION = Admission(
    name="PodSecurity",
    order=11,
    phases=(Phase.VALIDATE,),
    looks_at=("/core/namespaces/",),
    run=run,
    concerns=concerns,
    operations=("CREATE", "UPDATE"),
    resources=("pods", "namespaces", *(resource for _, resource in TEMPLATES)),
)
