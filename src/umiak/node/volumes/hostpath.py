"""hostPath: a file or folder of the machine, checked or made as its type says."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

from umiak.node.volume import CannotMount, Mounted, Request, VolumeType

CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def ready(path: Path, type: str) -> None:
    """Makes what is missing for the types that say so; raises CannotMount when the type does not fit."""
    if type == "":
        return
    if type == "DirectoryOrCreate":
        if not path.exists():
            path.mkdir(parents=True, mode=0o755)
        type = "Directory"
    if type == "FileOrCreate":
        if not path.exists():
            path.touch(mode=0o644)
        type = "File"
    if type not in CHECKS:
        raise CannotMount(f"{type} is an invalid volume type")
    check, what = CHECKS[type]
    if not path.exists() or not check(path.stat().st_mode):
        raise CannotMount(f"hostPath type check failed: {path} is not {what}")


async def mount(request: Request) -> Mounted:
    path = Path(request.source["path"])
    await asyncio.to_thread(ready, path, request.source.get("type") or "")
    return Mounted(path=path)


VOLUME = VolumeType(field="hostPath", plugin="host-path", mount=mount, removable=False)
