"""What only a store on disk can get wrong."""

import asyncio
import sqlite3

import pytest

from umiak.store.contract import StoreError, Unwritable, WrongFormat
from umiak.store.sqlite import SqliteHistory, SqliteStore


def text(value: str):
    return lambda revision: f"{value}@{revision}".encode()


async def test_everything_is_there_after_reopening(tmp_path):
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    kept = await store.put("/core/pods/a/x", text("v"))
    await store.put("/core/pods/a/y", text("v"))
    await store.delete("/core/pods/a/y")
    await store.close()
    again = SqliteStore(path)
    assert (again.revision, await again.get("/core/pods/a/x")) == (4, kept)
    assert await again.get("/core/pods/a/y") is None
    await again.close()


async def test_a_revision_is_never_used_twice_even_when_compaction_removed_its_row(tmp_path):
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    await store.put("/core/pods/a/x", text("v"))
    await store.delete("/core/pods/a/x")
    await store.compact(3)
    await store.close()
    again = SqliteStore(path)
    assert (again.revision, again.oldest) == (3, 3)
    assert (await again.put("/core/pods/a/x", text("v"))).modified == 4
    await again.close()


async def test_a_second_server_is_refused(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    with pytest.raises(StoreError, match="in use by another umiak server"):
        SqliteStore(tmp_path / "store.db")
    await store.close()


async def test_a_newer_format_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    await store.put("/core/pods/a/x", text("v"))
    await store.close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(WrongFormat, match="store format 99; this umiak reads format 1"):
        SqliteStore(path)


async def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 20)
    with pytest.raises(StoreError, match="file is not a database"):
        SqliteStore(path)


async def test_a_full_disk_fails_the_write_and_nothing_else(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    kept = await store.put("/core/pods/a/x", text("v"))
    connection = store._journal._writer
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unwritable, match="full"):
        await store.put("/core/pods/a/x", text("v" * 100_000))
    assert await store.get("/core/pods/a/x") == await store.latest("/core/pods/a/x") == kept
    connection.execute("PRAGMA max_page_count = 1000000")
    assert (await store.put("/core/pods/a/x", text("w"), expect=kept.modified)).value.startswith(b"w@")
    await store.close()


class Disk:
    """A `DataSync` that ends when it is told to, well or badly."""

    def __init__(self) -> None:
        self.syncs: list[asyncio.Future[None]] = []

    def sync(self) -> asyncio.Future[None]:
        self.syncs.append(asyncio.get_running_loop().create_future())
        return self.syncs[-1]

    def close(self) -> None: ...

    async def begun(self) -> asyncio.Future[None]:
        while not self.syncs:  # noqa: ASYNC110 - the store has a task of its own
            await asyncio.sleep(0)
        return self.syncs.pop()


@pytest.fixture
async def slow(tmp_path):
    """(a store, its disk)"""
    store, disk = SqliteStore(tmp_path / "store.db"), Disk()
    store._journal._disk = disk
    yield store, disk
    await store.close()


async def test_nobody_sees_a_write_before_it_is_on_the_disk(tmp_path, slow):
    store, disk = slow
    writing = asyncio.ensure_future(store.put("/core/pods/a/x", text("v")))
    syncing = await disk.begun()
    assert not writing.done() and store.revision == 1
    assert await store.get("/core/pods/a/x") is None
    loaded = SqliteHistory(tmp_path / "store.db").load(store.revision)  # as a process that is started just now
    assert (loaded.revision, list(loaded.entries)) == (1, [])
    syncing.set_result(None)
    assert (await writing).modified == store.revision == 2


async def test_a_write_that_the_disk_did_not_take_is_taken_back(tmp_path, slow):
    """The next one is written elsewhere, since nobody knows what became of the pages before it (fsync(2), Notes)."""
    store, disk = slow
    failing = asyncio.ensure_future(store.put("/core/pods/a/x", text("v")))
    (await disk.begun()).set_exception(OSError(5, "Input/output error"))
    with pytest.raises(Unwritable, match="Input/output error"):
        await failing
    assert await store.get("/core/pods/a/x") is None
    writing = asyncio.ensure_future(store.put("/core/pods/a/y", text("v")))
    (await disk.begun()).set_result(None)
    kept = await writing
    assert list(SqliteHistory(tmp_path / "store.db").load().entries) == [kept]


async def test_the_log_is_emptied_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr("umiak.store.sqlite._LOG", 20)
    store = SqliteStore(tmp_path / "store.db")
    for number in range(100):
        await store.put(f"/core/pods/a/{number}", text("v"))
    assert (tmp_path / "store.db-wal").stat().st_size < 200 * 4096
    assert len(list(SqliteHistory(tmp_path / "store.db").load().entries)) == 100
    await store.close()
