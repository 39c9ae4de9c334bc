"""The names of the cluster: from Service and EndpointSlice objects to records, one Service at a time.

Names are kept relative to the zone, as in `web.default.svc`. A name that only has names below it exists too (it
answers "no data" and not "no such name"), so every name counts those who need it.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object


class Node(msgspec.Struct):
    """What one name stands for. `srv` holds (port, absolute target)."""

    addresses: list[str] = msgspec.field(default_factory=list)
    srv: list[tuple[int, str]] = msgspec.field(default_factory=list)
    cname: str = ""
    needed_by: int = 0


class Facts(msgspec.Struct, frozen=True):
    """What one Service contributes: (relative name, addresses), (relative name, port, target), reverse names."""

    addresses: tuple[tuple[str, tuple[str, ...]], ...] = ()
    services: tuple[tuple[str, int, str], ...] = ()
    alias: tuple[str, str] | None = None
    reverse: tuple[tuple[str, str], ...] = ()


def dashed(ip: str) -> str:
    """`10-244-0-2`: the host name of an endpoint that has none."""
    return ip.replace(".", "-").replace(":", "-")


def _ready_endpoints(slices: Iterable[Object]) -> Iterator[tuple[Object, Object]]:
    for piece in slices:
        for endpoint in piece.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                yield piece, endpoint


def facts(service: Object, slices: Sequence[Object], zone: str) -> Facts:
    """All names that one Service brings about."""
    spec = service.get("spec") or {}
    root = f"{meta.name(service)}.{meta.namespace(service)}.svc".lower()
    if spec.get("type") == "ExternalName":
        return Facts(alias=(root, (spec.get("externalName") or "").lower().rstrip(".")))
    if spec.get("clusterIP") in (None, ""):
        return Facts()
    if spec["clusterIP"] == "None":
        return _headless(root, slices, zone)
    ips = tuple(spec.get("clusterIPs") or [spec["clusterIP"]])
    services = [
        (prefix + root, port["port"], f"{root}.{zone}")
        for port in spec.get("ports") or ()
        for prefix in _srv_prefixes(port)
    ]
    return Facts(((root, ips),), tuple(services), reverse=tuple((ip, f"{root}.{zone}") for ip in ips))


def _srv_prefixes(port: Object) -> list[str]:
    """An SRV record stands at `_name._protocol` and, for those who ask without a port, at the Service's own name."""
    if not port.get("name"):
        return [""]
    return ["", f"_{port['name']}._{(port.get('protocol') or 'TCP')}.".lower()]


def _headless(root: str, slices: Sequence[Object], zone: str) -> Facts:
    everyone: list[str] = []
    hosts: dict[str, list[str]] = {}
    services: list[tuple[str, int, str]] = []
    reverse: list[tuple[str, str]] = []
    for piece, endpoint in _ready_endpoints(slices):
        for ip in endpoint.get("addresses") or ():
            host = f"{(endpoint.get('hostname') or dashed(ip)).lower()}.{root}"
            everyone.append(ip)
            hosts.setdefault(host, []).append(ip)
            reverse.append((ip, f"{host}.{zone}"))
            for port in piece.get("ports") or ():
                if port.get("port"):
                    services += [(prefix + root, port["port"], f"{host}.{zone}") for prefix in _srv_prefixes(port)]
    unique = tuple(dict.fromkeys(everyone))
    addresses = [(root, unique), *((host, tuple(dict.fromkeys(ips))) for host, ips in hosts.items())]
    return Facts(tuple(addresses) if unique else (), tuple(dict.fromkeys(services)), reverse=tuple(reverse))


class Zone:
    """All records, kept up to date Service by Service. `version` grows with every change."""

    def __init__(self, name: str = "cluster.local") -> None:
        self.name = name
        self.names: dict[str, Node] = {}
        self.reverse: dict[str, dict[str, None]] = {}
        self.namespaces: set[str] = set()
        self.version = 0
        self._facts: dict[Key, Facts] = {}
        for always in ("svc", "pod"):
            self._need(always)

    def update(self, key: Key, service: Object | None, slices: Sequence[Object]) -> None:
        """Replaces all that the Service `key` contributes; None: it is gone."""
        new = facts(service, slices, self.name) if service is not None else Facts()
        old = self._facts.get(key, Facts())
        if new == old:
            return
        self._remove(old)
        self._add(new)
        if service is None:
            self._facts.pop(key, None)
        else:
            self._facts[key] = new
        self.version += 1

    def set_namespaces(self, names: Iterable[str]) -> None:
        """Namespaces exist as names even when they hold no Service."""
        wanted = set(names)
        for name in wanted - self.namespaces:
            self._need(f"{name}.svc")
        for name in self.namespaces - wanted:
            self._forget(f"{name}.svc")
        if wanted != self.namespaces:
            self.namespaces = wanted
            self.version += 1

    def _need(self, name: str) -> Node:
        """The node of `name`, made if missing together with all names above it."""
        node = self.names.get(name)
        if node is None:
            node = self.names[name] = Node()
            above = name.partition(".")[2]
            if above:
                self._need(above)
        node.needed_by += 1
        return node

    def _forget(self, name: str) -> None:
        node = self.names[name]
        node.needed_by -= 1
        if node.needed_by == 0:
            del self.names[name]
            above = name.partition(".")[2]
            if above:
                self._forget(above)

    def _add(self, new: Facts) -> None:
        for name, ips in new.addresses:
            self._need(name).addresses.extend(ips)
        for name, port, target in new.services:
            self._need(name).srv.append((port, target))
        if new.alias:
            self._need(new.alias[0]).cname = new.alias[1]
        for ip, target in new.reverse:
            self.reverse.setdefault(ip, {})[target] = None

    def _remove(self, old: Facts) -> None:
        for name, ips in old.addresses:
            node = self.names[name]
            node.addresses = [a for a in node.addresses if a not in ips]
            self._forget(name)
        for name, port, target in old.services:
            self.names[name].srv.remove((port, target))
            self._forget(name)
        if old.alias:
            self.names[old.alias[0]].cname = ""
            self._forget(old.alias[0])
        for ip, target in old.reverse:
            targets = self.reverse.get(ip, {})
            targets.pop(target, None)
            if not targets:
                self.reverse.pop(ip, None)
