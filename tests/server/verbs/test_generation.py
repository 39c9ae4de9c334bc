"""What counts as a change of an object: answers as kube-apiserver 1.37.1 gave them."""

import pytest

MERGE = "application/merge-patch+json"
APPS, SLICES = "/apis/apps/v1/namespaces/default", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
WORKLOAD = {"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}
SLICE = {"metadata": {"name": "x"}, "addressType": "IPv4", "endpoints": []}
DRIVER = {"metadata": {"name": "x"}, "spec": {"attachRequired": False}}
LABELS, ANNOTATIONS = {"metadata": {"labels": {"n": "1"}}}, {"metadata": {"annotations": {"n": "1"}}}


@pytest.mark.parametrize(
    ("path", "obj", "patch", "first", "then"),
    [
        (f"{APPS}/deployments", WORKLOAD, ANNOTATIONS, 1, 2),
        (f"{APPS}/deployments", WORKLOAD, LABELS, 1, 1),
        (f"{APPS}/deployments", WORKLOAD, {**ANNOTATIONS, "spec": {"replicas": 3}}, 1, 2),
        (f"{APPS}/replicasets", WORKLOAD, ANNOTATIONS, 1, 1),
        (SLICES, SLICE, LABELS, 1, 2),
        (SLICES, SLICE, ANNOTATIONS, 1, 1),
        ("/apis/storage.k8s.io/v1/csidrivers", DRIVER, {"spec": {"fsGroupPolicy": "File"}}, None, 1),
        ("/apis/storage.k8s.io/v1/csidrivers", DRIVER, LABELS, None, None),
    ],
)
async def test_generation(api, path, obj, patch, first, then):
    _, made = await api("POST", path, obj)
    _, changed = await api("PATCH", f"{path}/x", patch, content_type=MERGE)
    assert [answer["metadata"].get("generation") for answer in (made, changed)] == [first, then]


async def test_warnings_of_a_template_come_with_a_new_generation(api):
    twice = [{"name": name, "image": "i", "ports": [{"containerPort": 80, "name": "p"}]} for name in "cd"]
    spec = {**WORKLOAD["spec"], "template": {**TEMPLATE, "spec": {"containers": twice}}}
    await api("POST", f"{APPS}/deployments", {**WORKLOAD, "spec": spec})
    told = []
    for part, patch in (("", {"spec": {"replicas": 2}}), ("/scale", {"spec": {"replicas": 3}}), ("", LABELS)):
        answer = await api.raw("PATCH", f"{APPS}/deployments/x{part}", patch, content_type=MERGE)
        told.append("warning" in answer.headers)
    assert told == [True, True, False]
