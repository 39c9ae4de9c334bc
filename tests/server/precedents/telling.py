"""Requests to one server, and how many of them were decided by precedent."""

import json

from umiak.server.contract import MASTERS, User
from umiak.server.local import LocalTransport
from umiak.server.precedents.cases import Case

ADMIN = User("admin", groups=(MASTERS, "system:authenticated"))
OTHER = User("other", groups=(MASTERS, "system:authenticated"))
JSON = "application/json"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


async def answer(app, method, path, kind=JSON, body=None, user=ADMIN):
    """(status, headers, body)"""
    text = body or b""
    if not isinstance(text, bytes):
        text = json.dumps(body, separators=(",", ":")).encode()
    found = await LocalTransport(app, user).request(method, path, {"content-type": kind, "user-agent": "t"}, text)
    return found.status, sorted(found.headers.items()), found.body


def counting(monkeypatch):
    """A list that gets one item for each write that is decided by precedent."""
    followed, follow = [], Case.follow

    async def noted(self):
        value = await follow(self)
        if value is not None:
            followed.append(value)
        return value

    monkeypatch.setattr(Case, "follow", noted)
    return followed


def policy(operation):
    """A policy that refuses pods by the name `a`, put in force and taken away again."""
    return {
        "policy": ("POST", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", {
            "metadata": {"name": "p"},
            "spec": {
                "matchConstraints": {"resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": ["pods"]}
                ]},
                "validations": [{"expression": "object.metadata.name != 'a'"}],
            },
        }),
        "binding": ("POST", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings", {
            "metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}
        }),
        "no policy": ("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p", None),
        "no binding": ("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/b", None),
    }  # fmt: skip
