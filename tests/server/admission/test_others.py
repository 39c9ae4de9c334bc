"""What plugins make of everything that is no pod."""

import base64

import pytest

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.api.storage.storageclass import KIND as STORAGE_CLASS

NODES = {"user": "system:node:n1", "groups": ("system:nodes",)}


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_some_namespaces_stay(gate, name):
    said = await gate.refused("NamespaceLifecycle", "namespaces", None, {"metadata": {"name": name}})
    assert said == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


async def test_nothing_new_in_a_dying_namespace(gate, pod):
    assert await gate.refused("NamespaceLifecycle", "pods", pod()) == 'namespaces "hold" not found'
    await gate.add(NAMESPACE, {"metadata": {"name": "hold"}, "status": {"phase": "Terminating"}})
    said = await gate.refused("NamespaceLifecycle", "pods", pod())
    assert said.endswith("unable to create new content in namespace hold because it is being terminated")
    await gate("NamespaceLifecycle", "pods", pod(), pod())


async def test_default_storage_class_is_the_newest(gate):
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}
    for name in ("b", "a"):
        await gate.add(STORAGE_CLASS, {"metadata": {"name": name, "annotations": mark}})
    claim = {"metadata": {"name": "c", "namespace": "hold"}, "spec": {}}
    assert (await gate("DefaultStorageClass", "persistentvolumeclaims", claim))["spec"] == {"storageClassName": "a"}
    none = {"metadata": {"name": "c", "namespace": "hold"}, "spec": {"storageClassName": ""}}
    assert (await gate("DefaultStorageClass", "persistentvolumeclaims", none))["spec"] == {"storageClassName": ""}


