"""Sets and maps hold everything once."""

from umiak.objects.structural.lists import repetitions

SCHEMA = {
    "properties": {
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {}},
        "map": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["a", "b"],
            "items": {"properties": {"inner": {"type": "array", "x-kubernetes-list-type": "set"}}},
        },
    }
}


def texts(obj):
    return [str(fault) for fault in repetitions(SCHEMA, obj)]


def test_a_third_time_is_not_told():
    assert texts({"set": ["x", "y", "x", "x", 1, 1.0, True]}) == ['set[2]: Duplicate value: "x"']


def test_keys_of_maps():
    found = [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "c": 3}, None, {}]
    assert texts({"map": found}) == ['map[2]: Duplicate value: {"a":1}', "map[4]: Duplicate value: {}"]


def test_maps_hold_objects():
    assert texts({"map": [1]}) == [
        "map[0]: Invalid value: 1: must be an object for an array of list-type map",
    ]


def test_lists_within_lists():
    assert texts({"map": [{"a": 1, "inner": [1, 1]}]}) == ["map[0].inner[1]: Duplicate value: 1"]
