"""RFC 3339 as Go's time.Parse reads it."""

import pytest

from umiak.objects.times import InvalidTime, canonical, canonical_micro


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2024-02-29T23:59:58Z", "2024-02-29T23:59:58Z"),
        ("2024-01-01T00:00:00+02:30", "2023-12-31T21:30:00Z"),
        ("2024-01-01T00:00:00.999999999Z", "2024-01-01T00:00:00Z"),
        ("2024-01-01T1:00:00Z", "2024-01-01T01:00:00Z"),
        ("0254-01-01T00:00:00Z", "0254-01-01T00:00:00Z"),
    ],
)
def test_canonical(text, written):
    assert canonical(text) == written


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("yes", 'parsing time "yes" as "2006-01-02T15:04:05Z07:00": cannot parse "yes" as "2006"'),
        ("", 'parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
        ("2023-02-29T00:00:00Z", 'parsing time "2023-02-29T00:00:00Z": day out of range'),
        ("2024-13-01T00:00:00Z", 'parsing time "2024-13-01T00:00:00Z": month out of range'),
        ("2024-01-01T24:00:00Z", 'parsing time "2024-01-01T24:00:00Z": hour out of range'),
        ("2024-01-01T00:00:00Zulu", 'parsing time "2024-01-01T00:00:00Zulu": extra text: "ulu"'),
        (
            "2024-01-01",
            'parsing time "2024-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"',
        ),
    ],
)
def test_faults(text, fault):
    with pytest.raises(InvalidTime) as error:
        canonical(text)
    assert str(error.value) == fault


def test_micro_times_need_their_six_digits():
    assert canonical_micro("2024-01-01T02:00:00.000001+02:00") == "2024-01-01T00:00:00.000001Z"
    with pytest.raises(InvalidTime, match=r'cannot parse "Z" as "\.000000"'):
        canonical_micro("2024-01-01T00:00:00Z")
