"""A finished Job goes when its time is up, and not a second before."""

from datetime import timedelta
from typing import Any

import pytest

from umiak.api.batch import job
from umiak.controllers.ttl_after_finished import CONTROLLER, time_left
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.clock import NOON


def a_job(ttl: int | None, *, finished: bool = True) -> Object:
    condition = {"type": "Failed", "status": str(finished), "lastTransitionTime": meta.format_time(NOON)}
    about = {"name": "report", "namespace": "default"}
    return {"metadata": about, "spec": {"ttlSecondsAfterFinished": ttl}, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    ("ttl", "finished", "left"),
    [
        pytest.param(None, True, None, id="no ttl"),
        pytest.param(60, False, None, id="still running"),
        pytest.param(60, True, 60, id="just finished"),
        pytest.param(0, True, 0, id="zero means now"),
    ],
)
def test_time_left(ttl: int | None, finished: bool, left: int | None) -> None:
    wanted = None if left is None else timedelta(seconds=left)
    assert time_left(a_job(ttl, finished=finished), NOON) == wanted


async def test_deletes_on_time(world: Any) -> None:
    async with world.running(CONTROLLER):
        made = a_job(3600)
        await world.create(job.KIND, {k: v for k, v in made.items() if k != "status"}, status=made["status"])
        await world.clock.advance(3599)
        assert not meta.is_being_deleted(await world.get(job.KIND, "report"))
        await world.clock.advance(1)
        found = await world.get(job.KIND, "report")
        assert meta.is_being_deleted(found)
        assert found["metadata"]["finalizers"] == ["foregroundDeletion"]
