"""The CNI configuration of a node: a bridge for its pods, addresses from the node's pod range, host ports.

Written when the node's `spec.podCIDRs` is known; the runtime reports its network ready from then on.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BRIDGE = "umiak0"
FILE = "10-umiak.conflist"
TABLE = "umiak-pods"


def conflist(pod_cidrs: Sequence[str], *, mtu: int = 0, bridge: str = BRIDGE) -> dict[str, Any]:
    """The network list in CNI 1.0.0. `mtu` in bytes; 0 leaves it to the kernel.

    The masquerading of the bridge plugin is off: it would hide pods from each other across nodes; the agent's own
    nftables rule masquerades only what leaves the cluster.
    """
    plugin = {
        "type": "bridge",
        "bridge": bridge,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": cidr}] for cidr in pod_cidrs],
            "routes": [{"dst": "::/0" if ":" in cidr else "0.0.0.0/0"} for cidr in pod_cidrs],
        },
    }
    if mtu:
        plugin["mtu"] = mtu
    host_ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "1.0.0", "name": "umiak", "plugins": [plugin, host_ports]}


def write(folder: Path, config: dict[str, Any]) -> bool:
    """Puts the configuration in place in one step; False when it was there already."""
    target = folder / FILE
    text = json.dumps(config, indent=1) + "\n"
    if target.exists() and target.read_text() == text:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{FILE}.new"
    draft.write_text(text)
    draft.replace(target)
    return True


def masquerade(family: str, pod_cidrs: Sequence[str], cluster_cidrs: Sequence[str]) -> str:
    """The nft script that gives pods the node's address on their way out of the cluster, and lets them be forwarded."""
    pods, cluster = (", ".join(cidrs) for cidrs in (pod_cidrs, cluster_cidrs))
    leaving = f"{family} saddr {{ {pods} }} {family} daddr != {{ {cluster} }} fib daddr type != {{ local, multicast }}"
    return f"""\
add table {family} {TABLE}
delete table {family} {TABLE}
table {family} {TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat + 10; policy accept;
    {leaving} masquerade
  }}
}}
"""
