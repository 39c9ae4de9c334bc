"""Takes fields away that belong to features which are switched off unless asked for (alpha, in 1.37).

Clients may send them; they are forgotten without a word. Source: `dropDisabledFields` in `pkg/api/pod/util.go` and in
the strategies of the kinds.
"""

from collections.abc import Callable, Iterable

from umiak.objects.types import Object

Drop = Callable[[Object], None]

_POD = ("schedulingGroup", "evictionResponders")
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_FILES = ("secret", "configMap", "downwardAPI")
_PROJECTED = (*_FILES, "serviceAccountToken", "clusterTrustBundle", "podCertificate")


def fields_of_pods(*path: str) -> Drop:
    """The hook of a kind whose pod spec lies at `path`."""

    def drop(obj: Object) -> None:
        spec: Object | None = obj
        for step in path:
            spec = (spec or {}).get(step)
        if spec:
            _of_pod(spec)

    return drop


def _of_pod(spec: Object) -> None:
    _forget(spec, _POD)
    for volume in spec.get("volumes") or ():
        _of_volume(volume)
    for kind in _CONTAINERS:
        for container in spec.get(kind) or ():
            _of_container(container)


def _forget(holder: Object | None, names: Iterable[str]) -> None:
    for name in names:
        if holder:
            holder.pop(name, None)


def _of_volume(volume: Object) -> None:
    _forget(volume.get("emptyDir"), ("mode",))
    for kind in _FILES:
        if volume.get(kind):
            _forget(volume[kind], ("defaultUser",))
            _without_users(volume[kind])
    projected = volume.get("projected")
    if projected:
        _forget(projected, ("defaultUser",))
        for source in projected.get("sources") or ():
            for kind in _PROJECTED:
                if source.get(kind):
                    _forget(source[kind], ("user",))
                    _without_users(source[kind])


def _without_users(source: Object) -> None:
    for item in source.get("items") or ():
        _forget(item, ("user",))


def _of_container(container: Object) -> None:
    for mount in container.get("volumeMounts") or ():
        mount.pop("bindMountOptions", None)
    for name in _PROBES:
        probe = container.get(name)
        if probe:
            _forget(probe.get("grpc"), ("mode",))
            _forget(probe.get("httpGet"), ("protocol",))
    lifecycle = container.get("lifecycle")
    if lifecycle:
        for hook in ("postStart", "preStop"):
            _forget((lifecycle.get(hook) or {}).get("httpGet"), ("protocol",))
        if lifecycle.pop("stopSignal", None) is not None and not any(v is not None for v in lifecycle.values()):
            del container["lifecycle"]


def of_job(spec: Object) -> None:
    _forget(spec, ("scheduling",))
    _of_pod((spec.get("template") or {}).get("spec") or {})


def of_device_requests(spec: Object) -> None:
    """Of the spec of a claim for devices."""
    for request in (spec.get("devices") or {}).get("requests") or ():
        _forget(request.get("exactly"), ("derivedAttributes",))
        for choice in request.get("firstAvailable") or ():
            _forget(choice, ("derivedAttributes",))


def of_slice(spec: Object) -> None:
    """Of the spec of a slice of devices."""
    _forget(spec, ("partitionTypeAttribute", "skipNodeOperations"))
    for device in spec.get("devices") or ():
        _forget(device, ("nodeAllocatableResources",))
        for counters in device.get("consumesCounters") or ():
            _forget(counters, ("compatibilityGroups",))
        for attribute in (device.get("attributes") or {}).values():
            _forget(attribute, ("bools", "ints", "strings", "versions"))
