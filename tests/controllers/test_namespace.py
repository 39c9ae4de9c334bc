"""Namespaces end when everything in them has, pods first, and say what holds them up."""

from typing import Any

import pytest

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.pod import KIND as POD
from umiak.api.core.secret import KIND as SECRET
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.controllers import root_ca_publisher, serviceaccount
from umiak.controllers.namespace import CONTROLLER
from umiak.objects import errors
from umiak.objects.types import Object
from umiak.reconcile.contract import Options
from umiak.testing.workbench import Workbench


def named(name: str, **about: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "shop", **about}}


@pytest.fixture
async def cluster() -> Any:
    cluster = Workbench.fake(POD, CONFIG_MAP, SECRET, NAMESPACE)
    await cluster.create(NAMESPACE, {"metadata": {"name": "shop"}})
    async with cluster.running(CONTROLLER):
        yield cluster


async def conditions(cluster: Workbench) -> dict[str, tuple[str, str]]:
    found = await cluster.find(NAMESPACE, "shop") or {}
    true = [c for c in found["status"].get("conditions") or () if c["status"] == "True"]
    return {c["type"]: (c["reason"], c["message"]) for c in true}


async def test_all_content_goes_after_five_seconds(cluster: Workbench) -> None:
    await cluster.create(CONFIG_MAP, named("a"))
    await cluster.create(SECRET, named("b"))
    await cluster.create(POD, named("c"))
    await cluster.delete(NAMESPACE, "shop")
    await cluster.clock.advance(4)
    assert len(await cluster.names(CONFIG_MAP)) == 1
    await cluster.clock.advance(1)
    for kind in (CONFIG_MAP, SECRET, POD, NAMESPACE):
        assert await cluster.names(kind) == []


async def test_a_finalizer_holds_it_up_and_is_named(cluster: Workbench) -> None:
    await cluster.create(CONFIG_MAP, named("held", finalizers=["example.com/hold"]))
    await cluster.delete(NAMESPACE, "shop")
    await cluster.clock.advance(5)
    assert await conditions(cluster) == {
        "NamespaceContentRemaining": (
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        ),
    }
    await cluster.patch(CONFIG_MAP, "held", "shop", {"metadata": {"finalizers": None}})
    await cluster.clock.advance(8)
    assert await cluster.names(NAMESPACE) == []


async def test_pods_end_before_what_they_may_need(cluster: Workbench) -> None:
    await cluster.create(POD, {**named("slow"), "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 10}})
    await cluster.create(CONFIG_MAP, named("settings"))
    await cluster.delete(NAMESPACE, "shop")
    await cluster.clock.advance(6)
    assert await cluster.names(CONFIG_MAP) == ["settings"]
    assert "NamespaceContentRemaining" not in await conditions(cluster)
    await cluster.client.delete(POD, "slow", "shop", grace_seconds=0)
    await cluster.clock.advance(6)
    assert await cluster.names(NAMESPACE) == []


async def test_failures_are_told_and_tried_again(cluster: Workbench) -> None:
    client: Any = cluster.client
    await cluster.create(CONFIG_MAP, named("a"))
    full = errors.internal("disk")
    client.refuse = lambda verb, kind, obj: full if (verb, kind.plural) == ("delete", "configmaps") else None
    await cluster.delete(NAMESPACE, "shop")
    await cluster.clock.advance(5)
    message = "Failed to delete all resource types, 1 remaining: Internal error occurred: disk"
    assert await conditions(cluster) == {"NamespaceDeletionContentFailure": ("ContentDeletionFailed", message)}
    client.refuse = lambda verb, kind, obj: None
    await cluster.clock.advance(10)
    assert await cluster.names(NAMESPACE) == []


async def test_every_active_namespace_gets_account_and_authority() -> None:
    cluster = Workbench.fake(options=Options(root_ca="PEM"))
    async with cluster.running(serviceaccount.CONTROLLER, root_ca_publisher.CONTROLLER):
        await cluster.create(NAMESPACE, {"metadata": {"name": "shop"}})
        assert await cluster.names(SERVICE_ACCOUNT, "shop") == ["default"]
        bundle = await cluster.find(CONFIG_MAP, "kube-root-ca.crt", "shop") or {}
        assert bundle["data"] == {"ca.crt": "PEM"}
        await cluster.delete(SERVICE_ACCOUNT, "default", "shop")
        await cluster.patch(CONFIG_MAP, "kube-root-ca.crt", "shop", {"data": {"ca.crt": "forged", "more": "x"}})
        assert await cluster.names(SERVICE_ACCOUNT, "shop") == ["default"]
        bundle = await cluster.find(CONFIG_MAP, "kube-root-ca.crt", "shop") or {}
        assert bundle["data"] == {"ca.crt": "PEM"}


async def test_ending_namespaces_get_nothing_new() -> None:
    cluster = Workbench.fake(options=Options(root_ca="PEM"))
    await cluster.create(NAMESPACE, {"metadata": {"name": "shop"}})
    await cluster.delete(NAMESPACE, "shop")
    async with cluster.running(serviceaccount.CONTROLLER, root_ca_publisher.CONTROLLER):
        assert await cluster.names(SERVICE_ACCOUNT) == []
        assert await cluster.names(CONFIG_MAP) == []
