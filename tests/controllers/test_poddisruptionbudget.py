"""PodDisruptionBudget: the numbers that evictions are judged by."""

from typing import Any

import pytest

from umiak.api.apps import replicaset
from umiak.api.core import pod
from umiak.api.policy import poddisruptionbudget as budgets
from umiak.controllers import pod_disruption
from umiak.controllers._texts import selector_text
from umiak.controllers.poddisruptionbudget import CONTROLLER, desired_healthy
from umiak.objects import meta
from umiak.objects.types import Object

LABELS = {"app": "web"}


def a_budget(**spec: Any) -> Object:
    spec = {"selector": {"matchLabels": LABELS}, **spec}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def add_pods(world: Any, count: int, owner: Object | None = None) -> None:
    for number in range(count):
        about: Object = {"name": f"web-{number}", "namespace": "default", "labels": LABELS}
        if owner is not None:
            about["ownerReferences"] = [meta.owner_reference(owner)]
        await world.create(pod.KIND, {"metadata": about, "spec": {"containers": []}})
        await world.set_pod(f"web-{number}", "Running", ready=True)


async def a_replica_set(world: Any, replicas: int) -> Object:
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}}}
    made: Object = await world.create(
        replicaset.KIND, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    )
    return made


async def numbers(world: Any) -> tuple[int, int, int, int]:
    """(expected, desired, healthy, allowed)."""
    status = (await world.get(budgets.KIND, "web"))["status"]
    fields = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
    return tuple(status[f] for f in fields)  # type: ignore[return-value]


async def test_a_minimum(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(budgets.KIND, a_budget(minAvailable=2))
        assert "NoPods: No matching pods found" in await world.told()
        await add_pods(world, 3)
        assert await numbers(world) == (3, 2, 3, 1)
        [condition] = (await world.get(budgets.KIND, "web"))["status"]["conditions"]
        assert (condition["type"], condition["status"], condition["reason"], condition["message"]) == (
            "DisruptionAllowed",
            "True",
            "SufficientPods",
            "",
        )
        await world.set_pod("web-0", "Running", ready=False)
        assert await numbers(world) == (3, 2, 2, 0)
        [condition] = (await world.get(budgets.KIND, "web"))["status"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("False", "InsufficientPods")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"maxUnavailable": 1}, (4, 3, 3, 0)),
        ({"maxUnavailable": "50%"}, (4, 2, 3, 1)),
        ({"minAvailable": "50%"}, (4, 2, 3, 1)),
    ],
)
async def test_measured_by_what_the_controller_wants(world: Any, spec: Object, expected: tuple[int, ...]) -> None:
    async with world.running(CONTROLLER):
        owner = await a_replica_set(world, 4)
        await add_pods(world, 3, owner)
        await world.make(budgets.KIND, a_budget(**spec))
        assert await numbers(world) == expected


async def test_unmanaged_pods_are_told(world: Any) -> None:
    async with world.running(CONTROLLER):
        await add_pods(world, 1)
        await world.make(budgets.KIND, a_budget(maxUnavailable=1))
        assert any(t.startswith("UnmanagedPods: Pods selected by this") for t in await world.told())


async def test_without_numbers_nothing_may_go(world: Any) -> None:
    async with world.running(CONTROLLER):
        stranger = {"apiVersion": "x.io/v1", "kind": "Stranger", "metadata": {"name": "s", "uid": "u"}}
        await add_pods(world, 1, stranger)
        await world.make(budgets.KIND, a_budget(maxUnavailable=1))
        [condition] = (await world.get(budgets.KIND, "web"))["status"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("False", "SyncFailed")


async def test_evicted_pods_count_as_gone_for_two_minutes(world: Any) -> None:
    async with world.running(CONTROLLER):
        await add_pods(world, 3)
        await world.make(budgets.KIND, a_budget(minAvailable=2))
        found = await world.get(budgets.KIND, "web")
        evicted = {"web-0": meta.format_time(world.clock.now())}
        status = {**found["status"], "disruptedPods": evicted, "disruptionsAllowed": 0}
        await world.client.update(budgets.KIND, {**found, "status": status}, subresource="status")
        await world.clock.advance(1)
        assert await numbers(world) == (3, 2, 2, 0)
        await world.clock.advance(121)
        assert await numbers(world) == (3, 2, 3, 1)
        assert "disruptedPods" not in (await world.get(budgets.KIND, "web"))["status"]


async def test_a_disruption_that_did_not_happen_is_taken_back(world: Any) -> None:
    async with world.running(pod_disruption.CONTROLLER):
        await add_pods(world, 1)
        found = await world.get(pod.KIND, "web-0")
        target = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": "2026-03-01T12:00:00Z"}
        status = {**found["status"], "conditions": [target]}
        await world.client.update(pod.KIND, {**found, "status": status}, subresource="status")
        await world.clock.advance(119)
        assert (await world.get(pod.KIND, "web-0"))["status"]["conditions"][0]["status"] == "True"
        await world.clock.advance(2)
        assert (await world.get(pod.KIND, "web-0"))["status"]["conditions"][0]["status"] == "False"


@pytest.mark.parametrize(
    ("spec", "expected", "desired"),
    [
        ({"minAvailable": 2}, 5, 2),
        ({"minAvailable": "30%"}, 5, 2),
        ({"maxUnavailable": "30%"}, 5, 3),
        ({"maxUnavailable": 9}, 5, 0),
    ],
)
def test_desired_healthy(spec: Object, expected: int, desired: int) -> None:
    assert desired_healthy(a_budget(**spec), expected) == desired


def test_selectors_as_go_prints_them() -> None:
    wanted = "&LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{},}"
    assert selector_text({"matchLabels": LABELS}) == wanted
