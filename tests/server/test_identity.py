"""The certificates that a server makes for itself."""

from cryptography import x509

from umiak.server.identity import prepare
from umiak.testing.clock import NOON

NAMES, ADDRESSES = ["localhost"], ["127.0.0.1"]


def test_the_serving_certificate_brings_its_issuer(tmp_path):
    made = prepare(tmp_path, NOON, NAMES, ADDRESSES)
    certificate, issuer = x509.load_pem_x509_certificates(made.certificate_file.read_bytes())
    assert issuer == x509.load_pem_x509_certificate(made.authority_file.read_bytes())
    certificate.verify_directly_issued_by(issuer)


def test_it_stays_until_it_is_asked_for_other_names(tmp_path):
    first = prepare(tmp_path, NOON, NAMES, ADDRESSES).certificate_file.read_bytes()
    assert prepare(tmp_path, NOON, NAMES, ADDRESSES).certificate_file.read_bytes() == first
    assert prepare(tmp_path, NOON, [*NAMES, "other"], ADDRESSES).certificate_file.read_bytes() != first
