"""What updates of a pod's status may say; the answers are those of kube-apiserver 1.37.1 to the same requests."""

import pytest

from umiak.api.common.pod_status import validate_status

IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
PAIR = "may specify no more than one IP for each IP family"
TWO = [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]


def told(status, before=None, **spec):
    return [str(fault) for fault in validate_status({"status": status, "spec": spec}, {"status": before, "spec": spec})]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
        {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]},
        {"hostIP": "x"},
        {"hostIP": "1.2.3.4", "hostIPs": [{"ip": "1.2.3.4"}]},
        {"conditions": [{"type": "example.com/b"}, {"type": "Ready", "observedGeneration": 2}]},
        {"nominatedNodeName": "n"},
    ],
)
def test_what_may_be_said(status):
    assert told(status) == []


@pytest.mark.parametrize(
    ("status", "faults"),
    [
        (
            {"podIP": "10.0.0.256", "podIPs": [{"ip": "10.0.0.256"}]},
            [f'status.podIPs[0]: Invalid value: "10.0.0.256": {IP}'],
        ),
        (
            {"podIP": "010.0.0.1", "podIPs": [{"ip": "010.0.0.1"}]},
            ['status.podIPs[0]: Invalid value: "010.0.0.1": must not have leading 0s'],
        ),
        (
            {"podIP": "10.0.0.1", "podIPs": TWO},
            [f'status.podIPs: Invalid value: [{{"IP":"10.0.0.1"}},{{"IP":"10.0.0.2"}}]: {PAIR}'],
        ),
        (
            {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "x"}]},
            [
                f'status.podIPs[1]: Invalid value: "x": {IP}',
                "status.podIPs: Internal error: failed to check for dual stack with error:invalid IP[1]: x",
                f'status.podIPs: Invalid value: [{{"IP":"10.0.0.1"}},{{"IP":"x"}}]: {PAIR}',
            ],
        ),
        (
            {"hostIP": "1.2.3.4", "hostIPs": [{"ip": "1.2.3.5"}]},
            ['status.hostIPs[0].ip: Invalid value: "1.2.3.5": must be equal to `hostIP`'],
        ),
        (
            {"conditions": [{"type": "Ready", "observedGeneration": -1}]},
            ["status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer"],
        ),
    ],
)
def test_what_may_not(status, faults):
    assert told(status) == faults


def test_a_wrong_address_that_was_there_may_stay():
    wrong = {"podIP": "010.0.0.1", "podIPs": [{"ip": "010.0.0.1"}]}
    assert told(wrong, wrong) == []


def test_who_has_a_node_is_nominated_for_none():
    assert told({"nominatedNodeName": "n"}, nodeName="m") == [
        "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node"
    ]
