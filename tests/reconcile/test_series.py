"""Events in the newer form: `tools/events/event_broadcaster_test.go` and `eventseries_test.go` of client-go."""

from datetime import timedelta

import msgspec

from umiak.reconcile.series import Series, Told
from umiak.testing.clock import NOON

POD = {"kind": "Pod", "namespace": "shop", "name": "p", "uid": "u", "apiVersion": "v1", "resourceVersion": "7"}
NODE = {"kind": "Node", "name": "n"}


def told(after: float = 0, note: str = "said", **more: object) -> Told:
    at = NOON + timedelta(seconds=after)
    base = Told("s", "s-host", POD, "Normal", "Scheduled", "Binding", note, at, f"p.{after}", at)
    return msgspec.structs.replace(base, **more)


def written(series: Series, *events: Told) -> list[tuple[str, int]]:
    return [(e.name, e.count) for event in events for e in series.judge(event, event.at)]


def test_an_event_in_full() -> None:
    assert told(related=NODE).as_object() == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "p.0", "namespace": "shop"},
        "eventTime": "2026-03-01T12:00:00.000000Z",
        "reportingController": "s",
        "reportingInstance": "s-host",
        "action": "Binding",
        "reason": "Scheduled",
        "regarding": POD,
        "related": NODE,
        "note": "said",
        "type": "Normal",
    }


def test_the_second_time_makes_a_series_whatever_is_said() -> None:
    series = Series()
    assert written(series, told(), told(1, "other"), told(2)) == [("p.0", 1), ("p.0", 2)]
    assert told(5, count=2).as_patch() == {"series": {"count": 2, "lastObservedTime": "2026-03-01T12:00:05.000000Z"}}


def test_a_series_that_is_over_is_written_to_its_end() -> None:
    series = Series()
    again = [told(), told(1), told(2), told(3)]
    assert written(series, *again, told(400)) == [("p.0", 1), ("p.0", 2), ("p.0", 4), ("p.400", 1)]


def test_other_actors_make_other_events() -> None:
    others = [told(), told(1, action="x"), told(2, reason="x"), told(3, related=NODE)]
    others.append(told(4, about={**POD, "uid": "v"}))
    assert [count for _, count in written(Series(), *others)] == [1] * 5
