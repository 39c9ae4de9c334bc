"""What is odd about a pod, yet allowed; clients show it to their users.

Source: `pkg/api/pod/warnings.go`.
"""

from collections.abc import Callable, Iterator

from umiak.api.common.pod_profiles import (
    APP_ARMOR,
    APP_ARMOR_TEXT,
    app_armor_profile,
    containers,
    own,
    seccomp_warnings,
)
from umiak.api.common.volume_path_warnings import overlapping_paths
from umiak.api.common.volume_sources import claim_warnings
from umiak.objects import names
from umiak.objects.quantity import parse
from umiak.objects.types import Object

Warnings = Callable[[Object, Object | None], list[str]]

OLD_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
OLD_VOLUMES = {
    "photonPersistentDisk": "photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "scaleIO: deprecated in v1.16, non-functional in v1.22+",
    "flocker": "flocker: deprecated in v1.22, non-functional in v1.25+",
    "storageos": "storageOS: deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "quobyte: deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "glusterfs: deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "cephfs: deprecated in v1.28, non-functional in v1.31+",
    "rbd": "rbd: deprecated in v1.28, non-functional in v1.31+",
}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
MOST_CLASHES = 500
"""Of ports that get in each other's way: headers have no room for more."""


def name_warnings(obj: Object, use: str) -> list[str]:
    """A name that becomes part of host names should be a DNS label."""
    faults = names.dns_label((obj.get("metadata") or {}).get("name") or "")
    if not faults:
        return []
    odd = "which can result in surprising behavior; a DNS label is recommended"
    return [f"metadata.name: this is used in {use}, {odd}: [{' '.join(faults)}]"]


def _containers(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    return ((container, f"{path}.{place}") for container, place in containers(spec))


def pod_warnings(metadata: Object, spec: Object, prefix: str) -> list[str]:
    """`prefix` is the path of the template with a dot at its end; empty for pods."""
    path = f"{prefix}spec"
    found = [
        f"{path}.nodeSelector[{label}]: {OLD_LABELS[label]}"
        for label in sorted(spec.get("nodeSelector") or ())
        if label in OLD_LABELS
    ]
    found += _node_affinity(((spec.get("affinity") or {}).get("nodeAffinity")) or {}, f"{path}.affinity.nodeAffinity")
    found += _spreading(spec, path)
    for index, volume in enumerate(spec.get("volumes") or ()):
        found += [f"{path}.volumes[{index}].{OLD_VOLUMES[name]}" for name in volume if name in OLD_VOLUMES]
        claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}
        found += claim_warnings(claim.get("spec") or {}, f"{path}.volumes[{index}].ephemeral.volumeClaimTemplate.spec")
    found += overlapping_paths(spec.get("volumes") or ())
    found += _repeated(spec, path) + _half_bytes(spec, path)
    annotations, notes = metadata.get("annotations") or {}, f"{prefix}metadata.annotations"
    found += seccomp_warnings(annotations, spec, None, notes)
    for container, where in _containers(spec, path):
        found += seccomp_warnings(annotations, spec, container, notes)
        found += _app_armor(container, spec, metadata, prefix)
        found += _container(container, where)
    found += _ports(spec, path)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        found.append(f"{path}.terminationGracePeriodSeconds: {text}")
    return found + _pod_affinity(spec, path)


