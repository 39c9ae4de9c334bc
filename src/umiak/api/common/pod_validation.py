"""Validates pod specs, in pods and in templates: everything about a pod, in the reference's order.

Source: `ValidatePodSpec` and `ValidatePodTemplateSpec` in `pkg/apis/core/validation/validation.go`.
"""

import re

from umiak.api.common import pod_containers, pod_scheduling, pod_security, pod_windows
from umiak.api.common.checks import Errors, check, descending_path, filled_one_of, ip_address, one_of
from umiak.api.common.metadata import label_key, validate_annotations, validate_labels
from umiak.api.common.pod_profiles import APP_ARMOR, POD_SECCOMP, SECCOMP, disagreements
from umiak.api.common.pod_volumes import volumes
from umiak.api.common.resource_requirements import pod_resource_name, requirements
from umiak.objects import names
from umiak.objects.errors import duplicate, field_forbidden, field_not_found, invalid_value, required, too_long
from umiak.objects.go_text import quoted, whole
from umiak.objects.quantity import parse
from umiak.objects.types import Object

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
MIRROR = "kubernetes.io/config.mirror"
_DEADLINE = 2**31 - 1
_SUBDOMAIN_UNDERSCORE = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"


def pod_spec(spec: Object, path: str, errors: Errors, pod_name: str = "", is_pod: bool = False) -> None:
    """`is_pod` tells a pod from a template."""
    grace = spec.get("terminationGracePeriodSeconds")
    fine = volumes(spec["volumes"], pod_name, f"{path}.volumes", errors) if spec.get("volumes") else {}
    claims = [c["name"] for c in spec.get("resourceClaims") or () if c.get("name")]
    if spec.get("resourceClaims"):
        _resource_claims(spec["resourceClaims"], f"{path}.resourceClaims", errors)
    host_users = spec.get("hostUsers") is not False
    around = pod_containers.Surrounding(fine, claims, grace or 0, spec.get("restartPolicy") or "", host_users)
    pod_containers.containers(spec, around, path, errors)
    if spec.get("initContainers"):
        pod_containers.init_containers(spec, around, path, errors)
    if spec.get("ephemeralContainers"):
        pod_containers.ephemeral_containers(spec, around, path, errors)
    if spec.get("resources"):
        _pod_resources(spec, path, errors)
    if spec.get("hostNetwork"):
        _host_network(spec, is_pod, path, errors)
    if spec.get("restartPolicy") not in RESTART_POLICIES:
        filled_one_of(spec.get("restartPolicy"), RESTART_POLICIES, f"{path}.restartPolicy", errors)
    if spec.get("dnsPolicy") not in DNS_POLICIES:
        filled_one_of(spec.get("dnsPolicy"), DNS_POLICIES, f"{path}.dnsPolicy", errors)
    if spec.get("nodeSelector"):
        validate_labels(spec["nodeSelector"], f"{path}.nodeSelector", errors)
    if spec.get("securityContext"):
        pod_security.pod_security_context(spec["securityContext"], spec, f"{path}.securityContext", errors)
    pod_security.share_process_namespace(spec, path, errors)
    _scheduling(spec, path, errors)
    _names(spec, path, errors)
    _late_fields(spec, path, errors)


def _scheduling(spec: Object, path: str, errors: Errors) -> None:
    if spec.get("affinity"):
        pod_scheduling.affinity(spec["affinity"], f"{path}.affinity", errors)
    if spec.get("dnsConfig") is not None or spec.get("dnsPolicy") == "None":
        _dns_config(spec.get("dnsConfig"), spec.get("dnsPolicy") or "", f"{path}.dnsConfig", errors)
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        where = f"{path}.readinessGates[{index}].conditionType"
        check(label_key, gate.get("conditionType") or "", where, errors)
    if spec.get("schedulingGates"):
        _scheduling_gates(spec["schedulingGates"], f"{path}.schedulingGates", errors)
    if spec.get("topologySpreadConstraints"):
        constraints = spec["topologySpreadConstraints"]
        pod_scheduling.spread_constraints(constraints, f"{path}.topologySpreadConstraints", errors)
    pod_windows.host_process(spec, path, errors)
    pod_security.host_users(spec, path, errors)


