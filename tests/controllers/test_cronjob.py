"""CronJob: on time, once, and with its history kept short."""

from datetime import timedelta
from typing import Any

import pytest

from umiak.api.batch import cronjob
from umiak.api.batch import job as jobs
from umiak.controllers._schedule import Missed, latest
from umiak.controllers.cronjob import CONTROLLER
from umiak.objects import meta
from umiak.objects.cron import parse
from umiak.objects.types import Object
from umiak.testing.clock import NOON


def a_cronjob(schedule: str = "* * * * *", **spec: Any) -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c"}]}
    template = {"metadata": {"labels": {"a": "b"}, "annotations": {"n": "1"}}, "spec": {"template": {"spec": pod}}}
    return {
        "metadata": {"name": "tick", "namespace": "default"},
        "spec": {"schedule": schedule, "jobTemplate": template, **spec},
    }


async def end(world: Any, name: str, type: str = "Complete") -> None:
    found = await world.get(jobs.KIND, name)
    moment = meta.format_time(world.clock.now())
    status = {"conditions": [{"type": type, "status": "True"}], "startTime": moment}
    if type == "Complete":
        status["completionTime"] = moment
    await world.client.update(jobs.KIND, {**found, "status": status}, subresource="status")
    await world.clock.advance(0)


async def status(world: Any) -> Object:
    return (await world.get(cronjob.KIND, "tick")).get("status") or {}


MINUTE = int(NOON.timestamp()) // 60


async def test_starts_on_time(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob())
        await world.clock.advance(59)
        assert await world.names(jobs.KIND) == []
        await world.clock.advance(1.2)
        [made] = await world.list(jobs.KIND)
        assert meta.name(made) == f"tick-{MINUTE + 1}"
        assert meta.labels(made) == {"a": "b"}
        note = "batch.kubernetes.io/cronjob-scheduled-timestamp"
        assert meta.annotations(made) == {"n": "1", note: "2026-03-01T12:01:00Z"}
        found = await status(world)
        assert found["lastScheduleTime"] == "2026-03-01T12:01:00Z"
        [active] = found["active"]
        assert (active["kind"], active["name"], active["uid"]) == ("Job", meta.name(made), meta.uid(made))
        await end(world, meta.name(made))
        assert "active" not in await status(world)
        assert (await status(world))["lastSuccessfulTime"] == "2026-03-01T12:01:00Z"
        assert await world.told() == [
            f"SuccessfulCreate: Created job {meta.name(made)}",
            f"SawCompletedJob: Saw completed job: {meta.name(made)}, condition: Complete",
        ]


async def test_forbid_waits_for_the_end(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob(concurrencyPolicy="Forbid"))
        await world.clock.advance(125)
        assert len(await world.list(jobs.KIND)) == 1
        [name] = await world.names(jobs.KIND)
        await end(world, name)
        await world.clock.advance(60)
        assert len(await world.list(jobs.KIND)) == 2
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        assert f"JobAlreadyActive: {message}" in await world.told()


async def test_replace_ends_the_one_before(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob(concurrencyPolicy="Replace"))
        await world.clock.advance(125)
        [left] = await world.names(jobs.KIND)
        assert left == f"tick-{MINUTE + 2}"
        assert [a["name"] for a in (await status(world))["active"]] == [left]


async def test_allow_runs_side_by_side(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob())
        await world.clock.advance(125)
        assert len(await world.list(jobs.KIND)) == 2


async def test_suspended(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob(suspend=True))
        await world.clock.advance(300)
        assert await world.list(jobs.KIND) == []


async def test_history_is_kept_short(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=1))
        for number, type in enumerate(("Complete", "Failed", "Complete", "Failed"), 1):
            await world.clock.advance(61 if number == 1 else 60)
            await end(world, f"tick-{MINUTE + number}", type)
        await world.clock.advance(1)
        assert await world.names(jobs.KIND) == [f"tick-{MINUTE + 3}", f"tick-{MINUTE + 4}"]
        assert f"SuccessfulDelete: Deleted job tick-{MINUTE + 1}" in await world.told()


