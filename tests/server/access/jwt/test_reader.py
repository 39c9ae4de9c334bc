"""Tokens of a real issuer on loopback: discovery, keys over TLS, and what becomes of claims."""

import json
from datetime import timedelta

import pytest
import yaml
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from umiak.server.access.credentials import Unverified
from umiak.server.access.jwt.config import Configuration, checked, load
from umiak.server.access.jwt.mapping import Mapping
from umiak.server.access.jwt.provider import lifetime
from umiak.server.access.jwt.reader import JwtReader
from umiak.testing.clock import NOON, VirtualClock, settle

AUDIENCES = ("https://here",)
NAMED = {"username": {"claim": "sub", "prefix": "x:"}}


@pytest.fixture(scope="module")
def keys():
    return {"rsa": RSAKey.generate_key(2048, {"kid": "rsa"}), "ec": ECKey.generate_key("P-256", {"kid": "ec"})}


class Issuer:
    """Speaks for the server beside; `published` names the keys it shows."""

    def __init__(self, beside, keys):
        self.beside, self.keys, self.published = beside, keys, ["rsa"]
        beside.answer = self.answer

    def answer(self, method, target, body):
        if target.endswith("/.well-known/openid-configuration"):
            issuer = self.beside.url + target.removesuffix("/.well-known/openid-configuration")
            return 200, {"issuer": issuer, "jwks_uri": f"{self.beside.url}/keys"}
        if target == "/keys":
            odd = {"kty": "unheard-of", "kid": "odd"}
            return 200, {"keys": [odd, *(self.keys[name].as_dict(private=False) for name in self.published)]}
        if target == "/groups":
            return 200, self.token(groups=["far"]).encode()
        return 404, {}

    def token(self, key="rsa", algorithm="RS256", **claims):
        now = int(NOON.timestamp())
        whole = {"iss": self.beside.url, "sub": "sam", "aud": "me", "iat": now, "exp": now + 3600, **claims}
        header = {"alg": algorithm, "kid": key}
        return jws.serialize_compact(header, json.dumps(whole).encode(), self.keys[key], algorithms=[algorithm])

    def file(self, **more):
        about = {"url": self.beside.url, "audiences": ["me"], "certificateAuthority": self.beside.authority[0]}
        one = {"issuer": about, "claimMappings": NAMED, **more}
        head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
        return yaml.safe_dump({**head, "jwt": [one]}).encode()


@pytest.fixture
def issuer(beside, keys):
    return Issuer(beside, keys)


@pytest.fixture
async def read(issuer):
    clock = VirtualClock()
    reader = JwtReader(checked(load(issuer.file())), AUDIENCES, (), clock)

    async def read(token, audiences=AUDIENCES):
        verified = await reader.read(token, audiences)
        return None if verified is None else verified.user

    reader.start()
    assert reader._now is not None
    await reader._now.settled()
    read.reader, read.clock = reader, clock
    yield read
    await reader.stop()


async def test_a_good_token(read, issuer):
    user = await read(issuer.token(jti="t1"))
    assert (user.name, user.extra) == ("x:sam", {"authentication.kubernetes.io/credential-id": ("JTI=t1",)})
    assert await read(issuer.token(), audiences=("https://elsewhere",)) is None
    assert await read("not a token") is None
    assert await read(issuer.token(iss="https://other")) is None


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1}, r"token is expired \(Token Expiry: 1970-01-01 00:00:01 \+0000 UTC\)"),
        ({"nbf": int(NOON.timestamp()) + 61}, "before the nbf"),
        ({"aud": ["you"]}, r'expected audience "me" got \["you"\]'),
        ({"key": "ec"}, "signature"),
        ({"sub": 5}, "cannot unmarshal number into Go struct field idToken.sub of type string"),
    ],
)
async def test_a_bad_token(read, issuer, claims, why):
    token = issuer.token(**claims) if "key" not in claims else issuer.token(key="ec", algorithm="ES256")
    with pytest.raises(Unverified, match=why):
        await read(token)


async def test_new_keys_are_fetched_when_a_token_asks_for_them(read, issuer):
    await read(issuer.token())
    fetched = len(issuer.beside.asked)
    await read(issuer.token(sub="another"))
    assert len(issuer.beside.asked) == fetched
    issuer.published = ["ec"]
    assert (await read(issuer.token("ec", "ES256"))).name == "x:sam"
    assert len(issuer.beside.asked) == fetched + 1


async def test_bad_tokens_do_not_make_us_a_nuisance(read, issuer):
    for number in range(30):
        with pytest.raises(Unverified):
            await read(issuer.token("ec", "ES256", sub=str(number)))
    assert sum(target == "/keys" for _, target, _ in issuer.beside.asked) == 10


async def test_users_are_remembered_for_ten_seconds(read, issuer):
    token = issuer.token(exp=int(NOON.timestamp()) + 5)
    await read(token)
    await read.clock.advance(9)
    assert await read(token)
    await read.clock.advance(2)
    with pytest.raises(Unverified, match="expired"):
        await read(token)


