"""What the reader makes of a pod's bytes is what `view` makes of the pod, whatever it has read before."""

import msgspec
import pytest
from tests.scheduler.conftest import a_pod

from umiak.scheduler.pods import PodView, view
from umiak.scheduler.reader import PodReader

NEAR = {"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "zone"}
SPECS = {
    "plain": {},
    "other amounts": {"cpu": "2", "memory": "1Gi"},
    "labels": {"labels": {"app": "a"}},
    "another namespace": {"namespace": "other"},
    "affinity": {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [NEAR]}}},
    "a claim": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
    "a claim of its own": {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}]},
    "a port": {"container": {"ports": [{"hostPort": 80, "containerPort": 80}]}},
    "a selector like a node": {"nodeSelector": {"nodeName": "n1"}},
    "a selector like a token": {"nodeSelector": {"name": "kube-api-access-abcde"}},
    "another selector like a token": {"nodeSelector": {"name": "kube-api-access-fghij"}},
}
STATUSES = {
    "none": {},
    "running": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "containerStatuses": [{"name": "c"}]},
    "over": {"phase": "Succeeded"},
    "nominated": {"nominatedNodeName": "n2"},
    "resized": {"containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "3"}}}]},
    "resized too far": {"conditions": [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]},
    "claims": {"resourceClaimStatuses": [{"name": "r", "resourceClaimName": "made"}]},
}
ABOUT = {
    "new": {},
    "leaving": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
    "owned": {"ownerReferences": [{"kind": "ReplicaSet", "name": "r", "uid": "u", "controller": True}]},
    "odd": {"creationTimestamp": None, "labels": None},
}


def bodies() -> list[bytes]:
    """Each twice, as two pods of one workload."""
    made = []
    for spec in SPECS.values():
        for node in ("", "n1", "n2"):
            for status in STATUSES.values():
                for about in ABOUT.values():
                    for name in ("a", "b"):
                        pod = a_pod(
                            name, node=node, **{k: v.copy() if isinstance(v, dict) else v for k, v in spec.items()}
                        )
                        pod["metadata"] |= {"resourceVersion": name * 3, **about}
                        made.append(msgspec.json.encode({**pod, "status": status}))
    return made


def told(pod: PodView) -> dict:
    """All that it says; the spec only while it waits."""
    found = msgspec.structs.asdict(pod) | {"shape": pod.shape if not pod.node else b""}
    del found["_shape"]
    return found | ({"spec": {}} if pod.node else {})


def test_it_reads_as_view_does() -> None:
    reader = PodReader()
    for body in bodies():
        assert told(reader.read(body)) == told(view(msgspec.json.decode(body))), body


def with_token(pod: dict, suffix: str) -> bytes:
    name = f"kube-api-access-{suffix}"
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": name, "readOnly": True, "mountPath": "/var/run/secrets"}]
    pod["spec"]["volumes"] = [{"name": name, "projected": {"sources": []}}]
    return msgspec.json.encode(pod)


@pytest.mark.parametrize("node", ["", "n1"])
def test_pods_of_one_workload_share_what_they_have_in_common(node) -> None:
    reader = PodReader()
    one = reader.read(with_token(a_pod("a", node=node, cpu="1"), "2xk4z"))
    other = reader.read(with_token(a_pod("b", node=node and "n2", cpu="1"), "9bd7q"))
    assert one.requests is other.requests
    assert (one.name, other.name, other.node) == ("a", "b", node and "n2")


def test_a_null_where_the_reference_says_nothing_is_read(pod_of) -> None:
    pod = {**pod_of("a"), "status": {"phase": None}}
    assert PodReader().read(msgspec.json.encode(pod)).name == "a"
