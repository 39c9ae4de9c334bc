"""What every client with its server must do, the fake as well as the real: imported by `test_contract`.

Each function is one rule; it gets a client of an API in which the namespace `shop` exists.
"""

import asyncio
from typing import Any

import msgspec
import pytest

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.node import KIND as NODE
from umiak.client.contract import Client, Preconditions
from umiak.client.discovery import discover
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.testing.patience import LONG


def config_map(name: str = "", **about: Any) -> Object:
    named = {"name": name} if name else {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "shop", **named, **about},
        "data": {"a": "1"},
    }


async def refused(work: Any) -> tuple[int, str]:
    with pytest.raises(StatusError) as caught:
        await work
    return caught.value.code, caught.value.reason


async def creates_and_reads(client: Client) -> None:
    made = await client.create(CONFIG_MAP, config_map("a"))
    assert made["data"] == {"a": "1"}
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
    assert meta.uid(made)
    assert meta.metadata(made)["creationTimestamp"].endswith("Z")
    assert await client.get(CONFIG_MAP, "a", "shop") == made
    assert await refused(client.get(CONFIG_MAP, "b", "shop")) == (404, "NotFound")
    assert await refused(client.create(CONFIG_MAP, config_map("a"))) == (409, "AlreadyExists")


async def generates_names(client: Client) -> None:
    made = [await client.create(CONFIG_MAP, config_map(generateName="x-")) for _ in range(3)]
    names = {meta.name(m) for m in made}
    assert len(names) == 3
    assert all(n.startswith("x-") and len(n) == 7 for n in names)


async def lists_by_namespace_and_label(client: Client) -> None:
    await client.create(CONFIG_MAP, config_map("a", labels={"app": "web"}))
    await client.create(CONFIG_MAP, config_map("b"))
    found = await client.list(CONFIG_MAP, "shop")
    assert [meta.name(o) for o in found.items if meta.name(o) in "ab"] == ["a", "b"]
    assert all(o["kind"] == "ConfigMap" for o in found.items)
    labelled = await client.list(CONFIG_MAP, "shop", labels="app=web")
    assert [meta.name(o) for o in labelled.items] == ["a"]
    assert int(found.resource_version) >= int(meta.resource_version(found.items[-1]))


async def updates_only_the_newest(client: Client) -> None:
    old = await client.create(CONFIG_MAP, config_map("a"))
    new = await client.update(CONFIG_MAP, {**old, "data": {"a": "2"}})
    assert int(meta.resource_version(new)) > int(meta.resource_version(old))
    assert await refused(client.update(CONFIG_MAP, {**old, "data": {"a": "3"}})) == (409, "Conflict")
    same = await client.update(CONFIG_MAP, new)
    assert meta.resource_version(same) == meta.resource_version(new)


async def merges(client: Client) -> None:
    made = await client.create(CONFIG_MAP, config_map("a"))
    patched = await client.patch(CONFIG_MAP, "a", "shop", {"data": {"a": None, "b": "2"}})
    assert patched["data"] == {"b": "2"}
    stale = {"metadata": {"resourceVersion": meta.resource_version(made)}, "data": {"b": "3"}}
    assert await refused(client.patch(CONFIG_MAP, "a", "shop", stale)) == (409, "Conflict")
    assert await refused(client.patch(CONFIG_MAP, "none", "shop", {})) == (404, "NotFound")


async def merges_owners_by_uid(client: Client) -> None:
    owners = [{"apiVersion": "v1", "kind": "Node", "name": n, "uid": f"uid-{n}"} for n in "xy"]
    await client.create(CONFIG_MAP, config_map("a", ownerReferences=owners))
    drop = {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "uid-x"}]}}
    patched = await client.patch(CONFIG_MAP, "a", "shop", drop, type="strategic")
    assert [o["uid"] for o in meta.owners(patched)] == ["uid-y"]


async def keeps_status_apart(client: Client) -> None:
    made = await client.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    phase = {**made, "status": {"phase": "Running"}, "spec": {"unschedulable": True}}
    written = await client.update(NODE, phase, subresource="status")
    assert written["status"]["phase"] == "Running"
    assert not written["spec"].get("unschedulable") if "spec" in written else True
    again = await client.update(NODE, {**written, "spec": {"unschedulable": True}, "status": {"phase": "Pending"}})
    assert (again["status"]["phase"], again["spec"]["unschedulable"]) == ("Running", True)


