"""Nodes, namespaces, owners, accounts and rules."""

import base64
import subprocess
import time

from cryptography.x509 import load_pem_x509_certificate

from .common import MERGE, MERGE_ALL, template


def collected(stage):
    """Owners and what is theirs: orphaned, in the foreground, of an owner that never was."""
    owner = stage.create("configmaps", {"metadata": {"name": "owner"}})
    first = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    blocking = {**first, "blockOwnerDeletion": True, "controller": True}
    never = {**first, "uid": "00000000-0000-0000-0000-000000000001", "name": "never"}
    for name, owners in {"kept": [first, never], "gone": [never], "blocking": [blocking]}.items():
        stage.create("secrets", {"metadata": {"name": name, "ownerReferences": owners}})
    held = {"name": "held", "ownerReferences": [blocking], "finalizers": ["example.com/hold"]}
    stage.create("secrets", {"metadata": held})
    wrong = {**first, "kind": "Secret"}
    stage.create("configmaps", {"metadata": {"name": "misnamed", "ownerReferences": [wrong]}})
    stage.settle()
    time.sleep(2)
    stage.delete("configmaps", "owner", propagation="Foreground")
    stage.settle()


def accounts(stage):
    """Lasting tokens, and what comes back to every namespace."""
    stage.create("serviceaccounts", {"metadata": {"name": "robot"}})
    for name, account in {"token": "robot", "nobody": "absent"}.items():
        notes = {"kubernetes.io/service-account.name": account}
        body = {"metadata": {"name": name, "annotations": notes}, "type": "kubernetes.io/service-account-token"}
        stage.create("secrets", body)
    stage.settle()
    stage.keep("entries", *(sorted(s.get("data") or {}) for s in stage.list("secrets")))
    stage.delete("serviceaccounts", "robot")
    stage.delete("serviceaccounts", "default")
    stage.delete("configmaps", "kube-root-ca.crt")
    stage.settle()
    stage.change("configmaps", "kube-root-ca.crt", {"data": {"ca.crt": "x"}})
    stage.settle()


def ending_namespace(stage):
    """What a namespace says while it cannot go, and that it goes."""
    name = f"{stage.namespace}-old"
    where = f"/api/v1/namespaces/{name}"
    stage.do("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    stage.do("POST", f"{where}/configmaps", {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    pod = {"metadata": {"name": "p"}, "spec": {**template(terminationGracePeriodSeconds=3)["spec"], "nodeName": "n1"}}
    stage.do("POST", f"{where}/pods", pod)
    stage.do("DELETE", where)
    time.sleep(9)
    stage.keep("with pods", stage.do("GET", where)["status"])
    stage.do("DELETE", f"{where}/pods/p", {"gracePeriodSeconds": 0})
    time.sleep(14)
    stage.keep("held", stage.do("GET", where)["status"])
    stage.do("PATCH", f"{where}/configmaps/held", {"metadata": {"finalizers": None}}, MERGE)
    stage.until(lambda: stage.do("GET", where, check=False).get("code") == 404, seconds=60)
    stage.keep("gone", stage.do("GET", where, check=False).get("reason"))


def roles(stage):
    """Rules that a role has from others."""
    root, label = "/apis/rbac.authorization.k8s.io/v1/clusterroles", {stage.namespace: "yes"}
    whole = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": label}]}}
    stage.do("POST", root, {"metadata": {"name": stage.namespace}, **whole})
    read = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    write = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}
    for name, rules in {"z": [read], "b": [write, read]}.items():
        stage.do("POST", root, {"metadata": {"name": f"{stage.namespace}-{name}", "labels": label}, "rules": rules})
    time.sleep(2)
    stage.keep("both", stage.do("GET", f"{root}/{stage.namespace}"))
    stage.do("DELETE", f"{root}/{stage.namespace}-b")
    time.sleep(2)
    stage.keep("one", stage.do("GET", f"{root}/{stage.namespace}"))


