"""Events as lines of a file, which is put aside when it is full (as the lumberjack package does it)."""

import contextlib
import fcntl
import gzip
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from umiak.server.audit.record import Event, legacy
from umiak.server.audit.settings import LogSettings

log = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
ASIDE = re.compile(r"-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3})$")
ZIPPED = ".gz"


class LogFile:
    """A sink. Writes take a few microseconds, since nothing waits for the disk. Raises OSError at the beginning."""

    def __init__(self, settings: LogSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._path = Path(settings.path)
        self._handle = sys.stdout.fileno() if settings.path == "-" else self._opened()

    def _opened(self) -> int:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def put(self, events: Sequence[Event]) -> bool:
        """Whether all are written."""
        written = [self._write(self._line(event)) for event in events]
        return all(written)

    def _line(self, event: Event) -> bytes:
        return event.line() if self._settings.format == "json" else legacy(event).encode()

    def _write(self, line: bytes) -> bool:
        most = self._settings.megabytes * MEGABYTE
        try:
            if not most or self._settings.path == "-":
                self._append(line)
            elif len(line) > most:
                raise OSError(f"write length {len(line)} exceeds maximum file size {most}")
            else:
                self._append_within(line, most)
        except OSError as error:
            log.error("Error in audit plugin 'log' affecting 1 audit events: %s", error)
            return False
        return True

    def _append(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._handle, line) :]

    def _append_within(self, line: bytes, most: int) -> None:
        """Other processes of this server write to the same file. All share a lock while they write, so that none writes
        to a file that another has put aside, and may be compressing."""
        while True:
            with self._locked(fcntl.LOCK_SH):
                current = self._is_current()
                if current and os.fstat(self._handle).st_size + len(line) <= most:
                    self._append(line)
                    return
            if current:
                self._put_aside()
            else:
                self._reopen()

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        handle = self._handle
        fcntl.flock(handle, how)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)

    def _is_current(self) -> bool:
        """Whether the file we write to still has its name."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._handle))
        except FileNotFoundError:
            return False

    def _reopen(self) -> None:
        handle, self._handle = self._handle, self._opened()
        os.close(handle)

    def _put_aside(self) -> None:
        """The full file gets the time into its name, and a new one begins; whoever is first does it."""
        with self._locked(fcntl.LOCK_EX):
            if not self._is_current():
                return
            stamp = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
            self._path.rename(self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}"))
        self._reopen()
        self._tidy()

    def _tidy(self) -> None:
        """Removes what is too old or too many; compresses the rest, if that is wanted."""
        settings = self._settings
        kept = self._aside()
        if settings.backups:
            for _, path in kept[settings.backups :]:
                path.unlink(missing_ok=True)
            kept = kept[: settings.backups]
        if settings.days:
            oldest = self._now() - timedelta(days=settings.days)
            for when, path in kept:
                if when < oldest:
                    path.unlink(missing_ok=True)
        if settings.compress:
            for _, path in kept:
                if path.exists() and path.suffix != ZIPPED:
                    _compress(path)

    def _aside(self) -> list[tuple[datetime, Path]]:
        """Files put aside, the newest first."""
        found = []
        for path in self._path.parent.iterdir():
            name = path.name.removesuffix(ZIPPED).removesuffix(self._path.suffix)
            match = ASIDE.search(name)
            if match and name[: match.start()] == self._path.stem:
                when = datetime.strptime(match[1], "%Y-%m-%dT%H-%M-%S.%f").replace(tzinfo=UTC)
                found.append((when, path))
        return sorted(found, reverse=True)

    async def close(self) -> None:
        if self._settings.path != "-" and self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _compress(path: Path) -> None:
    with path.open("rb") as plain, gzip.open(f"{path}{ZIPPED}", "wb", compresslevel=6) as zipped:
        shutil.copyfileobj(plain, zipped)
    Path(f"{path}{ZIPPED}").chmod(0o600)
    path.unlink()
