"""mount(2) and umount2(2), through the C library: no program to start, no output to read."""

import ctypes
import os

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MS_SHARED = 1 << 20
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
EINVAL = 22

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: str, type: str = "", flags: int = 0, options: str = "") -> None:
    """Raises OSError."""
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), type.encode() or None, ctypes.c_ulong(flags), options.encode() or None
    )
    _check(result, f"mount {source} on {target}")


def bind(source: str, target: str) -> None:
    """Shows `source` at `target`, which must exist and be of the same sort."""
    mount(source, target, flags=MS_BIND)


def unmount(target: str) -> None:
    """Takes a mount away even while it is in use; silent when nothing is mounted there."""
    try:
        _check(_libc.umount2(os.fsencode(target), MNT_DETACH | UMOUNT_NOFOLLOW), f"unmount {target}")
    except OSError as error:
        if error.errno not in (EINVAL, 2):
            raise
