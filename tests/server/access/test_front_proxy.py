"""Users named in headers by a proxy that may (apiserver's `headerrequest` package)."""

import ssl
from datetime import UTC, datetime

import pytest

from umiak.kit import pki
from umiak.objects.errors import StatusError
from umiak.server.access.certificates import Certificates
from umiak.server.access.front_proxy import FrontProxy, anchors
from umiak.server.access.settings import FrontProxySettings
from umiak.server.contract import Request, User
from umiak.testing.clock import VirtualClock

HEADERS = {
    "x-remote-user": ["ann"],
    "x-remote-uid": ["7"],
    "x-remote-group": ["devs", "ops"],
    "x-remote-extra-scopes": ["a", "b"],
    "x-remote-extra-acme.example%2fdept": ["c"],
}
ANN = User("ann", "7", ("devs", "ops", "system:authenticated"), {"scopes": ("a", "b"), "acme.example/dept": ("c",)})


def der(pem: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem)


@pytest.fixture(scope="module")
def authorities():
    """(of proxies, of users)"""
    now = datetime.now(UTC)
    return pki.new_authority("front-proxy-ca", 9, now), pki.new_authority("ca", 9, now)


@pytest.fixture
def proxy(authorities):
    settings = FrontProxySettings(allowed_names=("front-proxy-client",))
    clock = VirtualClock(datetime.now(UTC))
    return FrontProxy(settings, *(pair.certificate_pem for pair in authorities), Certificates(clock))


def asked(signer: pki.Pair, name: str, **headers: list[str]) -> Request:
    shown = pki.issue(signer, name, client=True, days=1, now=datetime.now(UTC))
    request = Request("GET", "/", {}, {k.replace("_", "-"): v for k, v in headers.items()})
    request.peer_certificate, request.peer_anchor = der(shown.certificate_pem), der(signer.certificate_pem)
    return request


async def test_a_proxy_speaks_for_a_user(proxy, authorities):
    assert await proxy.authenticate(asked(authorities[0], "front-proxy-client", **HEADERS)) == ANN


@pytest.mark.parametrize(("name", "headers"), [("other", HEADERS), ("front-proxy-client", {})])
async def test_a_certificate_for_proxies_is_nobodys_own(proxy, authorities, name, headers):
    with pytest.raises(StatusError, match="Unauthorized"):
        await proxy.authenticate(asked(authorities[0], name, **headers))


async def test_a_token_still_counts(proxy, authorities):
    request = asked(authorities[0], "other", authorization=["Bearer t"], **HEADERS)
    assert await proxy.authenticate(request) is None
    assert request.peer_certificate == b""


async def test_headers_of_others_are_of_no_account(proxy, authorities):
    request = asked(authorities[1], "front-proxy-client", **HEADERS)
    assert await proxy.authenticate(request) is None
    assert request.peer_certificate
    assert await proxy.authenticate(Request("GET", "/", {}, HEADERS)) is None


async def test_without_names_every_certificate_of_the_authority_may(authorities):
    pems = (pair.certificate_pem for pair in authorities)
    proxy = FrontProxy(FrontProxySettings(), *pems, Certificates(VirtualClock(datetime.now(UTC))))
    assert await proxy.authenticate(asked(authorities[0], "other", **HEADERS)) == ANN


def test_all_certificates_of_a_file(authorities):
    assert len(anchors("\n".join(pair.certificate_pem for pair in authorities))) == 2