async def test_finalizer_and_taint(gate):
    claim = {"metadata": {"name": "c", "namespace": "hold"}}
    found = await gate("StorageObjectInUseProtection", "persistentvolumeclaims", claim)
    assert found["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    node = await gate("TaintNodesByCondition", "nodes", {"metadata": {"name": "n1"}})
    assert node["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("phase", "expands", "why"),
    [("Pending", True, "Only bound"), ("Bound", False, "only dynamically provisioned pvc"), ("Bound", True, "")],
)
async def test_resize(gate, phase, expands, why):
    await gate.add(STORAGE_CLASS, {"metadata": {"name": "s"}, "allowVolumeExpansion": expands})

    def claim(size):
        spec = {"storageClassName": "s", "resources": {"requests": {"storage": size}}}
        return {"metadata": {"name": "c", "namespace": "hold"}, "spec": spec, "status": {"phase": phase}}

    if why:
        said = await gate.refused("PersistentVolumeClaimResize", "persistentvolumeclaims", claim("2Gi"), claim("1Gi"))
        assert why in said
    else:
        await gate("PersistentVolumeClaimResize", "persistentvolumeclaims", claim("2Gi"), claim("1Gi"))


def a_request(common_name, organization=""):
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    return base64.b64encode(signed.public_bytes(Encoding.PEM)).decode()


CSRS = ("certificatesigningrequests",)


def a_csr(request, signer="kubernetes.io/kube-apiserver-client", **status):
    return {"metadata": {"name": "r"}, "spec": {"signerName": signer, "request": request}, "status": status}


async def test_nobody_becomes_master_by_certificate(gate):
    group = {"group": "certificates.k8s.io"}
    said = await gate.refused("CertificateSubjectRestriction", *CSRS, a_csr(a_request("x", "system:masters")), **group)
    assert said.endswith("signer with system:masters group is not allowed")
    await gate("CertificateSubjectRestriction", *CSRS, a_csr(a_request("x", "crew")), **group)


async def test_signers_need_leave(gate):
    old, new = a_csr("", "me.example/a"), a_csr("", "me.example/a", conditions=[{"type": "Approved"}])
    approval = {"group": "certificates.k8s.io", "part": "approval"}
    said = await gate.refused("CertificateApproval", *CSRS, new, old, **approval)
    assert said.endswith('user not permitted to approve requests with signerName "me.example/a"')
    gate.leaves.given = {("approve", "signers", "me.example/*"), ("sign", "signers", "me.example/a")}
    await gate("CertificateApproval", *CSRS, new, old, **approval)
    await gate("CertificateSigning", *CSRS, new, old, group="certificates.k8s.io", part="status")


async def test_node_writes_itself_only(gate):
    other = {"metadata": {"name": "n2"}}
    said = await gate.refused("NodeRestriction", "nodes", other, **NODES)
    assert said == 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"'
    labels = {"node-restriction.kubernetes.io/x": "y", "kubernetes.io/hostname": "n1", "a.k8s.io/b": "c", "own": "1"}
    said = await gate.refused("NodeRestriction", "nodes", {"metadata": {"name": "n1", "labels": labels}}, **NODES)
    assert said.endswith("set the following labels: a.k8s.io/b, node-restriction.kubernetes.io/x")
    plain = {"metadata": {"name": "n1"}, "spec": {}}
    tainted = {"metadata": {"name": "n1"}, "spec": {"taints": [{"key": "k"}]}}
    assert "not allowed to modify taints" in await gate.refused("NodeRestriction", "nodes", tainted, plain, **NODES)
    await gate("NodeRestriction", "nodes", other)


async def test_node_and_pods(gate, pod):
    said = await gate.refused("NodeRestriction", "pods", pod(nodeName="n1"), **NODES)
    assert 'pod does not have "kubernetes.io/config.mirror" annotation' in said
    node = await gate.add(NODE, {"metadata": {"name": "n1"}})
    mirror = pod(nodeName="n1")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": node["metadata"]["uid"], "controller": True}
    mirror["metadata"]["ownerReferences"] = [owner]
    await gate("NodeRestriction", "pods", mirror, **NODES)
    mirror["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "s"}}]
    assert "can not create pods that reference secrets" in await gate.refused(
        "NodeRestriction", "pods", mirror, **NODES
    )
    await gate.add(POD, pod(nodeName="n2"))
    said = await gate.refused("NodeRestriction", "pods", None, pod(nodeName="n2"), **NODES)
    assert said.endswith('node "n1" can only delete pods with spec.nodeName set to itself')


async def test_node_tokens(gate, pod):
    stored = await gate.add(POD, pod(nodeName="n1", serviceAccountName="robot"))
    ref = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": stored["metadata"]["uid"]}

    def token(**spec):
        return {"metadata": {"name": "robot", "namespace": "hold"}, "spec": spec}

    said = await gate.refused("NodeRestriction", "serviceaccounts", token(), part="token", **NODES)
    assert said.endswith("node requested token not bound to a pod")
    wanted = token(boundObjectRef=ref, audiences=["vault"])
    said = await gate.refused("NodeRestriction", "serviceaccounts", wanted, part="token", **NODES)
    assert said.endswith('system:node:n1 is not authorized to request tokens for audience "vault"')
    gate.leaves.given = {("request-serviceaccounts-token-audience", "vault", "robot")}
    await gate("NodeRestriction", "serviceaccounts", wanted, part="token", **NODES)


async def test_node_certificate_carries_its_own_name(gate):
    signer = "kubernetes.io/kubelet-serving"
    group = {"group": "certificates.k8s.io", **NODES}
    await gate("NodeRestriction", *CSRS, a_csr(a_request("system:node:n1"), signer), **group)
    said = await gate.refused("NodeRestriction", *CSRS, a_csr(a_request("system:node:n2"), signer), **group)
    assert said.endswith("can only create a node CSR with CN=system:node:n1")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({}, "", id="for a pod that asks for it"),
        pytest.param({"nodeName": "n2"}, 'which is not the requesting node "n1"', id="as another node"),
        pytest.param({"nodeUID": "x"}, 'names node UID "x", inconsistent', id="as an earlier node"),
        pytest.param({"podUID": "x"}, 'contains pod UID ("x") which differs', id="for an earlier pod"),
        pytest.param({"podName": "other"}, 'pod "hold/other" is not running on node "n1"', id="for another's pod"),
        pytest.param({"serviceAccountName": "a"}, 'serviceAccountName ("a") that differs', id="as another account"),
        pytest.param({"serviceAccountUID": "x"}, 'names service account UID "x"', id="as an earlier account"),
        pytest.param({"signerName": "o.example/b"}, 'for signer "o.example/b"', id="from another signer"),
    ],
)
async def test_a_node_asks_for_its_pods_certificates(gate, pod, change, why):
    """NodeRestriction of the reference: plugin/pkg/admission/noderestriction, admitPodCertificateRequest."""
    node = await gate.add(NODE, {"metadata": {"name": "n1"}})
    account = await gate.add(SERVICE_ACCOUNT, {"metadata": {"name": "sa", "namespace": "hold"}})
    volume = {"name": "v", "projected": {"sources": [{"podCertificate": {"signerName": "me.example/a"}}]}}
    mine = await gate.add(POD, pod(nodeName="n1", serviceAccountName="sa", volumes=[volume]))
    other = await gate.add(POD, pod("other", nodeName="n2", serviceAccountName="sa", volumes=[volume]))
    pods = {"p": mine, "other": other}
    spec = {
        "signerName": "me.example/a",
        "podName": "p",
        "nodeName": "n1",
        "nodeUID": node["metadata"]["uid"],
        "serviceAccountName": "sa",
        "serviceAccountUID": account["metadata"]["uid"],
        **change,
    }
    spec.setdefault("podUID", pods[spec["podName"]]["metadata"]["uid"])
    request = {"metadata": {"generateName": "req-", "namespace": "hold"}, "spec": spec}
    asked = ("NodeRestriction", "podcertificaterequests", request)
    if why:
        assert why in await gate.refused(*asked, group="certificates.k8s.io", **NODES)
    else:
        await gate(*asked, group="certificates.k8s.io", **NODES)
