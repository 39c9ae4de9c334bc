"""When a pod is tried, tried again, and left alone."""

import pytest

from umiak.scheduler.contract import Event, always
from umiak.scheduler.news import News
from umiak.scheduler.pods import view
from umiak.scheduler.queue import MOST_MISSED, Queue

HINTS = {
    "Fit": {Event.POD_REMOVED: always},
    "Taints": {Event.NODE_TAINTS: always, Event.OWN_TOLERATIONS: always},
    "Ports": {Event.POD_REMOVED: lambda cycle, old, new: old == "has the port"},
    "Gates": {Event.OWN_GATES: always},
}
ROOM = News(Event.POD_REMOVED)


@pytest.fixture
def queue(world) -> Queue:
    return Queue(HINTS, world.cycle, lambda pod: "Gates" if pod.spec.get("schedulingGates") else "")


def popped(queue: Queue, now: float) -> str:
    found = queue.pop(now)
    return found.pod.name if found else ""


def test_the_most_important_first_then_the_oldest(queue, pod_of):
    for name, priority in (("old", 0), ("new", 0), ("vip", 10)):
        queue.add(view(pod_of(name, priority=priority)), now=0.0)
    assert [popped(queue, 0) for _ in range(4)] == ["vip", "old", "new", ""]


def test_a_rejected_pod_waits_for_an_event_that_can_help(queue, pod_of):
    queue.add(view(pod_of("p")), 0)
    queue.failed(queue.pop(0), ["Fit"], 0)
    queue.happened(News(Event.NODE_TAINTS), 100)
    assert popped(queue, 100) == ""
    queue.happened(ROOM, 100)
    assert popped(queue, 100) == "p"


def test_it_backs_off_first(queue, pod_of):
    queue.add(view(pod_of("p")), 0)
    queue.failed(queue.pop(0), ["Fit"], 0)
    queue.happened(ROOM, 0.5)
    assert (popped(queue, 0.5), queue.next_wake(), popped(queue, 1.0)) == ("", 1.0, "p")


@pytest.mark.parametrize(("failures", "wait"), [(1, 1.0), (2, 2.0), (4, 8.0), (5, 10.0), (9, 10.0)])
def test_errors_back_off_ever_longer(queue, pod_of, failures, wait):
    queue.add(view(pod_of("p")), 0)
    now = 0.0
    for _ in range(failures):
        queue.failed(queue.pop(now), (), now)
        began, now = now, queue.next_wake()
    assert now - began == wait


def test_an_event_during_the_attempt_is_not_missed(queue, pod_of):
    queue.add(view(pod_of("p")), 0)
    attempt = queue.pop(0)
    queue.happened(ROOM, 0)
    queue.failed(attempt, ["Fit"], 0)
    assert popped(queue, 1.0) == "p"


def test_a_parked_pod_is_tried_after_five_minutes_anyway(queue, pod_of):
    queue.add(view(pod_of("p")), 0)
    queue.failed(queue.pop(0), ["Fit"], 0)
    queue.flush(299)
    assert popped(queue, 299) == ""
    queue.flush(301)
    assert popped(queue, 301) == "p"


def test_gated_pods_stay_until_they_change(queue, pod_of):
    queue.add(view(pod_of("p", schedulingGates=[{"name": "g"}])), 0)
    assert queue.counts() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 1}
    queue.flush(10_000)
    assert popped(queue, 10_000) == ""
    queue.add(view(pod_of("p")), 10_000)
    assert popped(queue, 10_000) == "p"


def test_a_removed_pod_is_gone(queue, pod_of):
    queue.add(view(pod_of("p")), 0)
    attempt = queue.pop(0)
    queue.remove(attempt.pod.key)
    queue.failed(attempt, ["Fit"], 0)
    assert len(queue) == 0


@pytest.mark.parametrize(("who", "tried"), [("has the port", "p"), ("has another", "")])
def test_the_hint_decides(queue, pod_of, who, tried):
    queue.add(view(pod_of("p")), 0)
    queue.failed(queue.pop(0), ["Ports", "Taints"], 0)
    queue.happened(News(Event.POD_REMOVED, who), 100)
    assert popped(queue, 100) == tried


@pytest.mark.parametrize(
    ("changed", "tried"),
    [
        pytest.param({"tolerations": [{"operator": "Exists"}]}, "p", id="what the plugin listens for"),
        pytest.param({"labels": {"a": "b"}}, "", id="something else"),
        pytest.param({}, "", id="only its status"),
    ],
)
def test_a_pod_that_changes_itself(queue, pod_of, changed, tried):
    queue.add(view(pod_of("p")), 0)
    queue.failed(queue.pop(0), ["Taints"], 0)
    queue.add(view(pod_of("p", **changed)), 100)
    assert popped(queue, 100) == tried


def test_a_pod_that_changes_during_its_attempt(queue, pod_of):
    queue.add(view(pod_of("p")), 0)
    attempt = queue.pop(0)
    queue.add(view(pod_of("p", tolerations=[{"operator": "Exists"}])), 0)
    queue.failed(attempt, ["Taints"], 0)
    assert popped(queue, 1.0) == "p"


def test_what_is_remembered_of_a_long_attempt_is_bounded(queue, pod_of):
    queue.add(view(pod_of("p")), 0)
    attempt = queue.pop(0)
    for _ in range(2 * MOST_MISSED):
        queue.happened(News(Event.POD_REMOVED, "has another"), 0)
    assert len(attempt.missed) == MOST_MISSED
    queue.failed(attempt, ["Ports"], 0)
    assert popped(queue, 1.0) == "p"


def test_pods_are_counted_where_they_wait(queue, pod_of):
    for name in ("a", "b", "c", "d"):
        queue.add(view(pod_of(name)), 0)
    queue.failed(queue.pop(0), ["Fit"], 0)
    queue.failed(queue.pop(0), (), 0)
    queue.pop(0)
    assert queue.counts() == {"active": 1, "backoff": 1, "unschedulable": 1, "gated": 0}


def test_a_refusal_that_could_not_be_told_parks_nothing(queue, pod_of):
    """Found by chaos: parked by its refusal, then put back as failed, a pod that went took the scheduler with it."""
    queue.add(view(pod_of("p")), 0)
    waiting = queue.pop(0)
    queue.failed(waiting, ["Fit"], 0)
    queue.failed(waiting, (), 0)
    queue.remove(waiting.pod.key)
    queue.happened(ROOM, 100)
    assert popped(queue, 100) == ""


def test_who_is_done_takes_no_other_of_its_name_along(queue, pod_of):
    """The answer to a binding may come when the pod is gone, and another of its name is there (seed 4795 of chaos)."""
    old, new = pod_of("p"), pod_of("p")
    new["metadata"]["uid"] = "another"
    queue.add(view(old), 0)
    first = queue.pop(0)
    queue.add(view(new), 1)
    queue.done(first)
    second = queue.pop(1)
    assert second is not None and second.pod.uid == "another"
    queue.done(second)
    assert len(queue) == 0
