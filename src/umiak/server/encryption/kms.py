"""Keys from a KMS plug-in (interface v2): a seed that the plug-in seals with its key goes with every value; from it a
key for each value is derived. So the plug-in is asked when its key changes, and for seeds of old, never per value.

Follows apiserver's `encryptionconfig.kmsv2PluginProbe` and `envelope/kmsv2`. Calls run on a thread of their own, since
a value has to be opened in the middle of a synchronous read (of the file at the start, or of history).
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from umiak.kit.clock import Clock
from umiak.objects.meta import format_time
from umiak.server.encryption.ciphers import AesGcm, Cipher, Derived, Undecryptable
from umiak.server.encryption.config import Plugin
from umiak.server.encryption.messages import message
from umiak.store.contract import Unsealable

log = logging.getLogger(__name__)

HEALTHY, ILL = 60.0, 10.0
"""Seconds between looks at a plug-in that is well, and at one that is not."""
LIFETIME = timedelta(minutes=3)
"""How long a seed seals without the plug-in having confirmed its key."""
LONGEST_ID = LONGEST_SEED = 1024
"""Bytes."""
MOST_SEEDS = 10_000
"""That are remembered of old."""
VERSIONS = ("v2", "v2beta1")
DERIVED = 1
"""`HKDF_SHA256_XNONCE_AES_GCM_SEED`; 0 is the key itself."""


class Failed(Exception):
    """A call that failed; the text is gRPC's."""


