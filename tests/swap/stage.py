"""A namespace on an API server where controllers play: writes, a kubelet turned by hand, and what is there at the end.

What differs by nature (times, uids, versions, generated names, addresses) is made equal, so that two runs can be
compared as they are.
"""

import json
import re
import ssl
import threading
import time
import urllib.request
from collections import defaultdict

from .beside import call

CORE = "pods services endpoints persistentvolumeclaims resourcequotas serviceaccounts configmaps secrets events"
GROUPS = {
    "apps/v1": "deployments replicasets statefulsets daemonsets controllerrevisions",
    "batch/v1": "jobs cronjobs",
    "discovery.k8s.io/v1": "endpointslices",
    "policy/v1": "poddisruptionbudgets",
    "autoscaling/v2": "horizontalpodautoscalers",
}
ROOTS = dict.fromkeys([*CORE.split(), "replicationcontrollers"], "/api/v1")
ROOTS |= {plural: f"/apis/{version}" for version, plurals in GROUPS.items() for plural in plurals.split()}
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
GENERATED = re.compile("[bcdfghjklmnpqrstvwxz2456789]{5}")
EQUAL = [
    (r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----", "PEM"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "TIME"),
    (r"\b10\.96\.\d+\.\d+\b", "SERVICE-IP"),
    (r"\b10\.244\.\d+\.\d+\b", "POD-IP"),
    (r"-29\d{6}\b", "-MINUTE"),  # in the names of a CronJob's Jobs
    (r'(pods \\"\w+-)[b-z2-9]{5}\\"', r'\1*\\"'),  # refused ones, which nobody ever saw
]
"""Patterns of what differs by nature, and what to write for it."""
LEFT_OUT = {"managedFields", "resourceVersion", "creationTimestamp", "generation", "observedGeneration"}
LEFT_OUT |= {"endpoints.kubernetes.io/last-change-trigger-time"}  # the original loses it when it has to try again
QUIET, PAUSE, LONGEST = 3.0, 0.3, 40.0
"""Seconds: without a change the controllers are done; between two looks for something; the longest wait."""


class Refused(Exception):
    """The server's answer was no success."""


class Activity:
    """When something last changed in each namespace, by watching everything but events and secrets; and the names that
    were given, also of what is gone since."""

    def __init__(self, port):
        self.last = defaultdict(time.monotonic)
        self.names = {}
        for plural, root in ROOTS.items():
            if plural not in ("events", "secrets"):
                url = f"https://127.0.0.1:{port}{root}/{plural}?watch=1"
                threading.Thread(target=self._watch, args=(plural, url), daemon=True).start()

    def note(self, plural, items):
        """What is seen by watching counts more."""
        for item in items:
            for name, shown in given(plural, item["metadata"]).items():
                self.names.setdefault(name, shown)

    def _watch(self, plural, url):
        request = urllib.request.Request(url, headers={"Authorization": "Bearer admintoken"})
        try:
            with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as answer:
                for text in answer:
                    changed = json.loads(text)["object"]
                    self.last[changed["metadata"].get("namespace")] = time.monotonic()
                    self.names |= given(plural, changed["metadata"])
        except (OSError, KeyError, ValueError):
            return  # the server has gone


class Stage:
    def __init__(self, port, namespace, activity):
        self.port, self.namespace, self.activity = port, namespace, activity
        self.kept = {}
        """What else of the cluster is to be compared."""
        self.do("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})

    # the API

    def do(self, method, path, body=None, content="application/json", check=True):
        status, data = call(self.port, method, path, body, {"Content-Type": content})
        if check and status >= 300:
            raise Refused(f"{method} {path}: {status} {data.decode()[:300]}")
        return json.loads(data) if data else {}

    def path(self, plural, name="", sub=""):
        where = f"{ROOTS[plural]}/namespaces/{self.namespace}/{plural}"
        return "/".join(part for part in (where, name, sub) if part)

    def create(self, plural, obj):
        return self.do("POST", self.path(plural), obj)

    def get(self, plural, name):
        return self.do("GET", self.path(plural, name))

    def list(self, plural):
        return self.do("GET", self.path(plural))["items"] or []

    def change(self, plural, name, patch, sub="", content=MERGE):
        return self.do("PATCH", self.path(plural, name, sub), patch, content)

    def delete(self, plural, name, propagation="Background", grace=None):
        options = {"propagationPolicy": propagation} | ({} if grace is None else {"gracePeriodSeconds": grace})
        return self.do("DELETE", self.path(plural, name), options, check=False)

    def keep(self, name, *values):
        """Has something outside the namespace compared, too."""
        self.kept[name] = list(values)
        self.activity.note(name, [v for v in values if isinstance(v, dict) and "uid" in (v.get("metadata") or {})])

    def told_of(self, kind):
        """Events about objects of the cluster that are named like the namespace."""
        events = self.do("GET", "/api/v1/namespaces/default/events")["items"]
        mine = [e for e in events if e["involvedObject"].get("kind") == kind]
        return sorted(lines(e for e in mine if e["involvedObject"]["name"].startswith(self.namespace)))

    # time

    def settle(self):
        """Waits until nothing has changed for a while."""
        began = time.monotonic()
        while (now := time.monotonic()) < began + LONGEST:
            left = max(self.activity.last[self.namespace], began) + QUIET - now
            if left <= 0:
                return
            time.sleep(left)

    def until(self, happens, seconds=LONGEST):
        """Waits for something that takes its time."""
        end = time.monotonic() + seconds
        while not happens() and time.monotonic() < end:
            time.sleep(PAUSE)

    # the kubelet

    def bind(self, node="n1", only=lambda pod: True):
        for pod in self.list("pods"):
            if not pod["spec"].get("nodeName") and only(pod) and not pod["metadata"].get("deletionTimestamp"):
                body = {"target": {"kind": "Node", "name": node}}
                name = pod["metadata"]["name"]
                about = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
                self.do("POST", self.path("pods", name, "binding"), {**about, **body}, check=False)

    def run(self, only=lambda pod: True):
        """All pods come to a node and get ready; those being deleted go."""
        self.bind(only=only)
        for number, pod in enumerate(sorted(self.list("pods"), key=lambda p: p["metadata"]["name"])):
            if pod["metadata"].get("deletionTimestamp"):
                self.delete("pods", pod["metadata"]["name"], grace=0)
            elif only(pod) and (pod.get("status") or {}).get("phase") == "Pending":
                self.report(pod, "Running", ip=f"10.244.0.{number + 5}")
        self.settle()

    def report(self, pod, phase, *, ready=None, exit_code=None, ip="", conditions=()):
        ip = ip or (pod.get("status") or {}).get("podIP") or "10.244.0.4"
        ready = phase == "Running" if ready is None else ready
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        told = [{"type": "Ready", "status": str(ready), "lastTransitionTime": stamp}, *conditions]
        status = {"phase": phase, "conditions": told, "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.0.2.1"}
        status["hostIPs"] = [{"ip": "192.0.2.1"}]
        if exit_code is not None:
            ended = {"exitCode": exit_code, "startedAt": stamp, "finishedAt": stamp, "reason": "Error"}
            about = {"name": pod["spec"]["containers"][0]["name"], "ready": False, "restartCount": 0, "image": "i"}
            status["containerStatuses"] = [{**about, "imageID": "i", "state": {"terminated": ended}}]
        self.change("pods", pod["metadata"]["name"], {"status": status}, "status", STRATEGIC)

    def end(self, phase, exit_code=0, only=lambda pod: True, conditions=()):
        """Running pods end."""
        for pod in self.list("pods"):
            if (pod.get("status") or {}).get("phase") == "Running" and only(pod):
                self.report(pod, phase, exit_code=exit_code, conditions=conditions)
        self.settle()

    # the curtain

    def scene(self):
        """Everything in the namespace, by kind, without what differs by nature; events as sets of lines."""
        found = {plural: self.list(plural) for plural in ROOTS}
        text = json.dumps({**found, **self.kept, "events": [], "told": sorted(lines(found["events"]))})
        self.activity.note("secrets", found["secrets"])
        for old, new in sorted(dict(self.activity.names).items(), key=lambda pair: -len(pair[0])):
            text = text.replace(old, new)
        for pattern, new in EQUAL:
            text = re.sub(pattern, new, text)
        seen = without(json.loads(text.replace(self.namespace, "NS")))
        seen["told"] = set(seen["told"])  # which of several pods it was is no matter now
        return {kind: sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) for kind, items in seen.items()}


def given(plural, about):
    """What to write for a name that was made up, and for a uid."""
    said, name, prefix = {}, about["name"], about.get("generateName") or ""
    if prefix and GENERATED.fullmatch(name.removeprefix(prefix)):
        said[name] = f"{prefix}*"
    return said | {about["uid"]: f"uid of {plural} {said.get(name, name)}"}


def lines(events):
    """What controllers told; the server's own loops tell of services when they find the time."""
    return {line(e) for e in events if not e.get("reportingComponent", "").startswith("ipallocator")}


def line(event):
    about, source = event.get("involvedObject") or event.get("regarding") or {}, event.get("source") or {}
    where = f"{about.get('kind')} {about.get('name')} {about.get('fieldPath', '')}".strip()
    who = f"{source.get('component', '')}/{event.get('reportingComponent', '')}"
    return f"{where}: {event['type']} {event['reason']} ({who}): {event.get('message', '')}"


def without(value):
    """The same without the fields that tell how often something was written, and by whom."""
    if isinstance(value, dict):
        kept = {key: without(inner) for key, inner in value.items() if key not in LEFT_OUT}
        if "addressType" in kept:  # the original writes the endpoints of a slice in any order
            kept["endpoints"] = sorted(kept.get("endpoints") or (), key=json.dumps)
        return kept
    return [without(inner) for inner in value] if isinstance(value, list) else value
