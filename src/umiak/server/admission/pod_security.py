"""Pods meet the Pod Security Standards that their namespace's labels ask for."""

from collections import Counter

from umiak.api import registry
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects.errors import FieldError, forbidden, invalid, together
from umiak.objects.go_text import quoted
from umiak.objects.meta import annotations, controller_of, labels, name
from umiak.objects.types import Object
from umiak.server.contract import Admission, Admitted, Means, Phase, Surroundings
from umiak.server.pod_security.policy import PREFIX, Policy, Rules, Standard, policy_of

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


class PodSecurity:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def run(self, around: Surroundings, request: Admitted, phase: Phase) -> None:
        asked = request.attributes
        if asked.resource == "namespaces":
            await self._check_namespace(around, request)
            return
        if why := self._rules.exemption(asked.namespace, asked.user.name):
            request.annotations[f"{PREFIX}exempt"] = why
            return
        if asked.resource == "pods" and not is_significant(request):
            return
        namespace = await around.objects.look(NAMESPACE, "", asked.namespace)
        policy, wrong = policy_of(labels(namespace or {}), self._rules.defaults)
        if (policy.is_open and not wrong) or request.new is None:
            if asked.resource == "pods":
                request.annotations[f"{PREFIX}enforce-policy"] = str(Standard())
            return
        if (pod := template_of(request)) is not None:
            self._check_pod(request, pod, policy, wrong)

    def _check_pod(self, request: Admitted, pod: Object, policy: Policy, wrong: list[FieldError]) -> None:
        """Raises 403; only pods are refused, what makes them is warned of."""
        from umiak.server.pod_security.checks import faults, told  # not needed where no namespace asks for it

        asked, spec = request.attributes, pod.get("spec") or {}
        if spec.get("runtimeClassName") in self._rules.runtime_classes:
            request.annotations[f"{PREFIX}exempt"] = "runtimeClass"
            return
        if wrong:
            request.annotations[f"{PREFIX}error"] = f"Failed to parse policy: {together(wrong)}"
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

    async def _check_namespace(self, around: Surroundings, request: Admitted) -> None:
        """Labels must make sense; a stricter policy warns of pods that are there already."""
        new, old, rules = request.new or {}, request.old, self._rules
        policy, wrong = policy_of(labels(new), rules.defaults)
        before, wrong_before = policy_of(labels(old or {}), rules.defaults)
        if wrong and (old is None or wrong != wrong_before):
            raise invalid("", "Namespace", request.attributes.name or name(new), wrong)
        if old is not None and not _is_stricter(policy.enforce, before.enforce):
            return
        if name(new) in rules.namespaces:
            request.warnings += ignored(new, policy, rules.defaults)
        elif old is not None:
            pods = await around.objects.list(registry.find("v1", "Pod"), name(new))
            concerned = [pod for pod in pods if pod["spec"].get("runtimeClassName") not in rules.runtime_classes]
            request.warnings += warnings(name(new), policy.enforce, concerned)


def ignored(namespace: Object, policy: Policy, defaults: Policy) -> list[str]:
    """What is said of labels on a namespace that is exempt."""
    if policy.is_open or policy.is_equivalent(defaults):
        return []
    asked = [
        f"{mode}={standard}"
        for mode, standard in (("enforce", policy.enforce), ("audit", policy.audit), ("warn", policy.warn))
        if standard.level != "privileged"
        and any(f"{PREFIX}{mode}{end}" in labels(namespace) for end in ("", "-version"))
    ]
    but = f"and the policy ({', '.join(asked)}) will be ignored"
    return [f"namespace {quoted(name(namespace))} is exempt from Pod Security, {but}"]


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


def configure(data: bytes, means: Means) -> Admission:
    """Raises Unacceptable."""
    from umiak.server.pod_security.configuration import rules_of

    return _plugin(PodSecurity(rules_of(data)))


def _plugin(security: PodSecurity) -> Admission:
    return Admission(
        name="PodSecurity",
        order=11,
        phases=(Phase.VALIDATE,),
        looks_at=("/core/namespaces/",),
        run=security.run,
        concerns=concerns,
        operations=("CREATE", "UPDATE"),
        resources=("pods", "namespaces", *(resource for _, resource in TEMPLATES)),
        configure=configure,
    )


ADMISSION = _plugin(PodSecurity(Rules()))
