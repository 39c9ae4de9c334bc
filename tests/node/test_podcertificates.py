"""How a pod's certificate is asked for, waited for, renewed and refused (kubelet/podcertificate)."""

import asyncio
import random
from datetime import timedelta

import pytest

from umiak.api.certificates.podcertificaterequest import KIND
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.node import podkey
from umiak.node.podcertificates import NOT_YET, PATIENCE, PodCertificates, cleaned
from umiak.node.podkey import Made
from umiak.node.volume import CannotMount
from umiak.objects import meta
from umiak.testing.clock import settle
from umiak.testing.workbench import Workbench

POD = {
    "metadata": {"name": "p", "namespace": "d", "uid": "u"},
    "spec": {"serviceAccountName": "default"},
}
SOURCE = {"signerName": "me.example/a", "keyType": "ECDSAP256", "userAnnotations": {"me.example/x": "y"}}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"
DAY = 86400.0


class Events:
    def __init__(self):
        self.seen = []

    def event(self, about, type, reason, message):
        self.seen.append((reason, message))


class House:
    def __init__(self, cluster):
        self.clock, self.events, self.api = cluster.clock, Events(), cluster.client
        chance = random.Random(1)
        self.certificates = PodCertificates(self.api, self.clock, chance, self.events, "n", self.make_key)
        self.keys = 0

    async def make_key(self, kind):
        self.keys += 1
        return Made(b"key %d" % self.keys, "AAAA")

    async def get(self):
        return await self.certificates.get(POD, "v", 0, SOURCE)

    async def requests(self):
        return (await self.api.list(KIND, "d")).items

    async def answer(self, type="Issued", **status):
        """The signer's verdict on every request that waits."""
        after = {"notBefore": 0, "beginRefreshAt": DAY / 2, "notAfter": DAY}
        times = {k: meta.format_time(self.clock.now() + timedelta(seconds=s)) for k, s in after.items()}
        for request in await self.requests():
            if not (request.get("status") or {}).get("conditions"):
                condition = {"type": type, "status": "True", "reason": "Because", "message": "it is so"}
                given = {"certificateChain": CERTIFICATE, **times} if type == "Issued" else {}
                request["status"] = {"conditions": [condition], **given, **status}
                await self.api.update(KIND, request, subresource="status")


@pytest.fixture
async def house():
    async with Workbench.real() as cluster:
        await cluster.create(NODE, {"metadata": {"name": "n"}})
        await cluster.create(NAMESPACE, {"metadata": {"name": "d"}})
        await cluster.create(SERVICE_ACCOUNT, {"metadata": {"name": "default", "namespace": "d"}})
        yield House(cluster)


async def waiting(house):
    """Somebody who wants the certificate and has asked for it."""
    task = asyncio.create_task(house.get())
    await settle()
    return task


async def issued(house):
    task = await waiting(house)
    await house.answer()
    return await task


async def test_what_is_asked_for(house):
    found = await issued(house)
    assert (found.key, found.chain) == (b"key 1", CERTIFICATE.encode())
    (request,) = await house.requests()
    about, spec = request["metadata"], request["spec"]
    assert about["ownerReferences"] == [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]
    assert spec["unverifiedUserAnnotations"] == {"me.example/x": "y"}
    wanted = {"signerName": "me.example/a", "podUID": "u", "nodeName": "n", "serviceAccountName": "default"}
    assert wanted.items() <= spec.items()


async def test_one_request_however_often_it_is_mounted(house):
    for _ in range(2):
        task = await waiting(house)
        await house.clock.advance(PATIENCE)
        with pytest.raises(CannotMount, match=NOT_YET):
            await task
    assert len(await house.requests()) == 1
    await house.answer()
    assert (await house.get()).key == b"key 1"


async def test_renewal_keeps_the_old_one_meanwhile(house):
    await issued(house)
    await house.clock.advance(DAY / 2 + 301)
    assert (await house.get()).key == b"key 1"
    await house.answer()
    assert (await house.get()).key == b"key 2"
    assert (await house.get()).key == b"key 2"
    assert house.keys == 2


async def test_a_late_renewal_is_told_once(house):
    await issued(house)
    for seconds in (DAY / 2 + 901, 1.0, DAY / 2, 1.0):
        await house.clock.advance(seconds)
        await house.get()
    assert [reason for reason, _ in house.events.seen] == ["CertificateOverdueForRefresh", "CertificateExpired"]


@pytest.mark.parametrize(("type", "words"), [("Denied", "was denied"), ("Failed", "failed")])
async def test_a_refusal_is_for_ever(house, type, words):
    task = await waiting(house)
    await house.answer(type)
    for attempt in (task, house.get()):
        with pytest.raises(CannotMount, match=f'permanently {type.lower()}: reason="Because" message="it is so"'):
            await attempt
    ((reason, message),) = house.events.seen
    assert reason == type
    assert f'{words}, reason="Because", message="it is so"' in message


async def test_a_request_that_someone_deleted(house):
    task = await waiting(house)
    (request,) = await house.requests()
    await house.api.delete(KIND, meta.name(request), "d")
    with pytest.raises(CannotMount, match="appears to have been deleted"):
        await task
    assert (await issued(house)).key == b"key 2"


async def test_a_pod_that_is_gone_is_forgotten(house):
    await issued(house)
    house.certificates.forget("u")
    task = await waiting(house)
    await house.clock.advance(PATIENCE)
    with pytest.raises(CannotMount, match=NOT_YET):
        await task


def test_only_certificates_are_projected():
    assert cleaned(f"made by me\n{CERTIFICATE}and\n{CERTIFICATE}") == (CERTIFICATE * 2).encode()


@pytest.mark.parametrize("kind", ["ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"])
def test_keys_prove_themselves(kind):
    import base64

    from cryptography import x509

    made = podkey.make(kind)
    assert x509.load_der_x509_csr(base64.b64decode(made.request)).is_signature_valid
    assert made.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")


async def test_keys_are_made_apart():
    assert (await podkey.make_apart("ED25519")).key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    with pytest.raises(ValueError, match='unknown key type "DSA"'):
        await podkey.make_apart("DSA")
