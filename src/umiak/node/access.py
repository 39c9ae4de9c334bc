"""Who may use the agent's endpoint: the API server by its certificate, others as the API server says (KEP-2862).

As kubelet does it: client certificate or bearer token tell who it is (TokenReview), a SubjectAccessReview whether the
access is allowed. Answers are remembered for a while.
"""

import hashlib

import msgspec

from umiak.client.contract import Client, Unreachable
from umiak.kit.clock import Clock
from umiak.node.subject import Malformed, names
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

MASTERS = "system:masters"
ALLOWED_FOR, REFUSED_FOR, TOKEN_FOR = 300.0, 30.0, 120.0  # seconds
MAX_REMEMBERED = 1024
TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Caller(msgspec.Struct, frozen=True):
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


def subresource(path: str) -> str:
    """Which part of the node a path belongs to (kubelet's server/auth.go)."""
    for prefix, part in (("/stats", "stats"), ("/metrics", "metrics"), ("/logs", "log"), ("/checkpoint", "checkpoint")):
        if path == prefix or path.startswith(prefix + "/"):
            return part
    if path.startswith(("/pods", "/runningpods")):
        return "pods"
    return "healthz" if path == "/healthz" else "proxy"


class Access:
    def __init__(self, client: Client, clock: Clock, node: str) -> None:
        self._client, self._clock, self._node = client, clock, node
        self._callers: dict[str, tuple[float, Caller | None]] = {}
        self._verdicts: dict[tuple[Caller, str, str], tuple[float, bool]] = {}

    async def caller(self, certificate: bytes, authorization: str) -> Caller | None:
        """None when nobody can be told; then the answer is 401. Raises StatusError or Unreachable."""
        if certificate:
            try:
                name, groups = names(certificate)
            except Malformed:
                return None
            return Caller(name, tuple(groups)) if name else None
        scheme, _, token = authorization.partition(" ")
        return await self._by_token(token) if scheme.lower() == "bearer" and token else None

    async def _by_token(self, token: str) -> Caller | None:
        key = hashlib.sha256(token.encode()).hexdigest()
        known = self._callers.get(key)
        now = self._clock.monotonic()
        if known is not None and now < known[0]:
            return known[1]
        answer = await self._ask(TOKEN_REVIEWS, "authentication.k8s.io/v1", "TokenReview", {"token": token})
        user = answer.get("user") or {}
        found = None
        if answer.get("authenticated"):
            found = Caller(user.get("username", ""), tuple(user.get("groups") or ()), user.get("uid", ""))
        _remember(self._callers, key, (now + TOKEN_FOR, found))
        return found

    async def allowed(self, caller: Caller, method: str, path: str) -> bool:
        """Raises StatusError or Unreachable."""
        if MASTERS in caller.groups:
            return True
        verb, part = VERBS.get(method, method.lower()), subresource(path)
        key, now = (caller, verb, part), self._clock.monotonic()
        known = self._verdicts.get(key)
        if known is not None and now < known[0]:
            return known[1]
        about = {"verb": verb, "version": "v1", "resource": "nodes", "subresource": part, "name": self._node}
        who = {"user": caller.name, "groups": list(caller.groups), "uid": caller.uid}
        wanted = {**who, "resourceAttributes": about}
        answer = await self._ask(ACCESS_REVIEWS, "authorization.k8s.io/v1", "SubjectAccessReview", wanted)
        verdict = bool(answer.get("allowed"))
        _remember(self._verdicts, key, (now + (ALLOWED_FOR if verdict else REFUSED_FOR), verdict))
        return verdict

    async def _ask(self, path: str, version: str, kind: str, spec: Object) -> Object:
        body = {"apiVersion": version, "kind": kind, "spec": spec}
        answer = await self._client.raw("POST", path, body)
        found: Object = msgspec.json.decode(answer.body)
        return found.get("status") or {}


def _remember(kept: dict, key: object, value: object) -> None:
    kept[key] = value
    if len(kept) > MAX_REMEMBERED:
        del kept[next(iter(kept))]


Failure = (StatusError, Unreachable)