def _names(spec: Object, path: str, errors: Errors) -> None:
    """Everything that is a name of something."""
    override = spec.get("hostnameOverride")
    if override is not None:
        _hostname_override(spec, override, f"{path}.hostnameOverride", errors)
    for field in ("serviceAccountName", "nodeName"):
        if spec.get(field):
            check(names.dns_subdomain, spec[field], f"{path}.{field}", errors)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _DEADLINE:
        text = f"must be between 1 and {_DEADLINE}, inclusive"
        errors.append(invalid_value(f"{path}.activeDeadlineSeconds", deadline, text))
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            check(names.dns_label, spec[field], f"{path}.{field}", errors)


def _late_fields(spec: Object, path: str, errors: Errors) -> None:
    if spec.get("tolerations"):
        pod_scheduling.tolerations(spec["tolerations"], f"{path}.tolerations", errors)
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        ip_address(alias.get("ip") or "", f"{path}.hostAliases[{index}].ip", errors)
        for at, name in enumerate(alias.get("hostnames") or ()):
            check(names.dns_subdomain, name, f"{path}.hostAliases[{index}].hostnames[{at}]", errors)
    if spec.get("priorityClassName"):
        check(names.dns_subdomain, spec["priorityClassName"], f"{path}.priorityClassName", errors)
    if spec.get("runtimeClassName") is not None:
        check(names.dns_subdomain, spec["runtimeClassName"], f"{path}.runtimeClassName", errors)
    if spec.get("preemptionPolicy") is not None:
        allowed = ("PreemptLowerPriority", "Never")
        filled_one_of(spec["preemptionPolicy"], allowed, f"{path}.preemptionPolicy", errors)
    if spec.get("overhead"):
        _overhead(spec["overhead"], f"{path}.overhead", errors)
    if spec.get("os") is not None:
        _operating_system(spec, path, errors)
    _file_key_volumes(spec, path, errors)


def _overhead(overhead: Object, path: str, errors: Errors) -> None:
    requirements({"limits": overhead}, (), path, errors)


def _resource_claims(claims: list[Object], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        name, where = claim.get("name") or "", f"{path}[{index}]"
        if not name:
            errors.append(required(f"{where}.name"))
        elif name in seen:
            errors.append(duplicate(f"{where}.name", name))
        else:
            check(names.dns_label, name, f"{where}.name", errors)
            seen.add(name)
        given = [f for f in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(f) is not None]
        shown = {
            "Name": name,
            "ResourceClaimName": claim.get("resourceClaimName"),
            "ResourceClaimTemplateName": claim.get("resourceClaimTemplateName"),
        }
        if len(given) == 2:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(invalid_value(where, shown, text))
        if not given:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(invalid_value(where, shown, text))
        for field in given:
            check(names.dns_subdomain, claim[field], f"{where}.{field}", errors)


def _pod_resources(spec: Object, path: str, errors: Errors) -> None:
    """Requests and limits of the whole pod; its containers stay within them (KEP 2837)."""
    resources = spec["resources"]
    where = f"{path}.resources"
    if (spec.get("os") or {}).get("name") == "windows":
        errors.append(field_forbidden(where, "may not be set for a windows pod"))
        return
    if resources.get("claims") is not None:
        errors.append(field_forbidden(f"{where}.claims", "claims may not be set for Resources at pod-level"))
    claims = [c["name"] for c in spec.get("resourceClaims") or () if c.get("name")]
    requirements(resources, claims, where, errors, pod_resource_name)
    for index, container in enumerate(spec.get("containers") or ()):
        limits = (container.get("resources") or {}).get("limits") or {}
        for name, text in sorted(limits.items()):
            bound = (resources.get("limits") or {}).get(name)
            if bound is not None and parse(text) > parse(bound):
                place = f"{path}.containers[{index}][{name}].limits"
                errors.append(invalid_value(place, text, f"must be less than or equal to pod limits of {bound}"))


def _host_network(spec: Object, is_pod: bool, path: str, errors: Errors) -> None:
    for index, container in enumerate(spec.get("containers") or ()):
        for at, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort") or 0
            if (is_pod or host) and host != (port.get("containerPort") or 0):
                place = f"{path}.containers[{index}].ports[{at}].hostPort"
                errors.append(invalid_value(place, host, "must match `containerPort` when `hostNetwork` is true"))


def _hostname_override(spec: Object, name: str, path: str, errors: Errors) -> None:
    for field in ("setHostnameAsFQDN", "hostNetwork"):
        if spec.get(field):
            errors.append(field_forbidden(path, f"may not be specified when {field} is true"))
    if len(name) > 64:
        errors.append(too_long(path, 64))
    check(names.dns_subdomain, name, path, errors)


def _search_faults(value: str) -> list[str]:
    if re.fullmatch(_SUBDOMAIN_UNDERSCORE, value):
        return []
    rule = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', "
        "and must start and end with an alphanumeric character"
    )
    return [names.mismatch(rule, _SUBDOMAIN_UNDERSCORE, "example.com")]


