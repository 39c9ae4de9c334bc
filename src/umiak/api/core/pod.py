"""Pod: containers that share a node, a network address and volumes."""

from typing import Any

from umiak.api.common import switched_off
from umiak.api.common.address_warnings import address_warnings
from umiak.api.common.cells import AGE, NAME, column, or_else
from umiak.api.common.checks import nonnegative
from umiak.api.common.pod_containers import image_without_spaces
from umiak.api.common.pod_defaults import default_pod_spec
from umiak.api.common.pod_levels import default_pod_resources, quality_of_service
from umiak.api.common.pod_profiles import APP_ARMOR, APP_ARMOR_TEXT, app_armor_profile, containers, disagreements
from umiak.api.common.pod_status import validate_status
from umiak.api.common.pod_table import readiness_gates, ready, restarts, state
from umiak.api.common.pod_update import validate_update
from umiak.api.common.pod_validation import pod_annotations, pod_spec
from umiak.api.common.pod_warnings import name_warnings, pod_warnings
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
from umiak.objects.encoding import to_json
from umiak.objects.errors import FieldError, field_forbidden
from umiak.objects.types import Object

GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or ():
            _default_requests(container.get("resources"))
            if spec.get("hostNetwork"):
                _default_host_ports(container)
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    default_pod_spec(spec)
    status = obj.get("status")
    if status:
        _default_addresses(status)


def _default_requests(resources: Object | None) -> None:
    """What is limited and not requested is requested to the limit."""
    limits = (resources or {}).get("limits")
    if resources and limits:
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _default_host_ports(container: Object) -> None:
    for port in container.get("ports") or ():
        if not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]


def _default_addresses(status: Object) -> None:
    """Keeps `podIP` and the first of `podIPs` the same; the former wins."""
    first, every = status.get("podIP"), status.get("podIPs")
    if first and (not every or every[0].get("ip") != first):
        status["podIPs"] = [{"ip": first}]
    elif every and not first:
        status["podIP"] = every[0].get("ip") or ""


def prepare_create(obj: Object) -> None:
    spec = obj["spec"]
    status: Object = {"phase": "Pending"}
    obj["status"] = status
    if spec.get("schedulingGates"):
        now = (obj.get("metadata") or {}).get("creationTimestamp")
        status["conditions"] = [{**GATED, "lastProbeTime": None, "lastTransitionTime": now}]
    _copy_app_armor(spec, (obj.get("metadata") or {}).get("annotations"))
    if spec.get("affinity") or spec.get("topologySpreadConstraints"):
        _select_by_label_keys(spec, (obj.get("metadata") or {}).get("labels") or {})
    if spec.get("resources"):
        default_pod_resources(spec)
    status["qosClass"] = quality_of_service(spec)


def status_warnings(new: Object, old: Object) -> list[str]:
    status = new.get("status") or {}
    return [
        text
        for field in ("podIPs", "hostIPs")
        for index, address in enumerate(status.get(field) or ())
        for text in address_warnings(f"status.{field}[{index}].ip", address.get("ip") or "")
    ]


def early_warnings(obj: Object) -> list[str]:
    """Of annotations that are about to become fields, and of those that can not."""
    spec, annotations = obj["spec"], (obj.get("metadata") or {}).get("annotations") or {}
    if (spec.get("os") or {}).get("name") == "windows":
        return []
    own, found = (spec.get("securityContext") or {}).get("appArmorProfile"), []
    for container, _ in containers(spec):
        key = APP_ARMOR + (container.get("name") or "")
        if key in annotations and (container.get("securityContext") or {}).get("appArmorProfile") is None:
            profile = _kept(annotations[key])
            if profile is None or profile != own:
                found.append(f"metadata.annotations[{key}]: {APP_ARMOR_TEXT}")
    return found


def _kept(annotation: str) -> Object | None:
    """The profile that an annotation becomes: not one that would be no valid field."""
    profile = app_armor_profile(annotation)
    return profile if profile is None or profile.get("localhostProfile", "x").strip() else None


def _copy_app_armor(spec: Object, annotations: dict[str, str] | None) -> None:
    """Profiles once came as annotations; they become fields (KEP 24)."""
    found = {k.removeprefix(APP_ARMOR): v for k, v in (annotations or {}).items() if k.startswith(APP_ARMOR)}
    if not found or (spec.get("os") or {}).get("name") == "windows":
        return
    own = (spec.get("securityContext") or {}).get("appArmorProfile")
    for container, _ in containers(spec):
        profile = _kept(found.get(container.get("name") or "", ""))
        context = container.get("securityContext") or {}
        if profile is not None and profile != own and context.get("appArmorProfile") is None:
            container["securityContext"] = {**context, "appArmorProfile": profile}


def _select_by_label_keys(spec: Object, labels: dict[str, str]) -> None:
    """Turns matchLabelKeys and mismatchLabelKeys into requirements of the selectors beside them (KEPs 3633, 3243)."""
    for side in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(side) or {}
        for weighted in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            _merge_label_keys(weighted.get("podAffinityTerm") or {}, labels)
        for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
            _merge_label_keys(term, labels)
    for constraint in spec.get("topologySpreadConstraints") or ():
        _merge_label_keys(constraint, labels)


def _merge_label_keys(term: Object, labels: dict[str, str]) -> None:
    selector = term.get("labelSelector")
    if selector is None:
        return
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(field) or ():
            if key in labels:
                requirement = {"key": key, "operator": operator, "values": [labels[key]]}
                selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), requirement]


