"""What several processes that share a store may rely on; here all of them are in one, with real sockets between."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from umiak.store.contract import Event, Mismatch, Unwritable
from umiak.store.hub import BACKLOG, LARGEST_FRAME, REVISION, Link
from umiak.store.memory import MemoryStore
from umiak.store.sqlite import SqliteHistory, SqliteStore
from umiak.testing.shared_store import Shared

KEY = "/core/pods/a/x"


def text(value: str):
    return lambda revision: f"{value}@{revision}".encode()


@pytest.fixture
async def shared() -> AsyncIterator[Shared]:
    made = Shared(MemoryStore())
    yield made
    await made.close()


async def test_who_was_told_of_a_write_finds_every_copy_past_it_or_behind(shared):
    one, other = shared.replica(), shared.replica()
    told = await one.put(KEY, text("v"))
    assert one.revision == told.modified and not one.behind, "the writer reads its own write"
    if other.revision < told.modified:
        assert other.behind
    await other.caught_up()
    assert await other.get(KEY) == told and not other.behind


async def test_a_commit_is_published_before_any_copy_hears_of_it(shared, monkeypatch):
    """It is what tells the copy that wished for it, whose client may then ask another."""
    one, _ = shared.replica(), shared.replica()
    published, tell = [], Link.tell

    def noting(link, frames, is_awaited):
        published.append(shared.board.words[REVISION])
        tell(link, frames, is_awaited)

    monkeypatch.setattr(Link, "tell", noting)
    told = await one.put(KEY, text("v"))
    assert published == [told.modified, told.modified]


async def test_the_owners_own_writes_reach_the_copies(shared):
    copy = shared.replica()
    told = await shared.store.put(KEY, text("v"))
    assert copy.behind, "nothing was received yet"
    await copy.caught_up()
    assert await copy.get(KEY) == told == copy.peek(KEY)
    await shared.store.put(KEY, text("w"))
    assert copy.behind and copy.peek(KEY) is None, "who was told of the newest state must not be shown an older one"


async def test_who_waits_here_goes_on_before_copies_hear_of_it(shared, monkeypatch):
    copy, order = shared.replica(), []
    say = Link._say
    monkeypatch.setattr(Link, "_say", lambda link: (order.append("copies"), say(link)))
    await shared.store.put(KEY, text("v"))
    order.append("answer")
    await copy.caught_up()
    assert order == ["answer", "copies"]


async def test_a_mismatch_is_told_when_the_copy_has_seen_why(shared):
    one, other = shared.replica(), shared.replica()
    first = await one.put(KEY, text("v"), expect=0)
    await other.caught_up()
    results = await asyncio.gather(
        one.put(KEY, text("one"), expect=first.modified),
        other.put(KEY, text("other"), expect=first.modified),
        return_exceptions=True,
    )
    (winner,) = [r for r in results if not isinstance(r, BaseException)]
    (lost,) = [r for r in results if isinstance(r, Mismatch)]
    assert lost.current == winner


async def test_all_watchers_see_the_same_changes_with_what_was_before(shared):
    copies = [shared.replica() for _ in range(3)]
    stories: list[list[Event]] = [[] for _ in copies]
    for copy, story in zip(copies, stories, strict=True):
        copy.watch("/core/", copy.revision, story.extend)
    own: list[Event] = []
    shared.store.watch("/core/", 1, own.extend)
    await asyncio.gather(*(copies[i % 3].put(f"/core/pods/a/{i % 5}", text(str(i))) for i in range(50)))
    await asyncio.gather(*(copies[i % 3].delete(f"/core/pods/a/{i}", render=text("last")) for i in range(5)))
    for copy in copies:
        await copy.caught_up()

    def plain(events: list[Event]):
        return [(e.entry, e.previous, e.deleted) for e in events]

    assert len(own) == 55 and all(plain(story) == plain(own) for story in stories)


async def test_a_copy_made_later_goes_on_from_there(shared):
    await shared.store.put(KEY, text("v"))
    late = shared.replica()
    seen: list[Event] = []
    late.watch("/", late.revision, seen.extend)
    await shared.store.put(KEY, text("w"))
    await late.caught_up()
    assert [e.revision for e in seen] == [3] and seen[0].previous is not None


async def test_a_client_cannot_pose_as_the_place_of_the_revision(shared):
    """Only a number that nobody else knows is replaced, whatever a value contains."""
    copy = shared.replica()
    value = b"9223372036854775807 %d 1 0" % copy.revision
    told = await copy.put(KEY, lambda revision: value)
    assert told.value == value == (await shared.store.get(KEY)).value


async def test_the_last_rendering_has_the_revision(shared):
    numbers: list[int] = []

    def render(revision: int) -> bytes:
        numbers.append(revision)
        return b"%d" % revision

    told = await shared.replica().put(KEY, render)
    assert numbers[-1] == told.modified == int(told.value)


async def test_a_large_commit_comes_in_parts(shared):
    copy = shared.replica()
    large = "v" * LARGEST_FRAME
    await asyncio.gather(*(copy.put(f"/core/pods/a/{i}", text(large)) for i in range(5)))
    assert copy.count("/core/pods/") == 5 and copy.revision == shared.store.revision == 6


async def test_what_can_not_be_written_is_told(tmp_path):
    path = tmp_path / "store.db"
    shared = Shared(SqliteStore(path), SqliteHistory(path))
    copy = shared.replica()
    connection = shared.store._journal._writer
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unwritable, match="full"):
        await copy.put(KEY, text("v" * 100_000))
    assert await copy.get(KEY) is None
    await shared.close()


async def test_nobody_waits_for_an_owner_that_is_gone(shared):
    copy = shared.replica()
    waiting = asyncio.ensure_future(copy.put(KEY, text("v")))
    shared.board.words[0] += 1
    late = asyncio.ensure_future(copy.caught_up())
    await asyncio.sleep(0)
    for link in list(shared.hub.links):
        link.close()
    with pytest.raises(Unwritable, match="owner of the store is gone"):
        await waiting
    await late
    assert shared.lost == ["owner"]


async def test_a_copy_that_is_gone_is_forgotten(shared):
    copy = shared.replica()
    await copy.close()
    await shared.store.put(KEY, text("v"))
    while shared.hub.links:  # noqa: ASYNC110 - the end of a socket is told by the loop
        await asyncio.sleep(0)
    assert shared.lost == ["replica"]


async def test_a_copy_that_takes_nothing_is_dropped(shared, monkeypatch):
    monkeypatch.setattr("umiak.store.hub.BACKLOG", 100_000)
    assert BACKLOG > 100_000
    copy = shared.replica()
    copy._pipe._loop.remove_reader(copy._pipe._sock.fileno())
    for _ in range(10):
        await shared.store.put(KEY, text("v" * 100_000))
    assert shared.lost == ["replica"] and not shared.hub.links
