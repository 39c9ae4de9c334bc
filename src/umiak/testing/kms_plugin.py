"""A KMS v2 plug-in for tests, over a unix socket: mixes with its key, and can be told to fail. Protects nothing."""

import hashlib
from pathlib import Path
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server

from umiak.server.encryption.messages import message


class Plugin:
    """Keys by id, derived from it; `key_id` is the one that seals now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.key_id = "key-1"
        self.healthz = "ok"
        self.version = "v2"
        self.lost: set[str] = set()
        self.calls: list[str] = []

    def __mapping__(self) -> dict[str, Handler]:
        return {
            f"/v2.KeyManagementService/{name}": Handler(
                handler, Cardinality.UNARY_UNARY, message(f"{name}Request"), message(f"{name}Response")
            )
            for name, handler in (("Status", self.status), ("Encrypt", self.encrypt), ("Decrypt", self.decrypt))
        }

    async def __aenter__(self) -> "Plugin":
        self._server = Server([self])  # belongs to the loop it is made on
        await self._server.start(path=str(self.path))
        return self

    async def __aexit__(self, *about: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @staticmethod
    def mixed(key_id: str, data: bytes) -> bytes:
        stream = hashlib.shake_256(key_id.encode()).digest(len(data))
        return bytes(a ^ b for a, b in zip(data, stream, strict=True))

    async def status(self, stream: Any) -> None:
        await stream.recv_message()
        self.calls.append("Status")
        answer = message("StatusResponse")(version=self.version, healthz=self.healthz, key_id=self.key_id)
        await stream.send_message(answer)

    async def encrypt(self, stream: Any) -> None:
        asked = await stream.recv_message()
        self.calls.append("Encrypt")
        sealed = self.mixed(self.key_id, asked.plaintext)
        notes = {"version.example.com": b"1"}
        await stream.send_message(message("EncryptResponse")(ciphertext=sealed, key_id=self.key_id, annotations=notes))

    async def decrypt(self, stream: Any) -> None:
        asked = await stream.recv_message()
        self.calls.append("Decrypt")
        if asked.key_id in self.lost:
            raise GRPCError(Status.NOT_FOUND, f"no key {asked.key_id}")
        assert dict(asked.annotations) == {"version.example.com": b"1"}
        await stream.send_message(message("DecryptResponse")(plaintext=self.mixed(asked.key_id, asked.ciphertext)))
