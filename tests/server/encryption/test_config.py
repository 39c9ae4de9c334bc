"""EncryptionConfiguration files (apiserver's `validation_encryption_test.go`)."""

import base64
from pathlib import Path

import msgspec
import pytest

from umiak.api.configuration import Unacceptable
from umiak.server.encryption.config import Plugin, load, rules_of

FILE = Path("/etc/enc.yaml")
GOOD = {"name": "k", "secret": base64.b64encode(b"a" * 32).decode()}


def read(*rules, reloads=False):
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}
    return rules_of(msgspec.json.encode({**head, "resources": list(rules)}), FILE, reloads=reloads)


def a_rule(*resources, **provider):
    return {"resources": list(resources), "providers": [provider or {"identity": {}}]}


def a_plugin(**changed):
    return {"kms": {"apiVersion": "v2", "name": "p", "endpoint": "unix:///tmp/x.sock", **changed}}


def test_what_is_read():
    both = {"resources": ["secrets", "deployments.apps"], "providers": [{"aesgcm": {"keys": [GOOD]}}, {"identity": {}}]}
    first, second = read(both, a_rule("*.*", **a_plugin(timeout="5s")))
    assert first.resources == (("", "secrets"), ("apps", "deployments"))
    assert [provider.kind for provider in first.providers] == ["aesgcm", "identity"]
    assert first.providers[0].keys[0].secret == b"a" * 32
    assert second.providers[0].plugin == Plugin("p", "unix:///tmp/x.sock", 5.0)


def keys(**changed):
    return {"aesgcm": {"keys": [{**GOOD, **changed}]}}


AT = "resources[0].providers[0]"


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ([], "resources: Required value: at least one resources is required"),
        ([a_rule()], "resources[0].resources: Required value: at least one resources[0].resources is required"),
        ([{"resources": ["secrets"]}], "resources[0].providers: Required value: at least one resources[0].providers"),
        ([a_rule("Secrets")], 'resources[0].resources[0]: Invalid value: "Secrets": resource name should not contain'),
        ([a_rule("*")], "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"),
        ([a_rule("serviceipallocations")], "resources which do not have REST API/s cannot be encrypted"),
        ([a_rule("events.events.k8s.io")], "'*.events.k8s.io' objects are stored using the 'events' API group"),
        ([a_rule("x.extensions")], "'extensions' group has been removed and cannot be used for encryption"),
        ([a_rule("secrets.*")], "encrypting the same resource across groups is not supported"),
        ([a_rule("secrets", "secrets")], "the same resource cannot be specified multiple times"),
        ([a_rule("secrets", "*.")], "using overlapping resources such as 'secrets' and '*.' in the same resource list"),
        ([a_rule("a.b", "*.*")], "using overlapping resources"),
        ([a_rule("*."), a_rule("secrets")], 'resource "secrets" is masked by earlier rule "*."'),
        ([a_rule("*.*"), a_rule("a.b")], 'resource "a.b" is masked by earlier rule "*.*"'),
        ([a_rule("x", aesgcm={"keys": []})], f"{AT}.aesgcm.keys: Required value: at least one keys is required"),
        ([a_rule("x", **keys(name=""))], f"{AT}.aesgcm.keys[0].name: Required value: name is a mandatory field"),
        ([a_rule("x", **keys(secret=""))], f"{AT}.aesgcm.keys[0].secret: Required value: secret is a mandatory field"),
        ([a_rule("x", **keys(secret="?"))], 'Invalid value: "REDACTED": secrets must be base64 encoded'),
        ([a_rule("x", **keys(secret="YQ=="))], "is not of the expected length, got 1, expected one of [16 24 32]"),
        ([a_rule("x", aesgcm={"keys": [GOOD]}, identity={})], "more than one provider specified in a single element"),
        ([a_rule("x", **a_plugin(name="a:b"))], "invalid KMS provider name a:b, must not contain ':'"),
        ([a_rule("x", **a_plugin(endpoint=""))], "endpoint is a mandatory field for a kms"),
        ([a_rule("x", **a_plugin(endpoint="tcp://x"))], 'unsupported scheme "tcp" for KMS provider'),
        ([a_rule("x", **a_plugin(cachesize=5))], "cachesize is not supported in v2"),
        ([a_rule("x", **a_plugin(timeout="-1s"))], "timeout should be a positive value"),
        ([a_rule("x", **a_plugin()), a_rule("y", **a_plugin())], "duplicate KMS provider name p, names must be unique"),
        ([a_rule("x", colour="red")], "strict decoding error"),
    ],
)
def test_faults(rules, fault):
    with pytest.raises(Unacceptable) as caught:
        read(*rules)
    assert fault in str(caught.value)
    assert GOOD["secret"] not in str(caught.value)


def test_files(tmp_path):
    with pytest.raises(Unacceptable, match="error while loading file: error reading encryption provider configuration"):
        load(tmp_path / "no", reloads=False)
    (tmp_path / "empty").touch()
    with pytest.raises(Unacceptable, match="is empty"):
        load(tmp_path / "empty", reloads=False)
