"""Certificates for pods: a key is made here, a PodCertificateRequest asks a signer for its certificate (KEP-4317).

Like tokens they are kept in memory and renewed in good time; a restart of the agent asks anew. Nothing is watched but
while a certificate is waited for.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from umiak.api.certificates.podcertificaterequest import KIND
from umiak.api.core.node import KIND as NODE
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.client.contract import Client
from umiak.kit.clock import Clock
from umiak.node import pods
from umiak.node.podkey import Made, make_apart
from umiak.node.volume import CannotMount
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.contract import Recorder

PATIENCE = 10.0
"""Seconds that one attempt to mount waits for the signer."""
SPREAD = 300.0
"""Seconds by which renewals are spread, so that pods which started together do not ask together."""
OVERDUE = timedelta(minutes=10)
NOT_YET = "credential bundle is not issued yet"
BLOCK = re.compile(r"-----BEGIN ([^-]+)-----\s+(?:[\w-]+: [^\n]*\n)*([A-Za-z0-9+/=\s]+?)-----END \1-----")


class Issued(msgspec.Struct, frozen=True):
    """What goes into the volume, PEM both."""

    key: bytes
    chain: bytes
    renew_at: datetime
    ends: datetime


class _Credential(msgspec.Struct):
    """Of one projected source of one pod: what it has, and what it waits for."""

    issued: Issued | None = None
    waits: tuple[str, Made] | None = None
    """The name of the request, and its key."""
    refused: str = ""
    """Why there will never be one."""
    told: set[str] = msgspec.field(default_factory=set)
    """Events about the certificate at hand."""
    lock: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)


class PodCertificates:
    """`get` is called at every mount and refresh of a volume."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        chance: random.Random,
        events: Recorder,
        node: str,
        make_key: Callable[[str], Awaitable[Made]] = make_apart,
    ) -> None:
        self._client, self._clock, self._chance, self._events = client, clock, chance, events
        self._node = node
        self._make_key = make_key
        self._kept: dict[tuple[str, str, int], _Credential] = {}

    async def get(self, pod: Object, volume: str, index: int, source: Object) -> Issued:
        """The certificate of the volume's source number `index`. Raises CannotMount, StatusError and Unreachable."""
        found = self._kept.setdefault((meta.uid(pod), volume, index), _Credential())
        async with found.lock:
            if not found.refused and (found.issued is None or self._clock.now() >= found.issued.renew_at):
                self._remind(pod, found)
                await self._renew(pod, source, found)
            if found.refused or found.issued is None:
                raise CannotMount(found.refused or NOT_YET)
            return found.issued

    def forget(self, uid: str) -> None:
        for key in [k for k in self._kept if k[0] == uid]:
            del self._kept[key]

    async def _renew(self, pod: Object, source: Object, found: _Credential) -> None:
        """A step towards a (new) certificate. Only who has none waits for it."""
        if found.waits is None:
            found.waits = await self._ask(pod, source)
        name, key = found.waits
        patience = 0.0 if found.issued else PATIENCE
        answer = await self._answer(pod, name, patience)
        if answer is None:
            found.waits = None
            raise CannotMount(f'PodCertificateRequest "{meta.namespace(pod)}/{name}" appears to have been deleted')
        self._take(pod, found, key, answer)

    async def _ask(self, pod: Object, source: Object) -> tuple[str, Made]:
        namespace = meta.namespace(pod)
        account = pods.spec(pod).get("serviceAccountName") or "default"
        try:
            key = await self._make_key(source.get("keyType") or "")
        except ValueError as error:
            raise CannotMount(f"while generating keypair: {error}") from error
        account_uid = meta.uid(await self._client.get(SERVICE_ACCOUNT, account, namespace))
        node_uid = meta.uid(await self._client.get(NODE, self._node))
        spec = {
            "signerName": source.get("signerName"),
            "podName": meta.name(pod),
            "podUID": meta.uid(pod),
            "serviceAccountName": account,
            "serviceAccountUID": account_uid,
            "nodeName": self._node,
            "nodeUID": node_uid,
            "stubPKCS10Request": key.request,
        }
        for ours, theirs in (("maxExpirationSeconds",) * 2, ("unverifiedUserAnnotations", "userAnnotations")):
            if source.get(theirs) is not None:
                spec[ours] = source[theirs]
        owner = {"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod)}
        about = {"namespace": namespace, "generateName": "req-", "ownerReferences": [owner]}
        wanted = {"apiVersion": "certificates.k8s.io/v1", "kind": KIND.kind, "metadata": about, "spec": spec}
        return meta.name(await self._client.create(KIND, wanted, namespace=namespace)), key

    async def _answer(self, pod: Object, name: str, patience: float) -> Object | None:
        """The request as it is, or as it becomes within `patience` seconds; None when it is gone."""
        namespace = meta.namespace(pod)
        fields = f"spec.nodeName={self._node},spec.podName={meta.name(pod)}"
        listed = await self._client.list(KIND, namespace, fields=fields)
        request = next((r for r in listed.items if meta.name(r) == name), None)
        if request is None or verdict(request) or not patience:
            return request
        change = asyncio.create_task(self._change(request, fields, listed.resource_version))
        timer = asyncio.create_task(self._clock.sleep(patience))
        try:
            await asyncio.wait({change, timer}, return_when=asyncio.FIRST_COMPLETED)
            return change.result() if change.done() else request
        finally:
            change.cancel()
            timer.cancel()

    async def _change(self, request: Object, fields: str, since: str) -> Object | None:
        """The request with its verdict, waited for; None when it goes. As it was, if the server ends the watch."""
        events = self._client.watch(KIND, meta.namespace(request), fields=fields, resource_version=since)
        async for event in events:
            if meta.name(event.object) == meta.name(request):
                if event.type == "DELETED":
                    return None
                if verdict(event.object):
                    return event.object
        return request

    def _take(self, pod: Object, found: _Credential, key: Made, request: Object) -> None:
        condition = verdict(request)
        if condition is None:
            return
        if condition["type"] == "Issued":
            spread = timedelta(seconds=self._chance.uniform(0, SPREAD))
            found.issued, found.waits, found.told = issued(key, request["status"], spread), None, set()
            return
        about = f'reason="{condition.get("reason", "")}", message="{condition.get("message", "")}"'
        was = "was denied" if condition["type"] == "Denied" else "failed"
        text = f"PodCertificateRequest {meta.namespace(pod)}/{meta.name(request)} {was}, {about}"
        self._events.event(pods.reference(pod), "Warning", condition["type"], text)
        found.refused = f"PodCertificateRequest was permanently {condition['type'].lower()}: {about.replace(',', '')}"

    def _remind(self, pod: Object, found: _Credential) -> None:
        """Tells, once each, that a renewal is late and that the certificate has run out."""
        if found.issued is None:
            return
        late = {
            ("CertificateOverdueForRefresh", "PodCertificate refresh overdue"): found.issued.renew_at + OVERDUE,
            ("CertificateExpired", "PodCertificate expired"): found.issued.ends,
        }
        for (reason, message), since in late.items():
            if self._clock.now() > since and reason not in found.told:
                found.told.add(reason)
                self._events.event(pods.reference(pod), "Warning", reason, message)


def verdict(request: Object) -> Object | None:
    """The condition that ends a request."""
    conditions = (request.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") in ("Issued", "Denied", "Failed")), None)


def issued(key: Made, status: Object, spread: timedelta) -> Issued:
    return Issued(
        key=key.key_pem,
        chain=cleaned(status.get("certificateChain") or ""),
        renew_at=meta.parse_time(status["beginRefreshAt"]) + spread,
        ends=meta.parse_time(status["notAfter"]),
    )


def cleaned(chain: str) -> bytes:
    """The certificates alone, without what may stand in and between the blocks."""
    texts = ["".join(block.split()) for _, block in BLOCK.findall(chain)]
    blocks = ["\n".join(t[i : i + 64] for i in range(0, len(t), 64)) for t in texts]
    return "".join(f"-----BEGIN CERTIFICATE-----\n{b}\n-----END CERTIFICATE-----\n" for b in blocks).encode()