def evicted(stage):
    """Pods that a NoExecute taint drives away, at once, later or not."""
    node = f"{stage.namespace}-node"
    stage.do("POST", "/api/v1/nodes", {"metadata": {"name": node}})
    taint = {"key": "out", "effect": "NoExecute"}
    all_of_it = {"key": "out", "operator": "Exists", "effect": "NoExecute"}
    for name, tolerations in {
        "none": [],
        "some": [{**all_of_it, "tolerationSeconds": 2}],
        "long": [{**all_of_it, "tolerationSeconds": 900}],
        "ever": [{"operator": "Exists"}],
    }.items():
        spec = {**template(tolerations=tolerations)["spec"], "nodeName": node}
        made = stage.create("pods", {"metadata": {"name": name}, "spec": spec})
        stage.report(made, "Running")
    stage.settle()
    stage.do("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": [taint]}}, MERGE_ALL)
    time.sleep(3)
    stage.settle()
    stage.do("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": None}}, MERGE)
    stage.settle()
    stage.do("DELETE", f"/api/v1/nodes/{node}")


def unready_node(stage):
    """A node that says it is not ready, and that the network is missing, then is well."""
    node = f"{stage.namespace}-node"
    where = f"/api/v1/nodes/{node}"
    labels = {"node-role.kubernetes.io/control-plane": ""}  # its processors are not to count for services' hints
    stage.do("POST", "/api/v1/nodes", {"metadata": {"name": node, "labels": labels}})
    made = stage.create("pods", {"metadata": {"name": "p"}, "spec": {**template()["spec"], "nodeName": node}})
    stage.report(made, "Running")

    def say(**values):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
        conditions = [{"type": t, "status": v, "reason": "x", **times} for t, v in values.items()]
        stage.do("PATCH", f"{where}/status", {"status": {"conditions": conditions}}, MERGE_ALL)
        time.sleep(7)
        found = stage.do("GET", where)
        return sorted(f"{t['key']} {t['effect']}" for t in found["spec"].get("taints") or ())

    stage.keep("well", say(Ready="True"))
    stage.keep("bad", say(Ready="False", NetworkUnavailable="True", DiskPressure="True"))
    stage.settle()
    stage.keep("well again", say(Ready="True", NetworkUnavailable="False", DiskPressure="False"))
    found = stage.do("GET", where)
    stage.keep("notes", found["metadata"].get("annotations"), found["spec"].get("podCIDRs") is not None)
    stage.do("DELETE", where)
    time.sleep(7)
    stage.keep("node events", *stage.told_of("Node"))


def policies(stage):
    """Expressions that do not fit the types they are for."""
    root = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    for name, expression in {"right": "object.spec.replicas > 1", "wrong": "object.spec.replica > 1"}.items():
        spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": expression}]}
        stage.do("POST", root, {"metadata": {"name": f"{stage.namespace}-{name}"}, "spec": spec})
    time.sleep(4)
    for name in ("right", "wrong"):
        stage.keep(name, stage.do("GET", f"{root}/{stage.namespace}-{name}").get("status"))


def far_owner(stage):
    """An owner in another namespace is none."""
    name = f"{stage.namespace}-far"
    owner = stage.do("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": owner["metadata"]["uid"]}
    stage.keep("owner", owner)
    stage.create("secrets", {"metadata": {"name": "child", "ownerReferences": [reference]}})
    whole = {"apiVersion": "v1", "kind": "Node", "name": "nowhere", "uid": "00000000-0000-0000-0000-000000000002"}
    stage.create("secrets", {"metadata": {"name": "of-a-node", "ownerReferences": [whole]}})
    stage.settle()
    time.sleep(3)


