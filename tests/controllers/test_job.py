"""Job: pods counted exactly once, tried again with patience, ended for the right reason."""

from typing import Any

import msgspec
import pytest

from umiak.api.batch import job as jobs
from umiak.api.core import pod
from umiak.controllers import job_orphans
from umiak.controllers._jobs import FINALIZER, Failures, View, match_failure
from umiak.controllers.job import CONTROLLER, untrack
from umiak.objects import meta
from umiak.objects.errors import StatusError, internal
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.context import build
from umiak.testing.clock import NOON

LABELS = {"batch.kubernetes.io/controller-uid": "x", "job-name": "work"}


def a_job(**spec: Any) -> Object:
    pod_spec = {"restartPolicy": spec.pop("restartPolicy", "Never"), "containers": [{"name": "c", "image": "c"}]}
    template = {"metadata": {"labels": LABELS}, "spec": pod_spec}
    return {
        "metadata": {"name": "work", "namespace": "default"},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template, **spec},
    }


def conditions(obj: Object) -> dict[str, tuple[str, str, str]]:
    found = obj["status"].get("conditions") or []
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in found}


async def active(world: Any) -> list[str]:
    found = [p for p in await world.pods() if not meta.is_being_deleted(p)]
    return [meta.name(p) for p in found if (p.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]


async def finish(world: Any, phase: str, count: int = 1, **status: Any) -> None:
    for name in (await active(world))[:count]:
        await world.set_pod(name, phase, **status)


async def job(world: Any) -> Object:
    return await world.get(jobs.KIND, "work")


async def test_to_its_completion(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(completions=3, parallelism=2))
        await world.clock.advance(0)
        assert len(await active(world)) == 2
        assert all(FINALIZER in p["metadata"]["finalizers"] for p in await world.pods())
        status = (await job(world))["status"]
        assert status == {
            "active": 2,
            "ready": 0,
            "terminating": 0,
            "startTime": "2026-03-01T12:00:00Z",
            "uncountedTerminatedPods": {},
        }
        await world.run_pods()
        assert (await job(world))["status"]["ready"] == 2
        await finish(world, "Succeeded", 2)
        assert len(await active(world)) == 1
        await finish(world, "Succeeded", 1)
        found = await job(world)
        assert conditions(found) == {
            "SuccessCriteriaMet": ("True", "CompletionsReached", "Reached expected number of succeeded pods"),
            "Complete": ("True", "CompletionsReached", "Reached expected number of succeeded pods"),
        }
        assert found["status"]["succeeded"] == 3
        assert found["status"]["completionTime"] == "2026-03-01T12:00:00Z"
        assert found["status"]["uncountedTerminatedPods"] == {}
        assert not any(p["metadata"].get("finalizers") for p in await world.pods())
        assert (await world.told())[-1] == "Completed: Job completed"


async def test_failures_are_tried_again_with_growing_waits(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(backoffLimit=2))
        for wait in (10, 20):
            await world.clock.advance(0)
            await finish(world, "Failed")
            assert await active(world) == []
            await world.clock.advance(wait - 1)
            assert await active(world) == []
            await world.clock.advance(1.5)
            assert len(await active(world)) == 1
        await finish(world, "Failed")
        found = await job(world)
        reason = ("True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        assert conditions(found) == {"FailureTarget": reason, "Failed": reason}
        assert found["status"]["failed"] == 3
        assert "BackoffLimitExceeded: Job has reached the specified backoff limit" in await world.told()


async def test_the_deadline_ends_running_pods(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(activeDeadlineSeconds=30))
        await world.run_pods()
        await world.clock.advance(29)
        assert len(await active(world)) == 1
        await world.clock.advance(1)
        reason = ("True", "DeadlineExceeded", "Job was active longer than specified deadline")
        assert conditions(await job(world)) == {"FailureTarget": reason}
        [ending] = await world.names(pod.KIND)
        await world.end_pod(ending)
        assert conditions(await job(world)) == {"FailureTarget": reason, "Failed": reason}
        assert (await job(world))["status"]["failed"] == 1


async def test_suspending_and_resuming(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(suspend=True))
        await world.clock.advance(0)
        assert await world.pods() == []
        assert conditions(await job(world))["Suspended"] == ("True", "JobSuspended", "Job suspended")
        assert "startTime" not in (await job(world))["status"]
        await world.clock.advance(60)
        await world.change(jobs.KIND, "work", {"spec": {"suspend": False}})
        await world.run_pods()
        assert conditions(await job(world))["Suspended"] == ("False", "JobResumed", "Job resumed")
        assert (await job(world))["status"]["startTime"] == "2026-03-01T12:01:00Z"
        await world.change(jobs.KIND, "work", {"spec": {"suspend": True}})
        assert await active(world) == []
        assert (await job(world))["status"].get("failed") is None
        told = await world.told()
        assert [t for t in told if "uspended" in t or "esumed" in t] == [
            "Suspended: Job suspended",
            "Resumed: Job resumed",
            "Suspended: Job suspended",
        ]


async def test_what_succeeded_unseen_is_not_suspended_away(world: Any) -> None:
    """Found by chaos: the finalizer went with news that were too old, and the success was not counted."""
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(completions=2, parallelism=1))
        await world.run_pods()
        [pod] = await world.pods()
        stale = {**pod, "metadata": {**pod["metadata"], "resourceVersion": "1"}}
        context = world.runtime.context("job-controller")
        with pytest.raises(StatusError, match="modified"):
            await untrack(context, stale, unchanged=True)
        assert FINALIZER in (await world.pods())[0]["metadata"]["finalizers"]
        await untrack(context, pod, unchanged=True)
        assert not (await world.pods())[0]["metadata"].get("finalizers")


async def second_leader(world: Any, pods_known: list[Object]) -> Object:
    """The Job's status once another process, which knows the newest Job but these pods only, has looked at it."""
    other = build(world.client, clock=world.clock)
    other.tables.ensure(jobs.KIND).saw(msgspec.json.encode(await job(world)))
    table = other.tables.ensure(pod.KIND)
    for known in pods_known:
        table.saw(msgspec.json.encode(known))
    await CONTROLLER.reconcile(other.context("job-controller"), Key("default", "work"))
    return (await job(world))["status"]


@pytest.mark.parametrize("gone", [False, True], ids=["let go", "gone"])
@pytest.mark.parametrize(("phase", "counter"), [("Succeeded", "succeeded"), ("Failed", "failed")])
async def test_what_another_leader_has_counted_is_not_counted_again(
    world: Any, phase: str, counter: str, gone: bool
) -> None:
    """Found by chaos (seeds 6191, 7297): the Job was new, the pods were old."""
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(completions=3, parallelism=1))
        await world.run_pods()
        [running] = await world.pods()
        await world.set_pod(meta.name(running), phase)
    assert (await job(world))["status"][counter] == 1
    if gone:
        await world.end_pod(meta.name(running))
    status = await second_leader(world, [{**running, "status": {"phase": phase}}])
    assert (status[counter], status["uncountedTerminatedPods"]) == (1, {})


