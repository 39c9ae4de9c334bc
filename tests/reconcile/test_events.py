"""Events are counted, combined, filtered and dropped as client-go's recorder does."""

import asyncio
from datetime import timedelta

import pytest

from umiak.api.core.event import KIND as EVENT
from umiak.client.contract import Unreachable
from umiak.objects import errors
from umiak.reconcile.events import Correlator, EventWriter, Observed, Stamps, event_name
from umiak.testing.clock import NOON, VirtualClock, settle
from umiak.testing.fakeapi import FakeApi

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7"},
}


def observed(message: str, reason: str = "Failed", at=NOON) -> Observed:
    about = {"kind": "Pod", "name": "web", "namespace": "shop", "uid": "u1", "apiVersion": "v1"}
    return Observed("test", "", about, "Warning", reason, message, at, f"web.{message}", at)


@pytest.fixture
async def written(api: FakeApi, clock: VirtualClock):
    """Calls get (writer, list of all Events)."""
    writer = EventWriter(api, clock)
    task = asyncio.create_task(writer.run())

    async def events():
        await settle()
        return (await api.list(EVENT)).items

    yield writer, events
    task.cancel()


async def test_an_event_as_the_reference_writes_it(written):
    writer, events = written
    writer.source("test-controller").event(POD, "Normal", "Made", "it is made")
    (event,) = await events()
    about = event.pop("metadata")
    assert (about["namespace"], about["name"]) == ("shop", "web.1898b5d9b3d68000")
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": {
            "kind": "Pod",
            "namespace": "shop",
            "name": "web",
            "uid": "u1",
            "apiVersion": "v1",
            "resourceVersion": "7",
        },
        "reason": "Made",
        "message": "it is made",
        "source": {"component": "test-controller"},
        "firstTimestamp": "2026-03-01T12:00:00Z",
        "lastTimestamp": "2026-03-01T12:00:00Z",
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "test-controller",
        "reportingInstance": "",
    }


async def test_the_same_again_is_counted(written, clock):
    writer, events = written
    source = writer.source("test")
    for _ in range(3):
        source.event(POD, "Normal", "Made", "it is made")
        await clock.advance(10)
    (event,) = await events()
    assert (event["count"], event["firstTimestamp"], event["lastTimestamp"]) == (
        3,
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:20Z",
    )


async def test_a_counted_event_that_is_gone_is_made_again(written, api):
    writer, events = written
    source = writer.source("test")
    source.event(POD, "Normal", "Made", "it is made")
    (event,) = await events()
    await api.delete(EVENT, event["metadata"]["name"], "shop")
    source.event(POD, "Normal", "Made", "it is made")
    assert [e["count"] for e in await events()] == [2]


async def test_unreachable_servers_are_tried_again(written, api, clock):
    writer, events = written
    api.refuse = lambda verb, kind, obj: Unreachable("down")
    writer.source("test").event(POD, "Normal", "Made", "it is made")
    assert await events() == []
    api.refuse = lambda verb, kind, obj: None
    await clock.advance(10)
    assert len(await events()) == 1


async def test_refused_events_are_forgotten(written, api, clock):
    writer, events = written
    api.refuse = lambda verb, kind, obj: errors.forbidden("", "events", "x", "no")
    writer.source("test").event(POD, "Normal", "Made", "it is made")
    await settle()
    api.refuse = lambda verb, kind, obj: None
    await clock.advance(100)
    assert await events() == []


async def test_overload_drops_and_never_fails(api, clock):
    writer = EventWriter(api, clock)
    for i in range(1002):
        writer.source("test").event(POD, "Normal", "Made", str(i))
    assert writer.dropped == 2


def test_from_the_tenth_different_message_on_they_are_combined():
    correlator = Correlator(Stamps())
    judged = [correlator.judge(observed(f"m{i}"), NOON) for i in range(12)]
    texts = [(e.message, e.count) for e in judged if e]
    assert texts[:9] == [(f"m{i}", 1) for i in range(9)]
    assert texts[9:] == [(f"(combined from similar events): m{i}", count) for i, count in ((9, 1), (10, 2), (11, 3))]
    assert judged[10].name == judged[9].name


def test_combining_ends_after_ten_quiet_minutes():
    correlator = Correlator(Stamps())
    for i in range(10):
        correlator.judge(observed(f"m{i}"), NOON)
    later = NOON + timedelta(minutes=11)
    assert correlator.judge(observed("late", at=later), later).message == "late"


def test_a_source_may_say_25_things_about_an_object_then_one_in_five_minutes():
    correlator = Correlator(Stamps())
    through = [correlator.judge(observed("m", reason=f"r{i}"), NOON) is not None for i in range(30)]
    assert through == [True] * 25 + [False] * 5
    later = NOON + timedelta(minutes=5)
    assert correlator.judge(observed("m", reason="later"), later) is not None


@pytest.mark.parametrize(
    ("name", "fits"),
    [("web", True), ("a.b", True), ("system:node", False), ("UPPER", False), ("x" * 251, False)],
)
def test_names(name, fits):
    made = event_name(name, 255)
    assert (made == f"{name}.ff") is fits
    assert len(made) <= 253


def test_stamps_differ():
    stamps = Stamps()
    assert len({stamps.next(NOON) for _ in range(5)}) == 5
