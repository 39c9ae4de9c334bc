"""Devices that expressions describe (dynamic-resource-allocation's `cel/compile_test.go`)."""

import pytest

from umiak.scheduler.devices.selectors import SelectorFailed, matches

DEVICE = {
    "name": "d",
    "attributes": {
        "model": {"string": "big"},
        "numa": {"int": 1},
        "ok": {"bool": True},
        "example.com/firmware": {"version": "1.2.3"},
    },
    "capacity": {"memory": {"value": "8Gi"}},
}


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        ('device.driver == "driver-a"', True),
        ('device.attributes["driver-a"].model == "big"', True),
        ('device.attributes["driver-a"].numa > 1', False),
        ('device.attributes["driver-a"].ok', True),
        ('device.attributes["example.com"].firmware.isGreaterThan(semver("1.2.0"))', True),
        ('device.capacity["driver-a"].memory.compareTo(quantity("4Gi")) >= 0', True),
        ('"model" in device.attributes["driver-a"]', True),
        ('"model" in device.attributes["nobody"]', False),
        ('"nobody" in device.attributes', False),
        ("device.allowMultipleAllocations", False),
    ],
)
def test_devices_are_described(expression, want):
    assert matches(expression, "driver-a", DEVICE) is want


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("device.driver", "CEL runtime error: CEL result of type string could not be converted to bool"),
        ('device.attributes["nobody"].model == "x"', "CEL runtime error: no such key: model"),
        ("noSuchVariable", "CEL compile error: compilation failed: .*undeclared reference"),
    ],
)
def test_expressions_that_fail(expression, error):
    with pytest.raises(SelectorFailed, match=error):
        matches(expression, "driver-a", DEVICE)