async def test_a_note_of_a_pod_not_seen_yet_stays(world: Any) -> None:
    """Another leader has noted its end and has yet to let it go."""
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(completions=1))
        await world.run_pods()
        [running] = await world.pods()
    note = {"active": 0, "uncountedTerminatedPods": {"succeeded": [meta.uid(running)]}}
    await world.client.update(jobs.KIND, {**await job(world), "status": note}, subresource="status")
    await world.set_pod(meta.name(running), "Succeeded")
    status = await second_leader(world, [])
    assert (status["succeeded"], status["uncountedTerminatedPods"]) == (1, {})
    assert not (await world.pods())[0]["metadata"].get("finalizers")


async def test_indexes(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(completions=5, parallelism=3, completionMode="Indexed"))
        await world.clock.advance(0)
        found = {meta.annotations(p)["batch.kubernetes.io/job-completion-index"]: p for p in await world.pods()}
        assert set(found) == {"0", "1", "2"}
        first = found["0"]
        assert meta.name(first).startswith("work-0-")
        assert first["spec"]["hostname"] == "work-0"
        env = first["spec"]["containers"][0]["env"]
        path = "metadata.labels['batch.kubernetes.io/job-completion-index']"
        assert env == [{"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": path}}}]
        await world.set_pod(meta.name(found["2"]), "Succeeded")
        await world.set_pod(meta.name(found["0"]), "Succeeded")
        assert (await job(world))["status"]["completedIndexes"] == "0,2"
        for _ in range(4):
            await finish(world, "Succeeded", 3)
        found = await job(world)
        assert found["status"]["completedIndexes"] == "0-4"
        assert found["status"]["succeeded"] == 5
        assert "Complete" in conditions(found)


