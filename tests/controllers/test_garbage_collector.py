"""Dependents follow their owners; foreground deletion and orphaning work; owners are looked up before anything goes."""

from typing import Any

import pytest

from umiak.api.apps.deployment import KIND as DEPLOYMENT
from umiak.api.apps.replicaset import KIND as REPLICA_SET
from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.node import KIND as NODE
from umiak.api.core.secret import KIND as SECRET
from umiak.controllers.garbage_collector import CONTROLLER
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.workbench import Workbench


def owner_reference(owner: Object, *, blocks: bool = True) -> Object:
    return {**meta.owner_reference(owner), "blockOwnerDeletion": blocks}


def owned(name: str, *owners: Object, blocks: bool = True, finalizers: tuple[str, ...] = ()) -> Object:
    references = [owner_reference(o, blocks=blocks) for o in owners]
    about: Object = {"name": name, "namespace": "default", "ownerReferences": references}
    if finalizers:
        about["finalizers"] = list(finalizers)
    return {"metadata": about}


@pytest.fixture
async def cluster() -> Any:
    cluster = Workbench.fake(DEPLOYMENT, REPLICA_SET, CONFIG_MAP, NODE)
    async with cluster.running(CONTROLLER):
        yield cluster


async def family(cluster: Workbench, **more: Any) -> None:
    """Deployment web, ReplicaSet web-1, ConfigMap leaf: each owned by the one before."""
    top = await cluster.create(DEPLOYMENT, owned("web"))
    middle = await cluster.create(REPLICA_SET, owned("web-1", top, **more))
    await cluster.create(CONFIG_MAP, owned("leaf", middle, **more))


async def everything(cluster: Workbench) -> list[str]:
    return [n for kind in (DEPLOYMENT, REPLICA_SET, CONFIG_MAP) for n in await cluster.names(kind)]


async def test_background(cluster: Workbench) -> None:
    await family(cluster)
    await cluster.delete(DEPLOYMENT, "web", "default", propagation="Background")
    assert await everything(cluster) == []


async def test_orphans_keep_all_but_the_reference(cluster: Workbench) -> None:
    await family(cluster)
    await cluster.delete(DEPLOYMENT, "web", "default", propagation="Orphan")
    assert await everything(cluster) == ["web-1", "leaf"]
    orphan = await cluster.find(REPLICA_SET, "web-1", "default")
    assert meta.owners(orphan or {}) == []


async def test_foreground_waits_for_blocking_dependents(cluster: Workbench) -> None:
    top = await cluster.create(DEPLOYMENT, owned("web"))
    await cluster.create(REPLICA_SET, owned("slow", top, finalizers=("test/wait",)))
    await cluster.create(REPLICA_SET, owned("free", top, blocks=False, finalizers=("test/wait",)))
    await cluster.create(REPLICA_SET, owned("quick", top))
    await cluster.delete(DEPLOYMENT, "web", "default", propagation="Foreground")
    assert await everything(cluster) == ["web", "free", "slow"]
    await cluster.patch(REPLICA_SET, "slow", "default", {"metadata": {"finalizers": None}})
    assert await everything(cluster) == ["free"]


async def test_foreground_goes_all_the_way_down(cluster: Workbench) -> None:
    await family(cluster)
    await cluster.delete(DEPLOYMENT, "web", "default", propagation="Foreground")
    assert await everything(cluster) == []


async def test_one_living_owner_is_enough(cluster: Workbench) -> None:
    first, second = [await cluster.create(DEPLOYMENT, owned(n)) for n in ("first", "second")]
    await cluster.create(CONFIG_MAP, owned("shared", first, second))
    await cluster.delete(DEPLOYMENT, "first", "default")
    shared = await cluster.find(CONFIG_MAP, "shared", "default")
    assert [o["name"] for o in meta.owners(shared or {})] == ["second"]
    await cluster.delete(DEPLOYMENT, "second", "default")
    assert await cluster.names(CONFIG_MAP) == []


async def test_owners_that_never_were(cluster: Workbench) -> None:
    ghost = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "ghost", "uid": "no-such"}}
    await cluster.create(CONFIG_MAP, owned("haunted", ghost))
    assert await cluster.names(CONFIG_MAP) == []


async def test_another_owner_of_the_same_name_does_not_count(cluster: Workbench) -> None:
    top = await cluster.create(DEPLOYMENT, owned("web"))
    top["metadata"]["uid"] = "an-older-one"
    await cluster.create(CONFIG_MAP, owned("late", top))
    assert await cluster.names(CONFIG_MAP) == []


async def test_existing_orphans_are_found_at_start() -> None:
    cluster = Workbench.fake(DEPLOYMENT, REPLICA_SET, CONFIG_MAP)
    await family(cluster)
    await cluster.delete(DEPLOYMENT, "web", "default")
    assert await everything(cluster) == ["web-1", "leaf"]
    async with cluster.running(CONTROLLER):
        assert await everything(cluster) == []


async def test_unknown_kinds_of_owners_delete_nothing(cluster: Workbench) -> None:
    odd = {"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"name": "odd", "uid": "u"}}
    await cluster.create(CONFIG_MAP, owned("kept", odd))
    await cluster.clock.advance(100)
    assert await cluster.names(CONFIG_MAP) == ["kept"]


async def test_kinds_that_come_later_are_followed(cluster: Workbench) -> None:
    client: Any = cluster.client
    client.kinds.append(SECRET)
    await cluster.clock.advance(31)
    owner = await cluster.create(SECRET, owned("secret"))
    await cluster.create(CONFIG_MAP, owned("leaf", owner))
    await cluster.delete(SECRET, "secret", "default")
    assert await cluster.names(CONFIG_MAP) == []


async def test_an_owner_in_another_namespace_is_told_of(cluster: Workbench) -> None:
    elsewhere = await cluster.create(DEPLOYMENT, {"metadata": {"name": "far", "namespace": "elsewhere"}})
    await cluster.create(CONFIG_MAP, owned("near", elsewhere))
    assert await cluster.names(CONFIG_MAP) == []
    where = f"namespace: default, name: far, uid: {meta.uid(elsewhere)}"
    message = f'ownerRef [apps/v1/Deployment, {where}] does not exist in namespace "default"'
    assert await cluster.events("default") == [("OwnerRefInvalidNamespace", "near", message)]


async def test_circles_in_foreground_end(cluster: Workbench) -> None:
    first = await cluster.create(CONFIG_MAP, owned("first"))
    second = await cluster.create(CONFIG_MAP, owned("second", first))
    await cluster.patch(CONFIG_MAP, "first", "default", {"metadata": {"ownerReferences": [owner_reference(second)]}})
    await cluster.delete(CONFIG_MAP, "first", "default", propagation="Foreground")
    await cluster.clock.advance(10)
    assert await cluster.names(CONFIG_MAP) == []