async def test_a_start_that_is_too_late_is_missed(world: Any) -> None:
    async with world.running(CONTROLLER):
        pass
    made = a_cronjob("0 * * * *", startingDeadlineSeconds=100)
    await world.make(cronjob.KIND, made)
    await world.clock.advance(3600 + 101)
    async with world.running(CONTROLLER):
        await world.clock.advance(1)
        assert await world.list(jobs.KIND) == []


async def test_after_downtime_only_the_last_missed_run_starts(world: Any) -> None:
    await world.make(cronjob.KIND, a_cronjob("* * * * *"))
    await world.clock.advance(200 * 60 + 30)
    async with world.running(CONTROLLER):
        await world.clock.advance(1)
        assert await world.names(jobs.KIND) == [f"tick-{MINUTE + 200}"]
        message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        assert f"TooManyMissedTimes: {message}" in await world.told()


async def test_in_its_own_time_zone(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob("30 13 * * *", timeZone="Europe/Oslo"))
        await world.clock.advance(1801)
        [made] = await world.list(jobs.KIND)
        note = "batch.kubernetes.io/cronjob-scheduled-timestamp"
        assert meta.annotations(made)[note] == "2026-03-01T13:30:00+01:00"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"timeZone": "No/Where"}, 'UnknownTimeZone: invalid timeZone: "No/Where": unknown time zone No/Where'),
        (
            {"schedule": "x"},
            'UnparseableSchedule: unparseable schedule: "x" : expected exactly 5 fields, found 1: [x]',
        ),
        (
            {"schedule": "59 23 31 2 *"},
            "InvalidSchedule: invalid schedule: 59 23 31 2 * : "
            "time difference between two schedules is less than 1 second",
        ),
    ],
)
async def test_what_cannot_be_read_is_told(world: Any, spec: Object, told: str) -> None:
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob(**{"schedule": "* * * * *", **spec}))
        assert told in await world.told()


async def test_a_job_that_went_missing(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob("1 12 * * *"))
        await world.clock.advance(61)
        [name] = await world.names(jobs.KIND)
        await world.delete(jobs.KIND, name, "default")
        assert "active" not in await status(world)
        assert f"MissingJob: Active job went missing: {name}" in await world.told()


@pytest.mark.parametrize(
    ("minutes", "expected", "missed"),
    [
        (0.5, None, Missed.NONE),
        (1, 1, Missed.NONE),
        (1.5, 1, Missed.NONE),
        (2, 2, Missed.FEW),
        (99.5, 99, Missed.FEW),
        (500, 500, Missed.MANY),
    ],
)
def test_the_latest_run(minutes: float, expected: int | None, missed: Missed) -> None:
    found = latest(parse("* * * * *"), NOON, NOON + timedelta(minutes=minutes))
    assert found == (None if expected is None else NOON + timedelta(minutes=expected), missed)


def test_the_latest_run_of_an_uneven_schedule() -> None:
    found, _ = latest(parse("0 6-22/4 * * *"), NOON, NOON + timedelta(days=3))
    assert found == NOON + timedelta(days=3) - timedelta(hours=2)


async def test_a_new_schedule_starts_nothing_for_the_time_before_it(world: Any) -> None:
    """`cronjob_controllerv2_test.go`, TestControllerV2UpdateCronJob."""
    async with world.running(CONTROLLER):
        await world.make(cronjob.KIND, a_cronjob("0 0 * * *"))
        await world.clock.advance(90 * 60)
        await world.change(cronjob.KIND, "tick", {"spec": {"schedule": "0 * * * *"}})
        assert await world.names(jobs.KIND) == []
        await world.clock.advance(30 * 60 + 1)
        assert await world.names(jobs.KIND) == [f"tick-{MINUTE + 120}"]
