"""What every store backend must do; the sentences are those of `umiak.store.contract`."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umiak.store.contract import Compacted, Entry, Event, FutureRevision, Mismatch, Store, Unwritable
from umiak.store.index import Index
from umiak.store.memory import MemoryStore
from umiak.store.replica import Replica
from umiak.store.sqlite import SqliteHistory, SqliteStore
from umiak.store.view import Seals, View
from umiak.testing.shared_store import Shared


@pytest.fixture(params=["memory", "sqlite", "replica of memory", "replica of sqlite"])
async def store(request, tmp_path) -> AsyncIterator[Store]:
    path = tmp_path / "store.db"
    made = MemoryStore() if "memory" in request.param else SqliteStore(path)
    if "replica" not in request.param:
        yield made
        await made.close()
        return
    shared = Shared(made, None if "memory" in request.param else SqliteHistory(path))
    yield shared.replica()
    await shared.close()


def value(text: str):
    """A value that shows the revision it was rendered with."""
    return lambda revision: f"{text}@{revision}".encode()


async def put(store: Store, key: str, text: str = "v", expect: int | None = None) -> Entry:
    return await store.put(key, value(text), expect=expect)


def told(events: list[Event]) -> list[tuple[str, str, int]]:
    return [("delete" if e.deleted else "put", e.entry.key, e.revision) for e in events]


async def test_a_new_store_is_at_revision_one(store):
    assert (store.revision, store.oldest) == (1, 1)
    assert await store.get("/core/pods/a/x") is None


async def test_each_write_gets_the_next_revision_and_its_value_knows_it(store):
    first = await put(store, "/core/pods/a/x")
    second = await put(store, "/core/pods/a/x", "w")
    assert first == Entry("/core/pods/a/x", b"v@2", 2, 2)
    assert second == Entry("/core/pods/a/x", b"w@3", 2, 3)
    assert await store.get("/core/pods/a/x") == second
    assert store.peek("/core/pods/a/x") == second and store.peek("/core/pods/a/y") is None
    assert store.revision == 3


@pytest.mark.parametrize(("expect", "fits"), [(None, True), (2, True), (0, False), (1, False), (3, False)])
async def test_put_compares_before_it_swaps(store, expect, fits):
    old = await put(store, "/core/pods/a/x")
    if fits:
        assert (await put(store, "/core/pods/a/x", "w", expect)).value == b"w@3"
    else:
        with pytest.raises(Mismatch) as caught:
            await put(store, "/core/pods/a/x", "w", expect)
        assert caught.value.current == old
        assert await store.get("/core/pods/a/x") == old


async def test_expecting_absence_creates_only_once(store):
    results = await asyncio.gather(*(put(store, "/core/pods/a/x", str(i), 0) for i in range(5)), return_exceptions=True)
    assert [isinstance(r, Mismatch) for r in results] == [False, True, True, True, True]


async def test_delete_returns_the_final_state_and_uses_a_revision(store):
    await put(store, "/core/pods/a/x")
    gone = await store.delete("/core/pods/a/x", expect=2, render=value("last"))
    assert gone == Entry("/core/pods/a/x", b"last@3", 2, 3)
    assert await store.get("/core/pods/a/x") is None
    again = await put(store, "/core/pods/a/x")
    assert (again.created, again.modified) == (4, 4)


async def test_what_is_parting_is_seen_changed_before_it_goes(store):
    await put(store, "/core/pods/a/x")
    commits: list[list[Event]] = []
    store.watch("/core/pods/", store.revision, lambda events: commits.append(list(events)))
    gone = await store.delete("/core/pods/a/x", expect=2, render=value("last"), parting=True)
    assert gone == Entry("/core/pods/a/x", b"last@4", 2, 4)
    [events] = commits
    assert told(events) == [("put", "/core/pods/a/x", 3), ("delete", "/core/pods/a/x", 4)]
    assert [e.entry.value for e in events] == [b"last@3", b"last@4"]
    assert [e.previous.value for e in events] == [b"v@2", b"last@3"]
    assert await store.get("/core/pods/a/x") is None


async def test_who_expects_another_revision_of_what_is_parting_changes_nothing(store):
    old = await put(store, "/core/pods/a/x")
    with pytest.raises(Mismatch):
        await store.delete("/core/pods/a/x", expect=1, render=value("last"), parting=True)
    assert (await store.get("/core/pods/a/x"), store.revision) == (old, 2)


@pytest.mark.parametrize("expect", [None, 0, 9])
async def test_deleting_what_is_not_there_is_a_mismatch(store, expect):
    with pytest.raises(Mismatch) as caught:
        await store.delete("/core/pods/a/x", expect=expect)
    assert caught.value.current is None


async def test_latest_sees_what_is_about_to_be_committed(store):
    key = "/core/pods/a/x"
    first = asyncio.ensure_future(put(store, key))
    await asyncio.sleep(0)
    pending = await store.latest(key)
    if isinstance(store, Replica):  # where others write too, what is under way is known to the owner alone
        pending = await first
    assert pending is not None and pending.modified == 2
    second = await put(store, key, "w", expect=2)
    assert (await first).modified == 2 and second.modified == 3
    assert await store.latest(key) == await store.get(key) == second


async def test_who_reads_and_tries_again_makes_progress(store):
    key = "/core/pods/a/x"

    async def count() -> int:
        attempts = 0
        while True:
            attempts += 1
            entry = await store.latest(key)
            number = int(entry.value) + 1 if entry else 1
            try:
                await store.put(key, lambda _, n=number: b"%d" % n, expect=entry.modified if entry else 0)
            except Mismatch:
                continue
            return attempts

    attempts = await asyncio.gather(*(count() for _ in range(8)))
    entry = await store.get(key)
    assert entry is not None and int(entry.value) == 8
    assert max(attempts) <= 8, "each mismatch is one other's success"


async def test_range_pages_in_key_order(store):
    for key in (
        "/core/pods/b/z",
        "/core/pods/a/y",
        "/core/pods/a/x",
        "/core/podtemplates/a/x",
        "/apps/pods/a/x",
    ):
        await put(store, key)
    everything = await store.range("/core/pods/")
    assert [e.key for e in everything.entries] == ["/core/pods/a/x", "/core/pods/a/y", "/core/pods/b/z"]
    assert everything.revision == 6 and store.count("/core/pods/") == 3
    page = await store.range("/core/pods/", limit=2)
    assert ([e.key for e in page.entries], page.remaining) == (["/core/pods/a/x", "/core/pods/a/y"], 1)
    rest = await store.range("/core/pods/", start="/core/pods/a/y\0", limit=2)
    assert ([e.key for e in rest.entries], rest.remaining) == (["/core/pods/b/z"], 0)
    assert [e.key for e in (await store.range("/core/pods/a/")).entries] == [
        "/core/pods/a/x",
        "/core/pods/a/y",
    ]


async def test_range_at_an_older_revision(store):
    await put(store, "/core/pods/a/x")
    await put(store, "/core/pods/a/y")
    await store.delete("/core/pods/a/x")
    await put(store, "/core/pods/a/y", "w")
    past = await store.range("/core/pods/", revision=3, limit=1)
    assert ([e.value for e in past.entries], past.remaining, past.revision) == ([b"v@2"], 1, 3)
    assert [e.value for e in (await store.range("/core/pods/", revision=4)).entries] == [b"v@3"]
    with pytest.raises(FutureRevision):
        await store.range("/core/pods/", revision=6)


async def test_watch_tells_the_past_then_the_present_without_gap_or_double(store):
    await put(store, "/core/pods/a/x")
    await put(store, "/core/nodes/n")
    await put(store, "/core/pods/a/x", "w")
    seen: list[Event] = []
    cancel = store.watch("/core/pods/", 2, seen.extend)
    assert told(seen) == [("put", "/core/pods/a/x", 4)]
    assert seen[0].previous == Entry("/core/pods/a/x", b"v@2", 2, 2)
    await store.delete("/core/pods/a/x")
    assert told(seen)[1:] == [("delete", "/core/pods/a/x", 5)]
    cancel()
    await put(store, "/core/pods/a/y")
    assert len(seen) == 2


async def test_watch_begun_while_a_commit_is_under_way_misses_nothing(store):
    writes = [asyncio.ensure_future(put(store, f"/core/pods/a/{i}")) for i in range(20)]
    await asyncio.sleep(0)
    seen: list[Event] = []
    store.watch("/core/pods/", store.revision, seen.extend)
    await asyncio.gather(*writes)
    assert [e.revision for e in seen] == list(range(2, 22))


@pytest.mark.parametrize(
    ("prefix", "sees"),
    [
        ("/", True),
        ("/core/", True),
        ("/core/pods/a/", True),
        ("/core/pods/a/x", True),
        ("/core/pods/b/", False),
    ],
)
async def test_watch_prefixes(store, prefix, sees):
    seen: list[Event] = []
    store.watch(prefix, store.revision, seen.extend)
    await put(store, "/core/pods/a/x")
    assert bool(seen) is sees


async def test_a_sink_may_cancel_itself(store):
    seen: list[Event] = []
    cancels = []

    def once(events):
        seen.extend(events)
        cancels[0]()

    cancels.append(store.watch("/core/pods/", store.revision, once))
    store.watch("/core/pods/", store.revision, lambda events: None)
    await put(store, "/core/pods/a/x")
    await put(store, "/core/pods/a/x")
    assert len(seen) == 1


async def test_compaction_forgets_history_and_keeps_state(store):
    await put(store, "/core/pods/a/x")
    await put(store, "/core/pods/a/x", "w")
    await put(store, "/core/pods/a/y")
    await store.delete("/core/pods/a/y")
    await store.compact(5)
    assert store.oldest == 5
    with pytest.raises(Compacted) as caught:
        await store.range("/core/pods/", revision=4)
    assert caught.value.oldest == 5
    with pytest.raises(Compacted):
        store.watch("/core/pods/", 4, lambda events: None)
    await put(store, "/core/pods/a/x", "z")
    assert [e.value for e in (await store.range("/core/pods/", revision=5)).entries] == [b"w@3"]
    seen: list[Event] = []
    store.watch("/core/pods/", 5, seen.extend)
    assert told(seen) == [("put", "/core/pods/a/x", 6)]
    assert seen[0].previous is not None and seen[0].previous.value == b"w@3"


async def test_a_closed_store_takes_no_writes(store):
    await store.close()
    with pytest.raises(Unwritable):
        await put(store, "/core/pods/a/x")


async def test_a_caller_that_goes_away_does_not_disturb_the_others(store):
    first = asyncio.ensure_future(put(store, "/core/pods/a/x"))
    second = asyncio.ensure_future(put(store, "/core/pods/a/y"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).modified == 3
    assert await store.get("/core/pods/a/x") is not None


KEYS = st.sampled_from([f"/core/{kind}/{ns}/{name}" for kind in ("pods", "secrets") for ns in "ab" for name in "xy"])
ACTIONS = st.lists(st.tuples(st.sampled_from(["put", "delete", "compact"]), KEYS), max_size=30)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(actions=ACTIONS)
def test_both_backends_tell_the_same_story(tmp_path_factory, actions):
    async def play(store: Store) -> list[object]:
        story: list[object] = []
        store.watch("/", store.revision, lambda events: story.extend(told(list(events))))
        for action, key in actions:
            if action == "put":
                await put(store, key)
            elif action == "delete" and await store.get(key):
                await store.delete(key)
            elif action == "compact":
                await store.compact(store.revision)
        for revision in range(store.oldest, store.revision + 1):
            story.append((await store.range("/core/", revision=revision)).entries)
        await store.close()
        return story

    path = tmp_path_factory.mktemp("store") / "store.db"
    assert asyncio.run(play(MemoryStore())) == asyncio.run(play(SqliteStore(path)))


def test_what_can_not_be_opened_is_not_shown_in_passing(tmp_path):
    index = Index()
    index.put(Entry("/core/secrets/a/x", b"sealed", 2, 2))
    seals = Seals({"/core/secrets/a/x": "no key"})
    view = View(index, SqliteHistory(tmp_path / "store.db"), 2, 1, seals)
    assert view.peek("/core/secrets/a/x") is None
    del seals.unreadable["/core/secrets/a/x"]
    assert view.peek("/core/secrets/a/x") is not None