def prepare_update(new: Object, old: Object) -> None:
    """Requests and limits of the whole pod stay when a client that does not know them leaves them out."""
    keep_status(new, old)
    if new["spec"].get("resources") is None and old["spec"].get("resources") is not None:
        new["spec"]["resources"] = old["spec"]["resources"]


_KEPT_STATUS = ("resourceClaimStatuses", "extendedResourceClaimStatus", "nodeAllocatableResourceClaimStatuses")


def prepare_status(new: Object, old: Object) -> None:
    only_status(new, old)
    _keep_owners(new["metadata"], old["metadata"])
    status, before = new.setdefault("status", {}), old.get("status") or {}
    for name in ("qosClass", "observedGeneration"):
        if not status.get(name) and before.get(name):
            status[name] = before[name]
    for name in _KEPT_STATUS:
        if status.get(name) is None and before.get(name) is not None:
            status[name] = before[name]
    _keep_observed_generations(status.get("conditions") or (), before.get("conditions") or ())


def _keep_owners(new: Object, old: Object) -> None:
    for name in ("ownerReferences", "deletionTimestamp"):
        if name in old:
            new[name] = old[name]
        else:
            new.pop(name, None)


def _keep_observed_generations(new: Any, old: Any) -> None:
    """Conditions that come without observedGeneration keep the one they had."""
    known: dict[str, list[int]] = {}
    for condition in old:
        known.setdefault(condition.get("type", ""), []).append(condition.get("observedGeneration") or 0)
    for condition in new:
        before = known.get(condition.get("type", ""))
        generation = before.pop(0) if before else 0
        if generation and not condition.get("observedGeneration"):
            condition["observedGeneration"] = generation


def default_grace(obj: Object, asked: int | None) -> int:
    """Nothing to wait for when the pod has no node yet or has ended."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
        return 0
    seconds = asked if asked is not None else spec.get("terminationGracePeriodSeconds") or 0
    return 1 if seconds < 0 else int(seconds)


def validate(obj: Object) -> list[FieldError]:
    """A pod, new or changed."""
    errors: list[FieldError] = []
    metadata, spec = obj.get("metadata") or {}, obj["spec"]
    pod_annotations(metadata.get("annotations"), spec, "metadata.annotations", errors)
    pod_spec(spec, "spec", errors, metadata.get("name") or "", is_pod=True)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        nonnegative(spec, "terminationGracePeriodSeconds", "spec", errors)
    for name in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(name) or ()):
            image_without_spaces(container, f"spec.{name}[{index}]", errors)
    return errors


def validate_new(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj["spec"]
    if spec.get("ephemeralContainers"):
        errors.append(field_forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        text = "cannot be set until all schedulingGates have been cleared"
        errors.append(field_forbidden("spec.nodeName", text))
    return errors + disagreements((obj.get("metadata") or {}).get("annotations") or {}, spec, "spec")


def warnings(new: Object, old: Object | None) -> list[str]:
    """Of new pods only; updates come from programs, often."""
    if old is not None:
        return []
    found = name_warnings(new, "the Pod's hostname")
    return found + pod_warnings(new.get("metadata") or {}, new.get("spec") or {}, "")


def judged_by(obj: Object) -> bytes:
    """All but the name, labels and status; the name counts where it makes no host name, or names claims."""
    about, spec = obj.get("metadata") or {}, obj["spec"]
    if name_warnings(obj, "") or any("ephemeral" in volume for volume in spec.get("volumes") or ()):
        return b""
    return to_json([about.get("annotations"), spec])


def _spec(field: str) -> Any:
    return lambda obj: (obj.get("spec") or {}).get(field) or ""


def _status(field: str) -> Any:
    return lambda obj: (obj.get("status") or {}).get(field) or ""


def _host_network(obj: Object) -> str:
    return "true" if (obj.get("spec") or {}).get("hostNetwork") else "false"


def _address(obj: Object, now: float) -> Any:
    every = (obj.get("status") or {}).get("podIPs") or ()
    return (every[0].get("ip") if every else "") or "<none>"


KIND = builtin(
    "v1",
    "Pod",
    drop=switched_off.fields_of_pods("spec"),
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_new=validate_new,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=warnings,
    early_warnings=early_warnings,
    judged_by=judged_by,
    free=("labels.*", "nodeName", "containerID"),
    status_warnings=status_warnings,
    columns=(
        NAME,
        column("Ready", ready, "The aggregate readiness state of this pod for accepting traffic."),
        column("Status", state, "The aggregate status of the containers in this pod."),
        column(
            "Restarts",
            restarts,
            "The number of times the containers in this pod have been restarted"
            " and when the last container in this pod has restarted.",
        ),
        AGE,
        column("IP", _address, "PodStatus.podIP", wide=True),
        column("Node", or_else("spec", "nodeName", otherwise="<none>"), "PodSpec.nodeName", wide=True),
        column(
            "Nominated Node",
            or_else("status", "nominatedNodeName", otherwise="<none>"),
            "PodStatus.nominatedNodeName",
            wide=True,
        ),
        column("Readiness Gates", readiness_gates, "PodSpec.readinessGates", wide=True),
    ),
    selectable={
        "spec.nodeName": _spec("nodeName"),
        "spec.restartPolicy": _spec("restartPolicy"),
        "spec.schedulerName": _spec("schedulerName"),
        "spec.serviceAccountName": _spec("serviceAccountName"),
        "spec.hostNetwork": _host_network,
        "status.phase": _status("phase"),
        "status.podIP": _status("podIP"),
        "status.podIPs": lambda obj: "",  # known, and always empty
        "status.nominatedNodeName": _status("nominatedNodeName"),
    },
    counts_generation=True,
    deletion_returns_object=True,
    default_grace=default_grace,
)
