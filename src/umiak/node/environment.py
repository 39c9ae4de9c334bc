"""A container's environment variables (kubelet's makeEnvironmentVariables): the sources are handed in, already read."""

import base64
from collections.abc import Iterable, Mapping

import msgspec

from umiak.node import pods
from umiak.node.downward import Place, Unanswerable, field_value, resource_value
from umiak.node.expand import expand, from_maps
from umiak.objects import meta
from umiak.objects.types import Object

CONFIG_MAP, SECRET = "ConfigMap", "Secret"
SHOWN = {CONFIG_MAP: "configmap", SECRET: "secret"}
MASTER = ("default", "kubernetes")


class Sources(msgspec.Struct, frozen=True):
    """Services, and the namespace's config maps and secrets by (kind, name), None for those that do not exist."""

    objects: Mapping[tuple[str, str], Object | None] = msgspec.field(default_factory=dict)
    services: Iterable[Object] = ()
    place: Place = msgspec.field(default_factory=Place)


def referenced(container: Object) -> set[tuple[str, str]]:
    """The (kind, name) of all objects that the container's variables come from."""
    found = set()
    for source in container.get("envFrom") or ():
        for field_name, kind in (("configMapRef", CONFIG_MAP), ("secretRef", SECRET)):
            if source.get(field_name):
                found.add((kind, source[field_name].get("name", "")))
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom") or {}
        for field_name, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
            if origin.get(field_name):
                found.add((kind, origin[field_name].get("name", "")))
    return found


def contents(kind: str, obj: Object) -> dict[str, bytes]:
    """The data of a config map or secret, decoded."""
    data = obj.get("data") or {}
    if kind == SECRET:
        return {k: base64.b64decode(v or "") for k, v in data.items()}
    binary = {k: base64.b64decode(v or "") for k, v in (obj.get("binaryData") or {}).items()}
    return {**{k: (v or "").encode() for k, v in data.items()}, **binary}


def _text(kind: str, obj: Object) -> dict[str, str]:
    """Only what can be a variable: config maps' binary data cannot."""
    if kind == CONFIG_MAP:
        return {k: v or "" for k, v in (obj.get("data") or {}).items()}
    return {k: v.decode(errors="surrogateescape") for k, v in contents(kind, obj).items()}


def _object(sources: Sources, kind: str, ref: Object) -> Object | None:
    """None when it is missing and may be; raises Unanswerable when it may not."""
    found = sources.objects.get((kind, ref.get("name", "")))
    if found is None and not ref.get("optional"):
        raise Unanswerable(f'{SHOWN[kind]} "{ref.get("name", "")}" not found')
    return found


def _from_sources(container: Object, sources: Sources) -> dict[str, str]:
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        for field_name, kind in (("configMapRef", CONFIG_MAP), ("secretRef", SECRET)):
            if ref := source.get(field_name):
                obj = _object(sources, kind, ref)
                if obj is not None:
                    values |= {(source.get("prefix") or "") + k: v for k, v in _text(kind, obj).items()}
    return values


def _value_from(pod: Object, container: Object, origin: Object, sources: Sources) -> str | None:
    """None when an optional key is missing: then there is no variable."""
    if ref := origin.get("fieldRef"):
        return field_value(pod, ref["fieldPath"], sources.place)
    if ref := origin.get("resourceFieldRef"):
        return resource_value(pod, container, ref, sources.place)
    for field_name, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
        if ref := origin.get(field_name):
            return _key(pod, kind, ref, sources)
    if origin:
        raise Unanswerable(f"this node has no variables of kind {', '.join(origin)}")
    return ""


def _key(pod: Object, kind: str, ref: Object, sources: Sources) -> str | None:
    obj = _object(sources, kind, ref)
    if obj is None:
        return None
    values = _text(kind, obj)
    if ref["key"] not in values:
        if ref.get("optional"):
            return None
        where = f"{kind} {meta.namespace(pod)}/{ref.get('name', '')}"
        raise Unanswerable(f"couldn't find key {ref['key']} in {where}")
    return values[ref["key"]]


def variables(pod: Object, container: Object, sources: Sources) -> dict[str, str]:
    """All variables: envFrom, then env with references expanded, then services. Raises Unanswerable."""
    links = pods.spec(pod).get("enableServiceLinks", True) is not False
    service = service_variables(meta.namespace(pod), sources.services, links)
    values = _from_sources(container, sources)
    for variable in container.get("env") or ():
        text = variable.get("value") or ""
        if text:
            values[variable["name"]] = expand(text, from_maps(values, service))
            continue
        found = _value_from(pod, container, variable.get("valueFrom") or {}, sources)
        if found is not None:
            values[variable["name"]] = found
    return {**values, **{k: v for k, v in service.items() if k not in values}}


def service_variables(namespace: str, services: Iterable[Object], links: bool) -> dict[str, str]:
    """The namespace's services in Docker's link form; the API server's own always."""
    chosen: dict[str, Object] = {}
    for service in services:
        ip = (service.get("spec") or {}).get("clusterIP")
        if not ip or ip == "None" or not service["spec"].get("ports"):
            continue
        if (meta.namespace(service), meta.name(service)) == MASTER:
            chosen.setdefault(meta.name(service), service)
        elif meta.namespace(service) == namespace and links:
            chosen[meta.name(service)] = service
    found: dict[str, str] = {}
    for service in chosen.values():
        found |= _links(service)
    return found


def variable_name(name: str) -> str:
    return name.replace("-", "_").upper()


def _links(service: Object) -> dict[str, str]:
    prefix, spec = variable_name(meta.name(service)), service["spec"]
    ip, ports = spec["clusterIP"], spec["ports"]
    found = {f"{prefix}_SERVICE_HOST": ip, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            found[f"{prefix}_SERVICE_PORT_{variable_name(port['name'])}"] = str(port["port"])
    host = f"[{ip}]" if ":" in ip else ip
    for index, port in enumerate(ports):
        protocol = port.get("protocol") or "TCP"
        url = f"{protocol.lower()}://{host}:{port['port']}"
        if index == 0:
            found[f"{prefix}_PORT"] = url
        one = f"{prefix}_PORT_{port['port']}_{protocol.upper()}"
        found |= {one: url, f"{one}_PROTO": protocol.lower(), f"{one}_PORT": str(port["port"]), f"{one}_ADDR": ip}
    return found
