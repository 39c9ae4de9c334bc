"""Pods: defaults, what creation sets, what is refused, what may change, tables."""

import copy

import pytest

from umiak.api.registry import find
from umiak.api.schema import decode

KIND = find("v1", "Pod")
A = {"name": "a", "image": "b"}


def a_pod(**spec):
    body = {"containers": [{"name": "web", "image": "web:1"}], **spec}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": body}
    pod, faults = decode(KIND.schema, pod)
    assert not faults
    KIND.default(pod)
    KIND.prepare_create(pod)
    return pod


def faults(pod):
    return [(e.path, e.message) for e in KIND.validate(pod)]


def test_defaults():
    spec = a_pod()["spec"]
    assert spec == {
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "resources": {},
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


def test_requests_follow_limits():
    limited = {"name": "a", "image": "b", "resources": {"limits": {"cpu": "0.5", "memory": "1Gi"}}}
    pod = a_pod(containers=[limited])
    assert pod["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert pod["status"] == {"phase": "Pending", "qosClass": "Guaranteed"}


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1024Mi"}, "requests": {"memory": "1Gi"}}, "Guaranteed"),
    ],
)
def test_quality_of_service(resources, quality):
    pod = a_pod(containers=[{"name": "a", "image": "b", "resources": resources}])
    assert pod["status"]["qosClass"] == quality


def test_a_good_pod_is_fine():
    assert faults(a_pod(volumes=[{"name": "data"}])) == []


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"containers": []}, "spec.containers", "Required value"),
        (
            {"restartPolicy": "Maybe"},
            "spec.restartPolicy",
            'Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"',
        ),
        (
            {"activeDeadlineSeconds": 0},
            "spec.activeDeadlineSeconds",
            "Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
        (
            {"hostAliases": [{"ip": "010.0.0.1"}]},
            "spec.hostAliases[0].ip",
            'Invalid value: "010.0.0.1": must not have leading 0s',
        ),
        (
            {"containers": [{"name": "a", "image": "b", "volumeMounts": [{"name": "x", "mountPath": "/x"}]}]},
            "spec.containers[0].volumeMounts[0].name",
            'Not found: "x"',
        ),
        (
            {
                "containers": [
                    {"name": "a", "image": "b", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}
                ]
            },
            "spec.containers[0].resources.requests",
            'Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            {"volumes": [{"name": "v", "secret": {"secretName": "s"}, "hostPath": {"path": "/"}}]},
            "spec.volumes[0].secret",
            "Forbidden: may not specify more than 1 volume type",
        ),
    ],
)
def test_what_is_refused(change, path, message):
    assert faults(a_pod(**change)) == [(path, message)]


def test_update_may_change_images_only():
    old = a_pod()
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "web:2"
    assert KIND.validate_update(new, old) == []
    new["spec"]["hostname"] = "other"
    (error,) = KIND.validate_update(new, old)
    assert error.path == "spec"
    assert error.message.startswith(
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    )


@pytest.mark.parametrize(
    ("node", "phase", "asked", "seconds"),
    [
        ("", "Pending", None, 0),
        ("n", "Running", None, 30),
        ("n", "Running", 5, 5),
        ("n", "Failed", 5, 0),
        ("n", "", -3, 1),
    ],
)
def test_grace(node, phase, asked, seconds):
    pod = {"spec": {"nodeName": node, "terminationGracePeriodSeconds": 30}, "status": {"phase": phase}}
    assert KIND.default_grace(pod, asked) == seconds


def cells(pod, now=0.0):
    return {c.name: c.cell(pod, now) for c in KIND.columns}


def test_table():
    pod = a_pod()
    pod["metadata"]["creationTimestamp"] = "1970-01-01T00:00:00Z"
    pod["status"] |= {
        "phase": "Running",
        "podIPs": [{"ip": "10.0.0.1"}],
        "containerStatuses": [
            {
                "name": "web",
                "restartCount": 2,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"finishedAt": "1970-01-01T00:01:00Z"}},
            }
        ],
    }
    row = cells(pod, 120.0)
    assert (row["Ready"], row["Status"], row["Restarts"]) == ("0/1", "CrashLoopBackOff", "2 (60s ago)")
    assert (row["Age"], row["IP"], row["Node"]) == ("2m", "10.0.0.1", "<none>")
    pod["metadata"]["deletionTimestamp"] = "1970-01-01T00:02:00Z"
    assert cells(pod, 120.0)["Status"] == "Terminating"


def test_table_of_a_pod_that_starts():
    pod = a_pod(initContainers=[{"name": "i", "image": "b"}, {"name": "j", "image": "b"}])
    waiting = {"state": {"waiting": {"reason": "PodInitializing"}}}
    pod["status"]["initContainerStatuses"] = [
        {"name": "i", "state": {"terminated": {"exitCode": 0}}},
        {"name": "j", **waiting},
    ]
    assert cells(pod)["Status"] == "Init:1/2"
