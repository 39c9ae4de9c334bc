"""What cron schedules are told."""

import pytest

from umiak.api.common.cron import check_schedule


@pytest.mark.parametrize("schedule", ["* * * * *", "*/5 1-3 1,15 jan-mar MON", "@hourly", "@every 1h30m", "0 0 ? * 6"])
def test_fine(schedule):
    assert check_schedule(schedule) == ""


@pytest.mark.parametrize(
    ("schedule", "fault"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("@never", "unrecognized descriptor: @never"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
    ],
)
def test_faults(schedule, fault):
    assert check_schedule(schedule) == fault
