"""Fills what a pod spec leaves open, in pods and in pod templates alike.

Source: `pkg/apis/core/v1/defaults.go` and its generated companion.
"""

from typing import Any

from umiak.api.common.images import default_pull_policy
from umiak.api.common.resources import round_up
from umiak.objects.types import Object

DEFAULT_MODE = 0o644


def default_pod_spec(spec: Object) -> None:
    """The defaults that pods and pod templates share."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    if not spec.get("dnsPolicy"):
        spec["dnsPolicy"] = "ClusterFirst"
    if not spec.get("restartPolicy"):
        spec["restartPolicy"] = "Always"
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    if not spec.get("schedulerName"):
        spec["schedulerName"] = "default-scheduler"
    for volume in spec.get("volumes") or ():
        default_volume(volume)
    for container in spec.get("initContainers") or ():
        default_container(container)
    for container in spec.get("containers") or ():
        default_container(container)
    for container in spec.get("ephemeralContainers") or ():
        default_container(container)
    if spec.get("overhead"):
        round_up(spec["overhead"])
    if spec.get("resources"):
        default_resources(spec["resources"])


def default_template(template: Object | None) -> None:
    """The defaults of the pod template of a workload; a template always shows its metadata and spec."""
    if template is None:
        return
    if template.get("metadata") is None:
        template["metadata"] = {}
    default_pod_spec(template.setdefault("spec", {}))


def default_container(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = default_pull_policy(container.get("image") or "")
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    resources = container.get("resources")
    if resources:
        default_resources(resources)
    elif resources is None:
        container["resources"] = {}
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for variable in container.get("env") or ():
        if variable.get("valueFrom"):
            _default_env_source(variable["valueFrom"])
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is not None:
            default_probe(probe)
    lifecycle = container.get("lifecycle")
    if lifecycle:
        _default_hook(lifecycle.get("postStart"))
        _default_hook(lifecycle.get("preStop"))


def default_resources(resources: Object) -> None:
    """Rounds limits and requests up to thousandths."""
    if resources.get("limits"):
        round_up(resources["limits"])
    if resources.get("requests"):
        round_up(resources["requests"])


def _default_env_source(source: Object) -> None:
    if source.get("fieldRef") is not None:
        _default_field_ref(source["fieldRef"])
    file_key = source.get("fileKeyRef")
    if file_key is not None and file_key.get("optional") is None:
        file_key["optional"] = False


def _default_field_ref(ref: Object) -> None:
    if not ref.get("apiVersion"):
        ref["apiVersion"] = "v1"


def default_probe(probe: Object) -> None:
    if not probe.get("timeoutSeconds"):
        probe["timeoutSeconds"] = 1
    if not probe.get("periodSeconds"):
        probe["periodSeconds"] = 10
    if not probe.get("successThreshold"):
        probe["successThreshold"] = 1
    if not probe.get("failureThreshold"):
        probe["failureThreshold"] = 3
    http = probe.get("httpGet")
    if http is not None:
        default_http_get(http)
    grpc = probe.get("grpc")
    if grpc is not None and grpc.get("service") is None:
        grpc["service"] = ""


def default_http_get(action: Object) -> None:
    if not action.get("path"):
        action["path"] = "/"
    if not action.get("scheme"):
        action["scheme"] = "HTTP"


def _default_hook(hook: Object | None) -> None:
    if hook and hook.get("httpGet") is not None:
        default_http_get(hook["httpGet"])


def default_claim_spec(spec: Object) -> None:
    """The defaults of a PersistentVolumeClaim's spec."""
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"
    default_resources(spec.setdefault("resources", {}))


def default_volume(volume: Object) -> None:
    if len(volume) < 2:
        volume["emptyDir"] = {}
        return
    for source, value in volume.items():
        fill = _SOURCE_DEFAULTS.get(source)
        if fill is not None and value is not None:
            fill(value)


def default_volume_source(sources: Object) -> None:
    """The defaults of a PersistentVolume's source; `sources` is its spec."""
    for source in ("hostPath", "iscsi", "rbd", "azureDisk", "scaleIO"):
        if sources.get(source) is not None:
            _SOURCE_DEFAULTS[source](sources[source])


def _default_mode(source: Object) -> None:
    if source.get("defaultMode") is None:
        source["defaultMode"] = DEFAULT_MODE


def _default_downward(source: Object) -> None:
    _default_mode(source)
    _default_items(source)


def _default_items(source: Object) -> None:
    for item in source.get("items") or ():
        if item.get("fieldRef") is not None:
            _default_field_ref(item["fieldRef"])


def _default_projected(source: Object) -> None:
    _default_mode(source)
    for part in source.get("sources") or ():
        if part.get("downwardAPI"):
            _default_items(part["downwardAPI"])
        token = part.get("serviceAccountToken")
        if token is not None and token.get("expirationSeconds") is None:
            token["expirationSeconds"] = 3600


def _default_host_path(source: Object) -> None:
    if source.get("type") is None:
        source["type"] = ""


def _default_image(source: Object) -> None:
    if not source.get("pullPolicy"):
        source["pullPolicy"] = default_pull_policy(source.get("reference") or "")


def _default_ephemeral(source: Object) -> None:
    template = source.get("volumeClaimTemplate")
    if template is not None:
        if template.get("metadata") is None:
            template["metadata"] = {}
        default_claim_spec(template.setdefault("spec", {}))


def _filler(**values: Any) -> Any:
    """Sets each field that is absent or empty."""

    def fill(source: Object) -> None:
        for name, value in values.items():
            if source.get(name) in (None, ""):
                source[name] = value

    return fill


def _default_azure_disk(source: Object) -> None:
    for name, value in {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"}.items():
        if source.get(name) is None:
            source[name] = value


_SOURCE_DEFAULTS: dict[str, Any] = {
    "hostPath": _default_host_path,
    "secret": _default_mode,
    "configMap": _default_mode,
    "downwardAPI": _default_downward,
    "projected": _default_projected,
    "image": _default_image,
    "ephemeral": _default_ephemeral,
    "iscsi": _filler(iscsiInterface="default"),
    "rbd": _filler(pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
    "azureDisk": _default_azure_disk,
    "scaleIO": _filler(storageMode="ThinProvisioned", fsType="xfs"),
}
