"""Stored objects are written anew (situations of the reference's storageversionmigrator tests)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from umiak.api.apiextensions.customresourcedefinition import KIND as DEFINITION
from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.storagemigration.storageversionmigration import KIND as MIGRATION
from umiak.controllers import _migrations as rules
from umiak.controllers._migrations import Progress
from umiak.controllers._pods import condition
from umiak.controllers.storage_version_migration import CONTROLLER
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.workbench import Workbench

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 13, tzinfo=UTC)


def migration(name: str, *true: str, created: str = "2026-01-01T00:00:00Z") -> Object:
    conditions = [{"type": t, "status": "True"} for t in true]
    return {
        "metadata": {"name": name, "creationTimestamp": created, "generation": 1},
        "spec": {"resource": {"group": "g", "resource": "things"}},
        "status": {"conditions": conditions},
    }


NEW, NEWER = migration("b"), migration("a", created="2026-01-01T00:00:01Z")
AT_WORK = migration("c", "Running")
DONE = migration("d", "Running", "Succeeded")
BROKEN = migration("e", "Running", "Failed")


@pytest.mark.parametrize(
    ("migrations", "over", "following"),
    [
        pytest.param([], [], None, id="none"),
        pytest.param([NEW], [], "b", id="one"),
        pytest.param([NEWER, NEW], [], "b", id="the oldest first"),
        pytest.param([NEW, migration("a")], [], "a", id="then by name"),
        pytest.param([NEW, AT_WORK], [], None, id="one is at work"),
        pytest.param([DONE, NEW, BROKEN], ["d", "e"], "b", id="the next after those that are over"),
        pytest.param([migration("x", "Succeeded")], [], None, id="long over"),
    ],
)
def test_whose_turn_it_is(migrations: list[Object], over: list[str], following: str | None) -> None:
    turn = rules.turn(migrations)
    assert [meta.name(m) for m in turn.over] == over
    assert (meta.name(turn.next) if turn.next else None) == following


@pytest.mark.parametrize(
    ("progress", "error", "text"),
    [
        (None, "", "The migration is running"),
        (Progress(0, 0), "", "The migration is running"),
        (Progress(3, 5), "", "The migration is running, 3/5 objects not yet migrated"),
        (Progress(0, 5), "", "The migration is running, 5 objects verified migrated"),
        (Progress(3, 5), "slow", "The migration is running, 3/5 objects not yet migrated; transient error: slow"),
    ],
)
def test_how_far_it_is(progress: Progress | None, error: str, text: str) -> None:
    assert rules.running_message(progress, error) == text


def test_a_condition_keeps_its_place_and_its_time() -> None:
    begun = rules.begun(NEW, NOW)
    further = rules.succeeded(begun, Progress(0, 2), LATER)
    running, succeeded = further["status"]["conditions"]
    assert (running["type"], running["lastTransitionTime"]) == ("Running", meta.format_time(NOW))
    assert (succeeded["type"], succeeded["lastTransitionTime"]) == ("Succeeded", meta.format_time(LATER))
    away = rules.put_away(further, LATER)["status"]["conditions"]
    assert [(c["type"], c["status"], c["reason"]) for c in away] == [
        ("Running", "False", "MigrationCompleted"),
        ("Succeeded", "True", "StorageVersionMigrationSucceeded"),
    ]
    assert rules.begun(further, LATER) is further


def definition(observed: int | None) -> Object:
    conditions = [] if observed is None else [{"type": "StorageMigrating", "observedGeneration": observed}]
    versions = [{"name": "v1", "storage": False}, {"name": "v2", "storage": True}]
    return {"metadata": {"generation": 3}, "spec": {"versions": versions}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("given", "observed", "stored", "message"),
    [
        (AT_WORK, None, None, "Migration c is running"),
        (DONE, 3, ["v2"], "The migration has succeeded and the stored versions have been updated"),
        (
            DONE,
            2,
            None,
            "The migration has succeeded but the stored versions have not been updated due to a generation mismatch",
        ),
        (BROKEN, 3, None, "The migration has failed"),
    ],
)
def test_what_the_definition_is_told(given: Object, observed: int | None, stored: Any, message: str) -> None:
    status = rules.definition_status(definition(observed), given, NOW)
    (told,) = status["conditions"]
    assert (told["message"], status.get("storedVersions")) == (message, stored)


async def start(cluster: Workbench, plural: str, group: str = "", name: str = "m") -> None:
    spec = {"resource": {"resource": plural} | ({"group": group} if group else {})}
    await cluster.create(MIGRATION, {"metadata": {"name": name}, "spec": spec})


async def conditions(cluster: Workbench, name: str = "m") -> list[tuple[str, str, str]]:
    found = await cluster.client.get(MIGRATION, name)
    return [(c["type"], c["status"], c["message"]) for c in found["status"].get("conditions") or ()]


async def test_built_in_objects() -> None:
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        await cluster.create(CONFIG_MAP, {"metadata": {"name": "c", "namespace": "default"}})
        before = await cluster.client.get(CONFIG_MAP, "c", "default")
        await start(cluster, "configmaps")
        await cluster.clock.advance(1)
        assert await conditions(cluster) == [
            ("Running", "False", "Migration completed"),
            ("Succeeded", "True", "Migration completed"),
        ]
        after = await cluster.client.get(CONFIG_MAP, "c", "default")
        assert after == before


SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


def versions(*stored: bool) -> list[Object]:
    return [{"name": f"v{i}", "served": True, "storage": s, "schema": SCHEMA} for i, s in enumerate(stored, 1)]


async def test_custom_objects_leave_an_old_version() -> None:
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        names = {"plural": "things", "kind": "Thing", "singular": "thing", "listKind": "ThingList"}
        spec = {"group": "g.example.com", "scope": "Cluster", "names": names, "versions": versions(True, False)}
        await cluster.create(DEFINITION, {"metadata": {"name": "things.g.example.com"}, "spec": spec})
        await cluster.clock.advance(1)
        path = "/apis/g.example.com/v1/things"
        thing = {"apiVersion": "g.example.com/v1", "kind": "Thing", "metadata": {"name": "one"}}
        await cluster.client.raw("POST", path, thing)
        change = {"spec": {"versions": versions(False, True)}}
        await cluster.patch(DEFINITION, "things.g.example.com", "", change)
        await cluster.clock.advance(1)
        found = await cluster.client.get(DEFINITION, "things.g.example.com")
        assert found["status"]["storedVersions"] == ["v1", "v2"]
        await start(cluster, "things", "g.example.com")
        await cluster.clock.advance(10)
        assert ("Succeeded", "True", "Migration completed") in await conditions(cluster)
        found = await cluster.client.get(DEFINITION, "things.g.example.com")
        assert found["status"]["storedVersions"] == ["v2"]
        told = condition(found, "StorageMigrating") or {}
        assert (told["status"], told["reason"]) == ("False", "MigrationSucceeded")


async def test_a_resource_that_never_comes() -> None:
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        await start(cluster, "ghosts")
        await cluster.clock.advance(50)
        assert [c[0] for c in await conditions(cluster)] == ["Running"]
        await cluster.clock.advance(20)
        assert ("Failed", "True", "resource does not exist in discovery") in await conditions(cluster)


async def test_a_resource_that_cannot_be_migrated() -> None:
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        await start(cluster, "bindings")
        await cluster.clock.advance(1)
        text = 'resource "/v1, Resource=bindings" does not support discovery operations: [update patch list]'
        assert ("Failed", "True", text) in await conditions(cluster)
