"""What kube-apiserver encrypts can be opened with the same keys here: the bytes at rest are the same."""

import asyncio
import base64
import json
import threading
import urllib.request
from contextlib import ExitStack, contextmanager

import pytest

from umiak.server.encryption.chain import Encryption
from umiak.server.encryption.config import load
from umiak.server.encryption.kms import Kms
from umiak.testing import reference
from umiak.testing.clock import VirtualClock
from umiak.testing.kms_plugin import Plugin
from umiak.testing.patience import LONG

from .beside import call, original

pytestmark = [pytest.mark.shared, pytest.mark.slow]

KEY = base64.b64encode(b"k" * 32).decode()
CONFIG = """
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- {{resources: [secrets], providers: [{{aesgcm: {{keys: [{{name: a, secret: {key}}}]}}}}]}}
- {{resources: [configmaps], providers: [{{aescbc: {{keys: [{{name: a, secret: {key}}}]}}}}]}}
- {{resources: [resourcequotas], providers: [{{secretbox: {{keys: [{{name: a, secret: {key}}}]}}}}]}}
- resources: [limitranges]
  providers: [{{kms: {{apiVersion: v2, name: p, endpoint: "unix://{folder}/kms.sock"}}}}]
"""
PREFIXES = {
    "secrets": b"k8s:enc:aesgcm:v1:a:",
    "configmaps": b"k8s:enc:aescbc:v1:a:",
    "resourcequotas": b"k8s:enc:secretbox:v1:a:",
    "limitranges": b"k8s:enc:kms:v2:p:",
}


@contextmanager
def plugged(path):
    """The plug-in of our tests, on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    plugin = Plugin(path)
    asyncio.run_coroutine_threadsafe(plugin.__aenter__(), loop).result(LONG)
    try:
        yield plugin
    finally:
        asyncio.run_coroutine_threadsafe(plugin.__aexit__(), loop).result(LONG)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(LONG)
        loop.close()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """(the folder, what lies in etcd by resource)."""
    folder = tmp_path_factory.mktemp("enc")
    (folder / "enc.yaml").write_text(CONFIG.format(key=KEY, folder=folder))
    with ExitStack() as stack:
        stack.enter_context(plugged(folder / "kms.sock"))
        try:
            port, etcd = original(stack, folder, f"--encryption-provider-config={folder}/enc.yaml")
        except reference.Missing as missing:
            pytest.skip(str(missing))
        for plural in PREFIXES:
            path = f"/api/v1/namespaces/default/{plural}"
            assert call(port, "POST", path, {"metadata": {"name": "x"}}, {})[0] == 201
        yield folder, {plural: raw(etcd, f"/registry/{plural}/default/x") for plural in PREFIXES}


def raw(port, key):
    asked = json.dumps({"key": base64.b64encode(key.encode()).decode()}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v3/kv/range", asked) as answer:
        return base64.b64decode(json.load(answer)["kvs"][0]["value"])


@pytest.mark.parametrize("plural", PREFIXES)
async def test_its_values_can_be_opened(stored, plural):
    folder, values = stored
    assert values[plural].startswith(PREFIXES[plural])
    made = []

    def plugin(about):
        made.append(Kms(about, VirtualClock(), lambda: "uid"))
        return made[-1]

    rules = load(folder / "enc.yaml", reloads=False)
    cipher = Encryption(rules, plugin).chains["", plural]
    value, _ = await asyncio.to_thread(cipher.open, values[plural], f"/registry/{plural}/default/x".encode())
    for kms in made:
        await asyncio.to_thread(kms.close)
    assert value.startswith(b"k8s\0")
    assert b"default" in value
