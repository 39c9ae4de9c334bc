"""What is counted, and when it is counted again."""

from typing import Any

import pytest

from umiak.api.apps.replicaset import KIND as REPLICA_SET
from umiak.api.common import quota as rules
from umiak.api.common.quota_scopes import matches as is_meant
from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.pod import KIND as POD
from umiak.api.core.resourcequota import KIND as QUOTA
from umiak.controllers.resourcequota import CONTROLLER
from umiak.objects.types import Object
from umiak.testing.clock import NOON
from umiak.testing.workbench import Workbench


def quota(hard: dict[str, str], **spec: Any) -> Object:
    return {"metadata": {"name": "limits", "namespace": "shop"}, "spec": {"hard": hard, **spec}}


def named(name: str, **more: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "shop"}, **more}


def container(requests: Object | None = None, limits: Object | None = None, **more: Any) -> Object:
    return {"resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def pod(*containers: Object, **spec: Any) -> Object:
    return {"spec": {"containers": list(containers), **spec}}


async def used(cluster: Workbench) -> dict[str, str]:
    return ((await cluster.find(QUOTA, "limits", "shop") or {}).get("status") or {}).get("used") or {}


async def test_counts_at_first_and_when_things_go() -> None:
    cluster = Workbench.fake(REPLICA_SET)
    await cluster.create(POD, named("a", **pod(container({"cpu": "500m"}))))
    await cluster.create(POD, named("b", **pod(container({"cpu": "1"}))))
    await cluster.create(CONFIG_MAP, named("c"))
    async with cluster.running(CONTROLLER):
        await cluster.create(QUOTA, quota({"requests.cpu": "4", "pods": "5", "configmaps": "9", "services": "3"}))
        assert await used(cluster) == {"requests.cpu": "1500m", "pods": "2", "configmaps": "1", "services": "0"}
        await cluster.patch(POD, "b", "shop", {"status": {"phase": "Succeeded"}}, subresource="status")
        await cluster.delete(CONFIG_MAP, "c", "shop")
        assert await used(cluster) == {"requests.cpu": "500m", "pods": "1", "configmaps": "0", "services": "0"}


async def test_kinds_that_nobody_follows_are_counted_now_and_then() -> None:
    cluster = Workbench.fake(REPLICA_SET)
    await cluster.create(REPLICA_SET, named("r"))
    async with cluster.running(CONTROLLER):
        await cluster.create(QUOTA, quota({"count/replicasets.apps": "4"}))
        assert await used(cluster) == {"count/replicasets.apps": "1"}
        await cluster.delete(REPLICA_SET, "r", "shop")
        await cluster.clock.advance(5)
        assert await used(cluster) == {"count/replicasets.apps": "0"}


async def test_what_admission_wrote_of_unknown_names_is_kept() -> None:
    cluster = Workbench.fake()
    status = {"hard": {"odd": "1"}, "used": {"odd": "1", "old": "2"}}
    await cluster.create(QUOTA, quota({"odd": "1", "pods": "3"}), status=status)
    async with cluster.running(CONTROLLER):
        assert await used(cluster) == {"odd": "1", "pods": "0"}


@pytest.mark.parametrize(
    ("obj", "name", "amount"),
    [
        pytest.param(pod(container({"cpu": "1"}), container({"cpu": "2"})), "cpu", "3", id="containers add up"),
        pytest.param(pod(container({"cpu": "1"}), initContainers=[container({"cpu": "5"})]), "cpu", "5", id="start"),
        pytest.param(
            pod(
                container({"cpu": "1"}),
                initContainers=[container({"cpu": "2"}, restartPolicy="Always"), container({"cpu": "3"})],
            ),
            "cpu",
            "5",
            id="sidecars run beside what starts after them",
        ),
        pytest.param(pod(container({"cpu": "1"}), overhead={"cpu": "250m"}), "cpu", "1250m", id="overhead"),
        pytest.param(pod(container(limits={"memory": "1Gi"})), "limits.memory", "1Gi", id="limits"),
        pytest.param(
            pod(container({"cpu": "1"}), resources={"requests": {"cpu": "7"}}), "requests.cpu", "7", id="whole pod"
        ),
        pytest.param(
            pod(container({"example.com/gpu": "2"})), "requests.example.com/gpu", "2", id="extended resources"
        ),
    ],
)
def test_pods(obj: Object, name: str, amount: str) -> None:
    assert str(rules.usage("", "pods", obj, NOON)[name]) == amount


@pytest.mark.parametrize(
    ("spec", "ports", "balancers"),
    [
        ({"type": "ClusterIP", "ports": [{}]}, "0", "0"),
        ({"type": "NodePort", "ports": [{}, {}]}, "2", "0"),
        ({"type": "LoadBalancer", "ports": [{}]}, "1", "1"),
        ({"type": "LoadBalancer", "ports": [{}, {"nodePort": 1}], "allocateLoadBalancerNodePorts": False}, "1", "1"),
    ],
)
def test_services(spec: Object, ports: str, balancers: str) -> None:
    found = rules.usage("", "services", {"spec": spec}, NOON)
    assert (str(found["services.nodeports"]), str(found["services.loadbalancers"])) == (ports, balancers)
    assert str(found["services"]) == str(found["count/services"]) == "1"


def test_claims_count_by_class_too() -> None:
    spec = {"storageClassName": "fast", "resources": {"requests": {"storage": "3Gi"}}}
    found = {
        name: str(amount) for name, amount in rules.usage("", "persistentvolumeclaims", {"spec": spec}, NOON).items()
    }
    assert found == {
        "count/persistentvolumeclaims": "1",
        "persistentvolumeclaims": "1",
        "requests.storage": "3Gi",
        "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "fast.storageclass.storage.k8s.io/requests.storage": "3Gi",
    }


@pytest.mark.parametrize(
    ("scopes", "obj", "matches"),
    [
        (["BestEffort"], pod(container()), True),
        (["NotBestEffort"], pod(container()), False),
        (["BestEffort"], pod(container({"cpu": "1"})), False),
        (["Terminating"], pod(activeDeadlineSeconds=0), True),
        (["NotTerminating"], pod(), True),
        (["NotTerminating", "BestEffort"], pod(container({"memory": "1"})), False),
        (["PriorityClass"], pod(priorityClassName="high"), True),
        (["CrossNamespacePodAffinity"], pod(), False),
    ],
)
def test_scopes(scopes: list[str], obj: Object, matches: bool) -> None:
    assert is_meant(quota({}, scopes=scopes), "", "pods", obj) is matches


def test_chosen_priorities() -> None:
    chosen = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}
    limited = quota({}, scopeSelector=chosen)
    assert is_meant(limited, "", "pods", pod(priorityClassName="high"))
    assert not is_meant(limited, "", "pods", pod(priorityClassName="low"))


