"""Keeps the EndpointSlices of Services that select pods.

`decide` compares what should be with what is and changes as few slices as it can: endpoints stay where they are, new
ones fill slices that change anyway, then the fullest unchanged slice that has room, then new slices.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

import msgspec

from umiak.api.core import node as nodes
from umiak.api.core import pod as pods
from umiak.api.core import service as services
from umiak.api.discovery import endpointslice
from umiak.controllers import _hints
from umiak.controllers._act import delete_if_there, every, has_cause
from umiak.controllers._claims import map_selector
from umiak.controllers._endpoints import (
    HEADLESS,
    MANAGED_BY,
    SERVICE_NAME,
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
    served_by,
)
from umiak.controllers._hints import Hinted
from umiak.controllers._memory import Memory
from umiak.controllers._pods import is_ready, node_name, pod_prefix
from umiak.controllers._topology import ZONE, Shares, Verdict, cached_shares, is_auto
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Hindered, Outcome

NAME = "endpointslice-controller.k8s.io"
MAX_ENDPOINTS = 100
RESERVED = frozenset((SERVICE_NAME, MANAGED_BY, HEADLESS))
Identity = tuple[Any, ...]
Zones = dict[str, str]
"""The zone of each known node, "" where it has none."""
NO_SHARES: Shares = {}
HINTED: Memory[Hinted] = Memory()


class Changes(msgspec.Struct):
    """What to do with a Service's slices, and what could not be decided."""

    create: list[Object] = msgspec.field(default_factory=list)
    update: list[Object] = msgspec.field(default_factory=list)
    delete: list[Object] = msgspec.field(default_factory=list)
    errors: list[str] = msgspec.field(default_factory=list)
    verdicts: dict[str, Verdict | None] = msgspec.field(default_factory=dict)
    """What became of the topology annotation, by address family."""

    def __iadd__(self, other: "Changes") -> "Changes":
        self.create += other.create
        self.update += other.update
        self.delete += other.delete
        self.errors += other.errors
        self.verdicts |= other.verdicts
        return self


def address_types(service: Object) -> list[str]:
    """The families the Service uses; both when it does not say."""
    spec = service["spec"]
    if spec.get("ipFamilies"):
        return list(dict.fromkeys(spec["ipFamilies"]))
    if has_address(service):
        return ["IPv6" if is_ipv6(spec["clusterIP"]) else "IPv4"]
    return ["IPv4", "IPv6"]


def ports_of(service: Object, pod: Object) -> list[Object]:
    """The Service's ports as this pod has them; those the pod does not have are left out."""
    made = []
    for port in service["spec"].get("ports") or ():
        number = find_port(pod, port)
        if number is not None:
            entry = {"name": port.get("name") or "", "port": number, "protocol": port.get("protocol", "TCP")}
            made.append(entry | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {}))
    return made


def _port_key(ports: Iterable[Object] | None) -> bytes:
    """Equal for equal ports in any order."""
    return b"\n".join(sorted(msgspec.json.encode(p, order="deterministic") for p in ports or ()))


def endpoint_of(pod: Object, service: Object, addresses: list[str], zone: str) -> Object:
    ready, terminating = is_ready(pod), meta.is_being_deleted(pod)
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    target = {"kind": "Pod", "namespace": meta.namespace(pod), "name": meta.name(pod), "uid": meta.uid(pod)}
    made: Object = {
        "addresses": addresses,
        "conditions": {
            "ready": published or (ready and not terminating),
            "serving": ready,
            "terminating": terminating,
        },
        "hostname": own_hostname(pod, service),
        "targetRef": target,
        "nodeName": node_name(pod),
        "zone": zone,
    }
    return {k: v for k, v in made.items() if v}


def _identity(endpoint: Object) -> Identity:
    """What makes it the same endpoint though its conditions change."""
    target = endpoint.get("targetRef") or {}
    where = (endpoint.get("hostname") or "", target.get("namespace") or "", target.get("name") or "")
    return (*sorted(endpoint["addresses"]), *where)


