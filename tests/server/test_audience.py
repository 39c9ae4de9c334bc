"""Who is told together hears what each would have heard alone."""

import pytest

from umiak.server.audience import Audiences
from umiak.store.memory import MemoryStore

PLACE = "/core/pods/"


class Rounds:
    """Has a round when it is told to."""

    def __init__(self):
        self.waiting = {}

    def join(self, listener):
        self.waiting[listener] = None

    def tell(self):
        waiting, self.waiting = self.waiting, {}
        for listener in waiting:
            listener.tell()


class Member:
    def __init__(self):
        self.heard = []
        self.at_end = lambda: None

    def write(self, text):
        self.heard.append(text)
        self.at_end()


class House:
    def __init__(self):
        self.store, self.rounds = MemoryStore(), Rounds()
        self.audiences = Audiences(self.store, self.rounds)
        self.encoded = 0

    def encode(self, event):
        self.encoded += 1
        return event.entry.value + b";"

    def join(self, member, form="json"):
        return self.audiences.join(PLACE, form, self.encode, member)

    async def write(self, text):
        await self.store.put(PLACE + "x", lambda revision: text)


@pytest.fixture
def house():
    return House()


async def test_a_round_tells_everybody_the_same_text(house):
    members = [Member() for _ in range(3)]
    for member in members:
        house.join(member)
    await house.write(b"a")
    await house.write(b"b")
    house.rounds.tell()
    assert [member.heard for member in members] == [[b"a;b;"]] * 3
    assert members[0].heard[0] is members[2].heard[0] and house.encoded == 2


async def test_who_comes_later_hears_only_what_happens_then(house):
    first, second = Member(), Member()
    house.join(first)
    await house.write(b"a")
    house.join(second)
    await house.write(b"b")
    house.rounds.tell()
    await house.write(b"c")
    house.rounds.tell()
    assert (first.heard, second.heard) == ([b"a;b;", b"c;"], [b"b;", b"c;"])


async def test_who_is_told_before_the_round_does_not_hear_it_twice(house):
    early, other = Member(), Member()
    audience, _ = house.join(early)
    house.join(other)
    await house.write(b"a")
    audience.tell_one(early)
    await house.write(b"b")
    house.rounds.tell()
    assert (early.heard, other.heard) == ([b"a;", b"b;"], [b"a;b;"])


async def test_who_leaves_while_it_is_told_is_not_missed(house):
    leaving, other = Member(), Member()
    _, leaving.at_end = house.join(leaving)
    house.join(other)
    for text in (b"a", b"b"):
        await house.write(text)
        house.rounds.tell()
    assert (leaving.heard, other.heard) == ([b"a;"], [b"a;", b"b;"])


async def test_the_last_one_to_leave_ends_it(house):
    member = Member()
    _, leave = house.join(member)
    leave()
    await house.write(b"a")
    assert not house.encoded and not house.rounds.waiting


async def test_forms_are_told_apart(house):
    one, other = Member(), Member()
    house.join(one)
    house.audiences.join(PLACE, "yaml", lambda event: b"other", other)
    await house.write(b"a")
    house.rounds.tell()
    assert (one.heard, other.heard) == ([b"a;"], [b"other"])
