"""A server whose file is encrypted: what lies in it, what a turn of keys does, and what is said of lost ones."""

import base64
import random
from pathlib import Path

import msgspec
import pytest

from umiak.server.app import ApiServer
from umiak.server.contract import MASTERS, Decision, User
from umiak.server.encryption.following import EncryptionSettings, Encryptor
from umiak.server.local import LocalTransport
from umiak.store.sqlite import SqliteStore
from umiak.testing.clock import VirtualClock

ADMIN = User("root", groups=(MASTERS,))
SECRETS = "/api/v1/namespaces/default/secrets"
HIDDEN = b"aGlkZGVuIHZhbHVl"
IDENTITY = {"identity": {}}


def gcm(name, letter):
    return {"aesgcm": {"keys": [{"name": name, "secret": base64.b64encode(letter * 32).decode()}]}}


class Anybody:
    async def authorize(self, attributes):
        return Decision(True)


class Server:
    def __init__(self, folder: Path, reloads: bool = True):
        self.folder, self.clock = folder, VirtualClock()
        self.encryptor = Encryptor(
            EncryptionSettings(config=folder / "enc", reloads=reloads), self.clock, lambda: "uid"
        )

    async def __aenter__(self):
        await self.encryptor.begin()
        self.store = SqliteStore(self.folder / "store.db", self.encryptor.transformer)
        self.encryptor.on_change = lambda: self.store.reopen(self.encryptor.transformer.covers)
        self.app = ApiServer(
            self.store, clock=self.clock, random=random.Random(1), authenticators=(), authorizer=Anybody()
        )
        await self.app.start()
        self.transport = LocalTransport(self.app, ADMIN)
        return self

    async def __aexit__(self, *about):
        await self.app.close()
        await self.store.close()
        await self.encryptor.close()

    async def ask(self, method, path, body=None):
        sent = msgspec.json.encode(body) if body is not None else b""
        answer = await self.transport.request(method, path, {"content-type": "application/json"}, sent)
        return answer.status, msgspec.json.decode(answer.body)

    async def put(self, name="s"):
        return await self.ask("POST", SECRETS, {"metadata": {"name": name}, "data": {"k": HIDDEN.decode()}})


def configure(folder, *providers):
    rule = {"resources": ["secrets"], "providers": list(providers)}
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}
    (folder / "enc").write_bytes(msgspec.json.encode({**head, "resources": [rule]}))


def in_files(folder):
    return {path.name for path in folder.iterdir() if HIDDEN in path.read_bytes() and path.name != "enc"}


async def test_the_files_never_hold_the_plain_value(tmp_path):
    configure(tmp_path, gcm("1", b"a"))
    async with Server(tmp_path) as server:
        await server.put()
        assert in_files(tmp_path) == set()
        status, secret = await server.ask("GET", f"{SECRETS}/s")
        assert (status, secret["data"]["k"]) == (200, HIDDEN.decode())
        secret["metadata"]["labels"] = {"a": "b"}
        assert (await server.ask("PUT", f"{SECRETS}/s", secret))[0] == 200
        await server.ask("DELETE", f"{SECRETS}/s")
        assert in_files(tmp_path) == set()
        assert b"k8s:enc:aesgcm:v1:1:" in (tmp_path / "store.db-wal").read_bytes()
    assert in_files(tmp_path) == set()


async def test_after_a_restart_everything_is_there_with_its_history(tmp_path):
    configure(tmp_path, gcm("1", b"a"))
    async with Server(tmp_path) as server:
        _, made = await server.put()
        await server.ask("PUT", f"{SECRETS}/s", {**made, "data": {}})
    async with Server(tmp_path) as server:
        version = made["metadata"]["resourceVersion"]
        _, then = await server.ask("GET", f"{SECRETS}?resourceVersion={version}&resourceVersionMatch=Exact")
        assert then["items"][0]["data"] == {"k": HIDDEN.decode()}
        _, now = await server.ask("GET", SECRETS)
        assert "data" not in now["items"][0]


