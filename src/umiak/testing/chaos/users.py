"""Users: they scale, change, pause, delete and evict, at moments and with a choice that the seed decides."""

import random
from collections.abc import Awaitable, Callable

import msgspec

from umiak.api.core.configmap import KIND as CONFIGMAP
from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.api.policy.poddisruptionbudget import KIND as BUDGET
from umiak.client.contract import Client
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.testing.chaos import workloads
from umiak.testing.chaos.world import ACTOR, DEED, World

POLICIES = ("Background", "Foreground", "Orphan")
Deed = Callable[[], Awaitable[None]]


class Users(msgspec.Struct):
    world: World
    client: Client
    dice: random.Random
    names: dict[str, str] = msgspec.field(default_factory=dict)
    """Of each workload that is wanted, by name, what kind of workload it is."""
    _images: int = 1

    async def begin(self) -> None:
        """Creates what the plan wants to run."""
        ACTOR.set("users")
        for number, workload in enumerate(self.world.plan.workloads):
            await self._create(workload, f"{workload[:3]}-{number}")
        if self.world.plan.evictions:
            for name in self.names:
                await self.client.create(BUDGET, workloads.budget(name, self.dice))

    async def _create(self, workload: str, name: str) -> None:
        self.names[name] = workload
        await self.client.create(workloads.KINDS[workload], workloads.new(workload, name, self.dice))

    async def edit(self) -> None:
        """One change of mind."""
        ACTOR.set("users")
        name = self.dice.choice(sorted(self.names))
        obj = self._find(name)
        deeds = [self._scale, self._scale, self._change_image, self._change_image, self._pause, self._delete]
        deeds += [self._kill, self._kill, self._stray]
        deed = self.dice.choice(deeds)
        DEED.set(deed.__name__.strip("_"))
        try:
            if obj is None:
                await self._create(self.names[name], name)
            else:
                await deed(name, obj)
        except StatusError as error:
            if error.code not in (404, 409, 422):
                raise

    def _find(self, name: str) -> Object | None:
        kind = workloads.KINDS[self.names[name]].kind
        return next((o for o in self.world.objects(kind) if meta.name(o) == name), None)

    async def _patch(self, name: str, spec: Object) -> None:
        await self.client.patch(workloads.KINDS[self.names[name]], name, "default", {"spec": spec})

    async def _scale(self, name: str, obj: Object) -> None:
        workload = self.names[name]
        if workload in ("deployment", "statefulset"):
            await self._patch(name, {"replicas": self.dice.randint(0 if self.dice.random() < 0.2 else 1, 5)})
        elif workload.endswith("job"):
            await self._patch(name, {"parallelism": self.dice.randint(1, 4)})

    async def _change_image(self, name: str, obj: Object) -> None:
        if self.names[name].endswith("job"):
            return
        self._images += 1
        image = f"image:{self._images if self.dice.random() < 0.8 else 1}"
        containers = [{**c, "image": image} for c in obj["spec"]["template"]["spec"]["containers"]]
        await self._patch(name, {"template": {"spec": {"containers": containers}}})

    async def _pause(self, name: str, obj: Object) -> None:
        """Pauses or suspends, or goes on."""
        if self.names[name] == "deployment":
            await self._patch(name, {"paused": not obj["spec"].get("paused")})
        elif self.names[name].endswith("job"):
            await self._patch(name, {"suspend": not obj["spec"].get("suspend")})

    async def resume(self) -> None:
        """Nothing stays paused for ever."""
        ACTOR.set("users")
        DEED.set("resume")
        for name, workload in self.names.items():
            obj = self._find(name)
            field = "paused" if workload == "deployment" else "suspend"
            if obj is not None and obj["spec"].get(field):
                await self._patch(name, {field: False})

    async def _delete(self, name: str, obj: Object) -> None:
        """And has another of the same name, at once or not at all."""
        policy = self.dice.choice(POLICIES)
        workload = self.names[name]
        await self.client.delete(workloads.KINDS[workload], name, "default", propagation=policy)
        if self._find(name) is None:
            await self._create(workload, name)

    async def _kill(self, name: str, obj: Object) -> None:
        pods = self._pods(name)
        if pods:
            pod = self.dice.choice(pods)
            await self.client.delete(POD, meta.name(pod), "default")

    async def _stray(self, name: str, obj: Object) -> None:
        """Somebody else's pod that looks just like one of ours."""
        pods = self._pods(name)
        about = {"name": f"owner-{self.world.time():.0f}", "namespace": "default"}
        owner = await self.client.create(CONFIGMAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about})
        pod = workloads.stray(int(self.world.time()), name)
        pod["metadata"]["ownerReferences"] = [meta.owner_reference({**owner, "apiVersion": "v1", "kind": "ConfigMap"})]
        if pods:
            pod["metadata"]["labels"] = meta.labels(self.dice.choice(pods))
        pod["spec"]["nodeSelector"] = {"nowhere": "true"}
        await self.client.create(POD, pod)

    async def evict(self) -> None:
        ACTOR.set("users")
        DEED.set("evict")
        pods = [p for name in sorted(self.names) for p in self._pods(name)]
        if not pods:
            return
        pod = self.dice.choice(pods)
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": meta.name(pod)}}
        try:
            await self.client.create(POD, eviction, namespace="default", name=meta.name(pod), subresource="eviction")
        except StatusError as error:
            if error.code not in (404, 429):
                raise

    def _pods(self, name: str) -> list[Object]:
        pods = (p for p in self.world.objects("Pod") if meta.labels(p).get("app") == name)
        return sorted((p for p in pods if not meta.is_being_deleted(p)), key=meta.name)

    async def remove_node(self, name: str) -> None:
        """Of a machine that is gone for good."""
        ACTOR.set("users")
        DEED.set("remove node")
        await self.client.delete(NODE, name)
