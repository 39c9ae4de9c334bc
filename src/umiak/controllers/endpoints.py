"""Keeps the Endpoints of Services that select pods, for those who do not read EndpointSlices yet."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from math import ceil

import msgspec

from umiak.api.core import endpoints
from umiak.api.core import pod as pods
from umiak.api.core import service as services
from umiak.controllers._act import delete_if_there, has_cause
from umiak.controllers._claims import map_selector
from umiak.controllers._endpoints import (
    HEADLESS,
    TRIGGER_TIME,
    find_port,
    has_address,
    is_ipv6,
    is_selecting,
    keys_of_pod,
    may_serve,
    own_hostname,
    pod_ips,
    pod_matters,
)
from umiak.controllers._pods import condition, is_ready, node_name
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
NAME = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MAX_ADDRESSES = 1000
LEADER = "control-plane.alpha.kubernetes.io/leader"
_encode = msgspec.json.Encoder(order="deterministic").encode


def address_of(service: Object, pod: Object) -> Object | None:
    """The pod's address in the Service's first family, if it has one."""
    spec, ips = service["spec"], pod_ips(pod)
    if spec.get("ipFamilies"):
        wants_ipv6 = spec["ipFamilies"][0] == "IPv6"
    else:
        wants_ipv6 = is_ipv6(spec["clusterIP"] if has_address(service) else ips[0])
    found = next((str(ip_address(ip)) for ip in ips if is_ipv6(ip) == wants_ipv6), None)
    if found is None:
        return None
    target = {"kind": "Pod", "namespace": meta.namespace(pod), "name": meta.name(pod), "uid": meta.uid(pod)}
    made = {"ip": found, "hostname": own_hostname(pod, service), "nodeName": node_name(pod), "targetRef": target}
    return {k: v for k, v in made.items() if v}


def _ports(service: Object, pod: Object) -> list[Object | None]:
    """The pod's ports as entries; a headless Service without ports has one entry without port."""
    wanted = service["spec"].get("ports") or ()
    if not wanted:
        return [] if has_address(service) else [None]
    made: list[Object | None] = []
    for port in wanted:
        number = find_port(pod, port)
        if number is not None:
            entry = {"name": port.get("name"), "port": number, "protocol": port.get("protocol", "TCP")}
            entry["appProtocol"] = port.get("appProtocol")
            made.append({k: v for k, v in entry.items() if v})
    return made


Ready = dict[tuple[str, str], tuple[Object, bool]]
"""Address and readiness by IP and pod uid."""


def subsets_of(service: Object, pods: Iterable[Object]) -> list[Object]:
    """Addresses with the same ports together, sorted so that equal contents are equal."""
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    by_port: dict[bytes, Ready] = {}
    for pod in pods:
        if not may_serve(pod, terminating=published):
            continue
        address = address_of(service, pod)
        if address is None:
            continue
        for port in _ports(service, pod):
            known = by_port.setdefault(_encode(port), {})
            known[(address["ip"], meta.uid(pod))] = (address, published or is_ready(pod))
    return pack(by_port)


def pack(by_port: dict[bytes, Ready]) -> list[Object]:
    """Joins ports that have exactly the same addresses, equally ready."""
    groups: dict[bytes, tuple[Ready, list[Object]]] = {}
    for port, addresses in by_port.items():
        identity = _encode(sorted((*key, ready) for key, (_, ready) in addresses.items()))
        decoded = msgspec.json.decode(port)
        groups.setdefault(identity, (addresses, []))[1].extend([decoded] if decoded else [])
    packed = [_subset(addresses, ports) for addresses, ports in groups.values()]
    return sorted(packed, key=_encode)


def _subset(addresses: Ready, ports: Sequence[Object]) -> Object:
    ordered = [addresses[key] for key in sorted(addresses)]
    made: Object = {
        "addresses": [a for a, ready in ordered if ready],
        "notReadyAddresses": [a for a, ready in ordered if not ready],
        "ports": sorted(ports, key=_encode),
    }
    return {k: v for k, v in made.items() if v}