def _essence(endpoint: Object) -> Object:
    """All but the pod's version, and hints, which come later."""
    target = {k: v for k, v in (endpoint.get("targetRef") or {}).items() if k != "resourceVersion"}
    return {**{k: v for k, v in endpoint.items() if v and k != "hints"}, "targetRef": target}


def labels_of(service: Object) -> dict[str, str]:
    """The Service's own, and what tells of it."""
    labels = {k: v for k, v in meta.labels(service).items() if k not in RESERVED}
    if not has_address(service):
        labels[HEADLESS] = ""
    return {**labels, SERVICE_NAME: meta.name(service), MANAGED_BY: NAME}


def new_slice(service: Object, ports: list[Object], address_type: str) -> Object:
    owner = {**service, "apiVersion": "v1", "kind": "Service"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": pod_prefix(meta.name(service)),
            "namespace": meta.namespace(service),
            "labels": labels_of(service),
            "ownerReferences": [meta.owner_reference(owner)],
        },
        "addressType": address_type,
        "endpoints": [],
        "ports": ports,
    }


def _is_owned(slice: Object, service: Object) -> bool:
    return any(o["uid"] == meta.uid(service) and o["kind"] == "Service" for o in meta.owners(slice))


class _Group(msgspec.Struct):
    """Endpoints with the same ports."""

    ports: list[Object]
    endpoints: dict[Identity, Object] = msgspec.field(default_factory=dict)


def _wanted(
    service: Object, pods: Iterable[Object], zones: Zones, address_type: str
) -> tuple[dict[bytes, _Group], list[str]]:
    """The endpoints there should be, by their ports; and what kept some out."""
    groups: dict[bytes, _Group] = {}
    errors = []
    for pod in pods:
        if not may_serve(pod, terminating=True):
            continue
        ports = ports_of(service, pod)
        group = groups.setdefault(_port_key(ports), _Group(ports))
        node = node_name(pod)
        if node not in zones and not service["spec"].get("publishNotReadyAddresses"):
            what = f"skipping Pod {meta.name(pod)} for Service {meta.key(service)}"
            errors.append(f"{what}: Node {node} Not Found")
            continue
        found = [str(ip_address(ip)) for ip in pod_ips(pod) if is_ipv6(ip) == (address_type == "IPv6")]
        if found:
            endpoint = endpoint_of(pod, service, found, zones.get(node, ""))
            group.endpoints[_identity(endpoint)] = endpoint
    return groups, errors


def _keep(slice: Object, missing: dict[Identity, Object], labels: dict[str, str]) -> tuple[Object, bool]:
    """The slice with the wanted endpoints that it holds, which leave `missing`; and whether it changes."""
    before = slice.get("endpoints") or []
    pairs = [(e, missing.pop(_identity(e), None)) for e in before]
    same = [old if new is not None and _essence(old) == _essence(new) else None for old, new in pairs]
    after = [old or new for old, (_, new) in zip(same, pairs, strict=True) if new is not None]
    if meta.labels(slice) == labels and None not in same:
        return slice, False
    return {**slice, "metadata": {**slice["metadata"], "labels": labels}, "endpoints": after}, True


def _fill(slice: Object, missing: dict[Identity, Object]) -> None:
    while missing and len(slice["endpoints"]) < MAX_ENDPOINTS:
        slice["endpoints"].append(missing.pop(next(iter(missing))))


def _best_fit(slices: Sequence[Object], count: int) -> Object | None:
    """The fullest slice that has room for `count` more."""
    fitting = [s for s in slices if _length(s) + count <= MAX_ENDPOINTS]
    return max(fitting, key=_length, default=None)


def _length(slice: Object) -> int:
    return len(slice.get("endpoints") or ())


