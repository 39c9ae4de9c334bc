"""Names inside a pod: its host name, /etc/hosts, and where it asks for other names (kubelet/network/dns)."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path

import msgspec

from umiak.node import pods
from umiak.node.runtime import Dns
from umiak.objects import meta
from umiak.objects.types import Object

HEADER = "# Kubernetes-managed hosts file.\n"
HOST_NETWORK_HEADER = "# Kubernetes-managed hosts file (host network).\n"
LOCAL = (
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
)
MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARACTERS = 3, 32, 2048
MAX_HOSTNAME = 63
CLUSTER_OPTIONS = ("ndots:5",)


class Resolver(msgspec.Struct, frozen=True):
    """How names are looked up on this machine (a resolv.conf) and in the cluster."""

    cluster_servers: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    host: Dns = msgspec.field(default_factory=Dns)


def read_resolv_conf(text: str) -> Dns:
    """The last `search` or `domain` line counts, as in resolv.conf(5)."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word == "nameserver" and rest:
            servers.append(rest[0])
        elif word in ("search", "domain"):
            searches = [s if s == "." else s.rstrip(".") for s in rest]
        elif word == "options":
            options += rest
    return Dns(tuple(servers), tuple(searches), tuple(options))


def host_resolver(path: str) -> Dns:
    """The machine's, or nothing when the file cannot be read."""
    try:
        return read_resolv_conf(Path(path).read_text()) if path else Dns()
    except OSError:
        return Dns()


def hostname(pod: Object) -> tuple[str, str]:
    """The pod's host name, and the domain it is in or nothing."""
    spec = pods.spec(pod)
    if override := spec.get("hostnameOverride"):
        return _shortened(override), ""
    return _shortened(spec.get("hostname") or meta.name(pod)), ""


def domain(pod: Object, cluster_domain: str) -> str:
    """`subdomain.namespace.svc.cluster.local`, or nothing without a subdomain."""
    spec = pods.spec(pod)
    if spec.get("hostnameOverride") or not spec.get("subdomain"):
        return ""
    return f"{spec['subdomain']}.{meta.namespace(pod)}.svc.{cluster_domain}"


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_HOSTNAME else name[:MAX_HOSTNAME].rstrip("-.")


def kernel_hostname(pod: Object, cluster_domain: str) -> str:
    """What `hostname` prints: short, or in full when the pod asks for it; ValueError when the kernel cannot hold it."""
    short, _ = hostname(pod)
    inside = domain(pod, cluster_domain)
    if not pods.spec(pod).get("setHostnameAsFQDN") or not inside:
        return short
    full = f"{short}.{inside}"
    if len(full) > 64:
        raise ValueError(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"(64 characters is the max, {len(full)} characters requested)"
        )
    return full


def aliases(pod: Object) -> str:
    entries = pods.spec(pod).get("hostAliases") or ()
    lines = [e["ip"] + "\t" + "\t".join(e.get("hostnames") or ()) + "\n" for e in entries]
    return "\n# Entries added by HostAliases.\n" + "".join(lines) if lines else ""


def hosts_file(pod: Object, ips: Sequence[str], cluster_domain: str, machine: str = "") -> str:
    """/etc/hosts of a pod; with the host's network, `machine` (the machine's own file) and the pod's aliases."""
    if pods.uses_host_network(pod):
        return HOST_NETWORK_HEADER + machine + aliases(pod)
    short, _ = hostname(pod)
    inside = domain(pod, cluster_domain)
    names = f"{short}.{inside}\t{short}" if inside else short
    return HEADER + LOCAL + "".join(f"{ip}\t{names}\n" for ip in ips) + aliases(pod)


def pod_dns(pod: Object, resolver: Resolver) -> Dns:
    """The pod's resolv.conf by its dnsPolicy and dnsConfig."""
    policy = pods.spec(pod).get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and pods.uses_host_network(pod):
        policy = "Default"
    if policy == "None":
        base = Dns()
    elif policy == "Default" or not resolver.cluster_servers:
        base = resolver.host if resolver.host.servers or policy == "None" else Dns(("127.0.0.1",), (".",), ())
    else:
        zones = (f"{meta.namespace(pod)}.svc", "svc")
        own = tuple(f"{z}.{resolver.cluster_domain}" for z in zones)
        searches = (*own, resolver.cluster_domain, *resolver.host.searches)
        base = Dns(resolver.cluster_servers, searches, CLUSTER_OPTIONS)
    return _within_limits(_with_config(base, pods.spec(pod).get("dnsConfig") or {}))


def _with_config(base: Dns, wanted: Object) -> Dns:
    options = {name: text for text in base.options for name in [text.partition(":")[0]]}
    for option in wanted.get("options") or ():
        value = option.get("value")
        options[option["name"]] = option["name"] if value is None else f"{option['name']}:{value}"
    return Dns(
        tuple(dict.fromkeys((*base.servers, *(wanted.get("nameservers") or ())))),
        tuple(dict.fromkeys((*base.searches, *(wanted.get("searches") or ())))),
        tuple(options.values()),
    )


def _within_limits(wanted: Dns) -> Dns:
    searches = list(wanted.searches[:MAX_SEARCHES])
    while len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        searches.pop()
    return Dns(wanted.servers[:MAX_NAMESERVERS], tuple(searches), wanted.options)


def family(ip: str) -> int:
    return ipaddress.ip_address(ip).version


def sorted_ips(ips: Sequence[str], first: int = 4) -> tuple[str, ...]:
    """At most one address per family, that of the node's primary family first."""
    by_family: dict[int, str] = {}
    for ip in ips:
        by_family.setdefault(family(ip), ip)
    order = (first, 10 - first)
    return tuple(by_family[f] for f in order if f in by_family)
