"""How the cost of one scheduling decision grows with the number of nodes: CPU µs, without a server.

usage: bench/decisions.py [--nodes 100,500,...] [--pods 300]

Nodes are in three zones. Each pod is assumed where it was decided to go, before the next one comes; the first few, for
which nothing is known of any node yet, do not count. Of three runs the best is told.
"""

import argparse
import json
import random
import time
from typing import Any

import scale_pods

from umiak.reconcile.cache import Tables
from umiak.scheduler.cluster import ClusterState
from umiak.scheduler.contract import Cycle
from umiak.scheduler.decide import Decider, Placement
from umiak.scheduler.loop import _READ
from umiak.scheduler.pods import PodView, view
from umiak.scheduler.profile import default_plugins
from umiak.testing.clock import NOON

TEMPLATES = ("plain", "spreading", "preferred-spreading", "affinity", "anti-affinity")
FIRST = 12
TRIES = 3


def a_node(number: int) -> dict[str, Any]:
    name = f"node-{number}"
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{number % 3}"}
    offered = {"cpu": "16", "memory": "64Gi", "pods": "110"}
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": {"allocatable": offered}}


def a_pod(template: str, number: int) -> PodView:
    made = json.loads(json.dumps(scale_pods.TEMPLATES[template]))
    made["metadata"] |= {"name": f"pod-{number}", "namespace": "default", "uid": f"uid-{number}"}
    return view(made)


def measure(template: str, nodes: int, pods: int) -> float:
    """Microseconds of CPU per decision."""
    state, tables = ClusterState(lambda news: None), Tables()
    for kind in _READ:
        tables.ensure(kind)
    for number in range(nodes):
        state.node_changed(None, a_node(number), f"node-{number}")
    decider, spent = Decider(default_plugins(), random.Random(1)), 0.0
    for number in range(FIRST + pods):
        pod = a_pod(template, number)
        began = time.process_time()
        found = decider.decide(Cycle(pod, state.nodes, tables, NOON, census=state.census))
        if not isinstance(found, Placement):
            return spent / max(1, number - FIRST) * 1e6  # no room is left
        state.assume(pod, found.node.name)
        spent += time.process_time() - began if number >= FIRST else 0.0
    return spent / pods * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="100,500,1000,5000,10000")
    parser.add_argument("--pods", type=int, default=300)
    options = parser.parse_args()
    print("| nodes | " + " | ".join(TEMPLATES) + " |")
    print("|---" * (1 + len(TEMPLATES)) + "|")
    for nodes in map(int, options.nodes.split(",")):
        found = [min(measure(each, nodes, options.pods) for _ in range(TRIES)) for each in TEMPLATES]
        print(f"| {nodes:,} | " + " | ".join(f"{cpu:,.0f}" for cpu in found) + " |", flush=True)


if __name__ == "__main__":
    main()
