"""Metrics as Prometheus reads them."""

import pytest

from umiak.kit.metrics import MAX_SERIES, Registry, merged


def test_text() -> None:
    registry = Registry()
    requests = registry.counters("requests_total", "Requests\nby verb.", "verb", "code")
    requests.at("GET", "200").inc()
    requests.at("GET", "200").inc(2)
    requests.at('a"\\\n', "500").inc(0.5)
    registry.gauge("open", "Open connections.", read=lambda: 7)
    registry.counters("unused", "Never shown.", "x")
    durations = registry.histogram("seconds", "Durations.", bounds=(0.1, 1))
    for value in (0.05, 0.1, 0.5, 3):
        durations.observe(value)
    assert registry.text().decode().splitlines() == [
        "# HELP open Open connections.",
        "# TYPE open gauge",
        "open 7",
        "# HELP requests_total Requests\\nby verb.",
        "# TYPE requests_total counter",
        'requests_total{verb="GET",code="200"} 3',
        'requests_total{verb="a\\"\\\\\\n",code="500"} 0.5',
        "# HELP seconds Durations.",
        "# TYPE seconds histogram",
        'seconds_bucket{le="0.1"} 2',
        'seconds_bucket{le="1"} 3',
        'seconds_bucket{le="+Inf"} 4',
        "seconds_sum 3.65",
        "seconds_count 4",
    ]


def test_gauges_and_forgetting() -> None:
    depth = Registry().gauges("depth", "Depth.", "queue")
    depth.at("a").set(5)
    depth.at("a").inc(2)
    depth.at("a").dec()
    depth.at("b").set(1)
    depth.forget("b")
    assert list(depth.lines())[2:] == ['depth{queue="a"} 6']


def test_same_name_is_the_same_metric() -> None:
    registry = Registry()
    registry.counter("a", "A.").inc()
    assert registry.counter("a", "A.").value == 1


def test_wrong_labels() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        Registry().counters("a", "A.", "x").at("1", "2")


def test_series_are_bounded() -> None:
    family = Registry().counters("a", "A.", "x")
    for i in range(MAX_SERIES + 10):
        family.at(str(i)).inc()
    assert family.at("other").value == 10


def test_what_several_processes_count_adds_up():
    one, other = Registry(), Registry()
    for registry, amount in ((one, 2), (other, 3)):
        registry.counters("requests", "How many.", "verb").at("GET").inc(amount)
        registry.gauge("revision", "The newest.").set(amount)
        registry.histogram("seconds", "How long.", bounds=(1, 2)).observe(amount)
    other.counters("requests", "How many.", "verb").at("a b").inc()
    other.counter("own", "Only here.").inc(0.5)
    text = merged([one.text().decode(), other.text().decode(), ""], alike=["revision"])
    assert text.splitlines() == [
        "# HELP own Only here.",
        "# TYPE own counter",
        "own 0.5",
        "# HELP requests How many.",
        "# TYPE requests counter",
        'requests{verb="GET"} 5',
        'requests{verb="a b"} 1',
        "# HELP revision The newest.",
        "# TYPE revision gauge",
        "revision 3",
        "# HELP seconds How long.",
        "# TYPE seconds histogram",
        'seconds_bucket{le="1"} 0',
        'seconds_bucket{le="2"} 1',
        'seconds_bucket{le="+Inf"} 2',
        "seconds_sum 5",
        "seconds_count 2",
    ]
