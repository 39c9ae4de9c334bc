"""Changes all files of a folder at once: the visible names are links through `..data`, which is swapped by one rename.

The layout is kubelet's (pkg/volume/util/atomic_writer.go), so readers that watch `..data` work unchanged.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

import msgspec

DATA, NEW_DATA = "..data", "..data_tmp"


class File(msgspec.Struct, frozen=True):
    """`mode` is the permission bits; `owner` a user id or None for root."""

    data: bytes
    mode: int = 0o644
    owner: int | None = None


def check_path(path: str) -> None:
    """Raises ValueError for a path that leaves the folder or clashes with its inner workings."""
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or not parts:
        raise ValueError(f"invalid path {path!r}: must be relative and not empty")
    if ".." in parts or parts[0].startswith(".."):
        raise ValueError(f"invalid path {path!r}: must not contain or begin with '..'")
    if len(path) > 4096 or any(len(p) > 255 for p in parts):
        raise ValueError(f"invalid path {path[:80]!r}: too long")


def current(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Data and permissions of the files that are visible now."""
    data = folder / DATA
    if not data.exists():
        return {}
    files = (p for p in data.resolve().rglob("*") if p.is_file())
    root = data.resolve()
    return {str(p.relative_to(root)): (p.read_bytes(), p.stat().st_mode & 0o7777) for p in files}


def write(folder: Path, files: Mapping[str, File], now: datetime, adjust: Callable[[Path], None]) -> bool:
    """Makes `files` the folder's contents; whether anything changed.

    `adjust` is called with the new folder before it becomes visible, to set its ownership.
    """
    for path in files:
        check_path(path)
    before = current(folder)
    old = str((folder / DATA).readlink()) if (folder / DATA).is_symlink() else ""
    if old and _same(before, files):
        return False
    fresh = folder / f"..{now:%Y_%m_%d_%H_%M_%S}.{secrets.randbelow(10**9):09d}"
    fresh.mkdir(mode=0o755)
    fresh.chmod(0o755)
    for path, file in files.items():
        _write_file(fresh, path, file)
    adjust(fresh)
    link = folder / NEW_DATA
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.replace(folder / DATA)
    _show(folder, {PurePosixPath(p).parts[0] for p in files})
    if old:
        shutil.rmtree(folder / old, ignore_errors=True)
    return True


def _same(before: Mapping[str, tuple[bytes, int]], files: Mapping[str, File]) -> bool:
    """By contents; permissions that only ownership rules have widened do not count as a change."""
    return before.keys() == files.keys() and all(
        before[p][0] == f.data and before[p][1] & f.mode == f.mode for p, f in files.items()
    )


def _write_file(folder: Path, path: str, file: File) -> None:
    target = folder / path
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        step = folder / parent
        if not step.exists():
            step.mkdir()
            step.chmod(0o755)
    target.write_bytes(file.data)
    target.chmod(file.mode)
    if file.owner is not None:
        os.chown(target, file.owner, -1)


def _show(folder: Path, names: set[str]) -> None:
    """One link per first part of a path; links to what is gone are taken away."""
    for name in names:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
