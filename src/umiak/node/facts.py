"""What this machine is and has, read from /proc and /sys."""

import os
import platform
import socket
from collections.abc import Mapping
from pathlib import Path

from umiak.objects.types import Object

VERSION = "v1.37.1"
MAX_PODS = 110
EVICTION_MEMORY = 100 << 20  # bytes that are kept free, kubelet's memory.available threshold
EVICTION_DISK = 0.10  # part of the node's file system that is kept free
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """As Go names it."""
    machine = platform.machine()
    return MACHINES.get(machine, machine)


def read(path: str) -> str:
    """A small file's text without the line's end; empty when it cannot be read."""
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdecimal():
            found[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return found


def memory() -> int:
    return meminfo(read("/proc/meminfo")).get("MemTotal", 0)


def disk(path: str) -> tuple[int, int, int]:
    """Size and free bytes, and free inodes, of the file system that holds `path`."""
    found = os.statvfs(path)
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_favail


def page_sizes() -> dict[str, int]:
    """Huge pages: bytes that the kernel has set aside, by size as `2Mi`."""
    found = {}
    for folder in sorted(Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB")):
        kilobytes = int(folder.name.removeprefix("hugepages-").removesuffix("kB"))
        count = int(read(str(folder / "nr_hugepages")) or 0)
        size = f"{kilobytes >> 20}Gi" if kilobytes >= 1 << 20 else f"{kilobytes >> 10}Mi"
        found[size] = count * kilobytes * 1024
    return found


def shown(size: int) -> str:
    """Bytes as kubelet shows them: in Ki when that is exact."""
    return f"{size // 1024}Ki" if size and size % 1024 == 0 else str(size)


def capacity(root: str, max_pods: int = MAX_PODS) -> dict[str, str]:
    total, _, _ = disk(root)
    pages = {f"hugepages-{size}": shown(reserved) for size, reserved in page_sizes().items()}
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": shown(memory()),
        "ephemeral-storage": shown(total),
        "pods": str(max_pods),
        **pages,
    }


def allocatable(root: str, max_pods: int = MAX_PODS) -> dict[str, str]:
    """What pods may have: all but what is kept free."""
    total, _, _ = disk(root)
    pages = sum(page_sizes().values())
    found = capacity(root, max_pods)
    found["memory"] = shown(max(0, memory() - EVICTION_MEMORY - pages))
    found["ephemeral-storage"] = str(int(total * (1 - EVICTION_DISK)))
    return found


def os_release(text: str) -> Mapping[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value.strip('"') for name, _, value in pairs}


def node_info(runtime_version: str) -> Object:
    release = os_release(read("/etc/os-release"))
    return {
        "machineID": read("/etc/machine-id") or read("/var/lib/dbus/machine-id"),
        "systemUUID": read("/sys/class/dmi/id/product_uuid") or read("/etc/machine-id"),
        "bootID": read("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": platform.release(),
        "osImage": release.get("PRETTY_NAME", "Linux"),
        "containerRuntimeVersion": runtime_version,
        "kubeletVersion": VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": architecture(),
    }


def default_address() -> str:
    """The address that this machine uses towards others; connecting a UDP socket sends nothing."""
    for family, target in ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
                return str(probe.getsockname()[0])
            except OSError:
                continue
    return "127.0.0.1"
