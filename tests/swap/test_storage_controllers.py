"""kube-controller-manager's loops around storage and devices, and ours, leave the same behind.

A scenario is played to our server, once beside each, and with our loops to kube-apiserver, too; drivers, kubelets and
the scheduler are played by hand. After each act the state and the events are compared. What differs by nature (times,
uids, versions, generated names) is made equal; how often an event was told depends on the moment, and is not compared.
"""

import json
import re
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from umiak.kit.ports import free_port
from umiak.testing import reference

from .beside import call, original, ready, running

pytestmark = [pytest.mark.cluster, pytest.mark.shared, pytest.mark.long]

OURS = (
    "persistentvolume-attach-detach,persistentvolume-expander,persistentvolume-binder,persistentvolumeclaim-protection,"
    "persistentvolume-protection,resourceclaim,resourceclaim-template,device-taint-eviction,storage-version-migrator,"
    "garbage-collector,ephemeral-volume"
)
THEIRS = ",".join(f"{name}-controller" for name in OURS.split(",") if name != "resourceclaim-template")
UMIAK = [sys.executable, "-m", "umiak.cli.main"]
MERGE = "application/merge-patch+json"
CORE, DEFAULT = "/api/v1", "/api/v1/namespaces/default"
STORAGE, RESOURCE = "/apis/storage.k8s.io/v1", "/apis/resource.k8s.io/v1"
CLAIMS = f"{RESOURCE}/namespaces/default/resourceclaims"
MIGRATIONS = "/apis/storagemigration.k8s.io/v1/storageversionmigrations"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MANAGED = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
SIZE = {"storage": "1Gi"}
RWO = ["ReadWriteOnce"]


def node(name):
    return ("POST", f"{CORE}/nodes", {"metadata": {"name": name, "annotations": MANAGED}})


def is_ready(name, **status):
    body = {"status": {"conditions": [{"type": "Ready", "status": "True"}], **status}}
    return ("PATCH", f"{CORE}/nodes/{name}/status", body)


def volume(name, source, storage_class="", **spec):
    full = {"capacity": SIZE, "accessModes": RWO, "storageClassName": storage_class, **source, **spec}
    return ("POST", f"{CORE}/persistentvolumes", {"metadata": {"name": name}, "spec": full})


def csi(driver, handle):
    return {"csi": {"driver": driver, "volumeHandle": handle}}


def claim(name, **spec):
    full = {"accessModes": RWO, "resources": {"requests": SIZE}, "storageClassName": "", **spec}
    full = {k: v for k, v in full.items() if v is not None}
    return ("POST", f"{DEFAULT}/persistentvolumeclaims", {"metadata": {"name": name}, "spec": full})


def storage_class(name, provisioner, annotations=None, **more):
    about = {"name": name, "annotations": annotations or {}}
    return ("POST", f"{STORAGE}/storageclasses", {"metadata": about, "provisioner": provisioner, **more})


def pod(name, on="", claims=(), **spec):
    volumes = [{"name": f"v{i}", "persistentVolumeClaim": {"claimName": c}} for i, c in enumerate(claims)]
    full = {"containers": [{"name": "c", "image": "i"}], "volumes": volumes, **spec}
    return ("POST", f"{DEFAULT}/pods", {"metadata": {"name": name}, "spec": full | ({"nodeName": on} if on else {})})


def end(name):
    return ("DELETE", f"{DEFAULT}/pods/{name}", {"gracePeriodSeconds": 0})


def attachment(act, **status):
    """What an attacher says of the attachment to a node."""
    return lambda world: ("PATCH", f"{STORAGE}/volumeattachments/{world.attachment(act)}/status", {"status": status})