async def test_what_was_plain_is_encrypted_when_it_is_written_again(tmp_path):
    """`kubectl get secrets -o json | kubectl replace -f -`, and compaction for what was before."""
    configure(tmp_path, IDENTITY)
    async with Server(tmp_path) as server:
        await server.put()
    assert in_files(tmp_path)
    configure(tmp_path, gcm("1", b"a"), IDENTITY)
    async with Server(tmp_path) as server:
        _, secret = await server.ask("GET", f"{SECRETS}/s")
        _, after = await server.ask("PUT", f"{SECRETS}/s", secret)
        assert after["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"]
        _, again = await server.ask("PUT", f"{SECRETS}/s", after)
        assert again["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
        await server.store.compact(server.store.revision)
    assert in_files(tmp_path) == set()


NO_KEY = "no matching key was found for the provided AES transformer"
WHY = f"data from the storage is not transformable revision=0: {NO_KEY}"
PLACE = "Code: 7, Key: /secrets/default/s, ResourceVersion: 0"
CORRUPT = f"StorageError: corrupt object, {PLACE}, AdditionalErrorMsg: {WHY}"


async def test_lost_keys_are_told_of_in_the_words_of_the_reference(tmp_path):
    """As kube-apiserver 1.37.1 answers; recorded with a key that was replaced."""
    configure(tmp_path, gcm("1", b"a"))
    async with Server(tmp_path) as server:
        await server.put()
    configure(tmp_path, gcm("2", b"b"))
    async with Server(tmp_path) as server:
        for method, told in (("GET", CORRUPT), ("DELETE", CORRUPT), ("PUT", WHY)):
            body = {"metadata": {"name": "s"}} if method == "PUT" else None
            status, answer = await server.ask(method, f"{SECRETS}/s", body)
            assert (status, answer["message"]) == (500, f"Internal error occurred: {told}")
            assert answer["details"] == {"causes": [{"message": told}]}
        status, answer = await server.ask("GET", SECRETS)
        assert (status, answer["reason"]) == (429, "TooManyRequests")
        where = CORRUPT.replace("/secrets/default", "/registry/secrets/default")
        listing = "storage is (re)initializing: failed to list <unspecified>: failed to read one or more secrets"
        assert answer["message"] == f"{listing} from the storage: {where}"
        assert (await server.put())[1]["reason"] == "AlreadyExists"
        assert (await server.put("other"))[0] == 201
        assert (await server.ask("GET", "/api/v1/configmaps"))[0] == 200


async def test_a_new_file_is_taken_up_and_a_bad_one_is_not(tmp_path):
    configure(tmp_path, gcm("1", b"a"))
    async with Server(tmp_path) as server:
        await server.put()
        configure(tmp_path, gcm("2", b"b"), gcm("1", b"a"))
        await server.encryptor.look()
        _, secret = await server.ask("GET", f"{SECRETS}/s")
        _, after = await server.ask("PUT", f"{SECRETS}/s", secret)
        assert after["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"]
        (tmp_path / "enc").write_text("nonsense: [")
        await server.encryptor.look()
        assert (await server.put("t"))[0] == 201
    configure(tmp_path, gcm("2", b"b"))
    async with Server(tmp_path) as server:
        assert (await server.ask("GET", f"{SECRETS}/s"))[0] == 200
        configure(tmp_path, gcm("3", b"c"), gcm("2", b"b"))
        await server.encryptor.look()
        assert len((await server.ask("GET", SECRETS))[1]["items"]) == 2


async def test_a_key_that_comes_back_brings_its_objects_back(tmp_path):
    configure(tmp_path, gcm("1", b"a"))
    async with Server(tmp_path) as server:
        await server.put()
    configure(tmp_path, gcm("2", b"b"))
    async with Server(tmp_path) as server:
        assert (await server.ask("GET", f"{SECRETS}/s"))[0] == 500
        configure(tmp_path, gcm("2", b"b"), gcm("1", b"a"))
        await server.encryptor.look()
        assert (await server.ask("GET", f"{SECRETS}/s"))[0] == 200


@pytest.mark.parametrize("provider", [gcm("1", b"a"), IDENTITY])
async def test_health_is_silent_without_plugins(tmp_path, provider):
    configure(tmp_path, provider)
    async with Server(tmp_path, reloads=False) as server:
        assert (server.encryptor.is_checked, server.encryptor.fault()) == (False, "")
