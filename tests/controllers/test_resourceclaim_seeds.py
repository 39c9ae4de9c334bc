"""Devices are never taken from a pod that may run, and never kept for one that will not: seeded histories.

The scheduler and kubelets are played by hand. Writes of the controllers fail now and then, and they are started anew.
"""

import random
from contextlib import AsyncExitStack

import pytest

from umiak.api.core.pod import KIND as POD
from umiak.api.kind import Kind
from umiak.api.resource.resourceclaim import KIND as CLAIM
from umiak.api.resource.resourceclaimtemplate import KIND as TEMPLATE
from umiak.controllers import _resource_claims as rules
from umiak.controllers import resourceclaim, resourceclaim_template
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.testing.fakeapi import FakeApi
from umiak.testing.workbench import Workbench

CONTROLLERS = (resourceclaim.CONTROLLER, resourceclaim_template.CONTROLLER)
ALLOCATION = {"devices": {"results": [{"request": "r", "driver": "d", "pool": "p", "device": "one"}]}}
ENTRIES = ({"name": "own", "resourceClaimTemplateName": "tpl"}, {"name": "all", "resourceClaimName": "shared"})
SEEDS, ACTS = 30, 50


class History:
    """One namespace, moved on by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bench = Workbench.fake()
        self.failing = 0.0
        self.count = 0
        assert isinstance(self.bench.client, FakeApi)
        self.bench.client.refuse = self.refuse

    def refuse(self, verb: str, kind: Kind, obj: Object) -> StatusError | None:
        if kind in (POD, CLAIM) and self.chance.random() < self.failing:
            return StatusError(503, "ServiceUnavailable", "try again")
        return None

    async def act(self) -> None:
        """What others do succeeds."""
        acts = [self.start, self.end, self.finish, self.schedule, self.schedule]
        before, self.failing = self.failing, 0.0
        await self.chance.choice(acts)()
        self.failing = before

    async def prepare(self) -> None:
        about = {"namespace": "default"}
        await self.bench.create(TEMPLATE, {"metadata": {**about, "name": "tpl"}, "spec": {"spec": {"devices": {}}}})
        await self.bench.create(CLAIM, {"metadata": {**about, "name": "shared"}, "spec": {"devices": {}}})

    async def start(self) -> None:
        self.count += 1
        about = {"name": f"p{self.count}", "namespace": "default"}
        await self.bench.create(POD, {"metadata": about, "spec": {"containers": [], "resourceClaims": list(ENTRIES)}})

    async def pick(self) -> Object | None:
        pods = await self.bench.list(POD)
        return self.chance.choice(pods) if pods else None

    async def end(self) -> None:
        pod = await self.pick()
        if pod is not None:
            await self.bench.client.delete(POD, meta.name(pod), "default", grace_seconds=0)

    async def finish(self) -> None:
        pod = await self.pick()
        if pod is not None and pod["spec"].get("nodeName"):
            status = {**(pod.get("status") or {}), "phase": "Succeeded"}
            await self.bench.client.update(POD, {**pod, "status": status}, subresource="status")

    async def schedule(self) -> None:
        """Allocates and reserves a pod's claims, then binds it."""
        pod = await self.pick()
        if pod is None or pod["spec"].get("nodeName") or rules.is_done(pod):
            return
        names = list(rules.all_claims(pod))
        claims = [await self.bench.find(CLAIM, name, "default") for name in names]
        if len(names) < len(ENTRIES) or None in claims:
            return
        for claim in claims:
            assert claim is not None
            await self.reserve(claim, pod)
        pod["spec"]["nodeName"] = "n"
        await self.bench.client.update(POD, pod)

    async def reserve(self, claim: Object, pod: Object) -> None:
        if rules.FINALIZER not in (claim["metadata"].get("finalizers") or ()):
            claim["metadata"]["finalizers"] = [rules.FINALIZER]
            claim = await self.bench.client.update(CLAIM, claim)
        status = claim.get("status") or {}
        users = [*(status.get("reservedFor") or ()), rules.consumer(pod)]
        status = {**status, "allocation": ALLOCATION, "reservedFor": users}
        await self.bench.client.update(CLAIM, {**claim, "status": status}, subresource="status")

    async def check(self) -> None:
        """A pod on a node, as long as it is not over, has what was reserved for it."""
        for pod in await self.bench.list(POD):
            if not pod["spec"].get("nodeName") or rules.is_done(pod):
                continue
            for name in rules.all_claims(pod):
                claim = await self.bench.client.get(CLAIM, name, "default")
                assert rules.is_reserved_for(pod, claim), (meta.name(pod), name)
                assert claim["status"].get("allocation") == ALLOCATION

    async def check_end(self) -> None:
        """Everybody who may run has claims of his own; nothing is kept for anybody else. A finalizer may be left where
        taking it off failed, as with the reference: the scheduler may be about to allocate, and sets it first.
        """
        pods = {meta.uid(p): p for p in await self.bench.list(POD) if not rules.is_done(p)}
        claims = await self.bench.list(CLAIM)
        for claim in claims:
            status = claim.get("status") or {}
            users = {c["uid"] for c in status.get("reservedFor") or ()}
            assert users <= pods.keys()
            assert bool(status.get("allocation")) == bool(users)
            assert claim["metadata"].get("finalizers") or not users
        made = sorted(meta.name(c) for c in claims if (rules.owning_pod(c) or {}).get("uid") in pods)
        assert made == sorted(next(iter(rules.all_claims(p))) for p in pods.values())

    async def run(self) -> None:
        left = ACTS
        while left:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self.bench.running(*CONTROLLERS))
                self.failing = 0.1
                for _ in range(min(left, self.chance.randrange(5, 25))):
                    await self.act()
                    await self.bench.clock.advance(self.chance.choice([0, 0, 1, 30]))
                    await self.check()
                    left -= 1
        self.failing = 0.0
        async with self.bench.running(*CONTROLLERS):
            await self.bench.clock.advance(60)
            await self.check()
            await self.check_end()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_devices_follow_pods(seed: int) -> None:
    history = History(seed)
    await history.prepare()
    await history.run()
