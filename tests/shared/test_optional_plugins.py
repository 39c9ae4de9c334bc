"""Admission plugins that are on only when named, configured by the same files, answer as kube-apiserver's do."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from beside import Beside
from side_by_side import Both, may, settled_answers

from umiak.testing import reference
from umiak.testing.patience import until

pytestmark = [pytest.mark.shared, pytest.mark.slow]

PLUGINS = (
    "AlwaysAdmit AlwaysPullImages DenyServiceExternalIPs EventRateLimit ExtendedResourceToleration ImagePolicyWebhook "
    "LimitPodHardAntiAffinityTopology NamespaceAutoProvision NamespaceExists OwnerReferencesPermissionEnforcement "
    "PodNodeSelector PodTolerationRestriction"
)
LIMITS = [{"type": "Namespace", "qps": 1, "burst": 2}, {"type": "Server", "qps": 1000, "burst": 1000}]
SELECTOR = "scheduler.alpha.kubernetes.io/node-selector"
GIVEN, LISTED = "scheduler.alpha.kubernetes.io/defaultTolerations", "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
K = '{"operator": "Exists", "key": "k"}'
NAMESPACES: dict[str, dict[str, str]] = {
    "picky": {},
    "selecting": {SELECTOR: "env=x"},
    "senseless": {SELECTOR: "env"},
    "tolerant": {
        GIVEN: f"[{K}]",
        LISTED: f'[{K}, {{"operator": "Exists", "effect": "NoExecute"}}, '
        '{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}]',
    },
}


def review_of_images(path: str, body: Any) -> Any:
    images = [container["image"] for container in body["spec"].get("containers", ())]
    if "bad" in images:
        return {**body, "status": {"allowed": False, "reason": json.dumps(body["spec"], sort_keys=True)}}
    return {**body, "status": {"allowed": "worse" not in images}}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    for name in ("kube-apiserver", "etcd"):
        try:
            reference.program(name)
        except reference.Missing as missing:
            pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("plugins")
    beside = Beside(folder)
    beside.start()
    beside.post = review_of_images  # type: ignore[method-assign]
    found = Both(folder / "both", flags(beside), ["ines,ines,1"])
    try:
        found.start()
        prepare(found)
        yield found
    finally:
        found.stop()
        beside.stop()


def flags(beside: Beside) -> list[str]:
    limits = {"apiVersion": "eventratelimit.admission.k8s.io/v1alpha1", "kind": "Configuration", "limits": LIMITS}
    (beside.folder / "limits.yaml").write_text(yaml.safe_dump(limits))
    images = {"kubeConfigFile": beside.kubeconfig("/images"), "allowTTL": 50, "denyTTL": 50, "retryBackoff": 500}
    selectors = {"clusterDefaultNodeSelector": "zone=z", "picky": "zone=z,disk=ssd"}
    tolerations = {"apiVersion": "podtolerationrestriction.admission.k8s.io/v1alpha1", "kind": "Configuration"}
    told = [
        {"name": "EventRateLimit", "path": "limits.yaml"},
        {"name": "ImagePolicyWebhook", "configuration": {"imagePolicy": {**images, "defaultAllow": False}}},
        {"name": "PodNodeSelector", "configuration": {"podNodeSelectorPluginConfig": selectors}},
        {
            "name": "PodTolerationRestriction",
            "configuration": {**tolerations, "default": [{"key": "d", "operator": "Exists"}]},
        },
    ]
    content = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": told}
    (beside.folder / "admission.yaml").write_text(yaml.safe_dump(content))
    return [
        f"--enable-admission-plugins={PLUGINS.replace(' ', ',')}",
        f"--admission-control-config-file={beside.folder}/admission.yaml",
        "--disable-admission-plugins=DefaultStorageClass",
    ]


RBAC = "/apis/rbac.authorization.k8s.io/v1"


def prepare(both: Both) -> None:
    for name, annotations in NAMESPACES.items():
        both.ask("POST", "/api/v1/namespaces", body={"metadata": {"name": name, "annotations": annotations}})
    for name in ("default", *NAMESPACES):
        both.ask("POST", f"/api/v1/namespaces/{name}/serviceaccounts", body={"metadata": {"name": "default"}})
    rule = {"verbs": ["create", "update", "patch", "get"], "apiGroups": [""], "resources": ["configmaps"]}
    both.ask("POST", f"{RBAC}/clusterroles", body={"metadata": {"name": "r"}, "rules": [rule]})
    about = {
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "User", "name": "ines", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    both.ask("POST", f"{RBAC}/clusterrolebindings", body=about)
    both.ask("POST", "/api/v1/namespaces/default/pods", body=pod("there"))
    until(lambda: may(both, "ines", "create", "configmaps", namespace="default"))


def compare(both: Both, *question: Any, **more: Any) -> None:
    theirs, ours = settled_answers(both, *question, **more)
    assert ours.comparable() == theirs.comparable()


def pod(name: str, image: str = "i", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": image, "imagePullPolicy": "IfNotPresent", **spec.pop("container", {})}]
    about = {"name": name, **({"annotations": annotations} if annotations else {})}
    return {"metadata": about, "spec": {"automountServiceAccountToken": False, "containers": containers, **spec}}


def keeping_off(key: str) -> dict[str, Any]:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"a": "b"}}}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


GPU = {"resources": {"limits": {"example.com/gpu": "1", "a.b/c": "2"}}}
TOLERATION = {"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
PODS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("default", {}),
    "bad-image": ("default", {"image": "bad"}),
    "worse-image": ("default", {"image": "worse"}),
    "bad-image-and-notes": ("default", {"image": "bad", "annotations": {"x.image-policy.k8s.io/a": "b", "y": "z"}}),
    "device": ("default", {"container": GPU}),
    "device-tolerated": ("default", {"container": GPU, "tolerations": [TOLERATION]}),
    "image-volume": ("default", {"volumes": [{"name": "v", "image": {"reference": "r"}}]}),
    "off-a-zone": ("default", {"affinity": keeping_off("zone")}),
    "off-a-node": ("default", {"affinity": keeping_off("kubernetes.io/hostname")}),
    "other-zone": ("default", {"nodeSelector": {"zone": "y"}}),
    "same-zone": ("default", {"nodeSelector": {"zone": "z", "a": "b"}}),
    "picky-slow": ("picky", {"nodeSelector": {"disk": "hdd"}}),
    "picky-quick": ("picky", {"nodeSelector": {"disk": "ssd"}}),
    "selected": ("selecting", {}),
    "selected-otherwise": ("selecting", {"nodeSelector": {"env": "y"}}),
    "senseless": ("senseless", {}),
    "tolerant": ("tolerant", {}),
    "too-tolerant": ("tolerant", {"tolerations": [{"key": "other", "operator": "Exists"}]}),
    "burstable": ("tolerant", {"container": {"resources": {"requests": {"cpu": "1"}}}}),
    "in-a-new-namespace": ("nowhere", {}),
}


@pytest.mark.parametrize("name", PODS)
def test_pods(both: Both, name: str) -> None:
    namespace, about = PODS[name]
    compare(both, "POST", f"/api/v1/namespaces/{namespace}/pods", body=pod(name, **about))


@pytest.mark.parametrize(
    ("part", "body"),
    [
        ("", {"spec": {"containers": [{"name": "c", "image": "j"}]}}),
        ("", {"spec": {"containers": [{"name": "c", "image": "bad"}]}}),
        ("/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "e", "image": "bad"}]}}),
    ],
)
def test_changes_of_images(both: Both, part: str, body: dict[str, Any]) -> None:
    form = {"Content_Type": "application/strategic-merge-patch+json"}
    compare(both, "PATCH", f"/api/v1/namespaces/default/pods/there{part}", body=body, **form)


def test_services(both: Both) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "externalIPs": ["1.2.3.4"]}}
    compare(both, "POST", "/api/v1/namespaces/default/services", body=body)


OWNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("ines", {}),
    "blocking": ("ines", {"blockOwnerDeletion": True}),
    "no-kind": ("ines", {"blockOwnerDeletion": True, "kind": "Foo"}),
    "cluster-wide": ("ines", {"blockOwnerDeletion": True, "kind": "Node"}),
    "no-version": ("ines", {"blockOwnerDeletion": True, "apiVersion": "a/b/c"}),
    "by-admin": ("admintoken", {"blockOwnerDeletion": True}),
}


@pytest.mark.parametrize("name", OWNERS)
def test_owners(both: Both, name: str) -> None:
    token, changes = OWNERS[name]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "there", "uid": "u", **changes}
    path = "/api/v1/namespaces/default/configmaps"
    compare(both, "POST", path, token, {"metadata": {"name": name, "ownerReferences": [owner]}})
    form = {"Content_Type": "application/merge-patch+json"}
    compare(both, "PATCH", f"{path}/{name}", token, {"data": {"a": "b"}}, **form)
    compare(both, "PATCH", f"{path}/{name}", token, {"metadata": {"ownerReferences": []}}, **form)


def test_events(both: Both) -> None:
    """How many pass depends on how quick the machine is; what the others are told does not."""
    about = {"kind": "Pod", "namespace": "default", "name": "o"}
    event = {"involvedObject": about, "source": {"component": "c"}, "reason": "R", "message": "m", "type": "Normal"}
    told = []
    for server in both.servers:
        bodies = [{"metadata": {"name": f"e{number}"}, **event} for number in range(12)]
        answers = [server.ask("POST", "/api/v1/namespaces/default/events", body=body) for body in bodies]
        told.append({answer.comparable() for answer in answers if answer.status != 201})
    assert told[0] == told[1] and told[0]
