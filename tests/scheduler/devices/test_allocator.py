"""Which devices are found for claims: situations of upstream's `allocatortesting`."""

import pytest

from umiak.objects import quantity
from umiak.scheduler.devices.state import Taken

TWO = ("device-1", "device-2")
MODEL = 'device.attributes["driver-a"].model == "big"'


def marked(**values: object) -> dict:
    kinds = {str: "string", bool: "bool", int: "int"}
    return {"attributes": {name: {kinds[type(value)]: value} for name, value in values.items()}}


def test_nothing_asked_for(say):
    assert say.got([say.claim()], []) == [[]]


def test_one_of_two(say):
    assert say.got([say.claim(say.request())], [say.slice(*map(say.device, TWO))]) == [[("req-0", "device-1")]]


def test_not_enough(say):
    assert say.got([say.claim(say.request(count=3))], [say.slice(*map(say.device, TWO))]) is None


def test_two_claims_do_not_share(say):
    claims = [say.claim(say.request(), name=f"claim-{i}") for i in range(2)]
    assert say.got(claims, [say.slice(*map(say.device, TWO))]) == [[("req-0", "device-1")], [("req-0", "device-2")]]


def test_devices_in_use_are_passed_over(say):
    taken = Taken({("driver-a", "pool-1", "device-1")})
    found = say.got([say.claim(say.request())], [say.slice(*map(say.device, TWO))], taken=taken)
    assert found == [[("req-0", "device-2")]]


def test_the_first_request_gives_up_what_the_second_needs(say):
    """`small-and-large-backtrack-requests`."""
    small, large = say.device("device-1", **marked(model="big")), say.device("device-2", **marked(model="small"))
    claim = say.claim(say.request("any"), say.request("big", selectors=[say.chosen_by(MODEL)]))
    assert say.got([claim], [say.slice(small, large)]) == [[("any", "device-2"), ("big", "device-1")]]


def test_the_first_claim_gives_up_what_the_second_needs(say):
    big, small = say.device("device-1", **marked(model="big")), say.device("device-2", **marked(model="small"))
    claims = [
        say.claim(say.request()),
        say.claim(say.request(selectors=[say.chosen_by(MODEL)]), name="claim-1"),
    ]
    assert say.got(claims, [say.slice(big, small)]) == [[("req-0", "device-2")], [("req-0", "device-1")]]


@pytest.mark.parametrize(
    ("devices", "want"),
    [
        pytest.param(TWO, [[("req-0", "device-1"), ("req-0", "device-2")]], id="all there are"),
        pytest.param((), None, id="none: that is not all"),
    ],
)
def test_all_devices(say, devices, want):
    claim = say.claim(say.request(allocationMode="All"))
    assert say.got([claim], [say.slice(*map(say.device, devices))]) == want


def test_all_devices_must_be_free(say):
    claim = say.claim(say.request(allocationMode="All"))
    taken = Taken({("driver-a", "pool-1", "device-1")})
    assert say.got([claim], [say.slice(*map(say.device, TWO))], taken=taken) is None


def test_all_devices_of_a_pool_that_is_being_updated(say):
    claim = say.claim(say.request(allocationMode="All"))
    assert say.got([claim], [say.slice(say.device("device-1"), count=2)]) == (
        "claim default/claim-0, request req-0: asks for all devices, but resource pool driver-a/pool-1 is currently "
        "being updated"
    )


@pytest.mark.parametrize(
    ("attributes", "constraint", "want"),
    [
        pytest.param((1, 1), {"matchAttribute": "driver-a/numa"}, True, id="same"),
        pytest.param((1, 2), {"matchAttribute": "driver-a/numa"}, False, id="not the same"),
        pytest.param((1, None), {"matchAttribute": "driver-a/numa"}, False, id="one has none"),
        pytest.param((1, 2), {"distinctAttribute": "driver-a/numa"}, True, id="each its own"),
        pytest.param((1, 1), {"distinctAttribute": "driver-a/numa"}, False, id="not each its own"),
        pytest.param((1, 2), {"matchAttribute": "driver-a/numa", "requests": ["req-0"]}, True, id="of one request"),
    ],
)
def test_constraints(say, attributes, constraint, want):
    devices = [
        say.device(name, **({} if value is None else marked(numa=value)))
        for name, value in zip(TWO, attributes, strict=True)
    ]
    claim = say.claim(say.request("req-0"), say.request("req-1"), constraints=[constraint])
    found = say.got([claim], [say.slice(*devices)])
    assert found == ([[("req-0", "device-1"), ("req-1", "device-2")]] if want else None)


