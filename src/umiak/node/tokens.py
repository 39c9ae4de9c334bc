"""Service account tokens for pods: asked for, kept in memory, renewed in good time (kubelet/token)."""

import msgspec

from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.client.contract import Client
from umiak.kit.clock import Clock
from umiak.node import pods
from umiak.objects import meta
from umiak.objects.types import Object

LONGEST = 24 * 3600.0  # seconds after which a token is renewed however long it lives
RENEW_AT = 0.8  # of its life
LEEWAY = 60.0


class Token(msgspec.Struct, frozen=True):
    text: str
    renew_at: float
    """Seconds since the epoch."""


class Tokens:
    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[tuple[str, str, int], Token] = {}

    async def get(self, pod: Object, audience: str, seconds: int) -> Token:
        """A token of the pod's service account, bound to the pod. Raises StatusError or Unreachable."""
        key = (meta.uid(pod), audience, seconds)
        found = self._kept.get(key)
        now = self._clock.now().timestamp()
        if found is None or now >= found.renew_at:
            found = await self._request(pod, audience, seconds, now)
            self._kept[key] = found
        return found

    async def _request(self, pod: Object, audience: str, seconds: int, now: float) -> Token:
        name = pods.spec(pod).get("serviceAccountName") or "default"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"name": name, "namespace": meta.namespace(pod)},
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta.name(pod), "uid": meta.uid(pod)},
            },
        }
        answer = await self._client.create(
            SERVICE_ACCOUNT, body, namespace=meta.namespace(pod), subresource="token", name=name
        )
        status = answer["status"]
        ends = meta.parse_time(status["expirationTimestamp"]).timestamp()
        return Token(status["token"], min(now + (ends - now) * RENEW_AT, now + LONGEST))

    def forget(self, uid: str) -> None:
        for key in [k for k in self._kept if k[0] == uid]:
            del self._kept[key]
