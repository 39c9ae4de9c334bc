"""Reads pods: the questions that several parts of the agent ask of a pod's specification."""

from collections.abc import Iterator
from typing import Any

from umiak.objects import meta
from umiak.objects.types import Object

CONTAINERS, INIT, EPHEMERAL = "containers", "initContainers", "ephemeralContainers"
CONFIG_SOURCE = "kubernetes.io/config.source"
CONFIG_HASH = "kubernetes.io/config.hash"
CONFIG_MIRROR = "kubernetes.io/config.mirror"
CONFIG_SEEN = "kubernetes.io/config.seen"
TERMINAL = ("Succeeded", "Failed")


def spec(pod: Object) -> Object:
    return pod.get("spec") or {}


def status(pod: Object) -> Object:
    return pod.get("status") or {}


def phase(pod: Object) -> str:
    return status(pod).get("phase") or "Pending"


def containers(pod: Object) -> list[Object]:
    return spec(pod).get(CONTAINERS) or []


def init_containers(pod: Object) -> list[Object]:
    return spec(pod).get(INIT) or []


def ephemeral_containers(pod: Object) -> list[Object]:
    return spec(pod).get(EPHEMERAL) or []


def every_container(pod: Object) -> Iterator[tuple[str, Object]]:
    """Init, ordinary and ephemeral containers, each with the field it stands in."""
    for field in (INIT, CONTAINERS, EPHEMERAL):
        for container in spec(pod).get(field) or ():
            yield field, container


def find_container(pod: Object, name: str) -> Object | None:
    return next((c for _, c in every_container(pod) if c["name"] == name), None)


def is_sidecar(container: Object) -> bool:
    """An init container that keeps running (KEP-753)."""
    return container.get("restartPolicy") == "Always"


def restart_policy(pod: Object) -> str:
    return spec(pod).get("restartPolicy") or "Always"


def matching_rule(container: Object, exit_code: int) -> Object | None:
    """The first of the container's restart rules that speaks of this exit code (KEP-5307)."""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = exit_code in (codes.get("values") or ())
        if codes and listed == (codes.get("operator") == "In"):
            return rule
    return None


def restarts_after(pod: Object, container: Object, exit_code: int) -> bool:
    """Whether a container that ended like this is started again: its rules, its policy, then the pod's policy."""
    rule = matching_rule(container, exit_code)
    if rule is not None and rule.get("action") in ("Restart", "RestartAllContainers"):
        return True
    policy = container.get("restartPolicy") or restart_policy(pod)
    if policy == "Never":
        return False
    return policy == "Always" or exit_code != 0


def restarts_on_failure(pod: Object, container: Object) -> bool:
    """Whether a container killed for a failed probe comes back."""
    return (container.get("restartPolicy") or restart_policy(pod)) != "Never"


def uses_host_network(pod: Object) -> bool:
    return bool(spec(pod).get("hostNetwork"))


def is_static(pod: Object) -> bool:
    """Whether the pod comes from this machine's manifests, not from the API."""
    return meta.annotations(pod).get(CONFIG_SOURCE, "api") != "api"


def is_mirror(pod: Object) -> bool:
    """Whether the pod in the API only shows a static pod."""
    return CONFIG_MIRROR in meta.annotations(pod)


def described(pod: Object) -> str:
    """`name_namespace(uid)`, as kubelet's messages name pods."""
    return f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"


def grace_period(pod: Object) -> int:
    """Seconds that a deleted pod has left to end, or any pod's own setting."""
    asked = meta.metadata(pod).get("deletionGracePeriodSeconds")
    if asked is not None:
        return int(asked)
    own = spec(pod).get("terminationGracePeriodSeconds")
    return 30 if own is None else int(own)


def reference(pod: Object, field: str = "", container: str = "") -> Object:
    """What events are about: the pod, or one of its containers."""
    found = {
        "kind": "Pod",
        "namespace": meta.namespace(pod),
        "name": meta.name(pod),
        "uid": meta.uid(pod),
        "apiVersion": "v1",
        "resourceVersion": meta.resource_version(pod),
    }
    if container:
        found["fieldPath"] = f"spec.{field}{{{container}}}"
    return {k: v for k, v in found.items() if v}


def security(pod: Object) -> dict[str, Any]:
    return spec(pod).get("securityContext") or {}


def effective_security(pod: Object, container: Object) -> dict[str, Any]:
    """The container's security context, over what the pod's says for all."""
    shared = ("seLinuxOptions", "runAsUser", "runAsGroup", "runAsNonRoot")
    common = {k: v for k, v in security(pod).items() if k in shared and v is not None}
    own = {k: v for k, v in (container.get("securityContext") or {}).items() if v is not None}
    return {**common, **own}


def static_equivalent(pod: Object) -> Object:
    """The pod's identity without what the server adds: for comparing a mirror pod's source."""
    return {"metadata": {"name": meta.name(pod), "namespace": meta.namespace(pod)}, "spec": spec(pod)}