def test_a_constraint_makes_it_try_others(say):
    devices = [say.device(f"device-{i}", **marked(numa=numa)) for i, numa in enumerate((1, 2, 2))]
    claim = say.claim(say.request(count=2), constraints=[{"matchAttribute": "driver-a/numa"}])
    assert say.got([claim], [say.slice(*devices)]) == [[("req-0", "device-1"), ("req-0", "device-2")]]


@pytest.mark.parametrize(
    ("free", "want"),
    [
        pytest.param(2, [[("req-0/sub-0", "device-0"), ("req-0/sub-0", "device-1")]], id="the best"),
        pytest.param(1, [[("req-0/sub-1", "device-0")]], id="the next"),
        pytest.param(0, None, id="neither"),
    ],
)
def test_alternatives(say, free, want):
    claim = say.claim(say.alternatives("req-0", {"count": 2}, {"count": 1}))
    assert say.got([claim], [say.slice(*(say.device(f"device-{i}") for i in range(free)))]) == want


def test_a_worse_alternative_makes_room_for_the_next_request(say):
    """`prioritized-list-max-number-of-allocations` and its like: alternatives are part of the search."""
    claim = say.claim(say.alternatives("req-0", {"count": 2}, {"count": 1}), say.request("req-1"))
    found = say.got([claim], [say.slice(*map(say.device, TWO))])
    assert found == [[("req-0/sub-1", "device-1"), ("req-1", "device-2")]]


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("effect", "tolerations", "want"),
    [
        ("NoSchedule", [], False),
        ("NoExecute", [], False),
        ("None", [], True),
        ("NoSchedule", [{"operator": "Exists", "key": "k"}], True),
        ("NoSchedule", [{"operator": "Equal", "key": "k", "value": "v", "effect": "NoSchedule"}], True),
        ("NoSchedule", [{"operator": "Equal", "key": "k", "value": "other"}], False),
        ("NoExecute", [{"operator": "Exists", "effect": "NoSchedule"}], False),
    ],
)
def test_tainted_devices(say, effect, tolerations, want):
    device = say.device("device-1", taints=[{**TAINT, "effect": effect}])
    found = say.allocated([say.claim(say.request(tolerations=tolerations))], [say.slice(device)])
    assert (found is not None) is want
    if want and tolerations:
        assert found[0]["devices"]["results"][0]["tolerations"] == tolerations


def test_administrators_have_what_others_use(say):
    taken = Taken({("driver-a", "pool-1", "device-1")})
    claim = say.claim(say.request(adminAccess=True))
    found = say.allocated([claim], [say.slice(say.device("device-1"))], taken=taken)
    assert found[0]["devices"]["results"] == [
        {"request": "req-0", "driver": "driver-a", "pool": "pool-1", "device": "device-1", "adminAccess": True}
    ]


def test_administrators_do_not_have_a_device_twice_for_one_claim(say):
    claim = say.claim(say.request(count=2, adminAccess=True))
    assert say.got([claim], [say.slice(say.device("device-1"))]) is None


def partition(name: str, memory: str) -> dict:
    return {"name": name, "consumesCounters": [{"counterSet": "gpu", "counters": {"memory": {"value": memory}}}]}


