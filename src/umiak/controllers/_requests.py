"""Certificate requests: what they ask for, and signing them. Loads the crypto library only when one comes by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from cryptography import x509

BACKDATE = timedelta(minutes=5)
SHORT = timedelta(hours=8)
SHORTEST = timedelta(minutes=10)
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
API_CLIENT = "kubernetes.io/kube-apiserver-client"
NODES = "system:nodes"
NODE_PREFIX = "system:node:"

PLAIN_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
EXTENDED_USAGES = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}


class BadRequest(Exception):
    """The request cannot be read, or not be signed."""


class Wanted(msgspec.Struct, frozen=True):
    """What a request says of its subject."""

    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...]
    ips: tuple[str, ...]
    emails: tuple[str, ...]
    uris: tuple[str, ...]


def load(pem: bytes) -> x509.CertificateSigningRequest:
    from cryptography import x509

    if b"BEGIN CERTIFICATE REQUEST" not in pem and b"BEGIN NEW CERTIFICATE REQUEST" not in pem:
        raise BadRequest("PEM block type must be CERTIFICATE REQUEST")
    try:
        return x509.load_pem_x509_csr(pem)
    except ValueError as error:
        raise BadRequest(str(error)) from error


def read(request: x509.CertificateSigningRequest) -> Wanted:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    def named(oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(str(a.value) for a in request.subject.get_attributes_for_oid(oid))

    names = _alternative_names(request)

    def chosen(kind: Any) -> tuple[str, ...]:
        return () if names is None else tuple(str(v) for v in names.get_values_for_type(kind))

    return Wanted(
        common_name=next(iter(named(NameOID.COMMON_NAME)), ""),
        organizations=named(NameOID.ORGANIZATION_NAME),
        dns=chosen(x509.DNSName),
        ips=chosen(x509.IPAddress),
        emails=chosen(x509.RFC822Name),
        uris=chosen(x509.UniformResourceIdentifier),
    )


def _alternative_names(request: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    from cryptography import x509

    try:
        return request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def kubelet_client_fault(wanted: Wanted, usages: Iterable[str]) -> str:
    """Why this is no request of a kubelet for its client certificate; empty when it is one."""
    if wanted.organizations != (NODES,):
        return "subject organization is not system:nodes"
    for present, kind in ((wanted.dns, "DNS"), (wanted.emails, "Email"), (wanted.ips, "IP"), (wanted.uris, "URI")):
        if present:
            return f"{kind} subjectAltNames are not allowed"
    if not wanted.common_name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node:"
    return _usage_fault(usages, "client auth")


def kubelet_serving_fault(wanted: Wanted, usages: Iterable[str]) -> str:
    """Why this is no request of a kubelet for its serving certificate; empty when it is one."""
    if wanted.organizations != (NODES,):
        return "subject organization is not system:nodes"
    if not wanted.dns and not wanted.ips:
        return "DNS or IP subjectAltName is required"
    for present, kind in ((wanted.emails, "Email"), (wanted.uris, "URI")):
        if present:
            return f"{kind} subjectAltNames are not allowed"
    fault = _usage_fault(usages, "server auth")
    if fault:
        return fault
    return "" if wanted.common_name.startswith(NODE_PREFIX) else "subject common name does not begin with system:node:"


def _usage_fault(usages: Iterable[str], purpose: str) -> str:
    needed = {"digital signature", "key encipherment", purpose}
    if set(usages) in (needed, needed - {"key encipherment"}):
        return ""
    return f"usages did not match [{' '.join(sorted(needed))}]"


def api_client_fault(wanted: Wanted, usages: Iterable[str]) -> str:
    given = list(usages)
    for usage in given:
        if usage not in ("digital signature", "key encipherment", "client auth"):
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in given else "missing required usage for client certificate: client auth"


def lifetime(asked: int | None, longest: timedelta) -> timedelta:
    """What is granted of the `asked` seconds."""
    if asked is None:
        return longest
    return min(longest, max(SHORTEST, timedelta(seconds=asked)))


def sign(
    request: x509.CertificateSigningRequest,
    authority_pem: str,
    key_pem: str,
    usages: Sequence[str],
    valid: timedelta,
    now: datetime,
) -> bytes:
    """A certificate in PEM for what the request asks; raises BadRequest. It never outlives the authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    if not request.is_signature_valid:
        raise BadRequest("unable to verify certificate request signature")
    authority = x509.load_pem_x509_certificate(authority_pem.encode())
    key: Any = load_pem_private_key(key_pem.encode(), password=None)
    end = authority.not_valid_after_utc
    if now >= end:
        raise BadRequest(f"refusing to sign a certificate that expired in the past: NotAfter={end}")
    until = now + valid if valid < SHORT else now + valid - BACKDATE
    builder = x509.CertificateBuilder(
        issuer_name=authority.subject,
        subject_name=request.subject,
        public_key=request.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - BACKDATE,
        not_valid_after=min(until, end),
    )
    for extension, critical in _extensions(request, key, usages):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _extensions(
    request: x509.CertificateSigningRequest, key: Any, usages: Sequence[str]
) -> list[tuple[x509.ExtensionType, bool]]:
    from cryptography import x509

    unknown = [u for u in usages if u not in PLAIN_USAGES and u not in EXTENDED_USAGES]
    if unknown:
        words = " ".join(f'"{u}"' for u in unknown)
        raise BadRequest(f"unrecognized usage values: [{words}]")
    found: list[tuple[x509.ExtensionType, bool]] = []
    plain = {PLAIN_USAGES[u] for u in usages if u in PLAIN_USAGES}
    if plain:
        found.append((x509.KeyUsage(**{name: name in plain for name in set(PLAIN_USAGES.values())}), True))
    purposes = sorted({EXTENDED_USAGES[u] for u in usages if u in EXTENDED_USAGES})
    if purposes:
        found.append((x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in purposes]), False))
    found.append((x509.BasicConstraints(ca=False, path_length=None), True))
    found.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False))
    names = _alternative_names(request)
    if names is not None:
        found.append((names, False))
    return found
