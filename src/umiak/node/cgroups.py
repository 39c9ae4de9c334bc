"""Control groups of pods: `kubepods`, a group per quality of service below it, a group per pod below that.

Works on cgroup v1 and v2. With the systemd driver the runtime makes the slices; with cgroupfs we make the folders, so
that a pod's limits hold for all its containers together. Containers' own groups are the runtime's business.
"""

import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path

from umiak.node.qos import BEST_EFFORT, BURSTABLE, GUARANTEED
from umiak.node.runtime import Resources

log = logging.getLogger(__name__)
MOUNT = Path("/sys/fs/cgroup")
V1_CONTROLLERS = ("cpu", "memory", "pids")
V2_CONTROLLERS = ("cpuset", "cpu", "memory", "pids", "hugetlb")
LEVEL = {GUARANTEED: "", BURSTABLE: "burstable", BEST_EFFORT: "besteffort"}


def weight(shares: int) -> int:
    """cpu.shares (2 to 262144) as cgroup v2's cpu.weight (1 to 10000)."""
    return 10000 if shares >= 262144 else 1 + (max(shares, 2) - 2) * 9999 // 262142


def v1_settings(limits: Resources) -> dict[str, dict[str, str]]:
    """What to write into which file, by controller."""
    cpu, memory = {}, {}
    if limits.cpu_shares:
        cpu["cpu.shares"] = str(limits.cpu_shares)
    if limits.cpu_period:
        cpu |= {"cpu.cfs_period_us": str(limits.cpu_period), "cpu.cfs_quota_us": str(limits.cpu_quota or -1)}
    if limits.memory_limit:  # -1 takes the limit away
        memory["memory.limit_in_bytes"] = str(limits.memory_limit)
    return {"cpu": cpu, "memory": memory}


def v2_settings(limits: Resources) -> dict[str, str]:
    found = {}
    if limits.cpu_shares:
        found["cpu.weight"] = str(weight(limits.cpu_shares))
    if limits.cpu_period:
        found["cpu.max"] = f"{limits.cpu_quota or 'max'} {limits.cpu_period}"
    if limits.memory_limit:
        found["memory.max"] = str(limits.memory_limit) if limits.memory_limit > 0 else "max"
    return found


def parts(qos: str, uid: str) -> list[str]:
    """The names of the groups from the top to the pod's."""
    return [p for p in ("kubepods", LEVEL[qos], f"pod{uid}") if p]


def slice_name(names: Iterable[str]) -> str:
    """`kubepods-burstable-pod1_2.slice`: a dash is a path separator to systemd, so names get underscores."""
    return "-".join(n.replace("-", "_") for n in names) + ".slice"


class Cgroups:
    """Makes and removes pods' groups. `driver` is cgroupfs or systemd; `mount` is where control groups are mounted."""

    def __init__(self, driver: str = "cgroupfs", mount: Path = MOUNT) -> None:
        if driver not in ("cgroupfs", "systemd"):
            raise ValueError(f"cgroup driver {driver!r} is neither cgroupfs nor systemd")
        self.driver = driver
        self.mount = mount
        self.v2 = (mount / "cgroup.controllers").exists()
        self.writable = driver == "systemd" or self._probe()

    def _roots(self) -> list[Path]:
        if self.v2:
            return [self.mount]
        return [self.mount / c for c in V1_CONTROLLERS if (self.mount / c).is_dir()]

    def _probe(self) -> bool:
        """Whether we may make groups here; inside some containers we may not."""
        try:
            for root in self._roots():
                (root / "kubepods").mkdir(exist_ok=True)
        except OSError as error:
            log.warning("pods get no control groups of their own: %s", error)
            return False
        return bool(self._roots())

    def parent(self, qos: str, uid: str) -> str:
        """What the runtime is told as the containers' parent group; empty when it is to choose."""
        if not self.writable:
            return ""
        names = parts(qos, uid)
        return slice_name(names) if self.driver == "systemd" else "/" + "/".join(names)

    def _paths(self, qos: str, uid: str) -> list[Path]:
        names = parts(qos, uid)
        if self.driver == "systemd":
            nested = [slice_name(names[: i + 1]) for i in range(len(names))]
            return [root.joinpath(*nested) for root in self._roots()]
        return [root.joinpath(*names) for root in self._roots()]

    def ensure(self, qos: str, uid: str, limits: Resources) -> None:
        """Makes the pod's group with its limits; raises OSError when the kernel refuses."""
        if not self.writable or self.driver == "systemd":
            return
        for path in self._paths(qos, uid):
            if self.v2:
                self._enable(path)
            path.mkdir(parents=True, exist_ok=True)
        self.limit(qos, uid, limits)

    def limit(self, qos: str, uid: str, limits: Resources) -> None:
        """Sets limits of a group that exists."""
        for path in self._paths(qos, uid):
            if not path.is_dir():
                continue
            controller = path.relative_to(self.mount).parts[0]
            wanted = v2_settings(limits) if self.v2 else v1_settings(limits).get(controller, {})
            for name, value in wanted.items():
                (path / name).write_text(value)

    def _enable(self, path: Path) -> None:
        """v2: hands the controllers down each level above `path`."""
        available = (self.mount / "cgroup.controllers").read_text().split()
        wanted = " ".join(f"+{c}" for c in V2_CONTROLLERS if c in available)
        for level in [self.mount, *reversed(path.relative_to(self.mount).parents[:-1])]:
            folder = level if level == self.mount else self.mount / level
            folder.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):  # busy at the root of a container: then its owner has done it
                (folder / "cgroup.subtree_control").write_text(wanted)

    def remove(self, uid: str) -> None:
        """Removes the pod's groups in all hierarchies and levels, with the empty ones that the runtime left in them."""
        if self.driver == "systemd":
            return
        every = [self.mount] if self.v2 else [p for p in self.mount.iterdir() if p.is_dir() and not p.is_symlink()]
        for root in every:
            for qos in LEVEL:
                _remove_tree(root.joinpath(*parts(qos, uid)))

    def pods(self) -> set[str]:
        """Uids of the pods that have groups."""
        found = set()
        for root in self._roots():
            for qos in LEVEL:
                found |= {p.name.removeprefix("pod") for p in root.joinpath(*parts(qos, "")[:-1]).glob("pod*-*")}
        return found


def _remove_tree(path: Path) -> None:
    if not path.is_dir():
        return
    for child in path.iterdir():
        if child.is_dir():
            _remove_tree(child)
    with contextlib.suppress(OSError):  # a process still ends in it: the next cleaning takes it
        path.rmdir()
