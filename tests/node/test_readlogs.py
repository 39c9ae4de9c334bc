"""What `kubectl logs` shows."""

import asyncio
from datetime import UTC, datetime

import pytest

from umiak.node.readlogs import BadOption, Options, options, read, to_microseconds
from umiak.testing.patience import LONG

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINES = (
    "2026-01-01T11:00:00.000000001Z stdout F one\n"
    "2026-01-01T11:59:00.5Z stderr F two\n"
    "2026-01-01T11:59:30Z stdout P thr\n"
    "2026-01-01T11:59:30Z stdout F ee\n"
)


async def shown(path, wanted=None, running=False):
    async def still_runs():
        return running

    return b"".join([piece async for piece in read(path, wanted or Options(), still_runs)]).decode()


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "0.log"
    path.write_text(LINES)
    return path


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (Options(), "one\ntwo\nthree\n"),
        (Options(tail_lines=2), "three\n"),
        (Options(tail_lines=0), ""),
        (Options(tail_lines=99), "one\ntwo\nthree\n"),
        (Options(stream="Stderr"), "two\n"),
        (Options(limit_bytes=5), "one\nt"),
        (Options(since=NOON.replace(hour=11, minute=59)), "two\nthree\n"),
        (Options(timestamps=True, tail_lines=2), "2026-01-01T11:59:30Z three\n"),
    ],
)
async def test_options(log, wanted, text):
    assert await shown(log, wanted) == text


async def test_follows_until_the_container_ends(log):
    alive = [True]

    async def still_runs():
        return alive[0]

    pieces = []

    async def follow():
        async for piece in read(log, Options(follow=True, tail_lines=0), still_runs):
            pieces.append(piece)
            alive[0] = False

    task = asyncio.create_task(follow())
    await asyncio.sleep(0.03)
    with log.open("a") as file:
        file.write("2026-01-01T12:00:00Z stdout F four\n")
    async with asyncio.timeout(LONG):
        await task
    assert pieces == [b"four\n"]


def test_query():
    found = options({"sinceSeconds": ["60"], "tailLines": ["5"], "follow": ["true"], "timestamps": ["1"]}, NOON)
    assert found == Options(since=NOON.replace(hour=11, minute=59), tail_lines=5, follow=True, timestamps=True)


@pytest.mark.parametrize(
    "query",
    [
        {"tailLines": ["x"]},
        {"tailLines": ["-1"]},
        {"limitBytes": ["0"]},
        {"stream": ["Other"]},
        {"sinceTime": ["never"]},
    ],
)
def test_bad_query(query):
    with pytest.raises(BadOption):
        options(query, NOON)


def test_nanoseconds():
    assert to_microseconds("2026-01-01T11:00:00.123456789Z") == "2026-01-01T11:00:00.123456Z"
    assert to_microseconds("2026-01-01T11:00:00Z") == "2026-01-01T11:00:00Z"
