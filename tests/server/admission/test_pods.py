"""What plugins make of pods."""

import json
import random

import pytest

from umiak.api.core.limitrange import KIND as LIMIT_RANGE
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.resourcequota import KIND as QUOTA
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.api.node.runtimeclass import KIND as RUNTIME_CLASS
from umiak.api.scheduling.priorityclass import KIND as PRIORITY_CLASS
from umiak.server.admission import pod_security, resource_quota
from umiak.server.admission.runtime_class import merged
from umiak.server.contract import Means
from umiak.testing.clock import VirtualClock


def in_hold(name, **rest):
    return {"metadata": {"name": name, "namespace": "hold", **rest.pop("metadata", {})}, **rest}


async def test_service_account_is_mounted(gate, pod):
    await gate.add(SERVICE_ACCOUNT, in_hold("default", imagePullSecrets=[{"name": "pull"}]))
    spec = (await gate("ServiceAccount", "pods", pod()))["spec"]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-") and len(volume["name"]) == 21
    (mount,) = spec["containers"][0]["volumeMounts"]
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mount == {"name": volume["name"], "readOnly": True, "mountPath": path}
    assert spec["imagePullSecrets"] == [{"name": "pull"}]


@pytest.mark.parametrize(("on_pod", "on_account", "mounted"), [(None, False, False), (True, False, True)])
async def test_automount_may_be_declined(gate, pod, on_pod, on_account, mounted):
    await gate.add(SERVICE_ACCOUNT, in_hold("default", automountServiceAccountToken=on_account))
    own = {} if on_pod is None else {"automountServiceAccountToken": on_pod}
    assert ("volumes" in (await gate("ServiceAccount", "pods", pod(**own)))["spec"]) is mounted


async def test_missing_account(gate, pod):
    said = await gate.refused("ServiceAccount", "pods", pod(serviceAccountName="robot"))
    why = 'error looking up service account hold/robot: serviceaccount "robot" not found'
    assert said == f'pods "p" is forbidden: {why}'


async def test_mirror_pod_has_no_secrets(gate, pod):
    mirror = pod(serviceAccountName="robot")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    assert "may not reference service accounts" in await gate.refused("ServiceAccount", "pods", mirror)


async def test_enforced_secrets(gate, pod):
    about = {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}
    await gate.add(SERVICE_ACCOUNT, in_hold("default", metadata=about))
    volumes = [{"name": "v", "secret": {"secretName": "s"}}]
    said = await gate.refused("ServiceAccount", "pods", pod(volumes=volumes))
    assert 'volume with secret.secretName="s" is not allowed' in said


async def test_priority(gate, pod):
    await gate.add(PRIORITY_CLASS, {"metadata": {"name": "high"}, "value": 7, "preemptionPolicy": "Never"})
    spec = (await gate("Priority", "pods", pod(priorityClassName="high")))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (7, "Never")
    spec = (await gate("Priority", "pods", pod()))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert "no PriorityClass with name none was found" in await gate.refused(
        "Priority", "pods", pod(priorityClassName="none")
    )
    said = await gate.refused("Priority", "pods", pod(priorityClassName="high", priority=8))
    assert "the integer value of priority (8) must not be provided in pod spec" in said


async def test_one_default_priority(gate):
    first = {"metadata": {"name": "a"}, "value": 1, "globalDefault": True}
    await gate("Priority", "priorityclasses", first, group="scheduling.k8s.io")
    await gate.add(PRIORITY_CLASS, first)
    second = {"metadata": {"name": "b"}, "value": 2, "globalDefault": True}
    said = await gate.refused("Priority", "priorityclasses", second, group="scheduling.k8s.io")
    assert said.endswith("PriorityClass a is already marked as default. Only one default can exist")
    await gate("Priority", "priorityclasses", first, first, group="scheduling.k8s.io")


async def test_tolerations(gate, pod):
    own = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}]
    spec = (await gate("DefaultTolerationSeconds", "pods", pod(tolerations=own)))["spec"]
    assert [t["key"] for t in spec["tolerations"][1:]] == ["node.kubernetes.io/unreachable"]
    spec = (await gate("DefaultTolerationSeconds", "pods", pod(tolerations=[{"operator": "Exists"}])))["spec"]
    assert len(spec["tolerations"]) == 1


