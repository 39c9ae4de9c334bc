"""Tokens of service accounts: what they claim, and when they stop counting."""

import contextlib
import random

import msgspec
import pytest

from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.kit import pki
from umiak.objects.errors import StatusError
from umiak.server.access.credentials import Unverified
from umiak.server.keys import BadSignature, Keys, decoded
from umiak.server.resources import Resources
from umiak.server.token_request import request_token
from umiak.server.tokens import Issuer, ServiceAccountTokens
from umiak.store.memory import MemoryStore
from umiak.testing.clock import NOON, VirtualClock

URL = "https://kubernetes.default.svc.cluster.local"
HERE = (URL,)
HOUR = 3600


@pytest.fixture(scope="module")
def pem():
    return pki.new_authority("keys", 1, NOON).key_pem


@pytest.fixture
async def world(pem):
    class World:
        clock = VirtualClock()
        store = MemoryStore()
        keys = Keys(pem)

    world = World()
    world.objects = Resources(world.store, world.clock, random.Random(1))
    world.issuer = Issuer(world.keys, URL, HERE, world.clock)
    world.tokens = ServiceAccountTokens(world.keys, HERE, HERE, world.store, world.clock)
    await world.objects.create(SERVICE_ACCOUNT, {"metadata": {"name": "robot", "namespace": "hold"}})
    yield world
    await world.store.close()


async def admit(obj):
    pass


async def ask(world, spec=None, name="robot", **metadata):
    asked = {"metadata": metadata, "spec": spec or {}}
    return await request_token(world.objects, world.issuer, "hold", name, asked, admit)


async def a_pod(world, name="p", account="robot", node="n1"):
    spec = {"serviceAccountName": account, "nodeName": node, "containers": []}
    return await world.objects.create(POD, {"metadata": {"name": name, "namespace": "hold"}, "spec": spec})


def claims(token):
    return msgspec.json.decode(decoded(token.split(".")[1]))


def bound(pod):
    return {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"]}


async def test_good_for_its_audience_only(world):
    token = (await ask(world, {"audiences": ["garden"]}))["status"]["token"]
    verified = await world.tokens.read(token, ["garden", "shed"])
    assert verified.audiences == ("garden",)
    with pytest.raises(Unverified, match="is invalid for the target audiences"):
        await world.tokens.read(token, HERE)


async def test_user(world):
    verified = await world.tokens.read((await ask(world))["status"]["token"], HERE)
    assert verified.user.name == "system:serviceaccount:hold:robot"
    assert verified.user.groups == ("system:serviceaccounts", "system:serviceaccounts:hold")


async def test_expires(world):
    answer = await ask(world, {"expirationSeconds": 600})
    assert answer["status"]["expirationTimestamp"] == "2026-03-01T12:10:00Z"
    await world.clock.advance(659)
    await world.tokens.read(answer["status"]["token"], HERE)
    await world.clock.advance(2)
    with pytest.raises(Unverified, match="expired"):
        await world.tokens.read(answer["status"]["token"], HERE)


async def test_pod_token_names_node_and_lasts_a_year_when_injected(world):
    pod = await a_pod(world)
    node = await world.objects.create(NODE, {"metadata": {"name": "n1"}})
    answer = await ask(world, {"expirationSeconds": 3607, "boundObjectRef": bound(pod)})
    found = claims(answer["status"]["token"])
    about = found["kubernetes.io"]
    assert about["pod"] == {"name": "p", "uid": pod["metadata"]["uid"]}
    assert about["node"] == {"name": "n1", "uid": node["metadata"]["uid"]}
    assert about["warnafter"] - found["iat"] == 3607
    assert found["exp"] - found["iat"] == 365 * 24 * HOUR
    assert answer["status"]["expirationTimestamp"] == "2026-03-01T13:00:07Z"
    user = (await world.tokens.read(answer["status"]["token"], HERE)).user
    assert user.extra["authentication.kubernetes.io/pod-name"] == ("p",)


@pytest.mark.parametrize("gone", ["pod", "account", "account anew"])
async def test_dies_with_what_it_is_bound_to(world, gone):
    pod = await a_pod(world)
    token = (await ask(world, {"boundObjectRef": bound(pod)}))["status"]["token"]
    await world.tokens.read(token, HERE)
    if gone == "pod":
        await world.objects.remove(POD, "hold", "p")
    else:
        await world.objects.remove(SERVICE_ACCOUNT, "hold", "robot")
    if gone == "account anew":
        await world.objects.create(SERVICE_ACCOUNT, {"metadata": {"name": "robot", "namespace": "hold"}})
    with pytest.raises(Unverified):
        await world.tokens.read(token, HERE)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"expirationSeconds": 5}, "may not specify a duration less than 10 minutes"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "none"}}, 'pods "none" not found'),
        ({"boundObjectRef": {"kind": "Service", "apiVersion": "v1"}}, "cannot bind token to object of type /v1, Kind="),
    ],
)
async def test_refusals(world, spec, message):
    with pytest.raises(StatusError, match=message):
        await ask(world, spec)


async def test_other_pods_account(world):
    pod = await a_pod(world, account="other")
    with pytest.raises(StatusError, match="different serviceaccount name"):
        await ask(world, {"boundObjectRef": bound(pod)})


@pytest.mark.parametrize("what", ["signature", "payload", "algorithm", "other key"])
async def test_forged(world, what):
    token = (await ask(world))["status"]["token"]
    head, payload, signature = token.split(".")
    if what == "signature":
        forged = f"{head}.{payload}.{'A' * len(signature)}"
    elif what == "payload":
        forged = f"{head}.{payload[:-4]}AAAA.{signature}"
    elif what == "algorithm":
        forged = "eyJhbGciOiJub25lIn0." + payload + "."
    else:
        forged = Keys(pki.new_authority("x", 1, NOON).key_pem).sign(claims(token))
    with pytest.raises(BadSignature):
        world.keys.verify(forged)
    with contextlib.suppress(Unverified):
        assert await world.tokens.read(forged, HERE) is None


async def test_foreign_tokens_are_left_to_others(world):
    assert await world.tokens.read("a.b", HERE) is None
    assert await world.tokens.read("x.eyJpc3MiOiJlbHNld2hlcmUifQ.y", HERE) is None


def test_rsa_keys_sign_as_well():
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys = Keys(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode())
    keys.verify(keys.sign({"iss": "x"}))
    (jwk,) = keys.jwks()["keys"]
    assert (jwk["alg"], jwk["kty"], jwk["e"]) == ("RS256", "RSA", "AQAB")


async def test_who_does_not_renew_a_token_is_told_of(world):
    pod = await a_pod(world)
    token = (await ask(world, {"boundObjectRef": bound(pod), "expirationSeconds": 3607}))["status"]["token"]
    assert (await world.tokens.read(token, HERE)).annotations is None
    await world.clock.advance(3617)
    told = "subject: system:serviceaccount:hold:robot, seconds after warning threshold: 10"
    assert (await world.tokens.read(token, HERE)).annotations == {"authentication.k8s.io/stale-token": told}
