"""Certificates, static tokens and bootstrap tokens."""

import base64
import json
from datetime import timedelta

import pytest

from umiak.kit import pki
from umiak.objects.errors import StatusError
from umiak.server.access.bootstrap_tokens import BootstrapTokens
from umiak.server.access.certificates import CREDENTIAL, Certificates, Malformed, user_of
from umiak.server.access.credentials import Authentication, TokenFile
from umiak.server.contract import ANONYMOUS, Request
from umiak.store.memory import MemoryStore
from umiak.testing.clock import NOON, VirtualClock

AUDIENCES = ("https://here",)
CSV = 'secret,ada,7,"system:masters,crew"\n\nplain,bob,\n'.replace("bob,", "bob,8")


def pem_to_der(pem):
    body = "".join(line for line in pem.splitlines() if "-----" not in line)
    return base64.b64decode(body)


@pytest.fixture(scope="module")
def der():
    authority = pki.new_authority("test", 10, NOON)
    pair = pki.issue(authority, "system:node:n1", ["system:nodes", "crew"], client=True, days=1, now=NOON)
    return pem_to_der(pair.certificate_pem)


def request(**headers):
    return Request("GET", "/", {}, {k.replace("_", "-"): [v] for k, v in headers.items()})


def authentication(*readers, anonymous=True):
    return Authentication(Certificates(VirtualClock()), readers, AUDIENCES, anonymous)


def test_certificate_subject(der):
    user, _, _ = user_of(der)
    assert (user.name, user.groups) == ("system:node:n1", ("system:nodes", "crew"))
    assert user.extra[CREDENTIAL][0].startswith("X509SHA256=")


async def test_certificate_expires(der):
    clock = VirtualClock()
    certificates = Certificates(clock)
    assert certificates.read(der).name == "system:node:n1"
    await clock.advance(timedelta(days=2).total_seconds())
    with pytest.raises(Malformed):
        certificates.read(der)


@pytest.mark.parametrize("garbage", [b"", b"\x30", b"\x30\x03\x02\x01\x01", b"\x30\x84\xff\xff\xff\xff"])
def test_garbage_is_no_certificate(garbage):
    with pytest.raises(Malformed):
        user_of(garbage)


async def test_certificate_user_is_authenticated(der):
    asked = request()
    asked.peer_certificate = der
    user = await authentication().authenticate(asked)
    assert user.groups == ("system:nodes", "crew", "system:authenticated")


async def test_who_shows_a_certificate_is_known_until_it_ends(der):
    clock, asked = VirtualClock(), request()
    asked.peer_certificate = der
    await Authentication(Certificates(clock), (), AUDIENCES).authenticate(asked)
    assert asked.lasts()
    await clock.advance(timedelta(days=2).total_seconds())
    assert not asked.lasts()


async def test_who_shows_a_static_token_is_known_for_good():
    asked = request(authorization="Bearer secret")
    await authentication(TokenFile(CSV, AUDIENCES)).authenticate(asked)
    assert asked.lasts()


async def test_a_token_beside_a_bad_certificate_is_read_each_time():
    asked = request(authorization="Bearer secret")
    asked.peer_certificate = b"bad"
    await authentication(TokenFile(CSV, AUDIENCES)).authenticate(asked)
    assert asked.lasts is None


async def test_nobody_in_particular_is_not_known():
    asked = request()
    await authentication().authenticate(asked)
    assert asked.lasts is None


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"authorization": "Bearer secret"}, "ada"),
        ({"authorization": "bearer  secret"}, "system:anonymous"),
        ({"authorization": "Basic YTpi"}, "system:anonymous"),
        ({}, "system:anonymous"),
        ({"authorization": "Bearer wrong"}, None),
        ({"sec_websocket_protocol": "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0"}, "ada"),
    ],
)
async def test_tokens(headers, name):
    checked = authentication(TokenFile(CSV, AUDIENCES))
    if name is None:
        with pytest.raises(StatusError) as error:
            await checked.authenticate(request(**headers))
        assert error.value.code == 401
    else:
        assert (await checked.authenticate(request(**headers))).name == name


async def test_token_groups():
    user = await authentication(TokenFile(CSV, AUDIENCES)).authenticate(request(authorization="Bearer secret"))
    assert user.groups == ("system:masters", "crew", "system:authenticated")


async def test_nobody_without_anonymous():
    assert await authentication(anonymous=False).authenticate(request()) is None
    assert await authentication().authenticate(request()) is ANONYMOUS


def test_token_file_wants_three_columns():
    with pytest.raises(ValueError, match="at least 3 columns"):
        TokenFile("a,b", AUDIENCES)


@pytest.mark.parametrize(
    ("changes", "groups"),
    [
        ({}, ("system:bootstrappers",)),
        ({"auth-extra-groups": "system:bootstrappers:x"}, ("system:bootstrappers", "system:bootstrappers:x")),
        ({"auth-extra-groups": "system:masters"}, None),
        ({"token-secret": "f" * 16}, None),
        ({"usage-bootstrap-authentication": "false"}, None),
        ({"expiration": "2026-03-01T11:00:00Z"}, None),
        ({"expiration": "2026-03-01T13:00:00Z"}, ("system:bootstrappers",)),
        ({"expiration": "later"}, None),
    ],
)
async def test_bootstrap_token(changes, groups):
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        **changes,
    }
    secret = {
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
    }
    store = MemoryStore()
    await store.put("/core/secrets/kube-system/bootstrap-token-abcdef", lambda _: json.dumps(secret).encode())
    verified = await BootstrapTokens(store, VirtualClock(), AUDIENCES).read("abcdef.0123456789abcdef", AUDIENCES)
    assert (verified.user.groups if verified else None) == groups
    await store.close()
