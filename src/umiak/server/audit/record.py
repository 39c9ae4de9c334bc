"""What is known of one request so far, and its events of audit.k8s.io/v1, fields in the reference's order."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import msgspec

from umiak.api.kind import Kind
from umiak.objects.meta import format_micro_time
from umiak.objects.types import Object
from umiak.server.audit.policy import LEVEL_NAMES, RECEIVED, Level, Verdict
from umiak.server.contract import Decision, Request, User
from umiak.server.route import Route

LONGEST_AGENT = 1024
"""Characters of a User-Agent."""
DECISION, REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"
PATCHES = "patch.webhook.admission.k8s.io/"
"""Annotations that show objects, and are left out where those are."""
HEAD = b'{"kind":"Event","apiVersion":"audit.k8s.io/v1",'


class UserInfo(msgspec.Struct, omit_defaults=True):
    username: str = ""
    uid: str = ""
    groups: Sequence[str] = ()
    extra: Mapping[str, Sequence[str]] = {}


class Reference(msgspec.Struct, omit_defaults=True):
    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    apiGroup: str = ""
    apiVersion: str = ""
    resourceVersion: str = ""
    subresource: str = ""


class Event(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One stage of a request; encoded without kind and apiVersion, as items of a list have none."""

    level: str
    auditID: str
    stage: str
    requestURI: str
    verb: str
    user: UserInfo
    impersonatedUser: UserInfo | None = None
    authenticationMetadata: Object | None = None
    sourceIPs: Sequence[str] = ()
    userAgent: str = ""
    objectRef: Reference | None = None
    responseStatus: Object | None = None
    requestObject: msgspec.Raw | None = None
    responseObject: msgspec.Raw | None = None
    requestReceivedTimestamp: str
    stageTimestamp: str
    annotations: Mapping[str, str] = {}

    def item(self) -> bytes:
        return msgspec.json.encode(self)

    def line(self) -> bytes:
        return HEAD + self.item()[1:] + b"\n"


def user_of(user: User) -> UserInfo:
    return UserInfo(user.name, user.uid, user.groups, dict(sorted(user.extra.items())))


class Record:
    """Gathers what is told of one request. What is handed in is encoded at once, since callers change it later."""

    def __init__(self, request: Request, route: Route, verdict: Verdict, identity: str, now: datetime) -> None:
        self.verdict = verdict
        self.annotations: dict[str, str] = {}
        self._status: Object | None = None
        self._patched = False
        self._event = Event(
            level=LEVEL_NAMES[verdict.level],
            auditID=identity,
            stage=RECEIVED,
            requestURI=request.target or request.path,
            verb=route.verb,
            user=user_of(request.user),
            sourceIPs=sources(request),
            userAgent=_agent(request.header("user-agent")),
            objectRef=_reference(route) if route.is_resource else None,
            requestReceivedTimestamp=format_micro_time(now),
            stageTimestamp=format_micro_time(now),
        )

    def annotate(self, key: str, value: str) -> None:
        """What was said first stays."""
        self.annotations.setdefault(key, value)

    def impersonates(self, user: User, constraint: str = "") -> None:
        """`constraint` is the way of constrained impersonation that was gone."""
        self._event.impersonatedUser = user_of(user)
        if constraint:
            self._event.authenticationMetadata = {"impersonationConstraint": constraint}

    def sent(self, obj: Object, kind: Kind) -> None:
        """The object of a create or update, with its defaults, before anything else happened to it."""
        if self._patched:
            return
        self._refer(obj.get("metadata") or {})
        if self.verdict.level >= Level.REQUEST and self._event.requestObject is None:
            self._event.requestObject = self._raw(obj)

    def sent_options(self, options: Object) -> None:
        if self.verdict.level >= Level.REQUEST:
            self._event.requestObject = msgspec.Raw(msgspec.json.encode(options))

    def sent_patch(self, patch: bytes) -> None:
        """A patch in JSON."""
        self._patched = True
        if self.verdict.level >= Level.REQUEST:
            self._event.requestObject = msgspec.Raw(msgspec.json.format(patch, indent=-1))

    def decided(self, decision: Decision) -> None:
        """Whether the request is allowed, and why."""
        if not decision.allowed and decision.error:
            self.annotate(REASON, "internal error")
            return
        self.annotate(DECISION, "allow" if decision.allowed else "forbid")
        self.annotate(REASON, decision.reason)

    def _refer(self, about: Object) -> None:
        """Fills in of the reference what the path did not tell."""
        to = self._event.objectRef
        if to is None:
            return
        to.namespace = to.namespace or about.get("namespace") or ""
        to.name = to.name or about.get("name") or ""
        to.uid = to.uid or about.get("uid") or ""
        to.resourceVersion = to.resourceVersion or about.get("resourceVersion") or ""

    def _raw(self, obj: Object) -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(without_managers(obj) if self.verdict.without_managers else obj))

    def answered(self, code: int, body: Any = None) -> None:
        """`body` is what was answered, decoded, when it is an object of the API."""
        status: Object = {"metadata": {}}
        if isinstance(body, dict) and (body.get("kind"), body.get("apiVersion")) == ("Status", "v1"):
            status |= {name: body[name] for name in ("status", "message", "reason", "details") if name in body}
        self._status = {**status, "code": code}
        if isinstance(body, dict) and self.verdict.level >= Level.REQUEST_RESPONSE:
            self._event.responseObject = self._raw(body)

    @property
    def wants_answer(self) -> bool:
        """Whether the answer's body is told."""
        return self.verdict.level >= Level.REQUEST_RESPONSE

    def _shown(self) -> Iterable[tuple[str, str]]:
        for key, value in self.annotations.items():
            if self.verdict.level >= Level.REQUEST or not key.startswith(PATCHES):
                yield key, value

    def event(self, stage: str, now: datetime) -> Event | None:
        """None for a stage that is left out."""
        if stage in self.verdict.omitted:
            return None
        found = self._event
        found.stage = stage
        if stage != RECEIVED:
            found.stageTimestamp = format_micro_time(now)
        found.responseStatus = self._status
        found.annotations = dict(sorted(self._shown()))
        return msgspec.structs.replace(found)


