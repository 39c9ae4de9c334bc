"""Sealing and opening: round trips, order of keys, what is refused. The bytes are compared in tests/swap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.server.encryption.chain import Encryption
from umiak.server.encryption.ciphers import AesCbc, AesGcm, Derived, Secretbox, Undecryptable
from umiak.server.encryption.config import Key, Provider, Rule
from umiak.store.contract import Unreadable

A, B = b"a" * 32, b"b" * 32
SECRET, MAP, PLACE = "/core/secrets/default/s", "/core/configmaps/default/m", b"/somewhere"
IDENTITY = Provider("identity")


def gcm(*keys):
    return Provider("aesgcm", tuple(Key(name, secret) for name, secret in keys))


def of(*providers, resources=(("", "secrets"),)):
    return Encryption((Rule(resources, providers),), no_plugins)


def no_plugins(plugin):
    raise AssertionError


@given(st.binary(max_size=100))
@pytest.mark.parametrize("make", [AesGcm, AesCbc, Secretbox, Derived])
def test_what_is_sealed_can_be_opened(make, value):
    cipher = make(A)
    sealed = cipher.seal(value, PLACE)
    assert cipher.open(sealed, PLACE) == (value, False)
    assert len(value) < 8 or value not in sealed
    assert cipher.seal(value, PLACE) != sealed


@pytest.mark.parametrize("make", [AesGcm, Secretbox, Derived])
def test_other_keys_and_changed_bytes_are_noticed(make):
    sealed = make(A).seal(b"value", PLACE)
    for bad in (make(B).open, lambda s, p: make(A).open(s[:-1] + bytes([s[-1] ^ 1]), p)):
        with pytest.raises(Undecryptable):
            bad(sealed, PLACE)


def test_values_are_bound_to_their_place():
    with pytest.raises(Undecryptable, match="message authentication failed"):
        AesGcm(A).open(AesGcm(A).seal(b"v", b"/here"), b"/there")


@given(st.binary(max_size=64))
@pytest.mark.parametrize("make", [AesGcm, AesCbc, Secretbox, Derived])
def test_nonsense_is_refused_not_crashed_on(make, data):
    with pytest.raises(Undecryptable):
        AesGcm(A).open(data, PLACE)
    try:
        make(A).open(data, PLACE)
    except Undecryptable:
        return
    assert make is AesCbc  # which is not authenticated


def test_only_what_is_named_is_sealed():
    both = of(gcm(("k", A)))
    assert both.seal(SECRET, b"v").startswith(b"k8s:enc:aesgcm:v1:k:")
    assert both.seal(MAP, b"v") == b"v"
    assert (both.covers(SECRET), both.covers(MAP)) == (True, False)


@pytest.mark.parametrize(
    ("resources", "key", "covered"),
    [
        ((("", "*"),), MAP, True),
        ((("", "*"),), "/apps/deployments/a/b", False),
        ((("apps", "*"),), "/apps/deployments/a/b", True),
        ((("*", "*"),), "/example.com/things/a/b", True),
        ((("example.com", "things"),), "/example.com/things/a/b", True),
    ],
)
def test_wildcards(resources, key, covered):
    assert of(gcm(("k", A)), resources=resources).covers(key) is covered


def test_the_narrowest_rule_counts():
    rules = (Rule((("", "secrets"),), (IDENTITY,)), Rule((("*", "*"),), (gcm(("k", A)),)))
    found = Encryption(rules, no_plugins)
    assert found.seal(SECRET, b"v") == b"v"
    assert found.covers(MAP)


def test_keys_are_turned_by_order():
    old, new = of(gcm(("1", A))), of(gcm(("2", B), ("1", A)))
    sealed = old.seal(SECRET, b"v")
    assert new.open(SECRET, sealed) == (b"v", True)
    assert new.open(SECRET, new.seal(SECRET, b"v")) == (b"v", False)
    with pytest.raises(Unreadable, match="no matching key was found for the provided AES transformer"):
        old.open(SECRET, new.seal(SECRET, b"v"))


def test_the_way_in_and_out_goes_by_identity():
    inwards, outwards = of(gcm(("k", A)), IDENTITY), of(IDENTITY, gcm(("k", A)))
    assert inwards.open(SECRET, b"v") == (b"v", True)
    sealed = inwards.seal(SECRET, b"v")
    assert outwards.open(SECRET, sealed) == (b"v", True)
    assert outwards.seal(SECRET, b"v") == b"v"
    with pytest.raises(Unreadable, match="no matching prefix found"):
        of(gcm(("k", A))).open(SECRET, b"v")
    with pytest.raises(Unreadable, match="identity transformer tried to read encrypted data"):
        Encryption((), no_plugins).open(SECRET, sealed)
