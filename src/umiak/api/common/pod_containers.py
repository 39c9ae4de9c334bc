"""Validates containers: regular, init and ephemeral ones."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from umiak.api.common.checks import (
    Errors,
    check,
    config_key_faults,
    descending_path,
    filled,
    filled_one_of,
    header_name_faults,
    nonnegative,
    one_of,
    port_name_faults,
    port_number,
    port_number_or_name,
    variable_name_faults,
)
from umiak.api.common.field_refs import ENVIRONMENT_FIELDS, field_ref, resource_field_ref
from umiak.api.common.pod_security import security_context
from umiak.api.common.resource_requirements import requirements
from umiak.objects import names
from umiak.objects.errors import (
    duplicate,
    field_forbidden,
    field_not_found,
    invalid_value,
    not_supported,
    required,
    too_many,
)
from umiak.objects.types import Object


class Surrounding(NamedTuple):
    """What containers refer to in their pod."""

    volumes: Mapping[str, Object]
    claims: Collection[str]
    grace_seconds: int
    restart_policy: str
    host_users: bool


_ENVIRONMENT_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always"
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def containers(spec: Object, around: Surrounding, path: str, errors: Errors) -> None:
    """The regular containers."""
    every = spec.get("containers")
    if not every:
        errors.append(required(f"{path}.containers"))
        return
    seen: set[str] = set()
    for index, container in enumerate(every):
        where = f"{path}.containers[{index}]"
        _any_container(container, around, where, errors)
        name = container.get("name") or ""
        if name in seen:
            errors.append(duplicate(f"{where}.name", name))
        seen.add(name)
        _lifecycle_and_probes(container, around, where, errors)
        _restart_policy(container, where, errors)
    _host_ports(every, f"{path}.containers", errors)


def init_containers(spec: Object, around: Surrounding, path: str, errors: Errors) -> None:
    seen = {c.get("name") or "" for c in spec.get("containers") or ()}
    for index, container in enumerate(spec.get("initContainers") or ()):
        where = f"{path}.initContainers[{index}]"
        _any_container(container, around, where, errors)
        lasting = container.get("restartPolicy") == "Always"
        _init_restart_policy(container, where, errors)
        name = container.get("name") or ""
        if name in seen:
            errors.append(duplicate(f"{where}.name", name))
        elif name:
            seen.add(name)
        _host_ports([container], f"{path}.initContainers", errors)
        if lasting:
            _lifecycle_and_probes(container, around, where, errors)
        else:
            for field in ("lifecycle", *_PROBES):
                if container.get(field) is not None:
                    errors.append(field_forbidden(f"{where}.{field}", _NOT_FOR_INIT))
            for at, policy in enumerate(container.get("resizePolicy") or ()):
                if policy.get("restartPolicy") == "RestartContainer":
                    text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                    place = f"{where}.resizePolicy[{at}].restartPolicy"
                    errors.append(invalid_value(place, "RestartContainer", text))


_NOT_FOR_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)


def ephemeral_containers(spec: Object, around: Surrounding, path: str, errors: Errors) -> None:
    others = {c.get("name") or "" for n in ("containers", "initContainers") for c in spec.get(n) or ()}
    seen = set(others)
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        where = f"{path}.ephemeralContainers[{index}]"
        _any_container(container, around, where, errors)
        image_without_spaces(container, where, errors)
        name, target = container.get("name") or "", container.get("targetContainerName")
        if name in seen:
            errors.append(duplicate(f"{where}.name", name))
        seen.add(name)
        if target and target not in others:
            errors.append(field_not_found(f"{where}.targetContainerName", target))
        for field in _NOT_FOR_EPHEMERAL:
            if _is_said(container.get(field), field):
                errors.append(field_forbidden(f"{where}.{field}", "cannot be set for an Ephemeral Container"))
        for at, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    place = f"{where}.volumeMounts[{at}].{field}"
                    errors.append(field_forbidden(place, "cannot be set for an Ephemeral Container"))


def _is_said(value: object, field: str) -> bool:
    """Even what is empty counts; but a container has its resources always."""
    if field == "resources" and isinstance(value, dict):
        return any(part is not None for part in value.values())
    return value is not None


def image_without_spaces(container: Object, path: str, errors: Errors) -> None:
    """Holds for pods, not for templates."""
    image = container.get("image") or ""
    if image != image.strip():
        errors.append(invalid_value(f"{path}.image", image, "must not have leading or trailing whitespace"))


def _any_container(container: Object, around: Surrounding, path: str, errors: Errors) -> None:
    if filled(container, "name", path, errors):
        check(names.dns_label, container["name"], f"{path}.name", errors)
    filled(container, "image", path, errors)
    policy = container.get("terminationMessagePolicy")
    if policy not in ("File", "FallbackToLogsOnError"):
        filled_one_of(policy, ("File", "FallbackToLogsOnError"), f"{path}.terminationMessagePolicy", errors)
    if container.get("ports"):
        _ports(container["ports"], f"{path}.ports", errors)
    if container.get("env"):
        _environment(container["env"], f"{path}.env", errors)
    if container.get("envFrom"):
        _environment_from(container["envFrom"], f"{path}.envFrom", errors)
    if container.get("volumeMounts"):
        _mounts(container, around.volumes, f"{path}.volumeMounts", errors)
    if container.get("volumeDevices"):
        _devices(container, around.volumes, f"{path}.volumeDevices", errors)
    pull = container.get("imagePullPolicy")
    if pull not in ("Always", "IfNotPresent", "Never"):
        filled_one_of(pull, ("Always", "IfNotPresent", "Never"), f"{path}.imagePullPolicy", errors)
    if container.get("resources"):
        requirements(container["resources"], around.claims, f"{path}.resources", errors)
    if container.get("resizePolicy"):
        _resize(container["resizePolicy"], around.restart_policy, f"{path}.resizePolicy", errors)
    if container.get("securityContext"):
        security_context(container["securityContext"], around.host_users, f"{path}.securityContext", errors)


def _ports(ports: list[Object], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        name, number, host = port.get("name"), port.get("containerPort") or 0, port.get("hostPort") or 0
        where = f"{path}[{index}]"
        if name:
            faults = port_name_faults(name)
            errors += [invalid_value(f"{where}.name", name, text) for text in faults]
            if not faults:
                if name in seen:
                    errors.append(duplicate(f"{where}.name", name))
                seen.add(name)
        if not number:
            errors.append(required(f"{where}.containerPort"))
        else:
            port_number(number, f"{where}.containerPort", errors)
        if host:
            port_number(host, f"{where}.hostPort", errors)
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            filled_one_of(port.get("protocol"), ("SCTP", "TCP", "UDP"), f"{where}.protocol", errors)


def _host_ports(every: list[Object], path: str, errors: Errors) -> None:
    """A port of the host can be taken once only."""
    taken: set[str] = set()
    for index, container in enumerate(every):
        for at, port in enumerate(container.get("ports") or ()):
            if port.get("hostPort"):
                text = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{port['hostPort']}"
                if text in taken:
                    errors.append(duplicate(f"{path}[{index}].ports[{at}].hostPort", text))
                taken.add(text)


def _environment(variables: list[Object], path: str, errors: Errors) -> None:
    for index, variable in enumerate(variables):
        name = variable.get("name")
        if not name:
            errors.append(required(f"{path}[{index}].name"))
        else:
            check(variable_name_faults, name, f"{path}[{index}].name", errors)
        if variable.get("valueFrom") is not None:
            _value_from(variable["valueFrom"], variable.get("value"), f"{path}[{index}].valueFrom", errors)


def _value_from(source: Object, value: str | None, path: str, errors: Errors) -> None:
    given = [name for name in _ENVIRONMENT_SOURCES if source.get(name) is not None]
    for name in given:
        ref, where = source[name], f"{path}.{name}"
        if name == "fieldRef":
            field_ref(ref, ENVIRONMENT_FIELDS, where, errors)
        elif name == "resourceFieldRef":
            resource_field_ref(ref, False, where, errors)
        elif name == "fileKeyRef":
            _file_key(ref, where, errors)
        else:
            _object_key(ref, where, errors)
    if not given:
        *all_but_last, last = (f"`{name}`" for name in _ENVIRONMENT_SOURCES)
        errors.append(invalid_value(path, "", f"must specify one of: {', '.join(all_but_last)} or {last}"))
    elif value:
        errors.append(invalid_value(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        errors.append(invalid_value(path, "", "may not have more than one field specified at a time"))


def _object_key(ref: Object, path: str, errors: Errors) -> None:
    """A key of a ConfigMap or Secret."""
    check(names.dns_subdomain, ref.get("name") or "", f"{path}.name", errors)
    if filled(ref, "key", path, errors):
        check(config_key_faults, ref["key"], f"{path}.key", errors)


def _file_key(ref: Object, path: str, errors: Errors) -> None:
    if filled(ref, "key", path, errors):
        check(variable_name_faults, ref["key"], f"{path}.key", errors)
    if filled(ref, "volumeName", path, errors):
        check(names.dns_label, ref["volumeName"], f"{path}.volumeName", errors)
    if filled(ref, "path", path, errors) and ".." in ref["path"].split("/"):
        errors.append(invalid_value(f"{path}.path", ref["path"], "must not contain '..'"))


def _environment_from(sources: list[Object], path: str, errors: Errors) -> None:
    for index, source in enumerate(sources):
        where = f"{path}[{index}]"
        if source.get("prefix"):
            check(variable_name_faults, source["prefix"], f"{where}.prefix", errors)
        given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in given:
            if filled(source[name], "name", f"{where}.{name}", errors):
                check(names.dns_subdomain, source[name]["name"], f"{where}.{name}.name", errors)
        if not given:
            errors.append(invalid_value(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            errors.append(invalid_value(path, "", "may not have more than one field specified at a time"))


def _mounts(container: Object, volumes: Mapping[str, Object], path: str, errors: Errors) -> None:
    devices = {d.get("name"): d.get("devicePath") for d in container.get("volumeDevices") or ()}
    seen: set[str] = set()
    for index, mount in enumerate(container["volumeMounts"]):
        name, place, where = mount.get("name") or "", mount.get("mountPath") or "", f"{path}[{index}]"
        if not name:
            errors.append(required(f"{where}.name"))
        if name not in volumes:
            errors.append(field_not_found(f"{where}.name", name))
        if not place:
            errors.append(required(f"{where}.mountPath"))
        if place in seen:
            errors.append(invalid_value(f"{where}.mountPath", place, "must be unique"))
        seen.add(place)
        if name in devices:
            errors.append(invalid_value(f"{where}.name", name, "must not already exist in volumeDevices"))
        if devices and place in devices.values():
            errors.append(
                invalid_value(f"{where}.mountPath", place, "must not already exist as a path in volumeDevices")
            )
        if len(mount) > 2:
            _mount_options(mount, container, path, where, errors)


def _mount_options(mount: Object, container: Object, path: str, where: str, errors: Errors) -> None:
    """Some of the reference's errors name the list of mounts rather than the mount."""
    if mount.get("subPath"):
        descending_path(mount["subPath"], f"{path}.subPath", errors)
    if mount.get("subPathExpr"):
        if mount.get("subPath"):
            text = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid_value(f"{where}.subPathExpr", mount["subPathExpr"], text))
        descending_path(mount["subPathExpr"], f"{path}.subPathExpr", errors)
    propagation = mount.get("mountPropagation")
    if propagation is not None:
        one_of(propagation, ("Bidirectional", "HostToContainer", "None"), f"{path}.mountPropagation", errors)
        if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            text = "Bidirectional mount propagation is available only to privileged containers"
            errors.append(field_forbidden(f"{path}.mountPropagation", text))
    recursive = mount.get("recursiveReadOnly")
    if recursive in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            text = "may only be specified when readOnly is true"
            errors.append(field_forbidden(f"{path}.recursiveReadOnly", text))
        if propagation not in (None, "None"):
            text = "may only be specified when mountPropagation is None or not specified"
            errors.append(field_forbidden(f"{path}.recursiveReadOnly", text))
    elif recursive not in (None, "Disabled"):
        errors.append(not_supported(f"{path}.recursiveReadOnly", recursive, ("Disabled", "Enabled", "IfPossible")))