class Caller:
    """Calls methods of a plug-in, from any thread; the connection is made anew after a failure."""

    def __init__(self, plugin: Plugin) -> None:
        self._path = plugin.endpoint.removeprefix("unix://")
        self._timeout = plugin.timeout
        self._channel: Any = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"kms {plugin.name}", daemon=True)
        self._thread.start()

    def call(self, method: str, **fields: Any) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(self._call(method, fields), self._loop)

    async def _call(self, method: str, fields: dict[str, Any]) -> Any:
        from grpclib.client import Channel
        from grpclib.const import Cardinality
        from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

        asked, answer = message(f"{method}Request"), message(f"{method}Response")
        if self._channel is None:
            self._channel = Channel(path=self._path)
        path = f"/v2.KeyManagementService/{method}"
        try:
            shape = Cardinality.UNARY_UNARY
            async with self._channel.request(path, shape, asked, answer, timeout=self._timeout) as stream:
                await stream.send_message(asked(**fields), end=True)
                return await stream.recv_message()
        except GRPCError as error:
            code = "".join(word.capitalize() for word in error.status.name.split("_"))
            raise Failed(f"rpc error: code = {code} desc = {error.message or ''}") from None
        except TimeoutError:
            raise Failed("rpc error: code = DeadlineExceeded desc = context deadline exceeded") from None
        except (ProtocolError, StreamTerminatedError, OSError) as error:
            self._channel.close()
            self._channel = None
            why = f'connection error: desc = "transport: Error while dialing: dial unix {self._path}: {error}"'
            raise Failed(f"rpc error: code = Unavailable desc = {why}") from None

    async def _end(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        for _ in range(3):  # transports close in the turns that follow
            await asyncio.sleep(0)

    def close(self) -> None:
        """Blocks for a moment."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(1)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1)
        self._loop.close()


class Seed(msgspec.Struct, frozen=True):
    """What values are sealed with, and how the plug-in sealed it."""

    cipher: Derived
    key_id: str
    sealed: bytes
    annotations: dict[str, bytes]
    expires: datetime


class Kms:
    """One plug-in as a cipher. Call `check` at the start and `run` from then on."""

    def __init__(self, plugin: Plugin, clock: Clock, new_uid: Callable[[], str]) -> None:
        self.plugin = plugin
        self._caller = Caller(plugin)
        self._clock = clock
        self._new_uid = new_uid
        self._seed: Seed | None = None
        self._known: dict[bytes, Cipher] = {}
        self._version = ""
        self.fault = "not probed yet"
        """What was wrong at the last look, or nothing."""

    # Looking after it

    async def check(self) -> None:
        """Looks whether the plug-in is well, and takes up its key."""
        try:
            await self._probe()
            self.fault = ""
        except Failed as error:
            self.fault = str(error)
            log.error("kms plugin failed health check probe: name=%s: %s", self.plugin.name, self.fault)

    async def run(self) -> None:
        while True:
            await self._clock.sleep(ILL if self.fault else HEALTHY)
            await self.check()

    async def _probe(self) -> None:
        name = self.plugin.name
        try:
            status = await asyncio.wrap_future(self._caller.call("Status"))
        except Failed as error:
            what = "failed to perform status section of the healthz check for KMS Provider"
            raise Failed(f"{what} {name}, error: {error}") from None
        faults = self._status_faults(status)
        try:
            check_id(status.key_id)
        except Undecryptable as error:
            faults.append(f'got invalid KMSv2 KeyID hash "{hash_of(status.key_id)}": {error}')
        else:
            if fault := await self._rotated(status.key_id):
                faults.append(fault)
        if faults:
            told = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
            raise Failed(f"kmsv2 Provider {name} is not healthy, error: {told}")

    def _status_faults(self, status: Any) -> list[str]:
        faults = []
        if status.healthz != "ok":
            faults.append(f"got unexpected healthz status: {status.healthz}")
        if status.version not in VERSIONS:
            faults.append(f"expected KMSv2 API version v2, got {status.version}")
        else:
            self._version = self._version or status.version
            if self._version != status.version:
                why = "KMSv2 API version should not change after the initial status response version"
                faults.append(f"{why} {self._version}, got {status.version}")
        return faults

    async def _rotated(self, key_id: str) -> str:
        """Makes a seed for a new key, or lets the seed live longer; says what went wrong."""
        expires = self._clock.now() + LIFETIME
        seed = self._seed
        if seed is not None and seed.key_id == key_id:
            self._seed = Seed(seed.cipher, seed.key_id, seed.sealed, seed.annotations, expires)
            return ""
        uid, fault, made = self._new_uid(), "", ""
        plain = os.urandom(32)
        try:
            answer = await asyncio.wrap_future(self._caller.call("Encrypt", plaintext=plain, uid=uid))
            check(answer.ciphertext, answer.key_id)
            made = answer.key_id
        except Failed as error:
            fault = f"failed to encrypt DEK, error: {error}"
        except Undecryptable as error:
            fault = str(error)
        if not fault and made == key_id:
            self._seed = Seed(Derived(plain), made, answer.ciphertext, dict(answer.annotations), expires)
            self._keep(_cache_key(DERIVED, answer.ciphertext, made, answer.annotations), self._seed.cipher)
            return ""
        hashes = f'statusKeyIDHash="{hash_of(key_id)}", encryptKeyIDHash="{hash_of(made)}"'
        before = f'stateKeyIDHash="{hash_of(seed.key_id) if seed else ""}"'
        return f'failed to rotate DEK uid="{uid}", useSeed=true, errGen={fault or "<nil>"}, {hashes}, {before}'

    # Sealing

    def seal(self, value: bytes, place: bytes) -> bytes:
        seed = self._seed
        if seed is None:
            raise Unsealable("got unexpected nil transformer")
        now = self._clock.now()
        if now > seed.expires:
            times = f"{format_time(seed.expires)} (current time is {format_time(now)})"
            raise Unsealable(f'encryptedDEKSource with keyID hash "{hash_of(seed.key_id)}" expired at {times}')
        return bytes(
            message("EncryptedObject")(
                encryptedData=seed.cipher.seal(value, place),
                keyID=seed.key_id,
                encryptedDEKSource=seed.sealed,
                annotations=seed.annotations,
                encryptedDEKSourceType=DERIVED,
            ).SerializeToString()
        )

    def open(self, sealed: bytes, place: bytes) -> tuple[bytes, bool]:
        from google.protobuf.message import DecodeError

        try:
            found = message("EncryptedObject").FromString(sealed)
        except DecodeError as error:
            raise Undecryptable(f"proto: cannot parse invalid wire-format data: {error}") from None
        check(found.encryptedDEKSource, found.keyID)
        if not found.encryptedData:
            raise Undecryptable("encrypted data is empty")
        key = _cache_key(found.encryptedDEKSourceType, found.encryptedDEKSource, found.keyID, found.annotations)
        cipher = self._known.get(key) or self._keep(key, self._asked_for(found))
        value, _ = cipher.open(found.encryptedData, place)
        return value, self._seed is None or found.keyID != self._seed.key_id

    def _asked_for(self, found: Any) -> Cipher:
        call = self._caller.call(
            "Decrypt",
            ciphertext=found.encryptedDEKSource,
            uid=self._new_uid(),
            key_id=found.keyID,
            annotations=dict(found.annotations),
        )
        try:
            plain = call.result(self.plugin.timeout + 1).plaintext
        except (Failed, TimeoutError) as error:
            raise Undecryptable(f"failed to decrypt DEK, error: {error}") from None
        return Derived(plain) if found.encryptedDEKSourceType == DERIVED else AesGcm(plain)

    def _keep(self, key: bytes, cipher: Cipher) -> Cipher:
        if len(self._known) >= MOST_SEEDS:
            self._known.clear()
        self._known[key] = cipher
        return cipher

    def close(self) -> None:
        self._caller.close()


def hash_of(key_id: str) -> str:
    return f"sha256:{sha256(key_id.encode()).hexdigest()}" if key_id else ""


def check_id(key_id: str) -> None:
    """Raises Undecryptable."""
    if not key_id:
        raise Undecryptable("keyID is empty")
    if (size := len(key_id.encode())) > LONGEST_ID:
        raise Undecryptable(f"keyID is {size} bytes, which exceeds the max size of {LONGEST_ID}")


def check(sealed: bytes, key_id: str) -> None:
    """What a plug-in gives has its bounds. Raises Undecryptable."""
    if not sealed:
        raise Undecryptable("failed to validate encrypted DEK source: encrypted DEK source is empty")
    if len(sealed) > LONGEST_SEED:
        why = f"encrypted DEK source is {len(sealed)} bytes, which exceeds the max size of {LONGEST_SEED}"
        raise Undecryptable(f"failed to validate encrypted DEK source: {why}")
    try:
        check_id(key_id)
    except Undecryptable as error:
        raise Undecryptable(f"failed to validate key id: {error}") from None


def _cache_key(kind: int, sealed: bytes, key_id: str, annotations: Any) -> bytes:
    parts = [bytes([kind]), sealed, key_id.encode()]
    for name in sorted(annotations):
        parts += [name.encode(), annotations[name]]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