def _reference(route: Route) -> Reference:
    return Reference(
        resource=route.resource,
        namespace=route.namespace,
        name=route.name,
        apiGroup=route.group,
        apiVersion=route.version,
        subresource=route.subresource,
    )


def without_managers(obj: Object) -> Object:
    """An object, list or table without managed fields; nothing of it is changed."""
    about = obj.get("metadata")
    found = dict(obj)
    if isinstance(about, dict) and "managedFields" in about:
        found["metadata"] = {name: value for name, value in about.items() if name != "managedFields"}
    if isinstance(items := obj.get("items"), list):
        found["items"] = [without_managers(item) if isinstance(item, dict) else item for item in items]
    if isinstance(rows := obj.get("rows"), list) and obj.get("kind") == "Table":
        found["rows"] = [{**row, "object": without_managers(row.get("object") or {})} for row in rows]
    return found


def _agent(text: str) -> str:
    return text if len(text) <= LONGEST_AGENT else text[:LONGEST_AGENT] + "...TRUNCATED"


def sources(request: Request) -> Sequence[str]:
    """Where it came from: what proxies say (anybody may claim that), then the other end of the connection."""
    found: list[str] = []
    for value in request.headers.get("x-forwarded-for") or ():
        found += filter(None, (_address(part) for part in value.split(",")))
    real = _address(request.header("x-real-ip"))
    if real and real not in found:
        found.append(real)
    remote = _address(request.peer_address)
    if remote and (not found or found[-1] != remote):
        found.append(remote)
    return tuple(found)


def _address(text: str) -> str:
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return ""


def legacy(event: Event) -> str:
    """One line of text (apiserver's `audit.EventString`)."""
    from umiak.objects.go_text import quoted

    def listed(words: Sequence[str]) -> str:
        return ",".join(quoted(word) for word in words)

    user, other, to = event.user, event.impersonatedUser, event.objectRef
    shown = {
        "id": event.auditID,
        "stage": event.stage,
        "ip": event.sourceIPs[0] if event.sourceIPs else "<unknown>",
        "method": event.verb,
        "user": user.username or "<none>",
        "groups": listed(user.groups) if user.username and user.groups else "<none>",
        "as": other.username if other else "<self>",
        "asgroups": listed(other.groups) if other and other.groups else "<lookup>",
        "user-agent": event.userAgent,
        "namespace": (to.namespace if to else "") or "<none>",
        "uri": event.requestURI,
    }
    code = event.responseStatus["code"] if event.responseStatus else "<deferred>"
    words = " ".join(f"{name}={quoted(value)}" for name, value in shown.items())
    return f'{event.requestReceivedTimestamp} AUDIT: {words} response="{code}"\n'
