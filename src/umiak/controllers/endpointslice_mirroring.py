"""Mirrors Endpoints that somebody wrote by hand, for Services without a selector, into EndpointSlices (KEP-0752).

`decide` makes one slice per set of ports and family of addresses; a slice that is right is left alone.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address

import msgspec

from umiak.api.core import endpoints as endpoints_kind
from umiak.api.core import service as services
from umiak.api.discovery import endpointslice
from umiak.controllers._act import delete_if_there, every, has_cause
from umiak.controllers._claims import map_selector
from umiak.controllers._endpoints import MANAGED_BY, SERVICE_NAME, TRIGGER_TIME, served_by
from umiak.controllers._pods import pod_prefix
from umiak.controllers.endpoints import LEADER, Ready, pack
from umiak.controllers.endpointslice import Changes
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

NAME = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ENDPOINTS = 1000
"""Of one subset; more are not mirrored."""
_encode = msgspec.json.Encoder(order="deterministic").encode


def is_mirrored(endpoints: Object | None, service: Object | None) -> bool:
    if endpoints is None or service is None or service["spec"].get("selector") is not None:
        return False
    return meta.labels(endpoints).get(SKIP) != "true" and LEADER not in meta.annotations(endpoints)


def repacked(subsets: Iterable[Object]) -> list[Object]:
    """The same addresses and ports in the canonical form."""
    by_port: dict[bytes, Ready] = {}
    for subset in subsets:
        for port in subset.get("ports") or [None]:
            known = by_port.setdefault(_encode(port), {})
            for field, ready in (("addresses", True), ("notReadyAddresses", False)):
                for address in subset.get(field) or ():
                    uid = (address.get("targetRef") or {}).get("uid") or ""
                    known[(address["ip"], uid)] = (address, ready)
    return pack(by_port)


def parsed(ip: str) -> tuple[str, str] | None:
    """(family, the address in its usual form); None when it is none. Zeros in front count for nothing, as in Go's
    lenient parser."""
    plain = ip if ":" in ip else ".".join(part.lstrip("0") or "0" for part in ip.split("."))
    try:
        address = ip_address(plain)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return "IPv6", str(address)
        address = address.ipv4_mapped
    return "IPv4", str(address)


def endpoint_of(address: Object, ip: str, ready: bool) -> Object:
    kept = {name: address.get(name) for name in ("hostname", "nodeName", "targetRef")}
    return {"addresses": [ip], "conditions": {"ready": ready}, **{k: v for k, v in kept.items() if v}}


Group = tuple[str, bytes]
"""Family and ports."""


class Mirror:
    """What the slices of some Endpoints should hold, and what had to be left out."""

    def __init__(self, subsets: Iterable[Object]) -> None:
        self.groups: dict[Group, tuple[list[Object], dict[bytes, Object]]] = {}
        self.invalid = self.skipped = 0
        for subset in repacked(subsets):
            self._add(subset)

    def _add(self, subset: Object) -> None:
        ports = [_port(p) for p in subset.get("ports") or ()]
        added = 0
        listed = [(a, True) for a in subset.get("addresses") or ()]
        listed += [(a, False) for a in subset.get("notReadyAddresses") or ()]
        for number, (address, ready) in enumerate(listed):
            if added == MAX_ENDPOINTS:
                self.skipped += len(listed) - number
                return
            found = parsed(address["ip"])
            if found is None:
                self.invalid += 1
                continue
            family, ip = found
            endpoint = endpoint_of(address, ip, ready)
            _, members = self.groups.setdefault((family, port_key(ports)), (ports, {}))
            members[_identity(endpoint)] = endpoint
            added += 1


def _port(port: Object) -> Object:
    found = {"name": port.get("name") or "", "port": port["port"], "protocol": port.get("protocol", "TCP")}
    return found | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})


def port_key(ports: Iterable[Object] | None) -> bytes:
    """Equal for equal ports in any order."""
    return b"\n".join(sorted(map(_encode, ports or ())))


def _identity(endpoint: Object) -> bytes:
    """What makes it the same endpoint though its conditions change."""
    target = endpoint.get("targetRef") or {}
    where = (target.get("namespace"), target.get("name"))
    return _encode((sorted(endpoint["addresses"]), endpoint.get("hostname"), where))


def labels_of(endpoints: Object) -> dict[str, str]:
    return {**meta.labels(endpoints), SERVICE_NAME: meta.name(endpoints), MANAGED_BY: NAME}


def annotations_of(endpoints: Object) -> dict[str, str]:
    return {k: v for k, v in meta.annotations(endpoints).items() if k not in (TRIGGER_TIME, APPLIED)}


def new_slice(endpoints: Object, family: str, ports: list[Object], members: Iterable[Object]) -> Object:
    owner = {**endpoints, "apiVersion": "v1", "kind": "Endpoints"}
    about = {
        "generateName": pod_prefix(meta.name(endpoints)),
        "namespace": meta.namespace(endpoints),
        "labels": labels_of(endpoints),
        "ownerReferences": [meta.owner_reference(owner)],
    }
    if notes := annotations_of(endpoints):
        about["annotations"] = notes
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": about,
        "addressType": family,
        "endpoints": list(members)[:MAX_ENDPOINTS],
        "ports": ports,
    }


def _replaced(old: Object, new: Object) -> Object:
    """`new` under the name of `old`."""
    about = {k: v for k, v in new["metadata"].items() if k != "generateName"}
    return {**new, "metadata": {**{k: v for k, v in old["metadata"].items() if k != "annotations"}, **about}}


def _is_right(slice: Object, wanted: Object) -> bool:
    known = {_identity(e): e for e in slice.get("endpoints") or ()}
    about, should = slice["metadata"], wanted["metadata"]
    same = all((about.get(field) or {}) == (should.get(field) or {}) for field in ("labels", "annotations"))
    return (
        same
        and known == {_identity(e): e for e in wanted["endpoints"]}
        and [o["uid"] for o in meta.owners(slice)] == [o["uid"] for o in meta.owners(wanted)]
    )


def decide(endpoints: Object, mirror: Mirror, slices: Sequence[Object]) -> Changes:
    """What to change. `slices` are those that mirror these Endpoints so far."""
    changes = Changes()
    existing: dict[Group, list[Object]] = {}
    for slice in slices:
        existing.setdefault((slice["addressType"], port_key(slice.get("ports"))), []).append(slice)
    for group, (ports, members) in mirror.groups.items():
        wanted = new_slice(endpoints, group[0], ports, members.values())
        known = existing.pop(group, [])
        changes.delete += known[1:]
        if not known:
            changes.create.append(wanted)
        elif not _is_right(known[0], wanted):
            changes.update.append(_replaced(known[0], wanted))
    changes.delete += [s for stale in existing.values() for s in stale]
    return _recycled(changes)


def _recycled(changes: Changes) -> Changes:
    """A slice that would go takes over the contents of one that would come."""
    spare, create = list(changes.delete), []
    for new in changes.create:
        old = next((s for s in spare if s["addressType"] == new["addressType"]), None)
        if old is None:
            create.append(new)
        else:
            spare.remove(old)
            changes.update.append(_replaced(old, new))
    changes.create, changes.delete = create, spare
    return changes


async def reconcile(ctx: Context, key: Key) -> Outcome:
    endpoints, service = ctx.cache.get(endpoints_kind.KIND, key), ctx.cache.get(services.KIND, key)
    mirrors = map_selector({SERVICE_NAME: key.name, MANAGED_BY: NAME})
    slices = ctx.cache.list(endpointslice.KIND, key.namespace, mirrors)
    if endpoints is None or not is_mirrored(endpoints, service):
        await every(delete_if_there(ctx, endpointslice.KIND, s) for s in slices)
        return DONE
    mirror = Mirror(endpoints.get("subsets") or ())
    _tell(ctx, endpoints, mirror)
    changes = decide(endpoints, mirror, slices)
    try:
        if not meta.is_being_deleted(endpoints):
            await every(ctx.client.create(endpointslice.KIND, s) for s in changes.create)
    except Exception as error:
        if has_cause(error, "NamespaceTerminating"):
            return DONE
        raise
    await every(ctx.client.update(endpointslice.KIND, s) for s in changes.update)
    await every(delete_if_there(ctx, endpointslice.KIND, s) for s in changes.delete)
    return DONE


def _tell(ctx: Context, endpoints: Object, mirror: Mirror) -> None:
    if mirror.invalid:
        message = f"Skipped {mirror.invalid} invalid IP addresses when mirroring to EndpointSlices"
        ctx.events.event(endpoints, "Warning", "InvalidIPAddress", message)
    if mirror.skipped:
        limit = f"A max of {MAX_ENDPOINTS} addresses can be mirrored to EndpointSlices per Endpoints subset."
        message = f"{limit} {mirror.skipped + mirror.invalid} addresses were skipped"
        ctx.events.event(endpoints, "Warning", "TooManyAddressesToMirror", message)


def key_of_service(service: Object, cache: Cache) -> list[Key]:
    """Endpoints have the name of their Service."""
    return [meta.key(service)]


def came_or_lost_selector(old: Object | None, new: Object | None) -> bool:
    """Whether a Service's change can matter here."""
    return _selects(old) != _selects(new)


def _selects(service: Object | None) -> bool:
    return service is None or service["spec"].get("selector") is not None


def keys_of_slice(slice: Object, cache: Cache) -> list[Key]:
    return served_by(slice, NAME)


CONTROLLER = Controller(
    name="endpointslice-mirroring-controller",
    component="endpoint-slice-mirroring-controller",
    watches=endpoints_kind.KIND,
    reconcile=reconcile,
    also=(
        Also(services.KIND, key_of_service, came_or_lost_selector),
        Also(endpointslice.KIND, keys_of_slice),
    ),
)
