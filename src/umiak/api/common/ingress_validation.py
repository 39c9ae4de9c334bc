"""Validates Ingresses: rules, paths, backends, TLS."""

import ipaddress
import re

from umiak.api.common.checks import Errors, check, port_name_faults, port_number
from umiak.objects import names
from umiak.objects.errors import FieldError, invalid_value, not_supported, required
from umiak.objects.types import Object

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_SUFFIXES = ("/..", "/.")
_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_WILDCARD = rf"\*\.{names.DNS_SUBDOMAIN}"


def _wildcard_faults(value: str) -> list[str]:
    faults = [names.too_long(253)] if len(value) > 253 else []
    if not re.fullmatch(_WILDCARD, value):
        rule = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist"
            " of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
        )
        faults.append(names.mismatch(rule, _WILDCARD, "*.example.com"))
    return faults


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        errors.append(invalid_value("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        _backend(backend, "spec.defaultBackend", errors)
    for index, rule in enumerate(rules):
        _rule(rule, f"spec.rules[{index}]", errors)
    for index, tls in enumerate(spec.get("tls") or ()):
        for at, host in enumerate(tls.get("hosts") or ()):
            faults = _wildcard_faults if "*" in host else names.dns_subdomain
            check(faults, host, f"spec.tls[{index}].hosts[{at}]", errors)
        if tls.get("secretName"):
            check(names.dns_subdomain, tls["secretName"], f"spec.tls[{index}].secretName", errors)
    name = spec.get("ingressClassName")
    if name is not None:
        check(names.dns_subdomain, name, "spec.ingressClassName", errors)
        old_way = ((obj.get("metadata") or {}).get("annotations") or {}).get(CLASS_ANNOTATION)
        if old_way is not None and old_way != name:
            text = "must match `ingressClassName` when both are specified"
            errors.append(invalid_value(f"annotations.{CLASS_ANNOTATION}", old_way, text))
    return errors


def _rule(rule: Object, path: str, errors: Errors) -> None:
    host = rule.get("host") or ""
    if host:
        try:
            ipaddress.ip_address(host)
            errors.append(invalid_value(f"{path}.host", host, "must be a DNS name, not an IP address"))
        except ValueError:
            pass
        check(_wildcard_faults if "*" in host else names.dns_subdomain, host, f"{path}.host", errors)
    http = rule.get("http")
    if http is None:
        return
    if not http.get("paths"):
        errors.append(required(f"{path}.http.paths"))
    for index, entry in enumerate(http.get("paths") or ()):
        _path(entry, f"{path}.http.paths[{index}]", errors)


def _path(entry: Object, path: str, errors: Errors) -> None:
    kind, value = entry.get("pathType"), entry.get("path") or ""
    if kind is None:
        errors.append(required(f"{path}.pathType", "pathType must be specified"))
        return
    if kind not in _TYPES:
        errors.append(not_supported(f"{path}.pathType", kind, _TYPES))
    elif not value.startswith("/") and (value or kind != "ImplementationSpecific"):
        errors.append(invalid_value(f"{path}.path", value, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        for text in _SEQUENCES:
            if text in value:
                errors.append(invalid_value(f"{path}.path", value, f"must not contain '{text}'"))
        for text in _SUFFIXES:
            if value.endswith(text):
                errors.append(invalid_value(f"{path}.path", value, f"cannot end with '{text}'"))
    _backend(entry.get("backend") or {}, f"{path}.backend", errors)


def _backend(backend: Object, path: str, errors: Errors) -> None:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        errors.append(invalid_value(path, "", "cannot set both resource and service backends"))
    elif resource is not None:
        _resource(resource, f"{path}.resource", errors)
    elif service is not None:
        _service(service, path, errors)
    else:
        errors.append(invalid_value(path, "", "resource or service backend is required"))


def _resource(ref: Object, path: str, errors: Errors) -> None:
    if ref.get("apiGroup") is not None:
        check(names.dns_subdomain, ref["apiGroup"], f"{path}.apiGroup", errors)
    for field in ("kind", "name"):
        if ref.get(field):
            check(names.path_segment, ref[field], f"{path}.{field}", errors)
        else:
            errors.append(required(f"{path}.{field}"))


def _service(service: Object, path: str, errors: Errors) -> None:
    if service.get("name"):
        check(names.dns_label, service["name"], f"{path}.service.name", errors)
    else:
        errors.append(required(f"{path}.service.name"))
    port = service.get("port") or {}
    name, number = port.get("name") or "", port.get("number") or 0
    if name and number:
        errors.append(invalid_value(path, "", "cannot set both port name & port number"))
    elif name:
        check(port_name_faults, name, f"{path}.service.port.name", errors)
    elif number:
        port_number(number, f"{path}.service.port.number", errors)
    else:
        errors.append(required(path, "port name or number is required"))
