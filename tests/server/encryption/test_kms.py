"""Keys from a KMS v2 plug-in (KEP-3299): one seed for many values, new keys, plug-ins that are ill or gone."""

import asyncio
import itertools

import pytest

from umiak.server.encryption.ciphers import Undecryptable
from umiak.server.encryption.config import Plugin as Configured
from umiak.server.encryption.kms import Kms, hash_of
from umiak.server.encryption.messages import message
from umiak.store.contract import Unsealable
from umiak.testing.clock import VirtualClock
from umiak.testing.kms_plugin import Plugin
from umiak.testing.patience import LONG, until_so

PLACE = b"/core/secrets/default/s"


@pytest.fixture
async def plugin(tmp_path):
    async with Plugin(tmp_path / "kms.sock") as served:
        yield served


class Kit:
    """Makes ciphers, as new processes would."""

    def __init__(self, path):
        self.clock, self.path, self.made = VirtualClock(), path, []
        self.uids = (f"uid-{n}" for n in itertools.count())

    async def __call__(self):
        kms = Kms(Configured("p", f"unix://{self.path}", LONG), self.clock, lambda: next(self.uids))
        self.made.append(kms)
        await kms.check()
        return kms


@pytest.fixture
async def new(tmp_path):
    kit = Kit(tmp_path / "kms.sock")
    yield kit
    for kms in kit.made:
        await asyncio.to_thread(kms.close)


async def opened(kms, sealed):
    """Off the loop, which here serves the plug-in too."""
    return await asyncio.to_thread(kms.open, sealed, PLACE)


async def test_one_seed_seals_many_values(plugin, new):
    kms = await new()
    sealed = [kms.seal(b"value %d" % n, PLACE) for n in range(50)]
    assert [(await opened(kms, s))[0] for s in sealed] == [b"value %d" % n for n in range(50)]
    assert plugin.calls == ["Status", "Encrypt"]
    found = message("EncryptedObject").FromString(sealed[0])
    assert (found.keyID, found.encryptedDEKSourceType, len(found.encryptedDEKSource)) == ("key-1", 1, 32)
    assert dict(found.annotations) == {"version.example.com": b"1"}


async def test_another_process_asks_once_for_a_seed(plugin, new):
    first, second = await new(), await new()
    sealed = [first.seal(b"v", PLACE) for _ in range(3)]
    plugin.calls.clear()
    assert {await opened(second, s) for s in sealed} == {(b"v", False)}
    assert plugin.calls == ["Decrypt"]


async def test_a_new_key_makes_a_new_seed_and_old_values_stale(plugin, new):
    kms = await new()
    old = kms.seal(b"v", PLACE)
    plugin.key_id = "key-2"
    await kms.check()
    assert kms.fault == ""
    assert await opened(kms, old) == (b"v", True)
    assert await opened(kms, kms.seal(b"v", PLACE)) == (b"v", False)


async def test_a_plugin_that_is_ill_is_told_of_and_writes_go_on_for_three_minutes(plugin, new):
    kms = await new()
    plugin.healthz = "sick"
    await new.clock.advance(60)
    await kms.check()
    assert kms.fault == "kmsv2 Provider p is not healthy, error: got unexpected healthz status: sick"
    await new.clock.advance(179)
    kms.seal(b"v", PLACE)  # its key was confirmed all the same
    await new.clock.advance(2)
    with pytest.raises(Unsealable, match=f'encryptedDEKSource with keyID hash "{hash_of("key-1")}" expired at'):
        kms.seal(b"v", PLACE)
    plugin.healthz = "ok"
    await kms.check()
    assert kms.seal(b"v", PLACE)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"version": "v3"}, "expected KMSv2 API version v2, got v3"),
        ({"key_id": ""}, 'got invalid KMSv2 KeyID hash "": keyID is empty'),
        ({"key_id": "x" * 1025}, "keyID is 1025 bytes, which exceeds the max size of 1024"),
    ],
)
async def test_what_a_plugin_says_is_checked(plugin, new, changed, fault):
    for name, value in changed.items():
        setattr(plugin, name, value)
    kms = await new()
    assert fault in kms.fault
    if "key_id" in changed:
        with pytest.raises(Unsealable, match="got unexpected nil transformer"):
            kms.seal(b"v", PLACE)


async def test_a_plugin_that_comes_late(tmp_path, new):
    kms = await new()
    assert kms.fault.startswith("failed to perform status section of the healthz check for KMS Provider p, error: rpc")
    looking = asyncio.create_task(kms.run())
    async with Plugin(tmp_path / "kms.sock"):
        await new.clock.advance(11)
        await until_so(lambda: not kms.fault, every=0.01)
        assert kms.seal(b"v", PLACE)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def test_a_key_that_is_gone(plugin, new):
    first, second = await new(), await new()
    sealed = first.seal(b"v", PLACE)
    plugin.lost.add("key-1")
    with pytest.raises(Undecryptable, match="failed to decrypt DEK, error: rpc error: code = NotFound desc = no key"):
        await opened(second, sealed)


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"k" * 40])
async def test_nonsense(plugin, new, data):
    kms = await new()
    with pytest.raises(Undecryptable):
        await opened(kms, data)
