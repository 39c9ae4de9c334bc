"""Whether a pod that is bound to this node may run here (kubelet's lifecycle/predicate.go).

The scheduler has looked already; this catches pods that name their node themselves, and races.
"""

from collections.abc import Mapping, Sequence

from umiak.node import pods
from umiak.node.limits import requested
from umiak.node.quantity import milli, whole
from umiak.objects import meta
from umiak.objects.types import Object

Refusal = tuple[str, str]


def refusal(pod: Object, others: Sequence[Object], allocatable: Mapping[str, str], node: Object) -> Refusal | None:
    """(reason, message) why not; None when it may. A pod that has begun already is not judged again."""
    if pods.phase(pod) != "Pending" or pods.status(pod).get("startTime") or meta.is_being_deleted(pod):
        return None
    return _too_much(pod, others, allocatable) or _wrong_node(pod, node) or _taken_port(pod, others)


def _too_much(pod: Object, others: Sequence[Object], allocatable: Mapping[str, str]) -> Refusal | None:
    count = int(allocatable.get("pods", "0") or 0)
    if count and len(others) >= count:
        return _out_of("pods", 1, len(others), count)
    wanted = requested(pod)
    for resource, read in (("cpu", milli), ("memory", whole)):
        if resource not in allocatable or not wanted[resource]:
            continue
        used, limit = sum(requested(o)[resource] for o in others), read(allocatable[resource])
        if used + wanted[resource] > limit:
            return _out_of(resource, wanted[resource], used, limit)
    return None


def room(pod: Object, others: Sequence[Object], allocatable: Mapping[str, str]) -> Refusal | None:
    """Why a resized pod would not fit: Infeasible when it never would, Deferred when others are in the way."""
    wanted = requested(pod)
    for resource, read in (("cpu", milli), ("memory", whole)):
        limit = read(allocatable.get(resource, "0"))
        if not limit or not wanted[resource]:
            continue
        used = sum(requested(o)[resource] for o in others)
        if wanted[resource] > limit:
            numbers = f"requested: {wanted[resource]}, capacity: {limit}"
            return "Infeasible", f"Node didn't have enough capacity: {resource}, {numbers}"
        if used + wanted[resource] > limit:
            numbers = f"requested: {wanted[resource]}, used: {used}, capacity: {limit}"
            return "Deferred", f"Node didn't have enough resource: {resource}, {numbers}"
    return None


def _out_of(resource: str, asked: int, used: int, capacity: int) -> Refusal:
    numbers = f"requested: {asked}, used: {used}, capacity: {capacity}"
    return f"OutOf{resource}", f"Node didn't have enough resource: {resource}, {numbers}"


def _wrong_node(pod: Object, node: Object) -> Refusal | None:
    """Only the node selector: affinity is judged where its language is known, by the scheduler."""
    labels = meta.labels(node)
    wanted = pods.spec(pod).get("nodeSelector") or {}
    if labels and any(labels.get(k) != v for k, v in wanted.items()):
        return "NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    return None


def host_ports(pod: Object) -> set[tuple[str, int, str]]:
    return {
        (p.get("protocol") or "TCP", p["hostPort"], p.get("hostIP") or "0.0.0.0")
        for c in pods.containers(pod)
        for p in c.get("ports") or ()
        if p.get("hostPort")
    }


def _taken_port(pod: Object, others: Sequence[Object]) -> Refusal | None:
    every = "0.0.0.0"
    for protocol, port, ip in host_ports(pod):
        for other in others:
            for taken in host_ports(other):
                if taken[:2] == (protocol, port) and (ip == taken[2] or every in (ip, taken[2])):
                    return (
                        "NodePorts",
                        "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
                    )
    return None
