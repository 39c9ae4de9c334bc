"""A store in one SQLite file: write-ahead log, one writer, and no answer before the log is on the disk.

A commit is appended to the log on the event loop, which takes as long as copying it to the kernel's memory; then the
log is synced without anybody waiting (`kit/datasync.py`), which is what SQLite's `synchronous = FULL` would do, but in
a call that waits for the disk. What takes long goes to a thread while commits rest: copying the log to the database,
and compaction. Reads of history use a second connection, which the write-ahead log allows.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

from umiak.kit.datasync import datasync
from umiak.store.contract import Entry, Event, StoreError, Unwritable, WrongFormat
from umiak.store.journal import Loaded
from umiak.store.logged import LoggedStore
from umiak.store.sealing import SealedJournal, Transformer

FORMAT = 1
"""Kept in the file as `user_version`. A change that older code cannot read raises it."""
_APPLICATION = 0x756D696B  # "umik"
_COMPACTION_STEP = 5_000
"""Revisions per transaction, so that compaction holds up writers for milliseconds only."""
_AFTER_ALL = "\U0010ffff"
_CACHE = 1024
"""KiB of pages that a connection keeps; what else it reads lies in the kernel's cache."""
_PAGE = 4096
_LOG = 4000
"""Pages that the log grows to before it is copied to the database; more make reads slower and a start longer."""

_SCHEMA = """
CREATE TABLE changes (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    value BLOB NOT NULL
);
CREATE INDEX changes_by_key ON changes (key, revision);
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('oldest', 1);
"""

_INSERT = "INSERT INTO changes VALUES (?,?,?,?,?)"

_STATE = """
SELECT key, value, created, revision FROM changes AS c
WHERE key >= :low AND key < :high AND NOT deleted
  AND revision = (SELECT max(revision) FROM changes WHERE key = c.key AND revision <= :revision)
ORDER BY key
"""

_CHANGES = """
SELECT c.key, c.value, c.created, c.revision, c.deleted, p.value, p.created, p.revision, p.deleted
FROM changes AS c LEFT JOIN changes AS p
  ON p.revision = (SELECT max(revision) FROM changes WHERE key = c.key AND revision < c.revision)
WHERE c.revision > :after AND c.revision <= :until AND c.key >= :low AND c.key < :high
ORDER BY c.revision
"""

_FORGET = """
DELETE FROM changes WHERE revision IN (
    SELECT old.revision FROM changes AS new JOIN changes AS old ON old.key = new.key AND old.revision < new.revision
    WHERE new.revision > :after AND new.revision <= :until
)
"""
_FORGET_DELETED = "DELETE FROM changes WHERE deleted AND revision > :after AND revision <= :until"


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    _check_format(connection, path)  # before anything that writes
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # a commit is synced by the journal, all else by SQLite
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute(f"PRAGMA cache_size = -{_CACHE}")
    return connection


