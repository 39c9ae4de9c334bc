"""Links in pages that pass through a proxy (apimachinery's proxy/transport_test.go)."""

import pytest

from umiak.server.links import rewritten, rewritten_page

BASE = "/api/v1/namespaces/n/pods/p/proxy"


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (b'<a href="/rewriteme">x</a>', b'<a href="/api/v1/namespaces/n/pods/p/proxy/rewriteme">x</a>'),
        (b"<IMG SRC='/a.png' alt='/b'>", b"<IMG SRC='/api/v1/namespaces/n/pods/p/proxy/a.png' alt='/b'>"),
        (b'<a href="relative">x</a>', b'<a href="relative">x</a>'),
        (b'<a href="//other.example/x">x</a>', b'<a href="//other.example/x">x</a>'),
        (b'<a href="https://other.example/x">x</a>', b'<a href="https://other.example/x">x</a>'),
        (b'text href="/x" outside of tags', b'text href="/x" outside of tags'),
    ],
)
def test_page(page, found):
    assert rewritten_page(page, BASE) == found


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("/next?a=b", f"{BASE}/next?a=b"),
        ("http://10.0.0.1:80/next", f"{BASE}/next"),
        ("http://other.example/next", "http://other.example/next"),
        ("next", "next"),
    ],
)
def test_redirect(location, found):
    assert rewritten(location, BASE, "10.0.0.1:80") == found