REQUEST = {"name": "r", "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}}
WISH = {"devices": {"requests": [REQUEST]}}
RESULT = {"request": "r", "driver": "d.example.com", "pool": "p", "device": "one"}


def allocated(name, user):
    def act(world):
        uid = world.get(f"{DEFAULT}/pods/{user}")["metadata"]["uid"]
        reserved = [{"resource": "pods", "name": user, "uid": uid}]
        status = {"allocation": {"devices": {"results": [RESULT]}}, "reservedFor": reserved}
        return ("PATCH", f"{CLAIMS}/{name}/status", {"status": status})

    return act


def device_claim(name):
    about = {"name": name, "finalizers": ["resource.kubernetes.io/delete-protection"]}
    return ("POST", CLAIMS, {"metadata": about, "spec": WISH})


def uses(name, **how):
    return {"resourceClaims": [{"name": name, **how}]}


def rule(name, effect):
    spec = {"deviceSelector": {"device": "one"}, "taint": {"key": "broken", "effect": effect}}
    return ("POST", f"{RESOURCE}/devicetaintrules", {"metadata": {"name": name}, "spec": spec})


SLICE = {
    "driver": "d.example.com",
    "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
    "nodeName": "one",
    "devices": [{"name": "one"}, {"name": "two"}],
}
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


def versions(*stored):
    return [{"name": f"v{i}", "served": True, "storage": s, "schema": SCHEMA} for i, s in enumerate(stored, 1)]


NAMES = {"plural": "things", "kind": "Thing", "singular": "thing", "listKind": "ThingList"}
THING = {"apiVersion": "g.example.com/v1", "kind": "Thing"}
DEFINITION = {"group": "g.example.com", "scope": "Cluster", "names": NAMES, "versions": versions(True, False)}


def migration(name, plural, group=""):
    resource = {"resource": plural} | ({"group": group} if group else {})
    return ("POST", MIGRATIONS, {"metadata": {"name": name}, "spec": {"resource": resource}})


SCENARIO = {
    "nodes": [node("one"), node("two"), is_ready("one"), is_ready("two")],
    "a bound claim": [volume("pv", csi("a.example.com", "h")), claim("data", volumeName="pv")],
    "a pod that uses it": [pod("web", "one", ["data"])],
    "its volume is attached": [attachment("one", attached=True)],
    "it is in use": [is_ready("one", volumesInUse=["kubernetes.io/csi/a.example.com^h"])],
    "a second pod, elsewhere": [pod("other", "two", ["data"])],
    "the first ends": [end("web")],
    "its node lets go": [is_ready("one", volumesInUse=[])],
    "attaching fails": [attachment("two", attached=False, attachError={"message": "no such disk"})],
    "attaching succeeds": [attachment("two", attached=True, attachError=None)],
    "a driver that does not attach": [
        ("POST", f"{STORAGE}/csidrivers", {"metadata": {"name": "b.example.com"}, "spec": {"attachRequired": False}}),
        volume("plain", csi("b.example.com", "h")),
        claim("plain", volumeName="plain"),
        pod("plain", "one", ["plain"]),
    ],
    "a type that moved into a driver": [
        volume("old", {"cinder": {"volumeID": "c-1"}}),
        claim("old", volumeName="old"),
        pod("old", "one", ["old"]),
    ],
    "which attaches it": [attachment("one", attached=True)],
    "nothing to attach to": [
        pod(
            "block",
            "one",
            [],
            volumes=[{"name": "v", "iscsi": {"targetPortal": "1.2.3.4", "iqn": "iqn.2026-01.x:y", "lun": 1}}],
        )
    ],
    "classes": [
        storage_class("none", "kubernetes.io/no-provisioner"),
        storage_class("moved", "kubernetes.io/cinder"),
        storage_class("driver", "c.example.com"),
        storage_class("growing", "c.example.com", allowVolumeExpansion=True),
        storage_class("late", "c.example.com", volumeBindingMode="WaitForFirstConsumer"),
    ],
    "claims that wait": [
        claim("of-none", storageClassName="none"),
        claim("of-moved", storageClassName="moved"),
        claim("of-driver", storageClassName="driver"),
        claim("of-late", storageClassName="late"),
        claim("of-missing", storageClassName="missing"),
        claim("of-nobody"),
        claim("of-default", storageClassName=None),
    ],
    "a consumer": [pod("consumer", "", ["of-late"])],
    "a default class comes": [
        storage_class("standard", "c.example.com", {"storageclass.kubernetes.io/is-default-class": "true"})
    ],
    "a claim grows": [
        volume("grows", csi("c.example.com", "g"), "growing"),
        claim("grows", storageClassName="growing", volumeName="grows"),
    ],
    "and asks for more": [
        ("PATCH", f"{DEFAULT}/persistentvolumeclaims/grows", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    ],
    "volumes that nobody can delete": [
        volume("host", {"hostPath": {"path": "/data"}}, "manual", persistentVolumeReclaimPolicy="Delete"),
        volume("net", {"nfs": {"server": "s", "path": "/"}}, "manual", persistentVolumeReclaimPolicy="Delete"),
        volume("here", {"fc": {"wwids": ["w"]}}, "manual", persistentVolumeReclaimPolicy="Delete"),
        *(claim(name, volumeName=name, storageClassName="manual") for name in ("host", "net", "here")),
    ],
    "are released": [("DELETE", f"{DEFAULT}/persistentvolumeclaims/{n}", None) for n in ("host", "net", "here")],
    "a claim for a device, without its template": [pod("gpu", "", (), **uses("dev", resourceClaimTemplateName="tpl"))],
    "its template": [
        (
            "POST",
            f"{RESOURCE}/namespaces/default/resourceclaimtemplates",
            {"metadata": {"name": "tpl"}, "spec": {"metadata": {"labels": {"a": "b"}}, "spec": WISH}},
        )
    ],
    "the pod is done": [("PATCH", f"{DEFAULT}/pods/gpu/status", {"status": {"phase": "Succeeded"}})],
    "a shared claim": [
        device_claim("shared"),
        pod("first", "one", (), **uses("s", resourceClaimName="shared")),
        allocated("shared", "first"),
        pod("second", "one", (), **uses("s", resourceClaimName="shared")),
    ],
    "one user ends": [end("first")],
    "the other, too": [end("second")],
    "a device in use": [
        ("POST", f"{RESOURCE}/resourceslices", {"metadata": {"name": "s"}, "spec": SLICE}),
        device_claim("device"),
        pod("user", "one", (), **uses("d", resourceClaimName="device")),
        allocated("device", "user"),
    ],
    "a rule without effect": [rule("would", "None")],
    "a rule of another effect": [rule("does-not", "NoSchedule")],
    "a rule that evicts": [rule("does", "NoExecute")],
    "built-in objects are migrated": [
        ("POST", f"{DEFAULT}/configmaps", {"metadata": {"name": "before"}}),
        migration("m", "configmaps"),
        ("POST", f"{DEFAULT}/configmaps", {"metadata": {"name": "after"}}),
    ],
    "what cannot be migrated": [migration("bad", "bindings")],
    "a kind of the user's": [("POST", DEFINITIONS, {"metadata": {"name": "things.g.example.com"}, "spec": DEFINITION})],
    "is stored in another version": [
        ("POST", "/apis/g.example.com/v1/things", {"metadata": {"name": "one"}} | THING),
        ("PATCH", f"{DEFINITIONS}/things.g.example.com", {"spec": {"versions": versions(False, True)}}),
        migration("things", "things", "g.example.com"),
    ],
}
PATIENT = {
    "attaching succeeds": 6.0,
    "a default class comes": 17.0,
    "a rule that evicts": 13.0,
    "built-in objects are migrated": 4.0,
    "a claim for a device, without its template": 2.0,
}
"""Seconds without any change after which an act counts as over, where that takes longer than usual."""
USUAL = 1.6
LABEL = re.compile(r'(\w+="[^"]*")')
COUNTED = (
    "attach_detach_controller_",
    "attachdetach_controller_total_volumes",
    "storage_count_attachable_volumes_in_use",
    "device_taint_eviction_controller_pod_deletions_total",
    "dynamic_resource_allocation_resource_claims",
    "pv_collector_",
    "retroactive_storageclass_",
)
"""Not resourceclaim_creates_total: the reference makes the claim of a finished pod anew, and deletes it again."""


class World:
    """One API server, as an administrator sees it."""

    def __init__(self, port):
        self.port = port

    def get(self, path):
        status, body = call(self.port, "GET", path, None, {})
        assert status == 200, body
        return json.loads(body)

    def items(self, path):
        return self.get(path)["items"]

    def attachment(self, on):
        found = self.items(f"{STORAGE}/volumeattachments")
        return next(a["metadata"]["name"] for a in found if a["spec"]["nodeName"] == on)

    def act(self, wanted):
        method, path, body = wanted(self) if callable(wanted) else wanted
        headers = {"Content-Type": MERGE} if method == "PATCH" else {}
        status, answer = call(self.port, method, path, body, headers)
        assert status < 300, (method, path, answer)

    def state(self):
        return plain(
            {
                "attachments": [(a["metadata"]["name"], a["spec"]) for a in self.items(f"{STORAGE}/volumeattachments")],
                "nodes": {n["metadata"]["name"]: attached(n) for n in self.items(f"{CORE}/nodes")},
                "claims": list(map(essence, self.items(f"{DEFAULT}/persistentvolumeclaims"))),
                "volumes": list(map(essence, self.items(f"{CORE}/persistentvolumes"))),
                "pods": list(map(of_pod, self.items(f"{DEFAULT}/pods"))),
                "devices": list(map(essence, self.items(CLAIMS))),
                "rules": list(map(essence, self.items(f"{RESOURCE}/devicetaintrules"))),
                "migrations": list(map(essence, self.items(MIGRATIONS))),
                "definitions": list(map(of_definition, self.items(DEFINITIONS))),
            }
        )

    def events(self):
        found = self.items(f"{CORE}/events")
        told = {
            (e["source"]["component"], e["type"], e["reason"], e["involvedObject"]["name"], e["message"]) for e in found
        }
        return plain(sorted(told))

    def settled(self, quiet):
        """State and events once nothing has changed for `quiet` seconds, and no migration is at work; 90 s at most."""
        seen, since, until = None, time.monotonic(), time.monotonic() + 90
        while time.monotonic() < until:
            found = (self.state(), self.events())
            if found != seen:
                seen, since = found, time.monotonic()
            elif time.monotonic() - since > quiet and all(map(is_over, found[0]["migrations"])):
                break
            time.sleep(0.4)
        return seen


def attached(node):
    return sorted(v["name"] for v in node["status"].get("volumesAttached") or ())


def essence(obj):
    about = obj["metadata"]
    kept = {k: about.get(k) for k in ("name", "annotations", "labels", "finalizers")}
    owners = [o["name"] for o in about.get("ownerReferences") or ()]
    status = dict(obj.get("status") or {})
    status["conditions"] = sorted(status.get("conditions") or [], key=lambda c: c["type"])
    bound = {k: (obj.get("spec") or {}).get(k) for k in ("volumeName", "storageClassName")}
    return [kept, owners, bound, bool((obj.get("spec") or {}).get("claimRef")), status, "deletionTimestamp" in about]


def is_over(migration):
    """Whether a migration, as `essence` shows it, was put away."""
    _, _, _, _, status, _ = migration
    return any(c["type"] == "Running" and c["status"] == "False" for c in status["conditions"])


def of_definition(found):
    told = [c for c in found["status"]["conditions"] if c["type"] == "StorageMigrating"]
    return [found["metadata"]["name"], found["status"]["storedVersions"], told]


def of_pod(found):
    status = found["status"]
    target = [c for c in status.get("conditions") or () if c["type"] == "DisruptionTarget"]
    return [
        found["metadata"]["name"],
        status.get("resourceClaimStatuses"),
        target,
        "deletionTimestamp" in found["metadata"],
    ]


UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
GENERATED = re.compile(r"\b(gpu-dev-)[a-z0-9]{5}\b")
VERSION = re.compile(r'"resourceVersion": "\d+"')


def plain(found):
    text = json.dumps(found, sort_keys=True, default=list)
    text = GENERATED.sub(r"\1x", TIME.sub("TIME", UID.sub("UID", text)))
    return json.loads(VERSION.sub('"resourceVersion": "N"', text))


def our_server(stack, folder):
    port, tokens = free_port(), folder / "tokens.csv"
    tokens.write_text('admintoken,admin,admin,"system:masters"\n')
    command = [*UMIAK, "server", f"--data-dir={folder}/data", f"--port={port}", f"--token-file={tokens}"]
    process = stack.enter_context(running(command, folder / "server.out"))
    ready(port, process, folder / "server.out")
    return port


def their_server(stack, folder):
    return original(stack, folder)[0]


def our_controllers(config, folder):
    return [*UMIAK, "controllers", f"--kubeconfig={config}", f"--controllers={OURS}"]


def their_controllers(config, folder):
    command = [reference.program("kube-controller-manager"), f"--controllers={THEIRS}", "--leader-elect=false"]
    command += [f"--{who}kubeconfig={config}" for who in ("", "authentication-", "authorization-")]
    return [*command, f"--cert-dir={folder}/certs", "--bind-address=127.0.0.1"]


def play(folder: Path, server, controllers):
    """What each act leaves behind, and at the end all events and what was counted."""
    folder.mkdir()
    config, telling, left = folder / "admin.kubeconfig", free_port(), {}
    with ExitStack() as stack:
        port = server(stack, folder)
        config.write_text(kubeconfig(port))
        command = [*controllers(config, folder), f"--secure-port={telling}"]
        stack.enter_context(running(command, folder / "controllers.out"))
        world = World(port)
        call(port, "POST", f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "default"}}, {})
        for title, acts in SCENARIO.items():
            for act in acts:
                world.act(act)
            left[title], events = world.settled(PATIENT.get(title, USUAL))
        return left, events, counted(telling)