@pytest.mark.parametrize(
    ("wanted", "taken", "want"),
    [
        pytest.param(2, set(), [[("req-0", "half-1"), ("req-0", "half-2")]], id="both halves"),
        pytest.param(3, set(), None, id="no more than there is"),
        pytest.param(1, {"whole"}, None, id="the whole is taken"),
        pytest.param(1, {"half-1"}, [[("req-0", "half-2")]], id="one half is taken"),
    ],
)
def test_partitions(say, wanted, taken, want):
    """`partitionable-devices-*`: devices of a pool share its counters."""
    counters = {"name": "gpu", "counters": {"memory": {"value": "8Gi"}}}
    slices = [
        say.slice(name="counters", count=2, sharedCounters=[counters]),
        say.slice(partition("half-1", "4Gi"), partition("half-2", "4Gi"), partition("whole", "8Gi"), count=2),
    ]
    used = Taken({("driver-a", "pool-1", name) for name in taken})
    assert say.got([say.claim(say.request(count=wanted))], slices, taken=used) == want


def test_partitions_of_counters_that_are_not_there(say):
    found = say.got([say.claim(say.request())], [say.slice(partition("half-1", "4Gi"))])
    assert found == "invalid resource pools were encountered"


SHARED = {"allowMultipleAllocations": True, "capacity": {"memory": {"value": "8Gi"}}}


@pytest.mark.parametrize(
    ("asked", "used", "want"),
    [
        pytest.param("4Gi", "0", "4Gi", id="half of it"),
        pytest.param("4Gi", "4Gi", "4Gi", id="the other half"),
        pytest.param("4Gi", "5Gi", None, id="too much is used"),
        pytest.param(None, "0", "8Gi", id="all of it when nothing is said"),
    ],
)
def test_shared_capacity(say, asked, used, want):
    capacity = {"requests": {"memory": asked}} if asked else {}
    claim = say.claim(say.request(capacity=capacity))
    id_ = ("driver-a", "pool-1", "device-1")
    taken = Taken(shared={id_: {"memory": quantity.parse(used)}} if used != "0" else {})
    found = say.allocated([claim], [say.slice(say.device("device-1", **SHARED))], taken=taken)
    if want is None:
        assert found is None
    else:
        result = found[0]["devices"]["results"][0]
        assert result["consumedCapacity"] == {"memory": want}
        assert result["shareID"]


def test_two_requests_share_a_device(say):
    claim = say.claim(*(say.request(f"req-{i}", capacity={"requests": {"memory": "4Gi"}}) for i in range(2)))
    found = say.got([claim], [say.slice(say.device("device-1", **SHARED))])
    assert found == [[("req-0", "device-1"), ("req-1", "device-1")]]


def test_a_capacity_that_the_device_does_not_have(say):
    claim = say.claim(say.request(capacity={"requests": {"cores": "1"}}))
    assert say.got([claim], [say.slice(say.device("device-1", **SHARED))]) is None


def test_more_than_a_claim_may_have(say):
    slices = [say.slice(*(say.device(f"device-{i}") for i in range(40)))]
    assert say.got([say.claim(say.request(count=33))], slices) == (
        "claim default/claim-0, request req-0: adding 33 devices exceeds the claim limit of 32, with 0 already "
        "accounted for"
    )


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        (
            "1/0 == 1",
            "class class-a: selector #0 on device driver-a/pool-1/device-1: CEL runtime error: division by zero",
        ),
        (
            'device.attributes["driver-a"].none == 1',
            "class class-a: selector #0 on device driver-a/pool-1/device-1: CEL runtime error: no such key: none",
        ),
    ],
)
def test_selectors_that_fail(say, expression, error):
    found = say.got(
        [say.claim(say.request())], [say.slice(say.device("device-1"))], [say.device_class("class-a", expression)]
    )
    assert found == error


def test_a_search_without_end_is_ended(say):
    """Every device differs, so nothing will do; there are too many ways to try."""
    devices = [say.device(f"device-{i}", **marked(numa=i // 2)) for i in range(60)]
    claim = say.claim(
        *(say.request(f"req-{i}", count=3) for i in range(8)),
        constraints=[{"matchAttribute": "driver-a/numa", "requests": ["req-7"]}],
    )
    assert say.got([claim], [say.slice(*devices)]) == "node node-1: timed out trying to allocate devices"