def _dns_config(config: Object | None, policy: str, path: str, errors: Errors) -> None:
    if policy == "None":
        if config is None:
            errors.append(required(path, "must provide `dnsConfig` when `dnsPolicy` is None"))
            return
        if not config.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(required(f"{path}.nameservers", text))
            return
    servers, searches = (config or {}).get("nameservers") or [], (config or {}).get("searches") or []
    if len(servers) > 3:
        errors.append(invalid_value(f"{path}.nameservers", servers, "must not have more than 3 nameservers"))
    for index, server in enumerate(servers):
        ip_address(server, f"{path}.nameservers[{index}]", errors)
    if len(searches) > 32:
        errors.append(invalid_value(f"{path}.searches", searches, "must not have more than 32 search paths"))
    if len(" ".join(searches)) > 2048:
        text = "must not have more than 2048 characters (including spaces) in the search list"
        errors.append(invalid_value(f"{path}.searches", searches, text))
    for index, search in enumerate(searches):
        if search != ".":
            check(_search_faults, search.removesuffix("."), f"{path}.searches[{index}]", errors)
    for index, option in enumerate((config or {}).get("options") or ()):
        if not option.get("name"):
            errors.append(required(f"{path}.options[{index}]", "must not be empty"))


def _scheduling_gates(gates: list[Object], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        name = gate.get("name") or ""
        check(label_key, name, f"{path}[{index}]", errors)
        if name in seen:
            errors.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)


_NOT_ON_WINDOWS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
)
_NOT_IN_WINDOWS_CONTAINERS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)
_WINDOWS = "cannot be set for a windows pod"


def _operating_system(spec: Object, path: str, errors: Errors) -> None:
    name = spec["os"].get("name") or ""
    if not name:
        errors.append(required(f"{path}.os.name"))
    elif name not in ("linux", "windows"):
        one_of(name, ("linux", "windows"), f"{path}.os", errors)
    elif name == "linux":
        for where, context in _contexts(spec, path):
            if context.get("windowsOptions") is not None:
                errors.append(
                    field_forbidden(f"{where}.windowsOptions", "windows options cannot be set for a linux pod")
                )
    else:
        _windows(spec, path, errors)


def _contexts(spec: Object, path: str) -> list[tuple[str, Object]]:
    """Every security context with its path, the pod's own first."""
    found = [(f"{path}.securityContext", spec.get("securityContext") or {})]
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            if container.get("securityContext"):
                found.append((f"{path}.{kind}[{index}].securityContext", container["securityContext"]))
    return found


