"""Looks before anything is changed: what is missing on this machine, and the fix for each."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from umiak.cli.machine import containerd, kernel
from umiak.cli.machine.config import ClusterConfig

LEAST_FREE_DISK = 512 * 1024 * 1024
"""Bytes that must be free where the data goes."""


class Problem(msgspec.Struct, frozen=True):
    """What is wrong and what helps. `fatal` stops `umiak up`; others are told as warnings."""

    what: str
    fix: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.what}\n    fix: {self.fix}"


def _root(config: ClusterConfig) -> Iterator[Problem]:
    if os.geteuid() != 0:
        yield Problem("umiak up must run as root: it makes network links, mounts and cgroups", "sudo umiak up")


def _programs(config: ClusterConfig) -> Iterator[Problem]:
    packages = {"nft": "nftables", "conntrack": "conntrack", "ip": "iproute2", "iptables": "iptables", "mount": "mount"}
    if not config.containerRuntimeEndpoint:
        packages |= {"containerd": "containerd", "ctr": "containerd", "runc": "runc"}
    missing = sorted({package for program, package in packages.items() if not shutil.which(program)})
    if missing:
        yield Problem(f"not installed: {', '.join(missing)}", f"apt-get install {' '.join(missing)}")
    try:
        containerd.cni_folder()
    except containerd.RuntimeMissing as error:
        yield Problem("the CNI plugins are not installed", str(error).partition(": ")[2])


def _runtime(config: ClusterConfig) -> Iterator[Problem]:
    if config.containerRuntimeEndpoint:
        path = Path(config.containerRuntimeEndpoint.removeprefix("unix://"))
        if not path.is_socket():
            yield Problem(f"no container runtime listens on {path}", "start it, or leave containerRuntimeEndpoint out")
        return
    if shutil.which("containerd"):
        major, minor = containerd.version()
        if (major, minor) < (1, 6):
            yield Problem(f"containerd {major}.{minor} is too old", "install containerd 1.6 or later")


def _ports(config: ClusterConfig) -> Iterator[Problem]:
    for name, port in (("port", config.port), ("nodePort", config.nodePort)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError as error:
                what = f"port {port} is taken ({error.strerror})"
                yield Problem(what, f"stop the program that uses it, or choose another `{name}` in cluster.yaml")


def _disk(config: ClusterConfig) -> Iterator[Problem]:
    folder = Path(config.dataDir)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_DISK:
        what = f"only {free // 2**20} MiB are free on the disk of {config.dataDir}"
        yield Problem(what, "free some space, or choose another dataDir")


def _cgroups(config: ClusterConfig) -> Iterator[Problem]:
    roots = kernel.cgroup_roots()
    if not roots:
        yield Problem("no cgroups are mounted", "mount -t cgroup2 none /sys/fs/cgroup")
        return
    v1 = {name for root in roots for name in root.name.split(",")}
    controllers = Path("/sys/fs/cgroup/cgroup.controllers")
    v2 = set(controllers.read_text().split()) if controllers.exists() else set()
    missing = [c for c in ("cpu", "memory", "pids") if c not in v1 | v2]
    if missing:
        fix = "boot with cgroup_enable=memory cgroup_memory=1 (as on a Raspberry Pi)"
        yield Problem(f"the kernel does not offer the cgroup controllers {', '.join(missing)}", fix)


def _overlay(config: ClusterConfig) -> Iterator[Problem]:
    if "overlay" not in Path("/proc/filesystems").read_text():
        yield Problem("the kernel has no overlayfs", "modprobe overlay")


def _bridge(config: ClusterConfig) -> Iterator[Problem]:
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        what = "pods on one node will not reach each other through Services: br_netfilter is not loaded"
        yield Problem(what, "modprobe br_netfilter", fatal=False)


def _swap(config: ClusterConfig) -> Iterator[Problem]:
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        yield Problem("swap is on: memory limits of pods are less strict", "swapoff -a", fatal=False)


CHECKS: tuple[Callable[[ClusterConfig], Iterator[Problem]], ...] = (
    _root,
    _programs,
    _runtime,
    _ports,
    _disk,
    _cgroups,
    _overlay,
    _bridge,
    _swap,
)


def problems(config: ClusterConfig, *, ports: bool = True) -> list[Problem]:
    """Everything that is wrong, fatal things first. `ports`: whether they must be free."""
    found = [problem for check in CHECKS if ports or check is not _ports for problem in check(config)]
    return sorted(found, key=lambda p: not p.fatal)
