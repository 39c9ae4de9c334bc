"""Formats of strings, as kube-openapi's strfmt has them."""

import pytest

from umiak.objects.structural.formats import CHECKS, is_known, matches


@pytest.mark.parametrize(
    ("format", "good", "bad"),
    [
        ("date-time", "2024-02-29T23:59:59.5Z", "2023-02-29T00:00:00Z"),
        ("datetime", "2024-01-01t00:00:00+01:00", "2024-01-01T24:00:00Z"),
        ("date", "2024-02-29", "2024-2-9"),
        ("duration", "1h30m", "soon"),
        ("duration", "22 ns", "h"),
        ("uri", "https://example.com/a?b=c", "example.com"),
        ("email", "a@example.com", "a@b@c"),
        ("hostname", "www.example.com", "-x-.example.com"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "fe80::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
        ("mac", "01:23:45:67:89:ab", "01:23:45:67:89"),
        ("uuid", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "f47ac10b"),
        ("uuid4", "F47AC10B-58CC-4372-A567-0E02B2C3D479", "f47ac10b-58cc-3372-a567-0e02b2c3d479"),
        ("isbn10", "0321751043", "0321751042"),
        ("isbn13", "978-0321751041", "978-0321751042"),
        ("isbn", "978-0321751041", "1"),
        ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
        ("ssn", "111-22-3333", "111-2-3333"),
        ("hexcolor", "#FFaa00", "#FFaa0"),
        ("rgbcolor", "rgb(255, 0,1)", "rgb(256,0,1)"),
        ("byte", "aGk=", "aGk"),
        ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
        ("k8s-short-name", "a-b", "A"),
        ("k8s-long-name", "a.b-c", "a..b"),
    ],
)
def test_formats(format, good, bad):
    assert matches(format, good)
    assert not matches(format, bad)


def test_every_format_refuses_some_text_but_passwords():
    assert [name for name, check in CHECKS.items() if check("\x00")] == ["password"]


@pytest.mark.parametrize(
    ("format", "type", "known"),
    [("int32", "integer", True), ("int32", "string", False), ("double", "number", True), ("odd", "", False)],
)
def test_formats_belong_to_types(format, type, known):
    assert is_known(format, type) is known
