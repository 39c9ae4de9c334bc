"""What a simulated node says of itself: its Node object and its Lease."""

from datetime import datetime

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.simulation.settings import Settings

LEASES = "kube-node-lease"
LEASE_SECONDS = 40
VERSION = "v1.37.1"


def dotted(address: int) -> str:
    """An IPv4 address. The ipaddress module takes ten times as long."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def node_address(index: int) -> str:
    return dotted(0x0AC00001 + index)


def node(settings: Settings, index: int, now: datetime) -> Object:
    name = f"{settings.prefix}-{index}"
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    if settings.zones:
        labels["topology.kubernetes.io/zone"] = settings.zones[index % len(settings.zones)]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**labels, **settings.labels}},
        "spec": {"taints": list(settings.taints)} if settings.taints else {},
        "status": node_status(settings, index, now),
    }


def node_status(settings: Settings, index: int, now: datetime) -> Object:
    stamp = meta.format_time(now)
    amounts = {"cpu": settings.cpu, "memory": settings.memory, "pods": str(settings.pods), "ephemeral-storage": "100Gi"}
    fine = {"lastHeartbeatTime": stamp, "lastTransitionTime": stamp}
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "addresses": [
            {"type": "InternalIP", "address": node_address(index)},
            {"type": "Hostname", "address": f"{settings.prefix}-{index}"},
        ],
        "conditions": [
            *(
                {"type": f"{what}Pressure", "status": "False", "reason": f"KubeletHas{word}", **fine}
                for what, word in (("Memory", "SufficientMemory"), ("Disk", "NoDiskPressure"), ("PID", "SufficientPID"))
            ),
            {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated", **fine},
        ],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": "simulated://1",
            "kernelVersion": "simulated",
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "simulated",
            "systemUUID": "",
        },
    }


def lease(name: str, owner: Object, now: datetime) -> Object:
    reference = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": meta.uid(owner)}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASES, "ownerReferences": [reference]},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": meta.format_micro_time(now),
        },
    }
