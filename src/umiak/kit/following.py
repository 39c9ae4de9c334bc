"""Tells when the content of one file changes, whoever replaces it and however (written in place, moved, relinked)."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from umiak.kit.inotify import Watch

log = logging.getLogger(__name__)

LOOK_ANYWAY = 60.0
"""Seconds after which the file is read even if nothing was told, e.g. on network filesystems."""


async def follow(path: Path, known: bytes, changed: Callable[[bytes], Awaitable[None]]) -> None:
    """Calls `changed` with each content that differs from the one before, `known` being the first. Never returns."""
    stirred = asyncio.Event()
    with _watch(path, stirred.set):
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_ANYWAY):
                    await stirred.wait()
            stirred.clear()
            try:
                data = path.read_bytes()
            except OSError as error:  # between two versions of it
                log.error("cannot read %s: %s", path, error.strerror)
                continue
            if data != known:
                known = data
                await changed(data)


@contextlib.contextmanager
def _watch(path: Path, stirred: Callable[[], None]) -> Iterator[None]:
    try:
        watch = Watch(str(path.parent), stirred)
    except OSError as error:
        log.warning("cannot watch %s: %s; it is read every %d s", path.parent, error.strerror, LOOK_ANYWAY)
        yield
        return
    try:
        yield
    finally:
        watch.close()
