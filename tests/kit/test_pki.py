"""Certificates that others accept."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from umiak.kit import pki

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AUTHORITY = pki.new_authority("umiak", 3650, NOW)


def parsed(pair: pki.Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate_pem.encode())


def test_authority() -> None:
    certificate = parsed(AUTHORITY)
    certificate.verify_directly_issued_by(certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert pki.expires(AUTHORITY.certificate_pem) == NOW + timedelta(days=3650)


def test_issue() -> None:
    pair = pki.issue(AUTHORITY, "system:node:a", ["system:nodes"], ["a", "*.b"], ["10.0.0.1", "fd00::1"],
                     server=True, client=True, days=365, now=NOW)  # fmt: skip
    certificate = parsed(pair)
    certificate.verify_directly_issued_by(parsed(AUTHORITY))
    assert certificate.subject.rfc4514_string() == "CN=system:node:a,O=system:nodes"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a", "*.b"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "fd00::1"]
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_before_utc == NOW - pki.BACKDATE
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365)


def test_never_outlives_its_authority() -> None:
    pair = pki.issue(pki.new_authority("short", 10, NOW), "x", client=True, days=365, now=NOW)
    assert pki.expires(pair.certificate_pem) == NOW + timedelta(days=10)


def test_signing_key() -> None:
    public = pki.public_key(pki.new_signing_key())
    assert serialization.load_pem_public_key(public.encode()).curve.name == "secp256r1"  # type: ignore[union-attr]


def test_not_a_certificate() -> None:
    with pytest.raises(ValueError):
        pki.expires("nonsense")