def _check_format(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is ours; an empty one is nobody's yet. Raises WrongFormat for any other."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == FORMAT:
        return True
    if version > FORMAT or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        what = f"{path} has store format {version}; this umiak reads format {FORMAT}"
        raise WrongFormat(f"{what}: install a matching version")
    return False


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if not _check_format(connection, path):
        connection.executescript(
            f"BEGIN; {_SCHEMA} PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
        )


def _lock(path: Path) -> int:
    """Keeps a second server off the file; the lock goes with the process, however it ends."""
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoreError(f"{path} is in use by another umiak server") from None
    return handle


class SqliteHistory:
    """Reads the changes in a file that another object, perhaps in another process, writes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _reader(self) -> sqlite3.Connection:
        """Opened when it is first needed: most processes never look back."""
        return _connect(self._path)

    def load(self, until: int | None = None) -> Loaded:
        """`until` is the newest committed revision, where somebody writes: there may be more, not yet on the disk."""
        (oldest,) = self._reader.execute("SELECT value FROM meta WHERE name = 'oldest'").fetchone()
        (newest,) = self._reader.execute("SELECT coalesce(max(revision), 1) FROM changes").fetchone()
        revision = max(oldest, newest) if until is None else until
        return Loaded(revision, oldest, self._entries("", "", revision))

    def changes(self, prefix: str, after: int, until: int) -> list[Event]:
        bounds = {"low": prefix, "high": prefix + _AFTER_ALL, "after": after, "until": until}
        events = []
        for key, value, created, revision, deleted, *before in self._reader.execute(_CHANGES, bounds):
            existed = before[2] is not None and not before[3]
            previous = Entry(key, before[0], before[1], before[2]) if existed else None
            events.append(Event(Entry(key, value, created, revision), previous, bool(deleted)))
        return events

    def state(self, prefix: str, start: str, limit: int, revision: int) -> tuple[list[Entry], int]:
        entries = list(self._entries(prefix, start, revision))
        page = entries[:limit] if limit else entries
        return page, len(entries) - len(page)

    def _entries(self, prefix: str, start: str, revision: int) -> Iterable[Entry]:
        bounds = {"low": max(prefix, start), "high": prefix + _AFTER_ALL, "revision": revision}
        return (Entry(*row) for row in self._reader.execute(_STATE, bounds))


class SqliteJournal(SqliteHistory):
    """Changes as rows. `path` is the database file; its folder must exist."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._handle = _lock(path)
        try:
            self._writer = _connect(path)
            _prepare(self._writer, path)
        except sqlite3.Error as error:
            os.close(self._handle)
            raise StoreError(f"{path}: {error}") from error
        except StoreError:
            os.close(self._handle)
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._writing = asyncio.Lock()
        self._log = os.open(path.with_name(path.name + "-wal"), os.O_RDONLY | os.O_CLOEXEC)
        self._disk = datasync(self._log)
        self._logged = 0
        self._lost = 0

    def forget_thoroughly(self) -> None:
        """From now on what is deleted is overwritten with zeros."""
        self._writer.execute("PRAGMA secure_delete = ON")

    async def append(self, events: Sequence[Event]) -> None:
        async with self._writing:
            if self._lost:
                await self._apart(self._mend)
            elif self._logged > _LOG:
                await self._apart(self._empty_log)
            self._guarded(lambda: self._insert(events))
            try:
                await self._disk.sync()
            except OSError as error:
                self._lost = events[0].revision
                raise Unwritable(f"{self._path}: {error}") from error

    def _insert(self, events: Sequence[Event]) -> None:
        rows = [(e.revision, e.entry.key, e.entry.created, e.deleted, _kept(e)) for e in events]
        self._logged += sum(2 + len(row[-1]) // _PAGE for row in rows)
        if len(rows) == 1:
            self._writer.execute(_INSERT, rows[0])
            return
        self._writer.execute("BEGIN")
        self._writer.executemany(_INSERT, rows)
        self._writer.execute("COMMIT")

    def _empty_log(self) -> None:
        """Copies the log to the database; the next write begins it anew, and syncs its head, so that is done here."""
        self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._writer.execute("UPDATE meta SET value = value WHERE name = 'oldest'")
        self._logged = 0

    def _mend(self) -> None:
        """After a sync that failed nobody knows what is on the disk, and the kernel does not try again (fsync(2)): what
        was not acknowledged is taken back, and all is written to another place. Raises Unwritable when that fails."""
        self._writer.execute("DELETE FROM changes WHERE revision >= ?", (self._lost,))
        ((is_busy, *_),) = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if is_busy:
            raise Unwritable(f"{self._path}: the log can not be emptied while it is read")
        self._lost = self._logged = 0

    async def _apart(self, work: Callable[[], object]) -> None:
        """In the thread. Only while `_writing` is held."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work)

    async def _write(self, work: Callable[[], object]) -> None:
        async with self._writing:
            await self._apart(work)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        async with self._writing:
            yield

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise Unwritable(f"{self._path}: {error}") from error

    async def compact(self, oldest: int, revision: int) -> None:
        await self._write(lambda: self._writer.execute("UPDATE meta SET value = ? WHERE name = 'oldest'", (revision,)))
        for after in range(oldest - 1, revision, _COMPACTION_STEP):
            await self._forget(after, min(after + _COMPACTION_STEP, revision))

    async def _forget(self, after: int, until: int) -> None:
        def work() -> None:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.execute(_FORGET, {"after": after, "until": until})
            self._writer.execute(_FORGET_DELETED, {"after": after, "until": until})
            self._writer.execute("COMMIT")

        await self._write(work)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.close)
        self._thread.shutdown()
        self._disk.close()
        os.close(self._log)
        self._reader.close()
        os.close(self._handle)


def _kept(event: Event) -> bytes:
    return event.entry.value if event.sealed is None else event.sealed


class SqliteStore(LoggedStore):
    """The embedded default. Raises StoreError when the file is in use, WrongFormat when a newer version wrote it.

    With a `transformer` values lie sealed in the file, and what is forgotten is overwritten in it.
    """

    def __init__(self, path: Path, transformer: Transformer | None = None) -> None:
        journal = SqliteJournal(path)
        if transformer is None:
            super().__init__(journal)
            return
        journal.forget_thoroughly()
        super().__init__(SealedJournal(journal, transformer))
