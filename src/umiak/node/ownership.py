"""Gives a volume's files to the pod's fsGroup (pkg/volume/volume_linux.go)."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

READ_WRITE, READ_ONLY, FOLDER = 0o660, 0o440, stat.S_ISGID | 0o110


def widened(mode: int, readonly: bool) -> int:
    """A file's or folder's mode with what the group needs."""
    mask = READ_ONLY if readonly else READ_WRITE
    if stat.S_ISDIR(mode):
        mask |= FOLDER
    return stat.S_IMODE(mode) | mask


def _walk(folder: Path) -> Iterator[Path]:
    """Contents before their folder, so that a half-done walk is seen at the root."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)
    yield folder


def give(folder: Path, group: int | None, *, readonly: bool = False, only_if_root_differs: bool = False) -> None:
    """Sets group and permissions of everything in `folder`; `only_if_root_differs`: OnRootMismatch."""
    if group is None:
        return
    root = folder.lstat()
    if only_if_root_differs and root.st_gid == group and widened(root.st_mode, readonly) == stat.S_IMODE(root.st_mode):
        return
    for path in _walk(folder):
        found = path.lstat()
        os.lchown(path, -1, group)
        if not stat.S_ISLNK(found.st_mode):
            path.chmod(widened(found.st_mode, readonly))
