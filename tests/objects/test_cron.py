"""Cron schedules; the tables of times follow robfig/cron's own cases."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.objects.cron import InvalidSchedule, load_zone, parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("0/15 * * * *", "2012-07-09T14:45", "2012-07-09T15:00"),
        ("0/15 * * * *", "2012-07-09T14:59:59", "2012-07-09T15:00"),
        ("20-35/15 * * * *", "2012-07-09T15:45", "2012-07-09T16:20"),
        ("*/15 * * * *", "2012-12-31T23:45", "2013-01-01T00:00"),
        ("* * * * *", "2012-07-09T15:00:30", "2012-07-09T15:01"),
        ("0 0 * Feb Mon", "2012-07-09T23:35", "2013-02-04T00:00"),
        ("0 0 29 Feb ?", "2012-07-09T23:35", "2016-02-29T00:00"),
        ("0 0 1 * 1", "2012-07-09T00:00", "2012-07-16T00:00"),
        ("0 0 */2 * 1", "2012-07-02T00:00", "2012-07-03T00:00"),
        ("30 08 15 Jul ?", "2012-07-15T08:30", "2013-07-15T08:30"),
        ("@hourly", "2012-07-09T14:45", "2012-07-09T15:00"),
        ("@weekly", "2012-07-09T14:45", "2012-07-15T00:00"),
        ("@monthly", "2012-07-09T14:45", "2012-08-01T00:00"),
        ("@yearly", "2012-07-09T14:45", "2013-01-01T00:00"),
        ("@every 1h30m", "2012-07-09T14:45", "2012-07-09T16:15"),
        ("TZ=Asia/Tokyo 0 9 * * *", "2012-07-09T00:00", "2012-07-10T00:00"),
    ],
)
def test_next(schedule: str, after: str, expected: str) -> None:
    assert parse(schedule).next(at(after)) == at(expected)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        pytest.param("0 2 * * *", "2026-03-28T03:00+01:00", "2026-03-30T02:00+02:00", id="an hour that is skipped"),
        pytest.param("0 3 * * *", "2026-03-28T04:00+01:00", "2026-03-29T03:00+02:00", id="the hour after"),
        pytest.param("0 * * * *", "2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00", id="hourly over the gap"),
        pytest.param("0 * * * *", "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", id="hourly through both twos"),
        pytest.param("0 4 * * *", "2026-10-25T02:30+02:00", "2026-10-25T04:00+01:00", id="back to winter"),
    ],
)
def test_clocks_that_are_put_forward_and_back(schedule: str, after: str, expected: str) -> None:
    found = parse(schedule, ZoneInfo("Europe/Oslo")).next(datetime.fromisoformat(after).astimezone(UTC))
    assert found == datetime.fromisoformat(expected)


def test_a_day_that_never_comes() -> None:
    assert parse("0 0 30 2 *").next(at("2026-01-01T00:00")) is None


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("", "empty spec string"),
        ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@reboot", "unrecognized descriptor: @reboot"),
        ("TZ=No/Where * * * * *", "provided bad location No/Where: unknown time zone No/Where"),
    ],
)
def test_faults_in_the_words_of_the_reference(schedule: str, message: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse(schedule)
    assert str(caught.value) == message


def test_unknown_zone() -> None:
    with pytest.raises(InvalidSchedule, match="unknown time zone Mars/Base"):
        load_zone("Mars/Base")


@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2040, 1, 1)),
)
def test_daily_is_within_a_day_and_on_time(minute: int, hour: int, after: datetime) -> None:
    moment = after.replace(tzinfo=UTC)
    found = parse(f"{minute} {hour} * * *").next(moment)
    assert found is not None
    assert moment < found <= moment + timedelta(days=1)
    assert (found.hour, found.minute, found.second, found.microsecond) == (hour, minute, 0, 0)
