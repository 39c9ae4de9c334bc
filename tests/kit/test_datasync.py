"""Both ways to have the disk take a file keep one contract; where they differ is who waits."""

import asyncio
import os

import pytest

from umiak.kit import datasync
from umiak.kit.datasync import RingSync, ThreadSync


def ring(descriptor: int) -> RingSync:
    try:
        return RingSync(descriptor)
    except OSError as error:
        pytest.skip(f"no io_uring here: {error}")


ways = pytest.mark.parametrize("way", [ring, ThreadSync])


@ways
async def test_one_sync_after_another(tmp_path, way):
    with (tmp_path / "log").open("wb", buffering=0) as file:
        disk = way(file.fileno())
        for _ in range(3):
            file.write(b"more")
            await disk.sync()
        disk.close()


@ways
async def test_what_fails_is_told_and_the_next_one_begins_anew(way):
    reading, writing = os.pipe()  # which nothing syncs
    disk = way(writing)
    for _ in range(2):
        with pytest.raises(OSError, match="Invalid argument"):
            await disk.sync()
    disk.close()
    os.close(reading)
    os.close(writing)


async def test_nobody_has_to_wait_for_the_end(tmp_path):
    """Who was cancelled does not hear, and the next one hears of his own only."""
    with (tmp_path / "log").open("wb") as file:
        disk = ring(file.fileno())
        first = disk.sync()
        first.cancel()
        while disk.busy:  # noqa: ASYNC110 - told by the loop
            await asyncio.sleep(0)
        await disk.sync()
        disk.close()


async def test_where_there_is_no_ring_a_thread_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(datasync, "_SETUP", datasync.ctypes.c_long(-1))
    with (tmp_path / "log").open("wb") as file:
        assert isinstance(datasync.datasync(file.fileno()), ThreadSync)
