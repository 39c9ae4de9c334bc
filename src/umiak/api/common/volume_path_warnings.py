"""Keys of a volume that would be written to the same place, or one inside the other.

Source: `warningsForOverlappingVirtualPaths` in `pkg/api/pod/warnings.go`.
"""

from collections.abc import Iterable, Iterator

from umiak.objects.go_text import quoted
from umiak.objects.types import Object

Placed = tuple[str, str]
"""A path, and where its content comes from, empty where there is but one source."""


def overlapping_paths(volumes: Iterable[Object]) -> list[str]:
    found: list[str] = []
    for volume in volumes:
        name = quoted(volume.get("name") or "")
        for told, placed in _sources(volume):
            found += [f"volume {name} ({told}): overlapping paths: {text}" for text in _overlaps(placed)]
        for source in (volume.get("projected") or {}).get("sources") or ():
            if not source:
                found.append(f"volume {name} (Projected) has no sources provided")
    return found


def _sources(volume: Object) -> Iterator[tuple[str, list[Placed]]]:
    """(what it is called, the paths in it) of each place that keys are written to."""
    config, secret, pod = (volume.get(field) or {} for field in ("configMap", "secret", "downwardAPI"))
    yield f"ConfigMap {quoted(config.get('name') or '')}", _items(config)
    yield f"Secret {quoted(secret.get('secretName') or '')}", _items(secret)
    yield "DownwardAPI", _items(pod)
    projected = (volume.get("projected") or {}).get("sources") or ()
    yield "Projected", [placed for source in projected for placed in _projected(source)]


def _items(source: Object, told: str = "") -> list[Placed]:
    return [(item.get("path") or "", told) for item in source.get("items") or ()]


def _projected(source: Object) -> list[Placed]:
    for field, noun in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if (source.get(field) or {}).get("items"):
            return _items(source[field], f"{noun} {quoted(source[field].get('name') or '')}")
    if (source.get("downwardAPI") or {}).get("items"):
        return _items(source["downwardAPI"], "DownwardAPI")
    if token := source.get("serviceAccountToken"):
        return [(token.get("path") or "", "ServiceAccountToken")]
    if bundle := source.get("clusterTrustBundle"):
        name = bundle["name"] if bundle.get("name") is not None else bundle.get("signerName") or ""
        return [(bundle.get("path") or "", f"ClusterTrustBundle {quoted(name)}")]
    pod = source.get("podCertificate") or {}
    parts = (("certificateChainPath", "chain"), ("keyPath", "key"), ("credentialBundlePath", "credential bundle"))
    return [(pod[field], f"PodCertificate {noun}") for field, noun in parts if pod.get(field)]


def _overlaps(placed: list[Placed]) -> Iterator[str]:
    before: list[Placed] = []
    for path, told in placed:
        here = (path.rstrip("/"), told)
        yield from (f"{_shown(here)} with {_shown(other)}" for other in before if _overlap(here[0], other[0]))
        before.append(here)


def _overlap(a: str, b: str) -> bool:
    return bool(a and b) and (f"{a}/".startswith(f"{b}/") or f"{b}/".startswith(f"{a}/"))


def _shown(placed: Placed) -> str:
    path, told = placed
    return f"{quoted(path)} ({told})" if told else quoted(path)