def _devices(container: Object, volumes: Mapping[str, Object], path: str, errors: Errors) -> None:
    mounts = {m.get("name"): m.get("mountPath") for m in container.get("volumeMounts") or ()}
    used_names: set[str] = set()
    used_paths: set[str] = set()
    for index, device in enumerate(container["volumeDevices"]):
        name, place, where = device.get("name") or "", device.get("devicePath") or "", f"{path}[{index}]"
        if not name:
            errors.append(required(f"{where}.name"))
        if name in used_names:
            errors.append(invalid_value(f"{where}.name", name, "must be unique"))
        volume = volumes.get(name)
        if volume is None:
            errors.append(field_not_found(f"{where}.name", name))
        elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.insert(len(errors), invalid_value(f"{where}.name", name, text))
        if not place:
            errors.append(required(f"{where}.devicePath"))
        if place in used_paths:
            errors.append(invalid_value(f"{where}.devicePath", place, "must be unique"))
        if ".." in place.split("/"):
            errors.append(invalid_value(f"{where}.devicePath", place, "can not contain backsteps ('..')"))
        else:
            used_paths.add(place)
        if name in mounts:
            errors.append(invalid_value(f"{where}.name", name, "must not already exist in volumeMounts"))
        if mounts and place in mounts.values():
            errors.append(
                invalid_value(f"{where}.devicePath", place, "must not already exist as a path in volumeMounts")
            )
        if name:
            used_names.add(name)