def counted(port):
    """What the controllers count of storage and devices; the order of labels, and what is zero, do not matter."""
    status, body = call(port, "GET", "/metrics", None, {})
    assert status == 200, body
    lines = [line for line in body.decode().splitlines() if line.startswith(COUNTED)]
    return sorted(f"{name}{sorted(LABEL.findall(labels))} {n}" for name, labels, n in map(parts, lines) if n != "0")


def parts(line):
    series, _, value = line.rpartition(" ")
    name, _, labels = series.partition("{")
    return name, labels, value


def kubeconfig(port):
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "admintoken"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    try:
        return play(tmp_path_factory.mktemp("controllers") / "theirs", our_server, their_controllers)
    except reference.Missing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=[our_server, their_server])
def both(request, theirs, tmp_path_factory):
    """Theirs, and ours: beside our server, and beside theirs."""
    return theirs, play(tmp_path_factory.mktemp("controllers") / "ours", request.param, our_controllers)


@pytest.mark.parametrize("title", SCENARIO)
def test_the_same_is_left_behind(both, title):
    (theirs, *_), (ours, *_) = both
    assert ours[title] == theirs[title]


def test_the_same_is_told(both):
    (_, theirs, _), (_, ours, _) = both
    assert [e for e in theirs if e not in ours] == []
    assert [e for e in ours if e not in theirs] == []


def test_the_same_is_counted(both):
    (_, _, theirs), (_, _, ours) = both
    assert ours == theirs
