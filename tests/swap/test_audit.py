"""The same requests under the same policy leave the same events with kube-apiserver and with ours.

Requests carry an Audit-ID, by which their events are found. What differs by nature (times, uids, versions, ports) is
made equal; everything else has to be.
"""

import json
import re
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from umiak.kit.ports import free_port
from umiak.testing import reference
from umiak.testing.patience import until

from .beside import call, original, ready, running

pytestmark = [pytest.mark.shared, pytest.mark.slow]

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- {level: None, users: ["system:apiserver"]}
- {level: None, nonResourceURLs: ["/readyz*"]}
- {level: RequestResponse, resources: [{group: "", resources: [configmaps, namespaces, pods, "serviceaccounts/token"]}]}
- {level: Request, omitStages: [RequestReceived], resources: [{group: apps, resources: [deployments]}]}
- {level: Metadata, resources: [{group: "", resources: [secrets]}]}
- {level: Metadata, omitStages: [RequestReceived]}
"""
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
POD = {
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}]},
}
DEPLOYMENT = {
    "metadata": {"name": "d"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
}
STRICT = {"pod-security.kubernetes.io/audit": "restricted", "pod-security.kubernetes.io/enforce": "baseline"}
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
WATCHER = {"metadata": {"name": "w"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}
BINDING = {
    "metadata": {"name": "w"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "w"},
    "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ann"}],
}
REQUESTS = [
    ("create", "POST", MAPS, {"metadata": {"name": "m"}, "data": {"a": "b"}}, {}),
    ("create again", "POST", MAPS, {"metadata": {"name": "m"}}, {}),
    ("generated name", "POST", f"{MAPS}?dryRun=All", {"metadata": {"generateName": "m-"}}, {}),
    ("invalid", "POST", MAPS, {"metadata": {"name": "M!"}}, {}),
    ("unreadable", "POST", MAPS, b"{", {}),
    ("get", "GET", f"{MAPS}/m", None, {}),
    ("get nothing", "GET", f"{MAPS}/nothing", None, {}),
    ("update", "PUT", f"{MAPS}/m", {"metadata": {"name": "m"}, "data": {"a": "c"}}, {}),
    ("merge patch", "PATCH", f"{MAPS}/m", {"data": {"x": "y"}}, {"Content-Type": MERGE}),
    ("apply", "PATCH", f"{MAPS}/n?fieldManager=me", {"apiVersion": "v1", "kind": "ConfigMap"}, {"Content-Type": APPLY}),
    ("as table", "GET", f"{MAPS}/m", None, {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}),
    ("watch", "GET", f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=1", None, {}),
    ("delete", "DELETE", f"{MAPS}/m", {"propagationPolicy": "Background"}, {}),
    ("delete by options", "DELETE", f"{MAPS}/n?gracePeriodSeconds=0", None, {}),
    ("delete nothing", "DELETE", f"{MAPS}/m", {"kind": "DeleteOptions", "apiVersion": "v1"}, {}),
    ("delete collection", "DELETE", f"{MAPS}?labelSelector=no%3Dsuch", None, {}),
    ("protobuf", "GET", "/api/v1/namespaces/default", None, {"Accept": "application/vnd.kubernetes.protobuf"}),
    ("namespace", "POST", "/api/v1/namespaces", {"metadata": {"name": "strict", "labels": STRICT}}, {}),
    ("account", "POST", "/api/v1/namespaces/strict/serviceaccounts", {"metadata": {"name": "default"}}, {}),
    ("refused pod", "POST", "/api/v1/namespaces/strict/pods", POD, {}),
    ("pod", "POST", "/api/v1/namespaces/default/pods", POD, {}),
    ("pod status", "PATCH", "/api/v1/namespaces/default/pods/p/status", {"status": {}}, {"Content-Type": STRATEGIC}),
    ("deployment", "POST", DEPLOYMENTS, DEPLOYMENT, {}),
    ("deployments", "GET", DEPLOYMENTS, None, {}),
    ("scale", "GET", f"{DEPLOYMENTS}/d/scale", None, {}),
    ("secret", "POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "data": {"k": "dg=="}}, {}),
    ("secrets", "GET", "/api/v1/namespaces/default/secrets?limit=1", None, {}),
    ("deprecated", "GET", "/api/v1/namespaces/default/endpoints", None, {}),
    ("role", "POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", WATCHER, {}),
    ("binding", "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", BINDING, {}),
    ("allowed", "GET", "/api/v1/pods", None, {"Authorization": "Bearer anntoken"}),
    ("forbidden", "GET", "/api/v1/secrets", None, {"Authorization": "Bearer anntoken"}),
    ("forbidden path", "GET", "/metrics", None, {"Authorization": "Bearer anntoken"}),
    ("unknown", "GET", MAPS, None, {"Authorization": "Bearer nobody"}),
    ("anonymous", "GET", MAPS, None, {"Authorization": ""}),
    ("impersonating", "GET", "/api/v1/pods", None, {"Impersonate-User": "ann", "Impersonate-Group": "dev"}),
    ("impersonating in vain", "GET", MAPS, None, {"Authorization": "Bearer anntoken", "Impersonate-User": "admin"}),
    ("path", "GET", "/version", None, {}),
    ("no path", "GET", "/nowhere", None, {}),
    ("no resource", "GET", "/api/v1/nonsense", None, {}),
    ("left out", "GET", "/readyz?verbose", None, {}),
    ("by proxy", "GET", "/version", None, {"X-Forwarded-For": "10.1.2.3, 10.4.5.6", "X-Real-Ip": "10.7.8.9"}),
    ("long agent", "GET", "/version", None, {"User-Agent": "x" * 2000}),
    ("nobody's method", "POST", f"{MAPS}/m", {}, {}),
]
UNTOLD = ("left-out",)
LATEST, LAST = "ResponseComplete", {"unknown": "ResponseStarted"}
"""The stage of the last event of a request."""
UNKNOWN_HERE = {
    "as table": "columns' descriptions and ages differ in their own test",
}


def events(port, file):
    """By name of request, what was told of it."""
    for name, method, path, body, headers in REQUESTS:
        call(port, method, path, body, {**headers, "Audit-ID": name.replace(" ", "-")})
    until(lambda: all(found and found[-1]["stage"] == LAST.get(name, LATEST) for name, found in told(file).items()))
    return told(file) | {name: [] for name in UNTOLD}


def told(file):
    """As far as the lines are whole."""
    found = {name.replace(" ", "-"): [] for name, *_ in REQUESTS if name.replace(" ", "-") not in UNTOLD}
    for line in Path(file).read_text().rpartition("\n")[0].splitlines():
        event = json.loads(line)
        if event["auditID"] in found:
            found[event["auditID"]].append(plain(event))
    return found


VOLATILE = {"requestReceivedTimestamp", "stageTimestamp", "uid", "resourceVersion", "creationTimestamp", "startTime"}


def plain(value, key=""):
    if isinstance(value, dict):
        return {k: "*" if k in VOLATILE and v else plain(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        value = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UID", value)
        value = re.sub(r"\bm-[a-z0-9]{5}\b", "m-xxxxx", value)
        return re.sub(r"kube-api-access-[a-z0-9]{5}", "kube-api-access-xxxxx", value)
    return value


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """(events of the reference, our events)."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "policy.yaml").write_text(POLICY)
    flags, ours = [f"--audit-policy-file={folder}/policy.yaml"], free_port()
    own = [sys.executable, "-m", "umiak.cli.main", "server", f"--data-dir={folder}/data", f"--port={ours}"]
    own += ["--store=memory", f"--token-file={folder}/tokens.csv", *flags, f"--audit-log-path={folder}/ours.log"]
    with ExitStack() as stack:
        try:
            theirs, _ = original(stack, folder, *flags, f"--audit-log-path={folder}/theirs.log")
        except reference.Missing as missing:
            pytest.skip(str(missing))
        mine = stack.enter_context(running(own, folder / "own.out"))
        ready(ours, mine, folder / "own.out")
        for port in (ours, theirs):
            call(port, "POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}}, {})
        yield events(theirs, folder / "theirs.log"), events(ours, folder / "ours.log")


@pytest.mark.parametrize("name", [name for name, *_ in REQUESTS])
def test_events(both, name):
    theirs, ours = (found[name.replace(" ", "-")] for found in both)
    if name in UNKNOWN_HERE:
        for event in (*theirs, *ours):
            event.pop("responseObject", None)
    assert ours == theirs
