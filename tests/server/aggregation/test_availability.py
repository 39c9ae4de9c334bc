"""Conditions of APIServices, word for word (kube-aggregator's `remote_available_controller_test.go`)."""

from datetime import timedelta

import pytest

from umiak.server.aggregation.availability import LOCAL, PASSED, Verdict, failed, is_available, judge, told
from umiak.testing.clock import NOON

REFERENCE = {"namespace": "n", "name": "api", "port": 443}
MISSING = 'endpointslices for service/api in "n" have no addresses with port name "web"'


def service(type_="ClusterIP", port=443):
    return {"spec": {"type": type_, "ports": [{"port": port, "name": "web"}]}}


def endpoints(port="web", **conditions):
    return {"ports": [{"name": port}], "endpoints": [{"addresses": ["192.0.2.1"], "conditions": conditions}]}


@pytest.mark.parametrize(
    ("found", "slices", "verdict"),
    [
        (None, [], ("ServiceNotFound", 'service/api in "n" is not present')),
        (service(port=80), [], ("ServicePortError", 'service/api in "n" is not listening on port 443')),
        (service(), [], ("EndpointsNotFound", 'cannot find endpointslices for service/api in "n"')),
        (service(), [{"ports": [{"name": "web"}], "endpoints": []}], ("MissingEndpoints", MISSING)),
        (service(), [endpoints(port="other")], ("MissingEndpoints", MISSING)),
        (service(), [endpoints(ready=False)], ("MissingEndpoints", MISSING)),
        (service(), [endpoints(ready=False), endpoints(ready=True)], None),
        (service(), [endpoints()], None),
        (service("ExternalName"), [], None),
        (service("NodePort", port=80), [], None),
    ],
)
def test_what_is_wrong_before_anybody_is_asked(found, slices, verdict):
    assert judge(REFERENCE, found, slices) == (verdict and Verdict("False", *verdict))


def test_the_time_moves_with_the_status():
    obj = {"spec": {}}
    told(obj, failed("x"), NOON)
    told(obj, failed("y"), NOON + timedelta(hours=1))
    (condition,) = obj["status"]["conditions"]
    shown = {"status": "False", "reason": "FailedDiscoveryCheck", "message": "y"}
    assert condition == {"type": "Available", "lastTransitionTime": "2026-03-01T12:00:00Z", **shown}
    assert not is_available(obj)
    told(obj, PASSED, NOON + timedelta(hours=2))
    assert obj["status"]["conditions"][0]["lastTransitionTime"] == "2026-03-01T14:00:00Z"
    assert is_available(obj)
    told(obj, LOCAL, NOON + timedelta(hours=3))
    assert obj["status"]["conditions"][0]["reason"] == "Local"