def _distribute(service: Object, group: _Group, existing: Sequence[Object], address_type: str) -> Changes:
    """Puts a group's endpoints into its slices, and into as few others as need be."""
    changes, labels, missing = Changes(), labels_of(service), dict(group.endpoints)
    unchanged = []
    for slice in existing:
        kept, changed = _keep(slice, missing, labels)
        if not changed:
            unchanged.append(kept)
        elif kept["endpoints"] or not slice.get("endpoints"):
            changes.update.append(kept)
        else:
            changes.delete.append(slice)
    for slice in sorted(changes.update, key=lambda s: -len(s["endpoints"])):
        _fill(slice, missing)
    while missing:
        room = _best_fit(unchanged, len(missing))
        if room is None:
            target = new_slice(service, group.ports, address_type)
            changes.create.append(target)
        else:
            unchanged.remove(room)
            target = {**room, "endpoints": list(room.get("endpoints") or ())}
            changes.update.append(target)
        _fill(target, missing)
    return changes


def _is_placeholder(slice: Object, placeholder: Object) -> bool:
    same = all((slice.get(f) or []) == placeholder[f] for f in ("endpoints", "ports"))
    return same and meta.labels(slice) == meta.labels(placeholder)


def _reuse(changes: Changes, service: Object) -> Changes:
    """A slice that would go takes over the contents of one that would come: an update instead of both."""
    kept = []
    for old in changes.delete:
        if changes.create and _is_owned(old, service) and old["addressType"] == changes.create[-1]["addressType"]:
            new = changes.create.pop()
            about = {**old["metadata"], "labels": new["metadata"]["labels"]}
            changes.update.append({**old, **new, "metadata": about})
        else:
            kept.append(old)
    changes.delete = kept
    return changes


def _decide_family(
    service: Object, pods: Iterable[Object], zones: Zones, slices: Sequence[Object], address_type: str, shares: Shares
) -> Changes:
    groups, errors = _wanted(service, pods, zones, address_type)
    changes = Changes(errors=errors)
    existing: dict[bytes, list[Object]] = {}
    for slice in slices:
        if _is_owned(slice, service):
            existing.setdefault(_port_key(slice.get("ports")), []).append(slice)
        else:
            changes.delete.append(slice)
    for key, group in groups.items():
        changes += _distribute(service, group, existing.pop(key, []), address_type)
    for stale in existing.values():
        changes.delete += stale
    if len(changes.delete) == len(slices) and not changes.create:
        placeholder = new_slice(service, [], address_type)
        if len(slices) == 1 and _is_placeholder(slices[0], placeholder):
            changes.delete = []
        else:
            changes.create.append(placeholder)
    changes = _reuse(changes, service)
    touched = {meta.name(s) for s in (*changes.update, *changes.delete)}
    unchanged = [s for s in slices if meta.name(s) not in touched]
    changes.verdicts[address_type] = _hints.add(service, changes.create, changes.update, unchanged, shares)
    return changes


def decide(
    service: Object, pods: Sequence[Object], zones: Zones, slices: Sequence[Object], shares: Shares = NO_SHARES
) -> Changes:
    """What to change. `slices` are the Service's that this controller manages."""
    families = address_types(service)
    changes = Changes(delete=[s for s in slices if s["addressType"] not in families])
    for family in families:
        mine = [s for s in slices if s["addressType"] == family]
        changes += _decide_family(service, pods, zones, mine, family, shares)
    _stamp(changes, service, pods, slices)
    return changes


def _stamp(changes: Changes, service: Object, pods: Sequence[Object], slices: Sequence[Object]) -> None:
    """Notes when the change began, so that one can measure how long it takes to reach the network."""
    began = trigger_time(service, pods, slices)
    for slice in [*changes.create, *changes.update]:
        notes = {k: v for k, v in meta.annotations(slice).items() if k != TRIGGER_TIME}
        if began:
            notes[TRIGGER_TIME] = began
        slice["metadata"]["annotations"] = notes
        if not notes:
            del slice["metadata"]["annotations"]


