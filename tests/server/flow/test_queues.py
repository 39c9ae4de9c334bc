"""Fair queuing: never more than the limit, nobody starves, equals get equal parts (KEP-1040, "Fair Queuing")."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umiak.server.flow.estimate import ONE, Width
from umiak.server.flow.queues import FULL, LIMIT, TIME_OUT, QueueSet, Queuing, Ticket
from umiak.server.flow.sharding import hand, hash_of, is_dealable


def a_set(limit: int, queues: int = 4, hand_size: int = 1, length: int = 50, reject: bool = False) -> QueueSet:
    made = QueueSet(0.0)
    made.configure(None if reject else Queuing(queues, hand_size, length), limit, False, 0.0)
    return made


def arrive(queues: QueueSet, index: int = 0, now: float = 0.0, width: Width = ONE) -> Ticket:
    ticket = Ticket(width, about=index)
    queues.arrive(ticket, (index,), now)
    return ticket


def test_runs_at_once_while_there_are_seats():
    queues = a_set(2)
    first, second, third = (arrive(queues) for _ in range(3))
    assert (first.started, second.started, third.started) == (0.0, 0.0, None)
    assert list(queues.finish(first, 1.0)) == [third]
    assert third.started == 1.0


def test_without_queues_the_rest_is_turned_away():
    queues = a_set(1, reject=True)
    assert arrive(queues).started == 0.0
    assert arrive(queues).rejected == LIMIT


def test_a_full_queue_turns_away():
    queues = a_set(1, length=2)
    assert [arrive(queues).rejected for _ in range(4)] == ["", "", "", FULL]


def test_exempt_requests_always_run():
    queues = QueueSet(0.0)
    queues.configure(None, 0, True, 0.0)
    assert all(arrive(queues).started is not None for _ in range(100))


def test_a_wide_request_waits_for_its_seats_and_others_wait_behind_it():
    queues = a_set(4)
    running = [arrive(queues, i) for i in range(3)]
    wide, late = arrive(queues, 0, 0.0, Width(3)), arrive(queues, 1, 0.1, Width(3))
    assert (wide.started, late.started) == (None, None)
    assert [list(queues.finish(t, 1.0)) for t in running] == [[], [wide], []]
    assert queues.seats == 3


def test_a_request_wider_than_the_level_runs_alone():
    queues = a_set(2)
    narrow, wide = arrive(queues), arrive(queues, 1, 0.0, Width(10))
    assert wide.started is None
    assert list(queues.finish(narrow, 1.0)) == [wide]
    assert arrive(queues, 2, 1.0).started is None


def test_seats_linger_after_the_answer():
    queues = a_set(3)
    ticket = arrive(queues, 0, 0.0, Width(1, 3, 0.01))
    waiting = arrive(queues, 1)
    assert list(queues.finish(ticket, 1.0)) == []
    assert (queues.seats, waiting.started) == (3, None)
    assert list(queues.release(ticket, 1.01)) == [waiting]


def test_who_gives_up_leaves_no_trace():
    queues = a_set(1)
    running, impatient = arrive(queues), arrive(queues, 1)
    queues.give_up(impatient, 15.0)
    assert (impatient.rejected, queues.waiting, queues.demand.now) == (TIME_OUT, 0, 1)
    assert list(queues.finish(running, 16.0)) == []
    assert queues.is_idle


def test_a_higher_limit_lets_in_who_waits():
    queues = a_set(1)
    arrive(queues)
    waiting = [arrive(queues, i) for i in range(3)]
    assert len(queues.configure(queues.queuing, 3, False, 1.0)) == 2
    assert sum(t.started is not None for t in waiting) == 2


def test_an_elephant_and_a_mouse_share_equally():
    """A flow that sends ten times as much does not get more while the other wants its part."""
    queues = a_set(10, length=10_000)
    waiting = [arrive(queues, 0) for _ in range(1000)] + [arrive(queues, 1) for _ in range(100)]
    done, now, running = Counter(), 0.0, [t for t in waiting if t.started is not None]
    while sum(done.values()) < 180:
        now += 0.01
        ended, running = running, []
        for ticket in ended:
            done[ticket.about] += 1
            running += queues.finish(ticket, now)
    assert abs(done[0] - done[1]) <= 20


def test_idle_time_can_not_be_saved_up():
    """A queue that was quiet for long does not push the others aside when it comes back."""
    queues = a_set(2, length=10_000)
    busy = [arrive(queues, 0) for _ in range(200)]
    now, running = 0.0, [t for t in busy if t.started is not None]
    for _ in range(50):
        now += 0.01
        running = [s for t in running for s in queues.finish(t, now)]
    for _ in range(100):
        arrive(queues, 1, now)
    order = []
    for _ in range(20):
        now += 0.01
        running = [s for t in running for s in queues.finish(t, now)]
        order += [t.about for t in running]
    assert 15 <= order.count(0) <= 25


steps = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "arrive", "finish", "release", "give up", "limit"]),
        st.integers(0, 5),
        st.sampled_from([Width(1), Width(3), Width(8), Width(1, 4, 0.02)]),
        st.floats(0.0, 0.1),
    ),
    max_size=80,
)


def test_who_waited_behind_a_wide_request_runs_when_that_gives_up():
    queues = a_set(2, queues=6, length=3)
    arrive(queues, 0, 0.0, Width(1))
    wide, narrow = arrive(queues, 0, 0.0, Width(2)), arrive(queues, 0, 0.0, Width(1))
    assert wide.started is None and narrow.started is None
    assert list(queues.give_up(wide, 0.0)) == [narrow]


@given(steps, st.integers(1, 6))
@settings(max_examples=150)
def test_never_more_than_the_limit_and_the_sums_are_right(done, limit):
    queues = a_set(limit, queues=6, length=3)
    running: list[Ticket] = []
    waiting: list[Ticket] = []
    lingering: list[Ticket] = []
    now = 0.0
    for what, number, width, passed in done:
        now += passed
        started: list[Ticket] = []
        if what == "arrive":
            ticket = arrive(queues, number, now, width)
            if not ticket.rejected:
                (running if ticket.started is not None else waiting).append(ticket)
        elif what == "finish" and running:
            ticket = running.pop(number % len(running))
            started = list(queues.finish(ticket, now))
            if ticket.width.lingers:
                lingering.append(ticket)
        elif what == "release" and lingering:
            started = list(queues.release(lingering.pop(), now))
        elif what == "give up" and waiting:
            started = list(queues.give_up(waiting.pop(number % len(waiting)), now))
        elif what == "limit" and number:
            grown = number >= limit
            limit = number
            started = list(queues.configure(queues.queuing, limit, False, now))
            assert grown or not started or queues.seats <= limit
        for ticket in started:
            waiting.remove(ticket)
            running.append(ticket)
            assert queues.seats <= limit or len(running) == 1
        assert queues.seats == sum(t.width.seats for t in running + lingering)
        assert queues.demand.now == queues.seats + sum(t.width.seats for t in waiting)
        assert (queues.waiting, len(queues.executing)) == (len(waiting), len(running))
        assert not waiting or running or lingering, "somebody waits for nothing"


@given(st.integers(0, 2**64 - 1), st.sampled_from([(128, 6), (64, 8), (16, 4), (1, 1), (8, 8)]))
def test_a_hand_has_different_cards(value, deck):
    size, cards = deck[0], hand(value, *deck)
    assert len(set(cards)) == len(cards) == deck[1]
    assert all(0 <= card < size for card in cards)


def test_every_order_is_dealt_once():
    assert len({hand(value, 3, 3) for value in range(6)}) == 6


@pytest.mark.parametrize(("queues", "size", "fits"), [(128, 8, True), (128, 9, False), (4, 5, False), (4, 0, False)])
def test_what_can_be_dealt(queues, size, fits):
    assert is_dealable(queues, size) is fits


def test_flows_are_hashed_as_in_the_reference():
    """SHA-256 of name, zero byte and distinguisher; the first eight bytes, little end first."""
    import hashlib

    assert hash_of("a", "b") == int.from_bytes(hashlib.sha256(b"a\0b").digest()[:8], "little")