def _node_affinity(affinity: Object, path: str) -> list[str]:
    terms = [
        (term, f"{path}.{_REQUIRED}.nodeSelectorTerms[{index}]")
        for index, term in enumerate((affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ())
    ]
    terms += [
        (term.get("preference") or {}, f"{path}.{_PREFERRED}[{index}].preference")
        for index, term in enumerate(affinity.get(_PREFERRED) or ())
    ]
    return [text for term, where in terms for text in old_node_labels(term, where)]


def old_node_labels(term: Object, path: str) -> list[str]:
    """Of a term that selects nodes, or of a label selector."""
    return [
        f"{path}.matchExpressions[{index}].key: {e['key']} is {OLD_LABELS[e['key']]}"
        for index, e in enumerate(term.get("matchExpressions") or ())
        if e.get("key") in OLD_LABELS
    ]


def _spreading(spec: Object, path: str) -> list[str]:
    found = []
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        where, key = f"{path}.topologySpreadConstraints[{index}]", constraint.get("topologyKey") or ""
        if key in OLD_LABELS:
            found.append(f"{where}.topologyKey: {key} is {OLD_LABELS[key]}")
        if constraint.get("labelSelector") is None:
            found.append(f"{where}.labelSelector: a null labelSelector results in matching no pod")
    return found


def _repeated(spec: Object, path: str) -> list[str]:
    """Entries of lists that clients merge by a key, and that have it twice."""
    found = []
    for field, key in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen: set[str] = set()
        for index, item in enumerate(spec.get(field) or ()):
            value, where = item.get(key) or "", f"{path}.{field}[{index}].{key}"
            if value in seen:
                found.append(f'{where}: duplicate {key} "{value}"')
            seen.add(value)
    return found + [
        f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
        for index, item in enumerate(spec.get("imagePullSecrets") or ())
        if not item.get("name")
    ]


def _half_bytes(spec: Object, path: str) -> list[str]:
    amounts = [(name, (spec.get("overhead") or {}).get(name)) for name in ("memory", "ephemeral-storage")]
    return [
        f'{path}.overhead[{name}]: fractional byte value "{text}" is invalid, must be an integer'
        for name, text in amounts
        if text is not None and parse(text).milli() % 1000
    ]


def _host_address(port: Object) -> str:
    """Printed as Go prints a struct."""
    fields = {"Name": "name", "HostPort": "hostPort", "ContainerPort": "containerPort", "Protocol": "protocol"}
    shown = " ".join(f"{go}:{port.get(name) or (0 if 'Port' in go else '')}" for go, name in fields.items())
    return f"hostIP set without hostPort: {{{shown} HostIP:{port['hostIP']}}}"


def _container(container: Object, path: str) -> list[str]:
    found = []
    resources = container.get("resources") or {}
    for resource in ("memory", "ephemeral-storage"):
        for field in ("limits", "requests"):
            text = (resources.get(field) or {}).get(resource)
            if text is not None and parse(text).milli() % 1000:
                where = f"{path}.resources.{field}[{resource}]"
                found.append(f'{where}: fractional byte value "{text}" is invalid, must be an integer')
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name") or "", variable.get("value") or ""
        ref = f"$({name})"
        if name in seen and (variable.get("valueFrom") or value == ref or ref not in value):
            text = f'hides previous definition of "{name}", which may be dropped when using apply'
            found.append(f"{path}.env[{index}]: {text}")
        seen.add(name)
    return found


def _app_armor(container: Object, spec: Object, metadata: Object, prefix: str) -> list[str]:
    key = APP_ARMOR + (container.get("name") or "")
    if key not in (metadata.get("annotations") or {}):
        return []
    if not prefix or own(container, "appArmorProfile") is not None:
        return []  # pods themselves are warned before the annotation becomes a field
    profile = own(spec, "appArmorProfile")
    if profile is not None and profile == app_armor_profile(metadata["annotations"][key]):
        return []
    return [f"{prefix}metadata.annotations[{key}]: {APP_ARMOR_TEXT}"]


def _ports(spec: Object, path: str) -> list[str]:
    found: list[str] = []
    taken: dict[tuple[int, str], list[tuple[str, Object]]] = {}
    for container, where in _containers(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            place = f"{where}.ports[{index}]"
            if port.get("hostIP") and not port.get("hostPort"):
                found.append(f"{place}: {_host_address(port)}")
            others = taken.setdefault((port.get("containerPort") or 0, port.get("protocol") or ""), [])
            if len(found) + len(others) < MOST_CLASHES:
                found += [f"{place}: {text} port definition with {at}" for at, o in others if (text := _clash(port, o))]
                others.append((place, port))
    by_name: dict[str, str] = {}
    for container, where in _containers(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            name, place = port.get("name"), f"{where}.ports[{index}]"
            if name in by_name:
                first = by_name[name]
                use = f"services and probes that select ports by name will use {first}"
                found.append(f'{place}: duplicate port name "{name}" with {first}, {use}')
            elif name:
                by_name[name] = place
    return found


def _clash(port: Object, other: Object) -> str:
    """How two definitions of a port get in each other's way."""
    mine, its = port.get("hostPort") or 0, other.get("hostPort") or 0
    my_ip, its_ip = port.get("hostIP") or "", other.get("hostIP") or ""
    if (mine, my_ip) == (its, its_ip):
        return "duplicate"
    if not mine or not its:
        return "overlapping"
    return "dangerously ambiguous" if mine == its and bool(my_ip) != bool(its_ip) else ""


def _pod_affinity(spec: Object, path: str) -> list[str]:
    found = []
    for side in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(side) or {}
        where = f"{path}.affinity.{side}"
        terms = [(t, f"{where}.{_REQUIRED}[{i}]") for i, t in enumerate(affinity.get(_REQUIRED) or ())]
        terms += [
            (t.get("podAffinityTerm") or {}, f"{where}.{_PREFERRED}[{i}].podAffinityTerm")
            for i, t in enumerate(affinity.get(_PREFERRED) or ())
        ]
        text = "a null labelSelector results in matching no pod"
        found += [f"{at}.labelSelector: {text}" for term, at in terms if term.get("labelSelector") is None]
    return found


Changed = Callable[[Object, Object], bool]
"""(new, old) to whether an update is looked at."""


def is_new_generation(new: Object, old: Object) -> bool:
    return new["metadata"].get("generation") != old["metadata"].get("generation")


def is_new_template(new: Object, old: Object) -> bool:
    return bool(new["spec"]["template"] != old["spec"]["template"])


def of_template(*path: str, use: str = "", changed: Changed = is_new_generation, of_old: bool = False) -> Warnings:
    """The hook of a kind whose pod template lies at `path`; `use` is what its own name is used in. An update tells them
    where `changed` says so: of the template that was there before, with `of_old`."""

    def warnings(new: Object, old: Object | None) -> list[str]:
        found = name_warnings(new, use) if use and old is None else []
        if old is not None and not changed(new, old):
            return found
        template: Object = old if of_old and old is not None else new
        for step in path:
            template = template.get(step) or {}
        return found + pod_warnings(template.get("metadata") or {}, template.get("spec") or {}, ".".join(path) + ".")

    return warnings
