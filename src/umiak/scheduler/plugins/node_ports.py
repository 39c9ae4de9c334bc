"""Reject a node on which a wanted host port is already taken."""

from umiak.scheduler.contract import FITS, SKIP, Before, Cycle, Event, Plugin, Reject, Verdict, always
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import ANY_ADDRESS, HostPort, PodView

TAKEN = "node(s) didn't have free ports for the requested pod ports"


def clash(a: HostPort, b: HostPort) -> bool:
    if (a.protocol, a.port) != (b.protocol, b.port):
        return False
    return a.ip == b.ip or ANY_ADDRESS in (a.ip, b.ip)


def prefilter(cycle: Cycle) -> Before:
    return None if cycle.pod.host_ports else SKIP


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    taken = any(clash(wanted, used) for wanted in cycle.pod.host_ports for used in node.host_ports)
    return Reject((TAKEN,)) if taken else FITS


def freed_a_port(cycle: Cycle, old: PodView, new: None) -> bool:
    return any(clash(wanted, used) for wanted in cycle.pod.host_ports for used in old.host_ports)


PLUGIN = Plugin(
    name="NodePorts",
    order=50,
    prefilter=prefilter,
    filter=filter_node,
    local=True,
    retry_on={Event.POD_REMOVED: freed_a_port, Event.NODE_ADDED: always},
)