def _windows(spec: Object, path: str, errors: Errors) -> None:
    (own_path, own), *others = _contexts(spec, path)
    for field in _NOT_ON_WINDOWS:
        if own.get(field) is not None:
            errors.append(field_forbidden(f"{own_path}.{field}", _WINDOWS))
    for field in ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"):
        value = spec.get(field)
        if value or (value is False and field in ("hostUsers", "shareProcessNamespace")):
            errors.append(field_forbidden(f"{path}.{field}", _WINDOWS))
    for where, context in others:
        for field in _NOT_IN_WINDOWS_CONTAINERS:
            if context.get(field) is not None:
                errors.append(field_forbidden(f"{where}.{field}", _WINDOWS))


def _file_key_volumes(spec: Object, path: str, errors: Errors) -> None:
    """Variables read from files need a volume that containers can write (KEP 3721)."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            for at, variable in enumerate(container.get("env") or ()):
                ref = (variable.get("valueFrom") or {}).get("fileKeyRef")
                if ref is not None:
                    where = f"{path}.{kind}[{index}].env[{at}].valueFrom.fileKeyRef.volumeName"
                    _file_key_volume(spec, ref.get("volumeName") or "", where, errors)


def _file_key_volume(spec: Object, name: str, path: str, errors: Errors) -> None:
    volume = next((v for v in spec.get("volumes") or () if v.get("name") == name), None)
    if volume is None:
        errors.append(field_not_found(path, name))
    elif volume.get("emptyDir") is None:
        errors.append(invalid_value(path, name, "referenced volume must be of type emptyDir"))


def pod_annotations(annotations: dict[str, str] | None, spec: Object, path: str, errors: Errors) -> None:
    """The few annotations that mean something to every pod."""
    if not annotations:
        return
    if MIRROR in annotations and not spec.get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(invalid_value(f"{path}[{MIRROR}]", annotations[MIRROR], text))
    cost = annotations.get(DELETION_COST)
    if cost is not None and not (re.fullmatch(r"0|-?[1-9]\d*", cost, re.ASCII) and -(2**31) <= whole(cost) < 2**31):
        errors.append(invalid_value(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    for key in sorted(annotations):
        if key == POD_SECCOMP or key.startswith(SECCOMP):
            _seccomp(annotations[key], f"{path}.{key}", errors)
    for key in sorted(annotations):
        if key.startswith(APP_ARMOR):
            _app_armor(key.removeprefix(APP_ARMOR), annotations[key], spec, f"{path}[{key}]", errors)


def _seccomp(profile: str, path: str, errors: Errors) -> None:
    if profile in ("runtime/default", "docker/default", "unconfined"):
        return
    if profile.startswith("localhost/"):
        descending_path(profile.removeprefix("localhost/"), path, errors)
    else:
        errors.append(invalid_value(path, profile, "must be a valid seccomp profile"))


def _app_armor(container: str, profile: str, spec: Object, path: str, errors: Errors) -> None:
    lists = ("initContainers", "containers", "ephemeralContainers")
    if not any(c.get("name", "") == container for name in lists for c in spec.get(name) or ()):
        errors.append(invalid_value(path, container, "container not found"))
    known = ("", "runtime/default", "unconfined")
    if profile not in known and not profile.startswith("localhost/"):
        errors.append(invalid_value(path, profile, f"invalid AppArmor profile name: {quoted(profile)}"))


def pod_template(template: Object, path: str, errors: Errors) -> None:
    """The template of a workload."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    validate_labels(metadata.get("labels"), f"{path}.labels", errors)
    validate_annotations(metadata.get("annotations"), f"{path}.annotations", errors)
    pod_annotations(metadata.get("annotations"), spec, f"{path}.annotations", errors)
    pod_spec(spec, f"{path}.spec", errors)
    errors += disagreements(metadata.get("annotations") or {}, spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        text = "ephemeral containers not allowed in pod template"
        errors.append(field_forbidden(f"{path}.spec.ephemeralContainers", text))