def certificates(stage):
    """Requests for certificates: approved by themselves or by hand, signed or not."""
    root = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    client, server = ["digital signature", "client auth"], ["digital signature", "server auth"]
    for name, (signer, usages, subject) in {
        "kubelet": ("kube-apiserver-client-kubelet", client, NODE),
        "client": ("kube-apiserver-client", client, "/O=people/CN=ann"),
        "serving": ("kubelet-serving", server, NODE),
        "other": ("kubelet-serving", client, NODE),
    }.items():
        about = {"name": f"{stage.namespace}-{name}"}
        spec = {"request": request(subject), "signerName": f"kubernetes.io/{signer}", "usages": usages}
        made = stage.do("POST", root, {"metadata": about, "spec": {**spec, "expirationSeconds": 7200}})
        time.sleep(2)
        if name != "kubelet":
            told = {"type": "Approved", "status": "True", "reason": "Hand", "message": "by hand"}
            made = {**stage.do("GET", f"{root}/{about['name']}"), "status": {"conditions": [told]}}
            stage.do("PUT", f"{root}/{about['name']}/approval", made)
    time.sleep(3)
    for name in ("kubelet", "client", "serving", "other"):
        found = stage.do("GET", f"{root}/{stage.namespace}-{name}")
        stage.keep(name, found["status"].get("conditions"), contents(found["status"].get("certificate")))


NODE = "/O=system:nodes/CN=system:node:n1"


def request(subject):
    """A certificate request as the API wants it, made by openssl."""
    words = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-keyout", "/dev/null", "-subj", subject, "-addext", "subjectAltName=DNS:n1"]
    words = words[:-2] if "ann" in subject else words
    return base64.b64encode(subprocess.run(words, check=True, capture_output=True).stdout).decode()


def contents(encoded):
    """What a certificate says."""
    if not encoded:
        return None
    found = load_pem_x509_certificate(base64.b64decode(encoded))
    life = found.not_valid_after_utc - found.not_valid_before_utc
    extensions = sorted(f"{e.oid.dotted_string} {e.critical}" for e in found.extensions)
    return [found.subject.rfc4514_string(), found.issuer.rfc4514_string(), life.total_seconds(), extensions]


def lost_node(stage):
    """A node that falls silent; pods of one that never was."""
    node = f"{stage.namespace}-node"
    labels = {"node-role.kubernetes.io/control-plane": "", "topology.kubernetes.io/zone": stage.namespace}
    stage.do("POST", "/api/v1/nodes", {"metadata": {"name": node, "labels": labels}})
    stage.do("POST", "/api/v1/nodes", {"metadata": {"name": f"{node}-2", "labels": labels}})
    for name, where in {"silent": node, "nowhere": f"{stage.namespace}-nothing"}.items():
        about = {"name": name, "finalizers": ["example.com/hold"]}
        made = stage.create("pods", {"metadata": about, "spec": {**template()["spec"], "nodeName": where}})
        stage.report(made, "Running")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for name in (node, f"{node}-2"):
        ready = {"type": "Ready", "status": "True", "reason": "x", "lastHeartbeatTime": now, "lastTransitionTime": now}
        stage.do("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"conditions": [ready]}}, MERGE_ALL)
    for _ in range(8):
        time.sleep(10)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": now}
        stage.do("PATCH", f"/api/v1/nodes/{node}-2/status", {"status": {"conditions": [ready]}}, MERGE_ALL)
    stage.settle()
    found = stage.do("GET", f"/api/v1/nodes/{node}")
    stage.keep("conditions", *found["status"]["conditions"])
    stage.keep("taints", *sorted(f"{t['key']} {t['effect']}" for t in found["spec"].get("taints") or ()))
    for name in (node, f"{node}-2"):
        stage.do("DELETE", f"/api/v1/nodes/{name}")
    stage.keep("node events", *stage.told_of("Node"))


SCENES = [
    collected,
    far_owner,
    certificates,
    accounts,
    ending_namespace,
    roles,
    evicted,
    unready_node,
    lost_node,
    policies,
]
