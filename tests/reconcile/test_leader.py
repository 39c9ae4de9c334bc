"""One of several leads; the others wait until its lease has not changed for 15 seconds."""

import asyncio
import random

from umiak.api.coordination.lease import KIND as LEASE
from umiak.client.contract import Unreachable
from umiak.reconcile.leader import Election, Seen, may_take
from umiak.testing.clock import VirtualClock, settle
from umiak.testing.fakeapi import FakeApi


class Candidate:
    def __init__(self, api: FakeApi, clock: VirtualClock, identity: str) -> None:
        self.election = Election(api, clock, random.Random(1), name="part", identity=identity)
        self.working = False
        self.task = asyncio.create_task(self.election.run(self.work))

    async def work(self) -> None:
        self.working = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.working = False

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_the_second_waits_for_the_first_to_let_go(api, clock):
    first = Candidate(api, clock, "one")
    await settle()
    second = Candidate(api, clock, "two")
    await clock.advance(60)
    assert (first.working, second.working) == (True, False)
    await first.stop()
    await clock.advance(5)
    assert second.working
    lease = await api.get(LEASE, "part", "kube-system")
    assert lease["spec"]["holderIdentity"] == "two"
    assert lease["spec"]["leaseTransitions"] == 1
    await second.stop()
    assert (await api.get(LEASE, "part", "kube-system"))["spec"]["holderIdentity"] == ""


async def test_who_cannot_renew_stops_before_others_may_start(api, clock):
    first = Candidate(api, clock, "one")
    await settle()
    second = Candidate(api, clock, "two")
    await clock.advance(5)

    def cut_off(verb, kind, obj):
        return Unreachable("cable") if (obj.get("spec") or {}).get("holderIdentity") != "two" else None

    api.refuse = cut_off
    await clock.advance(11)
    assert (first.working, second.working) == (False, False)
    await clock.advance(10)
    assert second.working
    await first.stop()
    await second.stop()


def test_whose_lease_it_is():
    spec = {"holderIdentity": "one", "leaseDurationSeconds": 15}
    assert may_take(Seen(spec, 0), "one", 1)
    assert not may_take(Seen(spec, 0), "two", 15)
    assert may_take(Seen(spec, 0), "two", 15.1)
    assert may_take(Seen({}, 0), "two", 0)
