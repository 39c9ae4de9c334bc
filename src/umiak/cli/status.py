"""umiak status: what runs on this machine, and what is wrong."""

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from umiak.cli._output import JSON, TEXT, YAML, add_output, show
from umiak.cli._part import connect
from umiak.cli.command import Command
from umiak.cli.machine import programs
from umiak.cli.machine.config import ClusterConfig
from umiak.cli.up import load
from umiak.objects import meta
from umiak.objects.types import Object

SECONDS = 5.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="the settings it was started with")
    add_output(parser, TEXT, JSON, YAML)


def run(args: argparse.Namespace) -> int:
    """0 when all is well, 1 otherwise."""
    found = gather(load(args.config))
    show(found, args.output, lines(found))
    return 1 if found["problems"] else 0


def gather(config: ClusterConfig) -> dict[str, Any]:
    """Programs with memory, nodes, pods that are not well, and what to do about each."""
    layout = config.layout
    alive = programs.running(layout)
    expected = ["supervisor", *(spec["name"] for spec in programs.specifications(config))]
    parts = [{"name": n, "pid": alive.get(n, 0), "memory_mib": resident(alive.get(n, 0))} for n in expected]
    problems = []
    if not alive:
        problems.append("the cluster is not running: umiak up")
    else:
        problems += [f"{p['name']} is not running; see {layout.logs}/{p['name']}.log" for p in parts if not p["pid"]]
    found: dict[str, Any] = {"programs": parts, "nodes": [], "pods": {}, "problems": problems}
    if alive.get("server"):
        asyncio.run(look(config, found))
    return found


def resident(pid: int) -> float:
    """MiB; 0 when there is no such process."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return round(int(line.split()[1]) / 1024, 1)
    except OSError:
        pass
    return 0.0


async def look(config: ClusterConfig, found: dict[str, Any]) -> None:
    from umiak.api.core import node, pod
    from umiak.client.contract import Unreachable
    from umiak.objects.errors import StatusError

    client = connect(config.layout.admin_kubeconfig, "status")
    try:
        async with asyncio.timeout(SECONDS):
            nodes = (await client.list(node.KIND)).items
            pods = (await client.list(pod.KIND)).items
    except (Unreachable, StatusError, TimeoutError) as error:
        found["problems"].append(f"the API server does not answer: {error or 'time out'}")
        return
    finally:
        await client.transport.close()
    found["nodes"] = [{"name": meta.name(n), "ready": is_true(n, "Ready")} for n in nodes]
    found["problems"] += [f"node {n['name']} is not Ready" for n in found["nodes"] if not n["ready"]]
    found["pods"] = {"total": len(pods), "ready": sum(is_well(p) for p in pods)}
    found["problems"] += [f"pod {meta.key(p)}: {why(p)}" for p in pods if not is_well(p)]


def is_true(obj: Object, condition: str) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == condition and c.get("status") == "True" for c in conditions)


def is_well(pod: Object) -> bool:
    """Finished ones are; of those that failed their Job takes care."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") or is_true(pod, "Ready")


def why(pod: Object) -> str:
    """The first reason that a container or the scheduler gives."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return f"{waiting['reason']} {waiting.get('message', '')}".strip()
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return str(status.get("phase", "Unknown"))


def lines(found: dict[str, Any]) -> Iterator[str]:
    for part in found["programs"]:
        state = f"process {part['pid']}, {part['memory_mib']:.0f} MiB" if part["pid"] else "not running"
        yield f"{part['name']:<12} {state}"
    total = sum(p["memory_mib"] for p in found["programs"] if p["name"] != "containerd")
    yield f"{'memory':<12} {total:.0f} MiB without containerd"
    for node in found["nodes"]:
        yield f"node         {node['name']} is {'Ready' if node['ready'] else 'not Ready'}"
    if found["pods"]:
        yield f"pods         {found['pods']['ready']} of {found['pods']['total']} are well"
    for problem in found["problems"]:
        yield f"problem      {problem}"


COMMAND = Command(
    name="status",
    help="what runs on this machine, and what is wrong",
    arguments=arguments,
    run=run,
    examples=("umiak status", "umiak status -o json"),
)
