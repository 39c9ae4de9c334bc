"""Reads a container's log for `kubectl logs`: from the end, since a time, as it grows."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from umiak.kit.inotify import CHANGES, MODIFY, Watch
from umiak.node.logs import Entry, parse
from umiak.objects import meta

CHUNK = 64 * 1024
CHECK_EVERY = 1.0  # seconds between looks whether a followed container still runs


class BadOption(ValueError):
    """A query parameter makes no sense."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """`v1.PodLogOptions`."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: datetime | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    stream: str = "All"


def options(query: Mapping[str, Sequence[str]], now: datetime) -> Options:
    """Raises BadOption."""

    def text(name: str) -> str:
        return (query.get(name) or ("",))[0]

    def number(name: str, least: int) -> int | None:
        if not text(name):
            return None
        try:
            value = int(text(name))
        except ValueError as error:
            raise BadOption("Unable to decode query.") from error
        if value < least:
            raise BadOption("Invalid request.")
        return value

    def flag(name: str) -> bool:
        return text(name).lower() in ("true", "1")

    seconds, stream = number("sinceSeconds", 1), text("stream") or "All"
    if stream not in ("All", "Stdout", "Stderr") or (seconds is not None and text("sinceTime")):
        raise BadOption("Invalid request.")
    tail = None if text("tail") == "all" else number("tail", 0)
    since = now - timedelta(seconds=seconds) if seconds is not None else None
    try:
        since = meta.parse_time(text("sinceTime")) if text("sinceTime") else since
    except ValueError as error:
        raise BadOption("Unable to decode query.") from error
    lines = number("tailLines", 0)
    return Options(
        follow=flag("follow"),
        previous=flag("previous"),
        timestamps=flag("timestamps"),
        since=since,
        tail_lines=tail if lines is None else lines,
        limit_bytes=number("limitBytes", 1),
        stream=stream,
    )


def tail_start(file: int, lines: int) -> int:
    """The position from which there are `lines` lines left; the last may lack its newline."""
    size = os.fstat(file).st_size
    if lines == 0:
        return size
    at, found = size, 0
    while at > 0:
        begin = max(0, at - CHUNK)
        block = os.pread(file, at - begin, begin)
        for index in range(len(block) - 1, -1, -1):
            if block[index] == 10 and begin + index != size - 1:
                found += 1
                if found == lines:
                    return begin + index + 1
        at = begin
    return 0


class Writer:
    """Turns entries into what the client asked for, up to its limit of bytes."""

    def __init__(self, wanted: Options) -> None:
        self._wanted = wanted
        self._left = wanted.limit_bytes
        self._fresh_line = True

    @property
    def full(self) -> bool:
        return self._left is not None and self._left <= 0

    def shown(self, entry: Entry) -> bytes:
        """Empty for what is filtered out."""
        wanted = self._wanted
        text = b""
        if not self._is_too_old(entry) and wanted.stream.lower() in ("all", entry.stream.decode()):
            prefix = entry.time + b" " if wanted.timestamps and self._fresh_line else b""
            text = prefix + entry.content
        self._fresh_line = entry.content.endswith(b"\n") or not entry.content
        if self._left is not None:
            text = text[: max(0, self._left)]
            self._left -= len(text)
        return text

    def _is_too_old(self, entry: Entry) -> bool:
        if self._wanted.since is None:
            return False
        try:
            return meta.parse_time(to_microseconds(entry.time.decode())) < self._wanted.since
        except ValueError:
            return False


def to_microseconds(text: str) -> str:
    """A time with nanoseconds, which Python does not read, cut to microseconds."""
    head, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{head}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"


async def read(path: Path, wanted: Options, still_runs: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """Pieces of the log; with `follow` until the container has ended. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    changed = asyncio.Event()
    watch: Watch | None = None
    writer, rest = Writer(wanted), b""
    try:
        if wanted.tail_lines is not None:
            os.lseek(file, tail_start(file, wanted.tail_lines), os.SEEK_SET)
        runs = True
        while not writer.full:
            changed.clear()
            data = os.read(file, CHUNK)
            if data:
                lines = (rest + data).split(b"\n")
                rest = lines.pop()
                if piece := _piece(lines, writer):
                    yield piece
                    continue
                if writer.full:
                    return
                continue
            if not wanted.follow or not runs:
                if rest and (piece := _piece([rest], writer)):
                    yield piece
                return
            if watch is None:
                watch = Watch(str(path.parent), changed.set, CHANGES | MODIFY)
                continue
            if not await _changes(changed):
                runs = await still_runs()
            file = _reopened(file, path)
    finally:
        os.close(file)
        if watch is not None:
            watch.close()


def _piece(lines: Sequence[bytes], writer: Writer) -> bytes:
    entries = (parse(line) for line in lines)
    return b"".join(writer.shown(e) for e in entries if e is not None)


async def _changes(changed: asyncio.Event) -> bool:
    """Whether something happened within a second."""
    try:
        async with asyncio.timeout(CHECK_EVERY):
            await changed.wait()
    except TimeoutError:
        return False
    return True


def _reopened(file: int, path: Path) -> int:
    """The new file when the log was rotated and the old one has been read to its end."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino != os.fstat(file).st_ino and not _has_more(file):
            fresh = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            os.close(file)
            return fresh
    return file


def _has_more(file: int) -> bool:
    return os.lseek(file, 0, os.SEEK_CUR) < os.fstat(file).st_size
