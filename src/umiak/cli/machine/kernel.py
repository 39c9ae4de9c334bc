"""What the cluster changes in the kernel, and how it is taken back: settings, links, nft tables, mounts, cgroups."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from umiak.network import cni

SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/ipv4/conf/all/route_localnet": None,
}
"""Under /proc/sys. None: only remembered, because a part of ours may change it."""
MINIMUM = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524288,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
    "vm/max_map_count": 262_144,
}
"""Raised to this where they are lower: every pod takes some."""
NFT_TABLES = (("ip", "umiak-proxy"), ("ip6", "umiak-proxy"), ("ip", cni.TABLE), ("ip6", cni.TABLE))
PROC_SYS = Path("/proc/sys")
GONE_SECONDS, LOOK_SECONDS = 10.0, 0.02
"""How long a killed process may take to be gone, and the time between two looks."""


def settle(remember: Path) -> None:
    """Sets what pods and Services need; keeps the old values in the file `remember` for `restore`."""
    before = json.loads(remember.read_text()) if remember.exists() else {}
    wanted: dict[str, str | None] = dict(SETTINGS)
    for name, least in MINIMUM.items():
        if (PROC_SYS / name).exists() and int((PROC_SYS / name).read_text()) < least:
            wanted[name] = str(least)
    for name, value in wanted.items():
        path = PROC_SYS / name
        if not path.exists():
            continue
        before.setdefault(name, path.read_text().strip())
        if value is not None:
            with contextlib.suppress(OSError):  # a container may hold some of them read-only; preflight tells
                path.write_text(value)
    remember.write_text(json.dumps(before))


def restore(remember: Path) -> None:
    if not remember.exists():
        return
    for name, value in json.loads(remember.read_text()).items():
        with contextlib.suppress(OSError):
            (PROC_SYS / name).write_text(value)
    remember.unlink()


def _quietly(*command: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def remove_network(bridge: str = cni.BRIDGE) -> None:
    """Bridge, nft tables, the host-port chains and addresses that the standard CNI plugins keep."""
    for family, table in NFT_TABLES:
        _quietly("nft", "delete", "table", family, table)
    _quietly("ip", "link", "delete", bridge)
    _remove_host_port_chains()
    _remove_tree(Path("/var/lib/cni/networks/umiak"))
    for folder in ("/var/lib/cni/networks", "/var/lib/cni/results", "/var/lib/cni"):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()  # only when empty: others may keep theirs there


def _remove_host_port_chains() -> None:
    """The portmap plugin's chains stay behind when the last host port goes."""
    for tool in ("iptables", "ip6tables"):
        listed = subprocess.run([tool, "-t", "nat", "-S"], capture_output=True, text=True, check=False)
        lines = [line for line in listed.stdout.splitlines() if "CNI-" in line]
        for line in lines:
            if line.startswith("-A "):
                _quietly(tool, "-t", "nat", "-D", *_words(line)[1:])
        for line in lines:
            if line.startswith("-N "):
                _quietly(tool, "-t", "nat", "-X", line.split()[1])
        _drop_empty_table(tool)


def _words(line: str) -> list[str]:
    import shlex

    return shlex.split(line)


def _drop_empty_table(tool: str) -> None:
    """iptables makes an nft table merely by being asked; take it away when nothing is in it."""
    family = "ip6" if tool == "ip6tables" else "ip"
    for table in ("nat", "filter", "mangle"):
        text = subprocess.run(
            ["nft", "list", "table", family, table], capture_output=True, text=True, check=False
        ).stdout
        rules = [
            w for line in text.splitlines() if (w := line.strip()) and not w.startswith(("table", "chain", "type", "}"))
        ]
        if text and not rules:
            _quietly("nft", "delete", "table", family, table)


def mounts_below(*folders: Path) -> list[Path]:
    """Mount points inside `folders`, the deepest first."""
    wanted = tuple(f"{folder}/" for folder in folders)
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode("latin-1", "replace").decode("unicode_escape")
        if (point + "/").startswith(wanted):
            found.append(Path(point))
    return sorted(set(found), key=lambda p: len(str(p)), reverse=True)


def unmount_below(*folders: Path) -> None:
    for _ in range(3):  # one mount may hide another
        points = mounts_below(*folders)
        if not points:
            return
        for point in points:
            _quietly("umount", "-l", str(point))


def cgroup_roots() -> list[Path]:
    """The top of every cgroup hierarchy: one on v2, one per controller on v1."""
    roots = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if right.split()[0] in ("cgroup", "cgroup2"):
            roots.append(Path(left.split()[4]))
    return roots


def pod_cgroups(uids: Iterable[str]) -> list[Path]:
    """The control groups of pods, by whatever driver and quality of service, in every hierarchy."""
    marks = [m for uid in uids for m in (f"pod{uid}", f"pod{uid.replace('-', '_')}")]
    return [
        folder
        for root in cgroup_roots()
        for top in (root / "kubepods", root / "kubepods.slice")
        for folder in _deepest_first(top)
        if any(mark in str(folder) for mark in marks)
    ]


def end_processes(uids: Iterable[str]) -> None:
    """Kills whatever still runs in the control groups of these pods, and waits until it is gone: the kernel keeps the
    groups until then."""
    folders, end = pod_cgroups(uids), time.monotonic() + GONE_SECONDS
    while (alive := {pid for folder in folders for pid in _members(folder)}) and time.monotonic() < end:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)


def _members(cgroup: Path) -> list[int]:
    try:
        return [int(pid) for pid in (cgroup / "cgroup.procs").read_text().split()]
    except OSError:
        return []  # it has gone


def remove_cgroups() -> None:
    """Removes pods' control groups that nothing is in. The kernel refuses the others, so pods of another agent on
    this machine keep theirs."""
    for root in cgroup_roots():
        for folder in _deepest_first(root / "kubepods"):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _deepest_first(top: Path) -> Iterator[Path]:
    if top.is_dir():
        for folder, _, _ in os.walk(top, topdown=False):
            yield Path(folder)


def _remove_tree(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
