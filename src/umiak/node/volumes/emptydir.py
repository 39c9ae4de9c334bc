"""emptyDir: a folder that lives as long as the pod, on disk or in memory."""

import asyncio

from umiak.node import mounting, ownership
from umiak.node.limits import asked
from umiak.node.pods import containers, init_containers
from umiak.node.projection import make_folder
from umiak.node.quantity import whole
from umiak.node.volume import CannotMount, Mounted, Request, VolumeType
from umiak.objects.types import Object


def memory_size(pod: Object, limit: str | None) -> int:
    """Bytes of a memory volume: its own limit, but no more than all containers may use; 0 for no bound."""
    limits = [asked(c, "limits", "memory") for c in (*init_containers(pod), *containers(pod))]
    total = sum(whole(text) for text in limits if text) if all(limits) else 0
    own = whole(limit) if limit else 0
    return min(own, total) if own and total else own or total


def _make(request: Request) -> None:
    medium = request.source.get("medium") or ""
    fresh = not request.path.is_dir()
    if medium == "Memory":
        size = memory_size(request.pod, request.source.get("sizeLimit"))
        make_folder(request.path, True, f"size={size},mode=0777" if size else "mode=0777")
    elif medium.startswith("HugePages"):
        make_folder(request.path, False)
        if not request.path.is_mount():
            size_option = medium.removeprefix("HugePages").removeprefix("-").removesuffix("i")
            options = f"pagesize={size_option}" if size_option else ""
            mounting.mount("nodev", str(request.path), "hugetlbfs", options=options)
    elif medium:
        raise CannotMount(f'unknown storage medium "{medium}"')
    else:
        make_folder(request.path, False)
    if fresh:
        ownership.give(request.path, request.fs_group)


async def mount(request: Request) -> Mounted:
    await asyncio.to_thread(_make, request)
    return Mounted(path=request.path)


VOLUME = VolumeType(field="emptyDir", plugin="empty-dir", mount=mount)
