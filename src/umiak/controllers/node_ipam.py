"""Gives every node its own range of pod addresses out of the cluster's (`spec.podCIDRs`)."""

import ipaddress

import msgspec

from umiak.api.core.node import KIND as NODE
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Hindered, Options, Outcome

IPV6_MASK = 64
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Exhausted(Hindered):
    """No range is left for one more node."""


class Pool(msgspec.Struct):
    """One cluster range, cut into ranges of `mask` bits. Numbers stand for the pieces, in order."""

    cluster: Network
    mask: int
    taken: dict[int, str] = msgspec.field(default_factory=dict)
    """Piece to the node that has it."""
    following: int = 0

    @property
    def size(self) -> int:
        return 1 << (self.mask - self.cluster.prefixlen)

    def _step(self) -> int:
        return 1 << (self.cluster.max_prefixlen - self.mask)

    def occupy(self, text: str, owner: str) -> None:
        """Marks all pieces that the range `text` touches; one outside the cluster's range is not ours to mark."""
        network = ipaddress.ip_network(text, strict=False)
        if network.version != self.cluster.version or not network.overlaps(self.cluster):
            return
        base, step = int(self.cluster.network_address), self._step()
        first = max(0, (int(network.network_address) - base) // step)
        last = min(self.size - 1, (int(network.broadcast_address) - base) // step)
        for piece in range(first, last + 1):
            self.taken[piece] = owner

    def release(self, owner: str) -> None:
        for piece in [p for p, who in self.taken.items() if who == owner]:
            del self.taken[piece]

    def allocate(self, owner: str) -> str:
        """The next free piece after the one given last; raises Exhausted."""
        for offset in range(min(self.size, len(self.taken) + 1)):
            piece = (self.following + offset) % self.size
            if piece not in self.taken:
                self.taken[piece] = owner
                self.following = (piece + 1) % self.size
                return self._text(piece)
        raise Exhausted("CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range")

    def _text(self, piece: int) -> str:
        start = int(self.cluster.network_address) + piece * self._step()
        address = ipaddress.IPv4Address(start) if self.cluster.version == 4 else ipaddress.IPv6Address(start)
        return f"{address}/{self.mask}"


def pools(options: Options, nodes: list[Object]) -> list[Pool]:
    """The pools with what services and existing nodes have taken of them."""
    made = []
    for text in options.cluster_cidrs:
        cluster = ipaddress.ip_network(text, strict=False)
        pool = Pool(cluster, options.node_cidr_mask if cluster.version == 4 else IPV6_MASK)
        for service in options.service_cidrs:
            pool.occupy(service, "services")
        for node in nodes:
            for cidr in (node.get("spec") or {}).get("podCIDRs") or ():
                pool.occupy(cidr, f"node/{meta.name(node)}")
        made.append(pool)
    return made


async def reconcile(ctx: Context, key: Key) -> Outcome:
    if "pools" not in ctx.memory:
        ctx.memory["pools"] = pools(ctx.options, ctx.cache.list(NODE))
    all_pools: list[Pool] = ctx.memory["pools"]
    owner = f"node/{key.name}"
    node = ctx.cache.get(NODE, key)
    if node is None:
        for pool in all_pools:
            pool.release(owner)
        return DONE
    if meta.is_being_deleted(node) or not all_pools:
        return DONE
    present = (node.get("spec") or {}).get("podCIDRs") or ()
    for cidr in present:
        for pool in all_pools:
            pool.occupy(cidr, owner)
    if not present:
        await _assign(ctx, node, all_pools, owner)
    return DONE


async def _assign(ctx: Context, node: Object, all_pools: list[Pool], owner: str) -> None:
    try:
        cidrs = [pool.allocate(owner) for pool in all_pools]
        patch = {"spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
        await ctx.client.patch(NODE, meta.name(node), "", patch, type="strategic")
    except Exception as error:
        for pool in all_pools:
            pool.release(owner)
        reason = "CIDRNotAvailable" if isinstance(error, Exhausted) else "CIDRAssignmentFailed"
        about = {"apiVersion": "v1", "kind": "Node", "name": meta.name(node), "uid": meta.uid(node)}
        ctx.events.event(about, "Normal", reason, f"Node {meta.name(node)} status is now: {reason}")
        raise


def should_wake(old: Object | None, new: Object | None) -> bool:
    """Only coming, going and the ranges themselves matter; heartbeats do not."""
    if old is None or new is None:
        return True
    return (old.get("spec") or {}).get("podCIDRs") != (new.get("spec") or {}).get("podCIDRs")


CONTROLLER = Controller(
    name="node-ipam",
    watches=NODE,
    reconcile=reconcile,
    should_wake=should_wake,
    component="cidrAllocator",
)