async def deletes(client: Client) -> None:
    made = await client.create(CONFIG_MAP, config_map("a"))
    other = Preconditions(uid="another")
    assert (await refused(client.delete(CONFIG_MAP, "a", "shop", only=other)))[0] == 409
    answer = await client.delete(CONFIG_MAP, "a", "shop", only=Preconditions(uid=meta.uid(made)))
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert await refused(client.delete(CONFIG_MAP, "a", "shop")) == (404, "NotFound")


async def waits_for_finalizers(client: Client) -> None:
    await client.create(CONFIG_MAP, config_map("a", finalizers=["test/hold"]))
    going = await client.delete(CONFIG_MAP, "a", "shop")
    assert going["kind"] == "ConfigMap"
    assert meta.is_being_deleted(going)
    await client.patch(CONFIG_MAP, "a", "shop", {"metadata": {"finalizers": None}})
    assert await refused(client.get(CONFIG_MAP, "a", "shop")) == (404, "NotFound")


async def notes_propagation_as_finalizer(client: Client) -> None:
    for name, policy, finalizer in (("a", "Orphan", "orphan"), ("b", "Foreground", "foregroundDeletion")):
        await client.create(CONFIG_MAP, config_map(name))
        await client.delete(CONFIG_MAP, name, "shop", propagation=policy)
        left = await client.get(CONFIG_MAP, name, "shop")
        assert meta.metadata(left)["finalizers"] == [finalizer]


async def deletes_collections(client: Client) -> None:
    for name in "ab":
        await client.create(CONFIG_MAP, config_map(name, labels={"gone": "soon"}))
    await client.delete_collection(CONFIG_MAP, "shop", labels="gone=soon")
    assert (await client.list(CONFIG_MAP, "shop", labels="gone=soon")).items == []


async def tells_watchers_everything_in_order(client: Client) -> None:
    start = (await client.list(CONFIG_MAP, "shop")).resource_version
    await client.create(CONFIG_MAP, config_map("a"))
    heard: list[tuple[str, str]] = []

    async def follow() -> None:
        async for event in client.watch(CONFIG_MAP, "shop", resource_version=start):
            if meta.name(event.object) == "a":
                heard.append((event.type, (event.object.get("data") or {}).get("a", "")))
            if len(heard) == 3:
                return

    task = asyncio.create_task(follow())
    await client.patch(CONFIG_MAP, "a", "shop", {"data": {"a": "2"}})
    await client.delete(CONFIG_MAP, "a", "shop")
    await asyncio.wait_for(task, LONG)
    assert heard == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


async def hands_out_bytes_for_caches(client: Client) -> None:
    made = await client.create(CONFIG_MAP, config_map("a"))
    listed = await client.raw_list(CONFIG_MAP, "shop")
    (raw,) = [o for o in map(msgspec.json.decode, listed.items) if meta.name(o) == "a"]
    assert raw["data"] == made["data"]
    assert meta.resource_version(raw) == meta.resource_version(made)
    before = str(int(meta.resource_version(made)) - 1)
    async for event in client.raw_watch(CONFIG_MAP, "shop", resource_version=before, metadata_only=True):
        found = msgspec.json.decode(event.object)
        assert (event.type, found["kind"], meta.name(found)) == ("ADDED", "PartialObjectMetadata", "a")
        assert "data" not in found
        break


async def tells_what_kinds_there_are(client: Client) -> None:
    found = {(k.group, k.plural): k for k in await discover(client)}
    assert found[("", "configmaps")].namespaced
    assert not found[("", "nodes")].namespaced
    assert {"list", "watch", "delete"} <= set(found[("", "configmaps")].verbs)


async def ends_namespaces_by_finalizing(client: Client) -> None:
    await client.delete(NAMESPACE, "shop")
    ending = await client.get(NAMESPACE, "shop")
    assert (ending["status"]["phase"], ending["spec"]["finalizers"]) == ("Terminating", ["kubernetes"])
    await client.update(NAMESPACE, {**ending, "spec": {"finalizers": []}}, subresource="finalize")
    assert await refused(client.get(NAMESPACE, "shop")) == (404, "NotFound")


RULES = [
    creates_and_reads,
    generates_names,
    lists_by_namespace_and_label,
    updates_only_the_newest,
    merges,
    merges_owners_by_uid,
    keeps_status_apart,
    deletes,
    waits_for_finalizers,
    notes_propagation_as_finalizer,
    deletes_collections,
    tells_watchers_everything_in_order,
    hands_out_bytes_for_caches,
    tells_what_kinds_there_are,
    ends_namespaces_by_finalizing,
]