async def test_an_issuer_that_is_not_there_yet(beside, keys):
    issuer = Issuer(beside, keys)
    beside.answer = lambda method, target, body: (503, {})
    clock = VirtualClock()
    reader = JwtReader(checked(load(issuer.file())), AUDIENCES, (), clock)
    reader.start()
    with pytest.raises(Unverified, match="oidc: authenticator not initialized"):
        await reader.read(issuer.token(), AUDIENCES)
    while not beside.asked or not clock._sleepers:
        await settle()
    beside.answer = issuer.answer
    await clock.advance(timedelta(seconds=10))
    assert reader._now is not None
    await reader._now.settled()
    assert await reader.read(issuer.token(), AUDIENCES)
    await reader.stop()


async def test_the_file_may_change(read, issuer, caplog):
    await read.reader.changed(issuer.file(userValidationRules=[{"expression": "false", "message": "nobody"}]))
    with pytest.raises(Unverified, match="failed: nobody"):
        await read(issuer.token())
    await read.reader.changed(b"")
    assert caplog.records[-1].message == "failed to load authentication config: empty config data"
    with pytest.raises(Unverified, match="failed: nobody"):
        await read(issuer.token())


async def test_groups_from_elsewhere(issuer):
    clock = VirtualClock()
    content = issuer.file(claimMappings={**NAMED, "groups": {"claim": "groups", "prefix": "g:"}})
    reader = JwtReader(checked(load(content)), AUDIENCES, (), clock)
    reader.start()
    await reader._now.settled()
    sources = {"src": {"endpoint": f"{issuer.beside.url}/groups"}}
    token = issuer.token(_claim_names={"groups": "src"}, _claim_sources=sources)
    assert (await reader.read(token, AUDIENCES)).user.groups == ("g:far",)
    with pytest.raises(Unverified, match="oidc: could not expand distributed claims: oidc: no claim sources"):
        await reader.read(issuer.token(_claim_names={"groups": "src"}), AUDIENCES)
    await reader.stop()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("max-age=60", 60), ("public, MAX-AGE=5", 5), ("no-store, max-age=60", 0), ("", 0), ("max-age=x", 0)],
)
def test_how_long_keys_may_be_kept(header, seconds):
    assert lifetime(header) == seconds


def mapped(claims, **about):
    configuration: Configuration = checked(
        {"jwt": [{"issuer": {"url": "https://i", "audiences": ["a"]}, "claimMappings": NAMED, **about}]}
    )
    return Mapping(configuration.issuers[0]).user(claims)


def test_claims_in_expressions():
    mappings = {
        "username": {"expression": "'n:' + claims.sub"},
        "groups": {"expression": "claims.roles"},
        "uid": {"expression": "string(claims.n)"},
        "extra": [
            {"key": "example.com/deep", "valueExpression": "claims.deep.a__dot__b"},
            {"key": "example.com/none", "valueExpression": "''"},
        ],
    }
    claims = {"sub": "sam", "roles": ["a", "", "b"], "n": 5, "deep": {"a.b": ["q"]}}
    user = mapped(claims, claimMappings=mappings)
    assert (user.name, user.groups, user.uid, user.extra) == (
        "n:sam",
        ("a", "b"),
        "5",
        {"example.com/deep": ("q",)},
    )


@pytest.mark.parametrize(
    ("claims", "about", "why"),
    [
        ({}, {}, 'oidc: parse username claims "sub": claim not present'),
        ({"sub": "s"}, {"claimValidationRules": [{"claim": "hd", "requiredValue": "x"}]}, "oidc: required claim hd"),
        (
            {"sub": "s", "hd": "y"},
            {"claimValidationRules": [{"claim": "hd", "requiredValue": "x"}]},
            "oidc: required claim hd value does not match. Got = y, want = x",
        ),
        (
            {"sub": "s"},
            {"claimMappings": {"username": {"expression": "claims.sub == 's'"}}},
            "oidc: error evaluating username claim expression: username claim expression must return a string",
        ),
        (
            {"sub": "s"},
            {"claimMappings": {"username": {"expression": "''"}}},
            "oidc: empty username via CEL expression is not allowed",
        ),
        (
            {"sub": "s", "g": 1},
            {"claimMappings": {**NAMED, "groups": {"claim": "g", "prefix": ""}}},
            'oidc: parse groups claim "g": json: cannot unmarshal number into Go value of type string',
        ),
        (
            {"sub": "s", "email": "e", "email_verified": False},
            {"claimMappings": {"username": {"claim": "email", "prefix": ""}}},
            "oidc: email not verified",
        ),
    ],
)
def test_claims_that_will_not_do(claims, about, why):
    with pytest.raises(Unverified) as caught:
        mapped(claims, **about)
    assert str(caught.value).startswith(why)
