"""Which run of a CronJob is due, and when the next one is; all pure."""

from datetime import datetime, timedelta
from enum import Enum

from umiak.objects import meta
from umiak.objects.cron import Schedule
from umiak.objects.types import Object

MANY = 100
MARGIN = timedelta(milliseconds=100)
"""Waking a little late is better than a little early."""


class Missed(Enum):
    """How many runs were due and not started."""

    NONE = "none"
    FEW = "few"
    MANY = "many"
    NEVER = "never"
    """The schedule names no day that exists, such as the 31st of February."""


def _since(cron: Object, status: Object, now: datetime, *, within_deadline: bool) -> datetime:
    """From when on runs count: the last one, the creation, or the starting deadline."""
    start = meta.parse_time(status.get("lastScheduleTime") or meta.metadata(cron)["creationTimestamp"])
    deadline = cron["spec"].get("startingDeadlineSeconds")
    if within_deadline and deadline is not None:
        return max(start, now - timedelta(seconds=deadline))
    return start


def latest(schedule: Schedule, since: datetime, now: datetime) -> tuple[datetime | None, Missed]:
    """The last run between `since` and `now`.

    The many missed ones are not walked through: the distance of the first two tells about where the last is.
    """
    first = schedule.next(since)
    if first is None:
        return None, Missed.NEVER
    if now < first:
        return None, Missed.NONE
    second = schedule.next(first)
    if second is None:
        return None, Missed.NEVER
    if now < second:
        return first, Missed.NONE
    distance = max(1, round((second - first).total_seconds()))
    count = int((now - first).total_seconds()) // distance + 1
    recent: datetime | None = None
    run = schedule.next(first + timedelta(seconds=(count - 2) * distance))
    while run is not None and run <= now:
        recent, run = run, schedule.next(run)
    return recent, Missed.MANY if count > MANY else Missed.FEW


def due_time(cron: Object, status: Object, now: datetime, schedule: Schedule) -> tuple[datetime | None, Missed]:
    """The run that should have started by now, if any."""
    return latest(schedule, _since(cron, status, now, within_deadline=True), now)


def until_next(cron: Object, status: Object, now: datetime, schedule: Schedule) -> timedelta | None:
    """How long until the next run; None when there is none."""
    since = _since(cron, status, now, within_deadline=False)
    recent, missed = latest(schedule, since, now)
    base = recent or (since if missed is Missed.NONE else now)
    following = schedule.next(base)
    return None if following is None else following + MARGIN - now
