"""nfs: a share of an NFS server, mounted by the machine's mount program (from nfs-common)."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from umiak.node.volume import CannotMount, Mounted, Request, VolumeType

LIMIT = 120.0  # seconds


async def mount_share(server: str, share: str, path: Path, readonly: bool, options: Sequence[str]) -> None:
    """Mounts it unless it is mounted already; raises CannotMount."""
    if path.is_mount():
        return
    path.mkdir(parents=True, exist_ok=True, mode=0o750)
    chosen = ",".join([*options, *(["ro"] if readonly else [])])
    host = f"[{server}]" if ":" in server else server
    command = ["mount", "-t", "nfs", *(["-o", chosen] if chosen else []), f"{host}:{share}", str(path)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(LIMIT):
            said, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        raise CannotMount(f"mounting {host}:{share} took longer than {LIMIT:g} seconds") from error
    if process.returncode != 0:
        raise CannotMount(f"mount failed: exit status {process.returncode}\nOutput: {said.decode(errors='replace')}")


async def mount(request: Request) -> Mounted:
    source = request.source
    readonly = bool(source.get("readOnly"))
    await mount_share(source["server"], source["path"], request.path, readonly, ())
    return Mounted(path=request.path, readonly=readonly)


VOLUME = VolumeType(field="nfs", plugin="nfs", mount=mount, removable=False)
