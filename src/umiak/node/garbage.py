"""Clears what nobody needs any more: old containers, foreign pods, unused images, long logs."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from umiak.node import facts, mounts
from umiak.node.kill import stop_stray
from umiak.node.names import CONTAINER_NAME, POD_UID, TERMINATION_GRACE
from umiak.node.runtime import Container, Image, RuntimeFailure, Sandbox, State
from umiak.node.tools import Tools

log = logging.getLogger(__name__)
KEPT_PER_CONTAINER = 1  # ended ones beside the newest, kubelet's maxPerPodContainer
HIGH, LOW = 0.85, 0.80  # of the images' file system: from where, and down to where images are removed
UNUSED_FOR = 120.0  # seconds an image must have been without a container
LOG_BYTES, LOG_FILES = 10 << 20, 5


def surplus(containers: Iterable[Container], kept: int = KEPT_PER_CONTAINER) -> list[str]:
    """Ids of ended containers that are neither the newest of their name nor one of the few kept before it."""
    by_name: dict[tuple[str, str], list[Container]] = {}
    for container in containers:
        labels = container.labels
        by_name.setdefault((labels.get(POD_UID, ""), labels.get(CONTAINER_NAME, "")), []).append(container)
    found = []
    for same in by_name.values():
        same.sort(key=lambda c: c.created_at, reverse=True)
        found += [c.id for c in same[1 + kept :] if c.state == State.EXITED]
    return found


def old_sandboxes(sandboxes: Iterable[Sandbox], containers: Iterable[Container]) -> list[str]:
    """Ids of sandboxes that are not ready, not the newest of their pod, and empty."""
    used = {c.sandbox_id for c in containers}
    newest: dict[str, Sandbox] = {}
    every = list(sandboxes)
    for sandbox in every:
        known = newest.get(sandbox.uid)
        if known is None or sandbox.created_at > known.created_at:
            newest[sandbox.uid] = sandbox
    return [s.id for s in every if not s.ready and s.id not in used and newest[s.uid].id != s.id]


class Disk(msgspec.Struct, frozen=True):
    total: int
    free: int

    @property
    def used(self) -> float:
        return 1 - self.free / self.total if self.total else 0.0


def images_to_remove(
    images: Iterable[Image], in_use: Iterable[str], unused_since: Mapping[str, float], disk: Disk, now: float
) -> list[Image]:
    """What to remove so that the disk is below LOW again, unused for longest first; nothing below HIGH."""
    if disk.used < HIGH:
        return []
    needed = int(disk.total * (1 - LOW)) - disk.free
    busy = set(in_use)
    idle = [i for i in images if not i.pinned and not busy & {i.id, *i.tags, *i.digests}]
    old = sorted((i for i in idle if now - unused_since.get(i.id, now) >= UNUSED_FOR), key=lambda i: unused_since[i.id])
    chosen = []
    for image in old:
        if needed <= 0:
            break
        chosen.append(image)
        needed -= image.size
    return chosen


def is_stray(labels: Mapping[str, str], wanted: Collection[str]) -> bool:
    """What has no pod's label is somebody else's."""
    return POD_UID in labels and labels[POD_UID] not in wanted


def folders_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


class Garbage:
    """The cleaning that is done from time to time. Methods raise RuntimeFailure and OSError."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._unused_since: dict[str, float] = {}

    async def containers(self) -> None:
        """Removes surplus containers and sandboxes of pods that live."""
        runtime = self._tools.runtime
        listed = await runtime.containers()
        for id in surplus(listed):
            await runtime.remove_container(id)
        for id in old_sandboxes(await runtime.sandboxes(), listed):
            await runtime.remove_sandbox(id)

    async def strays(self, wanted: Callable[[], Collection[str]]) -> None:
        """Ends and removes all that belongs to no pod of ours: containers, sandboxes, folders.

        `wanted` tells the uids of our pods. It is asked after each look: what a worker makes meanwhile is not stray.
        """
        tools = self._tools
        listed = await tools.runtime.containers()
        containers = [c for c in listed if is_stray(c.labels, wanted())]
        await asyncio.gather(*(self._stop(c) for c in containers if c.state != State.EXITED))
        for container in containers:
            await tools.runtime.remove_container(container.id)
        sandboxes = await tools.runtime.sandboxes()
        for sandbox in [s for s in sandboxes if is_stray(s.labels, wanted())]:
            await tools.runtime.stop_sandbox(sandbox.id)
            await tools.runtime.remove_sandbox(sandbox.id)
        await self._folders(wanted)

    async def _stop(self, container: Container) -> None:
        log.info("stopping container %s of a pod that is not ours any more", container.name)
        grace = container.annotations.get(TERMINATION_GRACE, "30")
        await stop_stray(self._tools, container.id, int(grace) if grace.isdecimal() else 30)

    async def _folders(self, wanted: Callable[[], Collection[str]]) -> None:
        paths = self._tools.machine.paths
        for entry in folders_in(paths.root / "pods"):
            if entry.name not in wanted():
                await mounts.clear(paths, entry.name)
                mounts.remove_pod_folder(paths, entry.name)
                self._tools.cgroups.remove(entry.name)
        for entry in folders_in(paths.logs):
            if entry.name.count("_") >= 2 and entry.name.rpartition("_")[2] not in wanted():
                await asyncio.to_thread(mounts.remove_tree, entry)

    async def images(self) -> None:
        """Removes images that nothing uses when their disk fills up."""
        runtime, now = self._tools.runtime, self._tools.now()
        images = await runtime.images()
        used = {name for c in await runtime.containers() for name in (c.image, c.image_ref)}
        idle = {i.id for i in images if not used & {i.id, *i.tags, *i.digests}}
        self._unused_since = {id: self._unused_since.get(id, now) for id in idle}
        systems = await runtime.image_filesystems()
        if not systems:
            return
        total, free, _ = facts.disk(systems[0].mountpoint)
        for image in images_to_remove(images, used, self._unused_since, Disk(total, free), now):
            try:
                await runtime.remove_image(image.id)
                log.info("removed unused image %s", (image.tags or (image.id,))[0])
            except RuntimeFailure as error:
                log.warning("cannot remove image %s: %s", image.id, error)

    async def logs(self) -> None:
        """Starts a new log file where one has become too long."""
        runtime = self._tools.runtime
        for container in await runtime.containers():
            if container.state != State.RUNNING:
                continue
            path = self._tools.machine.paths.logs / self._log_name(container)
            try:
                if path.stat().st_size < LOG_BYTES:
                    continue
                await asyncio.to_thread(rotate, path, self._tools.clock.now().strftime("%Y%m%d-%H%M%S"))
                await runtime.reopen_log(container.id)
            except FileNotFoundError:
                continue

    @staticmethod
    def _log_name(container: Container) -> Path:
        labels = container.labels
        pod = "_".join(labels.get(f"io.kubernetes.pod.{part}", "") for part in ("namespace", "name", "uid"))
        return Path(pod) / container.name / f"{container.attempt}.log"


def rotate(path: Path, stamp: str) -> None:
    """Puts the file aside, compresses the one before it, and removes the oldest beyond five in all."""
    import gzip
    import shutil

    older = sorted(p for p in path.parent.glob(f"{path.name}.*") if not p.name.endswith(".tmp"))
    for old in older[: max(0, len(older) - (LOG_FILES - 2))]:
        old.unlink(missing_ok=True)
    for old in older:
        if old.suffix != ".gz" and old.exists():
            part = old.with_name(old.name + ".tmp")
            with old.open("rb") as source, gzip.open(part, "wb") as target:
                shutil.copyfileobj(source, target)
            part.rename(old.with_name(old.name + ".gz"))
            old.unlink()
    path.rename(path.with_name(f"{path.name}.{stamp}"))
