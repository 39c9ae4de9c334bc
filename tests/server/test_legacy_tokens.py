"""Everlasting tokens, kept in secrets (`pkg/serviceaccount/legacy.go`, KEP-2799), and the bounds of the others."""

import base64
import random

import pytest

from umiak.api.core.secret import KIND as SECRET
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.kit import pki
from umiak.objects.errors import StatusError
from umiak.server.access.credentials import Unverified
from umiak.server.keys import Keys
from umiak.server.resources import Resources
from umiak.server.token_request import request_token
from umiak.server.tokens import GENERATED, INVALID_SINCE, LAST_USED, LEGACY, Issuer, ServiceAccountTokens
from umiak.store.memory import MemoryStore
from umiak.testing.clock import NOON, VirtualClock

HERE = ("https://here",)


@pytest.fixture(scope="module")
def keys():
    return Keys(pki.new_authority("keys", 1, NOON).key_pem)


@pytest.fixture
async def world(keys):
    class World:
        clock, store, used = VirtualClock(), MemoryStore(), []

    world = World()
    world.objects = Resources(world.store, world.clock, random.Random(1))

    async def note_use(*words):
        world.used.append(words)

    world.tokens = ServiceAccountTokens(keys, HERE, HERE, world.store, world.clock, note_use=note_use)
    world.account = await world.objects.create(SERVICE_ACCOUNT, {"metadata": {"name": "robot", "namespace": "hold"}})
    yield world
    await world.store.close()


def claims(world, **changes):
    about = {
        "namespace": "hold",
        "secret.name": "s",
        "service-account.name": "robot",
        "service-account.uid": world.account["metadata"]["uid"],
    }
    whole = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:hold:robot"}
    whole |= {LEGACY + name: value for name, value in about.items()} | changes
    return {name: value for name, value in whole.items() if value is not None}


async def keep(world, token, labels=None):
    data = {"token": base64.b64encode(token.encode()).decode()}
    await world.objects.create(
        SECRET, {"metadata": {"name": "s", "namespace": "hold", "labels": labels or {}}, "data": data}
    )


async def test_a_token_in_its_secret(world, keys):
    token = keys.sign(claims(world))
    await keep(world, token)
    verified = await world.tokens.read(token, HERE)
    assert (verified.user.name, verified.warnings) == ("system:serviceaccount:hold:robot", ())
    assert world.used == [("hold", "s", "2026-03-01")]
    assert verified.annotations == {
        "authentication.k8s.io/legacy-token": "system:serviceaccount:hold:robot",
        "authentication.k8s.io/legacy-token-manual-secret": "s",
    }


async def test_a_day_of_use_is_noted_once(world, keys):
    token = keys.sign(claims(world))
    await keep(world, token, {LAST_USED: "2026-03-01"})
    await world.tokens.read(token, HERE)
    assert world.used == []


async def test_who_has_a_generated_one_is_told_of_better_ones(world, keys):
    token = keys.sign(claims(world))
    await keep(world, token)

    def name_it(account):
        return {**account, "secrets": [{"name": "s"}]}

    await world.objects.modify(SERVICE_ACCOUNT, "hold", "robot", name_it)
    assert (await world.tokens.read(token, HERE)).warnings == (GENERATED,)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sub": None}, "sub claim is missing"),
        ({LEGACY + "namespace": None}, "namespace claim is missing"),
        ({LEGACY + "secret.name": None}, "secretName claim is missing"),
        ({LEGACY + "service-account.name": None}, "serviceAccountName claim is missing"),
        ({LEGACY + "service-account.uid": None}, "serviceAccountUID claim is missing"),
        ({"sub": "system:serviceaccount:hold:other"}, "sub claim is invalid"),
        ({LEGACY + "secret.name": "none"}, "Token has been invalidated"),
        ({"more": 1}, "Token does not match server's copy"),
    ],
)
async def test_refusals(world, keys, changes, why):
    await keep(world, keys.sign(claims(world)))
    with pytest.raises(Unverified) as caught:
        await world.tokens.read(keys.sign(claims(world, **changes)), HERE)
    assert str(caught.value) == why


async def test_one_that_was_marked_invalid(world, keys):
    token = keys.sign(claims(world))
    await keep(world, token, {INVALID_SINCE: "2026-01-01"})
    with pytest.raises(Unverified, match=r"has been marked invalid\. Use tokens from the TokenRequest API"):
        await world.tokens.read(token, HERE)


async def test_without_a_look_the_signature_is_enough(world, keys):
    lenient = ServiceAccountTokens(keys, HERE, HERE, world.store, world.clock, lookup=False)
    assert await lenient.read(keys.sign(claims(world)), HERE)


async def ask(world, keys, spec, **about):
    async def admit(obj):
        pass

    told = []
    issuer = Issuer(keys, HERE[0], HERE, world.clock, **about)
    found = await request_token(world.objects, issuer, "hold", "robot", {"spec": spec}, admit, told.extend)
    return found, told


async def test_a_long_life_is_shortened(world, keys):
    found, told = await ask(world, keys, {"expirationSeconds": 9000}, longest=7200)
    assert found["spec"]["expirationSeconds"] == 7200
    assert told == ["requested expiration of 9000 seconds shortened to 7200 seconds"]


HOOK = {"kind": "MutatingWebhookConfiguration", "apiVersion": "admissionregistration.k8s.io/v1", "name": "w"}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"attestations": {"a": ["b"]}}, "attestations may only be specified with a webhook bound object reference"),
        ({"boundObjectRef": HOOK}, "webhook bound requests require exactly one admissionReviewAPIGroups attestation"),
        ({"boundObjectRef": HOOK, "attestations": {"x": ["y"]}}, 'supported values: "admissionReviewAPIGroups"'),
        (
            {"boundObjectRef": HOOK, "attestations": {"admissionReviewAPIGroups": ["apps"]}},
            r"Kind=MutatingWebhookConfiguration \(feature gate APIServerWebhookAuthenticationToken is disabled\)",
        ),
    ],
)
async def test_what_tokens_cannot_be_bound_to(world, keys, spec, why):
    with pytest.raises(StatusError, match=why):
        await ask(world, keys, spec)