async def test_backoff_limit_per_index(world: Any) -> None:
    """KEP-3850."""
    spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1}
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(**spec))
        await world.clock.advance(0)
        first, second = sorted(await active(world))
        await world.set_pod(second, "Succeeded")
        await world.set_pod(first, "Failed")
        await world.clock.advance(11)
        [again] = await active(world)
        note = "batch.kubernetes.io/job-index-failure-count"
        assert meta.annotations(await world.get(pod.KIND, again))[note] == "1"
        await world.set_pod(again, "Failed")
        found = await job(world)
        assert found["status"]["failedIndexes"] == "0"
        assert found["status"]["completedIndexes"] == "1"
        assert conditions(found)["Failed"] == ("True", "FailedIndexes", "Job has failed indexes")


async def test_success_policy(world: Any) -> None:
    """KEP-3998."""
    policy = {"rules": [{"succeededIndexes": "1-2", "succeededCount": 1}]}
    spec = {"completions": 3, "parallelism": 3, "completionMode": "Indexed", "successPolicy": policy}
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(**spec))
        await world.run_pods()
        names = sorted(await active(world))
        await world.set_pod(names[1], "Succeeded")
        met = ("True", "SuccessPolicy", "Matched rules at index 0")
        assert conditions(await job(world)) == {"SuccessCriteriaMet": met}
        await world.run_pods()
        assert conditions(await job(world)) == {"SuccessCriteriaMet": met, "Complete": met}
        assert (await job(world))["status"]["succeeded"] == 1


async def test_pod_failure_policy_fails_the_job(world: Any) -> None:
    """KEP-3329."""
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(podFailurePolicy={"rules": rules}))
        await world.clock.advance(0)
        [name] = await active(world)
        ended = {"name": "c", "state": {"terminated": {"exitCode": 42, "finishedAt": "2026-03-01T12:00:00Z"}}}
        await world.set_pod(name, "Failed", containerStatuses=[ended])
        message = f"Container c for pod default/{name} failed with exit code 42 matching FailJob rule at index 0"
        assert conditions(await job(world))["Failed"] == ("True", "PodFailurePolicy", message)


async def test_ignored_failures_do_not_count(world: Any) -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(backoffLimit=0, podFailurePolicy={"rules": rules}))
        await world.clock.advance(0)
        [name] = await active(world)
        fresh = await world.get(pod.KIND, name)
        disrupted = {"type": "DisruptionTarget", "status": "True"}
        await world.client.update(
            pod.KIND, {**fresh, "status": {"phase": "Failed", "conditions": [disrupted]}}, subresource="status"
        )
        await world.clock.advance(11)
        assert len(await active(world)) == 1
        assert "failed" not in (await job(world))["status"]


async def test_deleted_pods_are_replaced_and_counted_as_failed(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(backoffLimit=5))
        await world.run_pods()
        [name] = await active(world)
        await world.delete(pod.KIND, name, "default")
        await world.end_pod(name)
        assert (await job(world))["status"]["failed"] == 1
        await world.clock.advance(30)
        assert len(await active(world)) == 1


async def test_with_replacement_policy_failed_the_end_is_awaited(world: Any) -> None:
    """KEP-3939."""
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(backoffLimit=5, podReplacementPolicy="Failed"))
        await world.run_pods()
        [name] = await active(world)
        await world.delete(pod.KIND, name, "default")
        await world.clock.advance(30)
        assert await active(world) == []
        assert (await job(world))["status"]["terminating"] == 1
        await world.set_pod(name, "Failed")
        await world.clock.advance(11)
        assert len(await active(world)) == 1


async def test_restarts_count_where_containers_restart_in_place(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(restartPolicy="OnFailure", backoffLimit=2))
        await world.clock.advance(0)
        [name] = await active(world)
        await world.set_pod(name, "Running", containerStatuses=[{"name": "c", "restartCount": 2}])
        assert conditions(await job(world))["FailureTarget"][1] == "BackoffLimitExceeded"