def truncate(subsets: Sequence[Object]) -> tuple[list[Object], bool]:
    """At most a thousand addresses, ready ones first, taken from subsets by their share; and whether some were cut."""
    ready = sum(len(s.get("addresses") or ()) for s in subsets)
    waiting = sum(len(s.get("notReadyAddresses") or ()) for s in subsets)
    if ready + waiting <= MAX_ADDRESSES:
        return list(subsets), False
    cuts_ready = ready > MAX_ADDRESSES
    field, total = ("addresses", ready) if cuts_ready else ("notReadyAddresses", waiting)
    room = left = MAX_ADDRESSES if cuts_ready else MAX_ADDRESSES - ready
    kept = []
    for subset in subsets:
        listed = subset.get(field) or []
        share = min(ceil(len(listed) / total * room), left)
        left -= min(share, len(listed))
        cut = {**subset, field: listed[:share]}
        if cuts_ready:
            cut.pop("notReadyAddresses", None)
        kept.append({k: v for k, v in cut.items() if v})
    return kept, True


def labels_of(service: Object) -> dict[str, str]:
    labels = {k: v for k, v in meta.labels(service).items() if k != HEADLESS}
    if not has_address(service):
        labels[HEADLESS] = ""
    return {**labels, MANAGED_BY: NAME}


def _trigger_time(service: Object, pods: Iterable[Object], known: Object | None) -> str:
    """The Service's creation at first; later the latest change of a pod's readiness."""
    if known is None:
        return str(service["metadata"].get("creationTimestamp") or "")
    moments = ((condition(p, "Ready") or {}).get("lastTransitionTime") or "" for p in pods)
    return max(moments, default="")


def decide(service: Object, pods: Sequence[Object], known: Object | None) -> Object | None:
    """The Endpoints as they should be, or None when they are so."""
    subsets, cut = truncate(subsets_of(service, pods))
    before = known or {"metadata": {"name": meta.name(service), "namespace": meta.namespace(service)}}
    notes = {k: v for k, v in meta.annotations(before).items() if k not in (TRIGGER_TIME, OVER_CAPACITY)}
    if known is not None and _is_right(known, subsets, labels_of(service), cut):
        return None
    began = _trigger_time(service, pods, known)
    notes |= ({TRIGGER_TIME: began} if began else {}) | ({OVER_CAPACITY: "truncated"} if cut else {})
    about = {**before["metadata"], "labels": labels_of(service), "annotations": notes}
    made: Object = {**before, "apiVersion": "v1", "kind": "Endpoints", "metadata": about, "subsets": subsets}
    if not subsets:
        del made["subsets"]
    return made


def _is_right(known: Object, subsets: Sequence[Object], labels: dict[str, str], cut: bool) -> bool:
    marked = OVER_CAPACITY in meta.annotations(known)
    return (known.get("subsets") or []) == subsets and meta.labels(known) == labels and marked == cut


async def reconcile(ctx: Context, key: Key) -> Outcome:
    service = ctx.cache.get(services.KIND, key)
    known = ctx.cache.get(endpoints.KIND, key)
    if service is None:
        if known is not None and LEADER not in meta.annotations(known):
            await delete_if_there(ctx, endpoints.KIND, known)
        return DONE
    if not is_selecting(service):
        return DONE
    serving = ctx.cache.list(pods.KIND, key.namespace, map_selector(service["spec"]["selector"]))
    wanted = decide(service, serving, known)
    if wanted is not None:
        await _write(ctx, key, wanted, exists=known is not None)
    return DONE


async def _write(ctx: Context, key: Key, wanted: Object, *, exists: bool) -> None:
    try:
        if exists:
            await ctx.client.update(endpoints.KIND, wanted)
        else:
            await ctx.client.create(endpoints.KIND, wanted)
    except Exception as error:
        if has_cause(error, "NamespaceTerminating"):
            return
        if exists:
            reason, message = "FailedToUpdateEndpoint", f"Failed to update endpoint {key}: {error}"
        else:
            reason, message = "FailedToCreateEndpoint", f"Failed to create endpoint for service {key}: {error}"
        ctx.events.event(wanted, "Warning", reason, message)
        raise


def keys_of_endpoints(obj: Object, cache: Cache) -> list[Key]:
    return [meta.key(obj)] if cache.get(services.KIND, meta.key(obj)) is not None else []


CONTROLLER = Controller(
    name="endpoints-controller",
    component=NAME,
    watches=services.KIND,
    reconcile=reconcile,
    also=(Also(pods.KIND, keys_of_pod, pod_matters), Also(endpoints.KIND, keys_of_endpoints)),
)