async def test_limit_range(gate, pod):
    limits = [
        {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "500m"}, "max": {"cpu": "2"}},
        {"type": "Pod", "min": {"memory": "1Mi"}},
    ]
    await gate.add(LIMIT_RANGE, in_hold("l", spec={"limits": limits}))
    said = await gate.refused("LimitRanger", "pods", pod())
    assert said.endswith("minimum memory usage per Pod is 1Mi.  No request is specified")
    greedy = [{"name": "c", "resources": {"requests": {"memory": "1Mi", "cpu": "3"}, "limits": {"cpu": "3"}}}]
    said = await gate.refused("LimitRanger", "pods", pod(containers=greedy))
    assert said.endswith("maximum cpu usage per Container is 2, but limit is 3")
    modest = [{"name": "c", "resources": {"requests": {"memory": "1Mi"}}}]
    found = await gate("LimitRanger", "pods", pod(containers=modest))
    assert found["spec"]["containers"][0]["resources"] == {
        "requests": {"memory": "1Mi", "cpu": "500m"},
        "limits": {"cpu": "1"},
    }
    note = "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    assert found["metadata"]["annotations"] == {"kubernetes.io/limit-ranger": note}


async def test_quota(gate, pod):
    hard = {"pods": "1", "requests.cpu": "1"}
    status = {"hard": hard, "used": {"pods": "0", "requests.cpu": "0"}}
    await gate.add(QUOTA, in_hold("q", spec={"hard": hard}, status=status))
    said = await gate.refused("ResourceQuota", "pods", pod())
    assert said.endswith("failed quota: q: must specify requests.cpu for: c")
    small = [{"name": "c", "resources": {"requests": {"cpu": "600m"}}}]
    await gate("ResourceQuota", "pods", pod(containers=small), dry_run=True)
    await gate("ResourceQuota", "pods", pod(containers=small))
    used = (await gate.around.objects.get(QUOTA, "hold", "q"))["status"]["used"]
    assert used == {"pods": "1", "requests.cpu": "600m"}
    said = await gate.refused("ResourceQuota", "pods", pod("b", containers=small))
    assert said.endswith(
        "exceeded quota: q, requested: pods=1,requests.cpu=600m, used: pods=1,requests.cpu=600m, "
        "limited: pods=1,requests.cpu=1"
    )


async def test_quota_without_status_is_not_enforced(gate, pod):
    await gate.add(QUOTA, in_hold("q", spec={"hard": {"pods": "0"}}))
    await gate("ResourceQuota", "pods", pod())


async def test_quota_counts_other_kinds(gate):
    status = {"hard": {"count/widgets.x.io": "0"}, "used": {"count/widgets.x.io": "0"}}
    await gate.add(QUOTA, in_hold("q", status=status))
    said = await gate.refused("ResourceQuota", "widgets", in_hold("w"), group="x.io")
    assert "exceeded quota: q, requested: count/widgets.x.io=1" in said


async def test_runtime_class(gate, pod):
    chosen = {
        "metadata": {"name": "slow"},
        "overhead": {"podFixed": {"cpu": "100m"}},
        "scheduling": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "k", "operator": "Exists"}]},
    }
    await gate.add(RUNTIME_CLASS, chosen)
    spec = (await gate("RuntimeClass", "pods", pod(runtimeClassName="slow")))["spec"]
    assert (spec["overhead"], spec["nodeSelector"]) == ({"cpu": "100m"}, {"a": "b"})
    said = await gate.refused("RuntimeClass", "pods", pod(runtimeClassName="slow", nodeSelector={"a": "c"}))
    assert "conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec.nodeSelector[a] = c" in said
    assert "without corresponding RuntimeClass" in await gate.refused("RuntimeClass", "pods", pod(overhead={}))
    assert 'RuntimeClass "none" not found' in await gate.refused("RuntimeClass", "pods", pod(runtimeClassName="none"))


def test_tolerations_that_others_imply_go():
    everything, one = {"operator": "Exists"}, {"key": "k", "operator": "Exists", "effect": "NoSchedule"}
    assert merged([one, everything]) == [everything]
    assert merged([one, dict(one)]) == [one]