def trigger_time(service: Object, pods: Sequence[Object], slices: Sequence[Object]) -> str:
    """The Service's creation at first; later the earliest change of readiness among the pods that changed."""
    if not slices:
        return str(service["metadata"].get("creationTimestamp") or "")
    known: dict[str, Object] = {}
    for slice in slices:
        for endpoint in slice.get("endpoints") or ():
            known[(endpoint.get("targetRef") or {}).get("uid") or ""] = endpoint
    moments = [_ready_change(p) for p in pods if _differs(p, known.get(meta.uid(p)))]
    return min((m for m in moments if m), default="")


def _ready_change(pod: Object) -> str:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((c.get("lastTransitionTime") or "" for c in conditions if c["type"] == "Ready"), "")


def _differs(pod: Object, endpoint: Object | None) -> bool:
    return endpoint is None or endpoint["conditions"].get("serving") != is_ready(pod)


async def _apply(ctx: Context, changes: Changes, service: Object) -> None:
    if not meta.is_being_deleted(service):
        await every(ctx.client.create(endpointslice.KIND, s) for s in changes.create)
    await every(ctx.client.update(endpointslice.KIND, s) for s in changes.update)
    await every(delete_if_there(ctx, endpointslice.KIND, s) for s in changes.delete)


class Incomplete(Hindered):
    """Some pods could not be made endpoints."""


def _zones(cache: Cache, pods: Iterable[Object]) -> Zones:
    """Of the nodes on which the pods are."""
    found = {}
    for name in {node_name(p) for p in pods}:
        node = cache.get(nodes.KIND, Key("", name)) if name else None
        if node is not None:
            found[name] = meta.labels(node).get(ZONE, "")
    return found


async def reconcile(ctx: Context, key: Key) -> Outcome:
    service = ctx.cache.get(services.KIND, key)
    if service is None:
        _hinted(ctx.cache).forget(key)
        return DONE
    if not is_selecting(service):
        return DONE
    serving = ctx.cache.list(pods.KIND, key.namespace, map_selector(service["spec"]["selector"]))
    of_service = map_selector({SERVICE_NAME: key.name, MANAGED_BY: NAME})
    slices = ctx.cache.list(endpointslice.KIND, key.namespace, of_service)
    alive = [s for s in slices if not meta.is_being_deleted(s)]
    shares = cached_shares(ctx.cache) if is_auto(service) else NO_SHARES
    changes = decide(service, serving, _zones(ctx.cache, serving), alive, shares)
    try:
        await _apply(ctx, changes, service)
        _tell(ctx, service, changes)
        if changes.errors:
            raise Incomplete("[" + ", ".join(changes.errors) + "]" if changes.errors[1:] else changes.errors[0])
    except Exception as error:
        if has_cause(error, "NamespaceTerminating"):
            return DONE
        message = f"Error updating Endpoint Slices for Service {key}: {error}"
        ctx.events.event(service, "Warning", "FailedToUpdateEndpointSlices", message)
        raise
    return DONE


def _hinted(cache: Cache) -> Hinted:
    return HINTED.at(cache).setdefault("", Hinted())


def _tell(ctx: Context, service: Object, changes: Changes) -> None:
    for family, verdict in changes.verdicts.items():
        event = _hinted(ctx.cache).note(meta.key(service), family, verdict)
        if event is not None:
            ctx.events.event(service, *event)


def overloaded(node: Object, cache: Cache) -> list[Key]:
    return _hinted(cache).overloaded(lambda: cached_shares(cache))


def node_matters(old: Object | None, new: Object | None) -> bool:
    """Whether the change of a node can change the zones' shares; few do."""
    if old is None or new is None:
        return True
    return is_ready(old) != is_ready(new) or meta.labels(old).get(ZONE) != meta.labels(new).get(ZONE)


def keys_of_slice(slice: Object, cache: Cache) -> list[Key]:
    return served_by(slice, NAME)


CONTROLLER = Controller(
    name="endpointslice-controller",
    component="endpoint-slice-controller",
    watches=services.KIND,
    reconcile=reconcile,
    also=(
        Also(pods.KIND, keys_of_pod, pod_matters),
        Also(endpointslice.KIND, keys_of_slice),
        Also(nodes.KIND, overloaded, node_matters),
    ),
)