def _resize(policies: list[Object], pod_restart: str, path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        resource, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if resource in seen:
            errors.append(duplicate(f"{path}[{index}]", resource))
        seen.add(resource)
        filled_one_of(resource, ("cpu", "memory"), path, errors)
        filled_one_of(restart, ("NotRequired", "RestartContainer"), path, errors)
        if pod_restart == "Never" and restart != "NotRequired":
            text = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            errors.append(invalid_value(path, restart, text))


def _restart_policy(container: Object, path: str, errors: Errors) -> None:
    """A container's own restart policy and rules (KEP 5307)."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None and rules:
        errors.append(required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used"))
    elif policy is not None:
        one_of(policy, ("Always", "Never", "OnFailure"), f"{path}.restartPolicy", errors)
    if len(rules) > 20:
        errors.append(too_many(f"{path}.restartPolicyRules", len(rules), 20))
    for index, rule in enumerate(rules):
        where = f"{path}.restartPolicyRules[{index}]"
        one_of(rule.get("action") or "", ("Restart", "RestartAllContainers"), f"{where}.action", errors)
        codes = rule.get("exitCodes")
        if codes is None:
            errors.append(required(f"{where}.exitCodes", "must be specified"))
            continue
        one_of(codes.get("operator") or "", ("In", "NotIn"), f"{where}.exitCodes.operator", errors)
        if len(codes.get("values") or ()) > 255:
            errors.append(too_many(f"{where}.exitCodes.values", len(codes["values"]), 255))


def _init_restart_policy(container: Object, path: str, errors: Errors) -> None:
    """Rules without a policy are not looked at."""
    if container.get("restartPolicy") is not None:
        _restart_policy(container, path, errors)
    elif container.get("restartPolicyRules"):
        errors.append(required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used"))


def _lifecycle_and_probes(container: Object, around: Surrounding, path: str, errors: Errors) -> None:
    lifecycle = container.get("lifecycle")
    if lifecycle is not None:
        for hook in ("postStart", "preStop"):
            if lifecycle.get(hook) is not None:
                _handler(lifecycle[hook], around.grace_seconds, f"{path}.lifecycle.{hook}", errors)
    for name in _PROBES:
        probe = container.get(name)
        if probe is not None:
            _probe(name, probe, around.grace_seconds, f"{path}.{name}", errors)


def _probe(name: str, probe: Object, grace: int, path: str, errors: Errors) -> None:
    _handler(probe, grace, path, errors)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if (probe.get(field) or 0) < 0:
            nonnegative(probe, field, path, errors)
    own_grace = probe.get("terminationGracePeriodSeconds")
    if own_grace is not None and own_grace <= 0:
        errors.append(invalid_value(f"{path}.terminationGracePeriodSeconds", own_grace, "must be greater than 0"))
    if name == "readinessProbe":
        if own_grace is not None:
            text = "must not be set for readinessProbes"
            errors.append(invalid_value(f"{path}.terminationGracePeriodSeconds", own_grace, text))
    elif probe.get("successThreshold") != 1:
        errors.append(invalid_value(f"{path}.successThreshold", probe.get("successThreshold") or 0, "must be 1"))


def _handler(handler: Object, grace: int, path: str, errors: Errors) -> None:
    """Exactly one thing to do, of a probe or a lifecycle hook."""
    given = [n for n in ("exec", "httpGet", "tcpSocket", "grpc", "sleep") if handler.get(n) is not None]
    if not given:
        errors.append(required(path, "must specify a handler type"))
        return
    _action(given[0], handler[given[0]], grace, f"{path}.{given[0]}", errors)
    for name in given[1:]:
        errors.append(field_forbidden(f"{path}.{name}", "may not specify more than 1 handler type"))


def _action(name: str, action: Object, grace: int, where: str, errors: Errors) -> None:
    match name:
        case "exec":
            filled(action, "command", where, errors)
        case "httpGet":
            _http_get(action, where, errors)
        case "tcpSocket":
            port_number_or_name(action.get("port", 0), f"{where}.port", errors)
        case "grpc":
            port_number(action.get("port") or 0, f"{where}.port", errors)
        case _:
            seconds = action.get("seconds") or 0
            if seconds < 0 or seconds > grace:
                text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                errors.append(invalid_value(where, seconds, text))


def _http_get(action: Object, path: str, errors: Errors) -> None:
    filled(action, "path", path, errors)
    port_number_or_name(action.get("port", 0), f"{path}.port", errors)
    one_of(action.get("scheme") or "", ("HTTP", "HTTPS"), f"{path}.scheme", errors)
    for header in action.get("httpHeaders") or ():
        check(header_name_faults, header.get("name") or "", f"{path}.httpHeaders", errors)
