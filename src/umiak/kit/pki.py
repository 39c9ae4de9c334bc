"""Certificates and keys: a small private authority on P-256, all in PEM text.

`cryptography` is imported when first needed; a server that only checks certificates never loads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

BACKDATE = timedelta(minutes=5)
"""Certificates count from a little before now, for machines whose clocks are behind."""


class Pair(NamedTuple):
    """A certificate and its private key."""

    certificate_pem: str
    key_pem: str


def new_authority(common_name: str, days: int, now: datetime) -> Pair:
    """A self-signed certificate authority, valid for `days` from `now`."""
    from cryptography import x509

    key = _new_key()
    name = _name(common_name, ())
    builder = _builder(name, name, key, now, now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    return _signed(builder, key, key)


def issue(
    authority: Pair,
    common_name: str,
    organizations: Sequence[str] = (),
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
    *,
    server: bool = False,
    client: bool = False,
    days: int,
    now: datetime,
) -> Pair:
    """A new key with a certificate from `authority`, never outliving it. Kubernetes reads the common name as the
    user and the organizations as its groups."""
    from cryptography import x509

    signer, signer_key = _load(authority)
    key = _new_key()
    until = min(now + timedelta(days=days), signer.not_valid_after_utc)
    builder = _builder(_name(common_name, organizations), signer.subject, key, now, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(authority=False), critical=True)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False
    )
    if server or client:
        builder = builder.add_extension(_purposes(server, client), critical=False)
    if dns or ips:
        builder = builder.add_extension(_alternative_names(dns, ips), critical=False)
    return _signed(builder, key, signer_key)


def expires(certificate_pem: str) -> datetime:
    """When the (first) certificate stops being valid; ValueError when the text is not a certificate."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(certificate_pem.encode()).not_valid_after_utc


def new_signing_key() -> str:
    """A private key in PEM, for signing service account tokens (ES256)."""
    return _key_pem(_new_key())


def public_key(key_pem: str) -> str:
    """The public half of a private key, in PEM."""
    from cryptography.hazmat.primitives import serialization

    private = serialization.load_pem_private_key(key_pem.encode(), password=None)
    encoded = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded.decode()


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load(pair: Pair) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pair.key_pem.encode(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not an elliptic curve key")
    return x509.load_pem_x509_certificate(pair.certificate_pem.encode()), key


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    from cryptography import x509

    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - BACKDATE).not_valid_after(until)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _purposes(server: bool, client: bool) -> x509.ExtendedKeyUsage:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    wanted = ((server, ExtendedKeyUsageOID.SERVER_AUTH), (client, ExtendedKeyUsageOID.CLIENT_AUTH))
    return x509.ExtendedKeyUsage([purpose for is_wanted, purpose in wanted if is_wanted])


def _alternative_names(dns: Sequence[str], ips: Sequence[str]) -> x509.SubjectAlternativeName:
    from ipaddress import ip_address

    from cryptography import x509

    return x509.SubjectAlternativeName([*map(x509.DNSName, dns), *(x509.IPAddress(ip_address(ip)) for ip in ips)])


def _signed(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey, signer: EllipticCurvePrivateKey) -> Pair:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    certificate = builder.sign(signer, hashes.SHA256())
    return Pair(certificate.public_bytes(Encoding.PEM).decode(), _key_pem(key))
