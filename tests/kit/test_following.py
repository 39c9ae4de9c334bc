"""Every new content of a file is told once, however it came there."""

import asyncio
from pathlib import Path

from umiak.kit.following import follow
from umiak.testing.patience import LONG


async def test_writes_moves_and_links(tmp_path: Path):
    path, told = tmp_path / "f", asyncio.Queue()
    path.write_bytes(b"one")
    task = asyncio.create_task(follow(path, b"one", told.put))
    await asyncio.sleep(0)

    path.write_bytes(b"two")
    assert await asyncio.wait_for(told.get(), LONG) == b"two"
    (tmp_path / "g").write_bytes(b"three")
    (tmp_path / "g").rename(path)
    assert await asyncio.wait_for(told.get(), LONG) == b"three"
    (tmp_path / "h").write_bytes(b"four")
    path.unlink()
    path.symlink_to(tmp_path / "h")
    assert await asyncio.wait_for(told.get(), LONG) == b"four"
    assert told.empty()
    task.cancel()