async def test_less_parallelism_ends_pods(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(completions=5, parallelism=3))
        await world.run_pods()
        await world.change(jobs.KIND, "work", {"spec": {"parallelism": 1}})
        assert len(await active(world)) == 1
        assert (await job(world))["status"].get("failed") is None


async def test_without_completions_one_success_is_enough(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, {**a_job(parallelism=2)})
        await world.clock.advance(0)
        assert len(await active(world)) == 2
        await finish(world, "Succeeded", 1)
        assert len(await active(world)) == 1
        await finish(world, "Succeeded", 1)
        assert "Complete" in conditions(await job(world))


async def test_orphans_lose_their_finalizer(world: Any) -> None:
    async with world.running(CONTROLLER, job_orphans.CONTROLLER):
        await world.make(jobs.KIND, a_job())
        await world.run_pods()
        [name] = await active(world)
        await world.delete(jobs.KIND, "work", "default")
        assert not (await world.get(pod.KIND, name))["metadata"].get("finalizers")


async def test_pods_are_not_counted_twice_when_the_status_cannot_be_written(world: Any) -> None:
    refusals = 3

    def refuse(verb: str, kind: Any, obj: Object) -> Any:
        nonlocal refusals
        if (verb, kind.kind) == ("update", "Job") and refusals > 0:
            refusals -= 1
            return internal("etcd is away")
        return None

    async with world.running(CONTROLLER):
        await world.make(jobs.KIND, a_job(completions=2, parallelism=2))
        await world.clock.advance(0)
        world.refuse = refuse
        await finish(world, "Succeeded", 2)
        await world.clock.advance(60)
        assert (await job(world))["status"]["succeeded"] == 2
        assert "Complete" in conditions(await job(world))


# The pure parts


def a_pod(phase: str, at: str, **status: Any) -> Object:
    about = {"name": at, "uid": at, "namespace": "default", "creationTimestamp": "2026-03-01T11:00:00Z"}
    ended = {"name": "c", "state": {"terminated": {"exitCode": 1, "finishedAt": f"2026-03-01T{at}Z"}}}
    return {"metadata": about, "spec": {}, "status": {"phase": phase, "containerStatuses": [ended], **status}}


@pytest.mark.parametrize(
    ("wins", "losses", "wait"),
    [
        ([], [], 0),
        ([], ["12:00:00"], 10),
        ([], ["11:59:57"], 7),
        ([], ["11:59:00", "12:00:00"], 20),
        (["11:59:30"], ["11:59:00", "12:00:00"], 10),
        (["12:00:00"], ["11:59:00"], 0),
    ],
)
def test_how_long_to_wait(wins: list[str], losses: list[str], wait: int) -> None:
    found = Failures().after([a_pod("Succeeded", at) for at in wins], [a_pod("Failed", at) for at in losses])
    assert found.wait(NOON).total_seconds() == wait


def test_the_wait_is_limited() -> None:
    assert Failures(99, NOON).wait(NOON).total_seconds() == 600


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"onExitCodes": {"operator": "In", "values": [1, 2]}}, True),
        ({"onExitCodes": {"operator": "In", "values": [2]}}, False),
        ({"onExitCodes": {"operator": "NotIn", "values": [2]}}, True),
        ({"onExitCodes": {"operator": "NotIn", "values": [1]}}, False),
        ({"onExitCodes": {"operator": "In", "values": [1], "containerName": "other"}}, False),
    ],
)
def test_exit_codes(rule: Object, matches: bool) -> None:
    made = a_job(podFailurePolicy={"rules": [{"action": "Ignore", **rule}]})
    assert match_failure(made, a_pod("Failed", "12:00:00")).counts != matches


def test_twins_of_an_index_go() -> None:
    def twin(name: str, ready: str) -> Object:
        found = a_pod("Running", name, conditions=[{"type": "Ready", "status": ready}])
        found["metadata"]["annotations"] = {"batch.kubernetes.io/job-completion-index": "0"}
        found["spec"] = {"nodeName": "n"}
        return found

    made = a_job(completions=2, parallelism=2, completionMode="Indexed")
    view = View(made, [twin("12:00:00", "True"), twin("12:00:01", "False")], Failures(), NOON)
    assert [meta.name(p) for p in view.surplus()] == ["12:00:01"]