@pytest.mark.parametrize(
    ("operator", "values", "spec", "status", "meant"),
    [
        ("Exists", [], {}, {}, False),
        ("Exists", [], {"volumeAttributesClassName": "gold"}, {}, True),
        ("In", ["gold"], {}, {"currentVolumeAttributesClassName": "gold"}, True),
        ("In", ["gold"], {}, {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "tin"}}, False),
        ("NotIn", ["gold"], {}, {}, True),
        ("DoesNotExist", [], {"volumeAttributesClassName": ""}, {}, True),
    ],
)
def test_claims_by_their_volume_attributes_class(operator, values, spec, status, meant) -> None:
    """`pvcMatchesScopeFunc` of pkg/quota/v1/evaluator/core."""
    chosen = {"scopeName": "VolumeAttributesClass", "operator": operator, "values": values}
    limited = quota({}, scopeSelector={"matchExpressions": [chosen]})
    assert is_meant(limited, "", "persistentvolumeclaims", {"spec": spec, "status": status}) is meant
    assert not is_meant(limited, "", "configmaps", {})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pods", ("", "pods")),
        ("limits.cpu", ("", "pods")),
        ("requests.example.com/gpu", ("", "pods")),
        ("requests.storage", ("", "persistentvolumeclaims")),
        ("fast.storageclass.storage.k8s.io/requests.storage", ("", "persistentvolumeclaims")),
        ("services.nodeports", ("", "services")),
        ("secrets", ("", "secrets")),
        ("count/jobs.batch", ("batch", "jobs")),
        ("odd", None),
    ],
)
def test_who_measures(name: str, kind: Any) -> None:
    assert rules.tracked_by(name) == kind