async def test_topology(gate, pod):
    zone = "topology.kubernetes.io/zone"
    await gate.add(NODE, {"metadata": {"name": "n1", "labels": {zone: "z", "other": "x"}}})
    assert (await gate("PodTopologyLabels", "pods", pod(nodeName="n1")))["metadata"]["labels"] == {zone: "z"}
    binding = in_hold("p", target={"kind": "Node", "name": "n1"})
    bound = await gate("PodTopologyLabels", "pods", binding, part="binding")
    assert bound["metadata"]["labels"] == {zone: "z"}


async def test_what_may_be_used_only_under_a_quota(gate, pod):
    """`limitedResources`: by the names of what is used, or by scopes (`CheckRequest` of the reference's plugin)."""
    scope = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    limited = [
        {"resource": "pods", "matchContains": ["requests.cpu"]},
        {"resource": "pods", "matchScopes": [scope]},
    ]
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "ResourceQuotaConfiguration"}
    config = json.dumps({**head, "limitedResources": limited}).encode()
    plugin = resource_quota.configure(config, Means(VirtualClock(), random.Random(1)))
    small = [{"name": "c", "image": "x", "resources": {"requests": {"cpu": "600m"}}}]
    await gate(plugin, "pods", pod())
    said = await gate.refused(plugin, "pods", pod(containers=small))
    assert said == 'pods "p" is forbidden: insufficient quota to consume: requests.cpu'
    said = await gate.refused(plugin, "pods", pod(priorityClassName="high"))
    assert said == "insufficient quota to match these scopes: [{PriorityClass In [high]}]"
    hard = {"requests.cpu": "2"}
    status = {"hard": hard, "used": {"requests.cpu": "0"}}
    await gate.add(QUOTA, in_hold("q", spec={"hard": hard}, status=status))
    await gate.add(QUOTA, in_hold("s", spec={"scopeSelector": {"matchExpressions": [scope]}}))
    await gate(plugin, "pods", pod(containers=small, priorityClassName="high"))


async def test_pod_security(gate, pod):
    labels = {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}
    await gate.add(NAMESPACE, {"metadata": {"name": "hold", "labels": labels}})
    said = await gate.refused("PodSecurity", "pods", pod(hostNetwork=True))
    why = 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    assert said == f'pods "p" is forbidden: {why}'
    await gate("PodSecurity", "pods", pod())
    assert gate.warnings[0].startswith('would violate PodSecurity "restricted:latest": allowPrivilegeEscalation')


async def test_pod_security_of_a_file(gate, pod):
    """Defaults hold for namespaces without labels; users, namespaces and runtime classes may be exempt."""
    exempt = {"namespaces": ["kube-system"], "usernames": ["ann"], "runtimeClasses": ["kata"]}
    head = {"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration"}
    config = {**head, "defaults": {"enforce": "baseline"}, "exemptions": exempt}
    plugin = pod_security.configure(json.dumps(config).encode(), Means(VirtualClock(), random.Random(1)))
    await gate.add(NAMESPACE, {"metadata": {"name": "hold"}})
    assert 'violates PodSecurity "baseline:latest"' in await gate.refused(plugin, "pods", pod(hostPID=True))
    await gate(plugin, "pods", pod(hostPID=True), user="ann")
    await gate(plugin, "pods", pod(hostPID=True, namespace="kube-system"))
    await gate(plugin, "pods", pod(hostPID=True, runtimeClassName="kata"))
    strict = {"metadata": {"name": "kube-system", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    strict["metadata"]["namespace"] = "kube-system"
    await gate(plugin, "namespaces", strict)
    but = "the policy (enforce=restricted:latest) will be ignored"
    assert gate.warnings == [f'namespace "kube-system" is exempt from Pod Security, and {but}']


async def test_pod_security_labels(gate, pod):
    wrong = {"metadata": {"name": "hold", "labels": {"pod-security.kubernetes.io/enforce": "strict"}}}
    said = await gate.refused("PodSecurity", "namespaces", wrong)
    assert 'metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of' in said
    from umiak.api.core.pod import KIND as POD

    await gate.add(POD, pod("b", hostPID=True))
    await gate.add(POD, pod("a", hostPID=True))
    before = {"metadata": {"name": "hold"}}
    after = {"metadata": {"name": "hold", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    await gate("PodSecurity", "namespaces", after, before)
    assert gate.warnings == [
        'existing pods in namespace "hold" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 1 other pod): host namespaces",
    ]
