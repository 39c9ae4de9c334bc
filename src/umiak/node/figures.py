"""Resource figures of the node and its pods: `/stats/summary`, and metrics in Prometheus' text form."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from umiak.node import facts, pods
from umiak.node.names import POD_NAME, POD_NAMESPACE, POD_UID
from umiak.node.runtime import Usage
from umiak.node.worker import Worker
from umiak.objects import meta
from umiak.objects.types import Object

TICKS = 100  # USER_HZ, the unit of /proc/stat on every Linux


def _when(nanoseconds: int) -> str:
    return meta.format_time(datetime.fromtimestamp(nanoseconds / 1e9, UTC))


def node_cpu_seconds() -> float:
    """Of all cores since boot, without idle and waiting."""
    numbers = [int(n) for n in facts.read("/proc/stat").splitlines()[0].split()[1:]]
    user, nice, system, _idle, _wait, irq, soft, steal = numbers[:8]
    return (user + nice + system + irq + soft + steal) / TICKS


def node_memory() -> dict[str, int]:
    found = facts.meminfo(facts.read("/proc/meminfo"))
    total, available = found.get("MemTotal", 0), found.get("MemAvailable", 0)
    return {"available": available, "working_set": total - available, "usage": total - found.get("MemFree", 0)}


def _by_pod(usage: Iterable[Usage]) -> dict[tuple[str, str, str], list[Usage]]:
    found: dict[tuple[str, str, str], list[Usage]] = {}
    for one in usage:
        key = tuple(one.labels.get(label, "") for label in (POD_NAMESPACE, POD_NAME, POD_UID))
        if key[2]:
            found.setdefault((key[0], key[1], key[2]), []).append(one)
    return found


def _container(one: Usage) -> Object:
    time_ = _when(one.at)
    return {
        "name": one.name,
        "startTime": None,
        "cpu": {"time": time_, "usageCoreNanoSeconds": one.cpu},
        "memory": {
            "time": time_,
            "workingSetBytes": one.working_set,
            "usageBytes": one.memory or one.working_set,
            "rssBytes": one.rss,
        },
        "rootfs": {"time": time_, "usedBytes": one.root_bytes, "inodesUsed": one.root_inodes},
    }


def summary(node: str, usage: Sequence[Usage], root: str) -> Object:
    """The Summary of k8s.io/kubelet/pkg/apis/stats/v1alpha1, with what the runtime measures."""
    now = meta.format_time(datetime.fromtimestamp(time.time(), UTC))
    total, free, inodes = facts.disk(root)
    memory = node_memory()
    shown = []
    for (namespace, name, uid), ones in _by_pod(usage).items():
        shown.append(
            {
                "podRef": {"name": name, "namespace": namespace, "uid": uid},
                "startTime": None,
                "containers": [_container(o) for o in ones],
                "cpu": {"time": now, "usageCoreNanoSeconds": sum(o.cpu for o in ones)},
                "memory": {"time": now, "workingSetBytes": sum(o.working_set for o in ones)},
            }
        )
    return {
        "node": {
            "nodeName": node,
            "startTime": None,
            "cpu": {"time": now, "usageCoreNanoSeconds": int(node_cpu_seconds() * 1e9)},
            "memory": {
                "time": now,
                "availableBytes": memory["available"],
                "usageBytes": memory["usage"],
                "workingSetBytes": memory["working_set"],
            },
            "fs": {
                "time": now,
                "availableBytes": free,
                "capacityBytes": total,
                "usedBytes": total - free,
                "inodesFree": inodes,
            },
        },
        "pods": shown,
    }


def line(name: str, labels: Mapping[str, str], value: float) -> str:
    shown = ",".join(f'{k}="{_escaped(v)}"' for k, v in labels.items())
    return f"{name}{{{shown}}} {value:.12g}" if shown else f"{name} {value:.12g}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def family(name: str, kind: str, help: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# HELP {name} {help}", f"# TYPE {name} {kind}", *lines]) + "\n"


def _labels(one: Usage) -> dict[str, str]:
    labels = one.labels
    return {"container": one.name, "namespace": labels.get(POD_NAMESPACE, ""), "pod": labels.get(POD_NAME, "")}


def resource(usage: Sequence[Usage]) -> str:
    """/metrics/resource, which metrics-server reads."""
    cpu, memory = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
    per_pod = _by_pod(usage)
    pod_lines = {key: {"namespace": key[0], "pod": key[1]} for key in per_pod}
    return "".join(
        [
            family(cpu, "counter", "CPU time of the container in core-seconds",
                   [line(cpu, _labels(o), o.cpu / 1e9) for o in usage]),
            family(memory, "gauge", "Working set of the container in bytes",
                   [line(memory, _labels(o), o.working_set) for o in usage]),
            family("node_cpu_usage_seconds_total", "counter", "CPU time of the node in core-seconds",
                   [line("node_cpu_usage_seconds_total", {}, node_cpu_seconds())]),
            family("node_memory_working_set_bytes", "gauge", "Working set of the node in bytes",
                   [line("node_memory_working_set_bytes", {}, node_memory()["working_set"])]),
            family("pod_cpu_usage_seconds_total", "counter", "CPU time of the pod in core-seconds",
                   [line("pod_cpu_usage_seconds_total", pod_lines[k], sum(o.cpu for o in ones) / 1e9)
                    for k, ones in per_pod.items()]),
            family("pod_memory_working_set_bytes", "gauge", "Working set of the pod in bytes",
                   [line("pod_memory_working_set_bytes", pod_lines[k], sum(o.working_set for o in ones))
                    for k, ones in per_pod.items()]),
            family("resource_scrape_error", "gauge", "1 if getting container metrics failed, 0 otherwise",
                   [line("resource_scrape_error", {}, 0)]),
        ]
    )  # fmt: skip


def cadvisor(usage: Sequence[Usage]) -> str:
    """The most used of cAdvisor's families."""
    cpu, memory = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
    fs = "container_fs_usage_bytes"
    return "".join(
        [
            family(cpu, "counter", "Cumulative cpu time consumed in seconds.",
                   [line(cpu, _labels(o), o.cpu / 1e9) for o in usage]),
            family(memory, "gauge", "Current working set in bytes.",
                   [line(memory, _labels(o), o.working_set) for o in usage]),
            family(fs, "gauge", "Number of bytes that are consumed by the container on this filesystem.",
                   [line(fs, _labels(o), o.root_bytes) for o in usage]),
        ]
    )  # fmt: skip


def own(workers: Iterable[Worker]) -> str:
    """The agent's own figures."""
    every = list(workers)
    phases: dict[str, int] = {}
    for worker in every:
        phase = (worker.report.status or pods.status(worker.pod)).get("phase", "Pending")
        phases[phase] = phases.get(phase, 0) + 1
    statm = facts.read("/proc/self/statm").split()
    return "".join(
        [
            family("kubelet_running_pods", "gauge", "Number of pods that have a running pod sandbox",
                   [line("kubelet_running_pods", {}, phases.get("Running", 0))]),
            family("kubelet_desired_pods", "gauge", "Number of pods this node is to run",
                   [line("kubelet_desired_pods", {}, len(every))]),
            family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
                   [line("process_resident_memory_bytes", {}, int(statm[1]) * 4096 if len(statm) > 1 else 0)]),
            family("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
                   [line("process_cpu_seconds_total", {}, time.process_time())]),
        ]
    )  # fmt: skip
