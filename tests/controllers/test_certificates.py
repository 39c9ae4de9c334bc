"""Kubelets' certificate requests are approved, signed and cleaned up; lasting tokens are made."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from umiak.api.authorization.subjectaccessreview import KIND as REVIEW
from umiak.api.certificates.certificatesigningrequest import KIND as CSR
from umiak.api.core.secret import KIND as SECRET
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.controllers import _requests as requests
from umiak.controllers import csr_approving, csr_cleaner, csr_signing, serviceaccount_token
from umiak.kit import pki
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.contract import Options
from umiak.testing.clock import NOON
from umiak.testing.workbench import Workbench

AUTHORITY = pki.new_authority("test", 3650, NOON)
CLIENT = ["digital signature", "client auth"]
SERVING = ["digital signature", "server auth"]


def request(name: str = "system:node:one", group: str = "system:nodes", dns: tuple[str, ...] = ()) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    builder = x509.CertificateSigningRequestBuilder(x509.Name(parts))
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(d) for d in dns]), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def csr(pem: bytes, signer: str = requests.KUBELET_CLIENT, usages: list[str] = CLIENT, **spec: Any) -> Object:
    encoded = base64.b64encode(pem).decode()
    full = {"request": encoded, "signerName": signer, "usages": usages, "username": "system:node:one", **spec}
    return {"metadata": {"name": "csr"}, "spec": full}


def approved(condition: str = "Approved") -> Object:
    return {"conditions": [{"type": condition, "status": "True", "lastUpdateTime": meta.format_time(NOON)}]}


@pytest.fixture
def cluster() -> Workbench:
    return Workbench.fake(options=Options(signing_ca=AUTHORITY.certificate_pem, signing_key=AUTHORITY.key_pem))


async def found(cluster: Workbench) -> Object:
    return (await cluster.find(CSR, "csr") or {}).get("status") or {}


async def test_an_approved_request_is_signed(cluster: Workbench) -> None:
    async with cluster.running(csr_signing.CONTROLLER):
        await cluster.create(CSR, csr(request(), expirationSeconds=86400), status=approved())
        pem = base64.b64decode((await found(cluster))["certificate"])
    certificate = x509.load_pem_x509_certificate(pem)
    assert certificate.issuer.rfc4514_string() == "CN=test"
    assert certificate.subject.rfc4514_string() == "CN=system:node:one,O=system:nodes"
    assert certificate.not_valid_before_utc == NOON - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == NOON + timedelta(days=1, minutes=-5)
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [p.dotted_string for p in purposes] == ["1.3.6.1.5.5.7.3.2"]
    authority = x509.load_pem_x509_certificate(AUTHORITY.certificate_pem.encode())
    certificate.verify_directly_issued_by(authority)


async def test_what_is_not_approved_or_not_ours_is_left(cluster: Workbench) -> None:
    async with cluster.running(csr_signing.CONTROLLER):
        await cluster.create(CSR, csr(request()))
        assert await found(cluster) == {}
        await cluster.delete(CSR, "csr")
        await cluster.create(CSR, csr(request(), signer="example.com/mine"), status=approved())
        assert "certificate" not in await found(cluster)


async def test_a_request_that_does_not_fit_its_signer_fails(cluster: Workbench) -> None:
    async with cluster.running(csr_signing.CONTROLLER):
        await cluster.create(CSR, csr(request(group="others")), status=approved())
        condition = (await found(cluster))["conditions"][-1]
    assert (condition["type"], condition["reason"]) == ("Failed", "SignerValidationFailure")
    assert condition["message"] == "subject organization is not system:nodes"


@pytest.mark.parametrize("allowed", [True, False])
async def test_approval_asks_who_may(cluster: Workbench, allowed: bool) -> None:
    asked: list[Object] = []

    def note(verb: str, kind: Any, obj: Object) -> None:
        if kind is REVIEW:
            asked.append(obj["spec"])
            obj["status"] = {"allowed": allowed}
            obj["metadata"] = {"name": f"review-{len(asked)}"}

    client: Any = cluster.client
    client.refuse = note
    async with cluster.running(csr_approving.CONTROLLER):
        await cluster.create(CSR, csr(request(), groups=["system:nodes"]))
        conditions = (await found(cluster)).get("conditions") or []
    assert [c["message"] for c in conditions] == ([csr_approving.SELF[1]] if allowed else [])
    assert (asked[0]["user"], asked[0]["groups"]) == ("system:node:one", ["system:nodes"])
    tried = [a["resourceAttributes"]["subresource"] for a in asked]
    assert tried == ["selfnodeclient"] if allowed else tried[:2] == ["selfnodeclient", "nodeclient"]


@pytest.mark.parametrize(
    ("wanted", "usages", "fault"),
    [
        ({}, CLIENT, ""),
        ({}, [*CLIENT, "key encipherment"], ""),
        ({}, SERVING, "usages did not match [client auth digital signature key encipherment]"),
        ({"name": "bob"}, CLIENT, "subject common name does not begin with system:node:"),
        ({"dns": ("a.example",)}, CLIENT, "DNS subjectAltNames are not allowed"),
    ],
)
def test_kubelet_client(wanted: Any, usages: list[str], fault: str) -> None:
    assert requests.kubelet_client_fault(requests.read(requests.load(request(**wanted))), usages) == fault


def test_kubelet_serving() -> None:
    def fault(**wanted: Any) -> str:
        return requests.kubelet_serving_fault(requests.read(requests.load(request(**wanted))), SERVING)

    assert fault() == "DNS or IP subjectAltName is required"
    assert fault(dns=("one.example",)) == ""


def test_garbage_is_refused() -> None:
    with pytest.raises(requests.BadRequest, match="PEM block type must be CERTIFICATE REQUEST"):
        requests.load(b"hello")


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(None, timedelta(days=365)), (1, timedelta(minutes=10)), (3600, timedelta(hours=1)), (10**9, timedelta(days=365))],
)
def test_lifetime(asked: int | None, granted: timedelta) -> None:
    assert requests.lifetime(asked, timedelta(days=365)) == granted


@pytest.mark.parametrize(("status", "hours"), [({}, 24), (approved(), 24), (approved("Denied"), 1)])
async def test_cleaning_up(cluster: Workbench, status: Object, hours: int) -> None:
    async with cluster.running(csr_cleaner.CONTROLLER):
        await cluster.create(CSR, csr(request()), status=status)
        await cluster.clock.advance(hours * 3600)
        assert await cluster.names(CSR) == ["csr"]
        await cluster.clock.advance(2)
        assert await cluster.names(CSR) == []


def token_secret(**annotations: str) -> Object:
    named = {"kubernetes.io/service-account.name": "robot", **annotations}
    about = {"name": "t", "namespace": "shop", "annotations": named}
    return {"metadata": about, "type": serviceaccount_token.TYPE}


async def test_a_lasting_token(cluster: Workbench) -> None:
    from joserfc import jwk, jwt

    key = pki.new_signing_key()
    cluster.options = Options(root_ca="PEM", service_account_key=key)
    account = await cluster.create(SERVICE_ACCOUNT, {"metadata": {"name": "robot", "namespace": "shop"}})
    async with cluster.running(serviceaccount_token.CONTROLLER):
        await cluster.create(SECRET, token_secret())
        secret = await cluster.find(SECRET, "t", "shop") or {}
        data = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
        assert (data["ca.crt"], data["namespace"]) == ("PEM", "shop")
        assert meta.annotations(secret)["kubernetes.io/service-account.uid"] == meta.uid(account)
        token = jwt.decode(data["token"], jwk.import_key(key, "EC"))
        assert token.claims == serviceaccount_token.claims(secret, account)
        await cluster.delete(SERVICE_ACCOUNT, "robot", "shop")
        assert await cluster.names(SECRET) == []


async def test_a_token_for_an_account_that_is_no_more_goes(cluster: Workbench) -> None:
    await cluster.create(SERVICE_ACCOUNT, {"metadata": {"name": "robot", "namespace": "shop"}})
    async with cluster.running(serviceaccount_token.CONTROLLER):
        await cluster.create(SECRET, token_secret(**{"kubernetes.io/service-account.uid": "older"}))
        assert await cluster.names(SECRET) == []
