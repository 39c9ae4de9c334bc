"""Binds a part of a volume for one container, without ever following a link out of the volume (CVE-2017-1002101)."""

import os
import stat
from pathlib import Path, PurePosixPath

from umiak.node.mounting import bind as bind_mount
from umiak.node.mounting import unmount

NOFOLLOW = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def bind(volume: Path, below: str, target: Path) -> Path:
    """Mounts `below` of the volume on `target`; makes the folders of `below` that are missing. Raises OSError."""
    real = resolve_inside(volume, below)
    descriptor = _open(volume, real)
    try:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        _make_target(target, is_folder)
        unmount(str(target))
        bind_mount(f"/proc/self/fd/{descriptor}", str(target))
    finally:
        os.close(descriptor)
    return target


def resolve_inside(volume: Path, below: str) -> PurePosixPath:
    """The path with its links followed, relative to the volume; raises OSError when they lead outside."""
    root = volume.resolve()
    whole = (root / below).resolve()
    if whole != root and root not in whole.parents:
        raise PermissionError(f"{below} leads out of the volume")
    return PurePosixPath(whole.relative_to(root))


def _open(volume: Path, relative: PurePosixPath) -> int:
    """Opens step by step, refusing links that appear meanwhile; missing folders are made like the volume's own."""
    descriptor = os.open(volume.resolve(), NOFOLLOW | os.O_DIRECTORY)
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    group = os.fstat(descriptor).st_gid
    for part in relative.parts:
        try:
            step = os.open(part, NOFOLLOW, dir_fd=descriptor)
        except FileNotFoundError:
            os.mkdir(part, 0o700, dir_fd=descriptor)
            step = os.open(part, NOFOLLOW, dir_fd=descriptor)
            Path(f"/proc/self/fd/{step}").chmod(mode)
            if mode & stat.S_ISGID:
                os.chown(f"/proc/self/fd/{step}", -1, group)
        finally:
            os.close(descriptor)
        if stat.S_ISLNK(os.fstat(step).st_mode):
            os.close(step)
            raise PermissionError(f"{part} became a link")
        descriptor = step
    return descriptor


def _make_target(target: Path, is_folder: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    if is_folder:
        target.mkdir(exist_ok=True)
    else:
        target.touch()
