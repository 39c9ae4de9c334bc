"""Ciphers: each seals and opens one value, bound to where it is stored, in the bytes that kube-apiserver writes."""

import os
from typing import Protocol

SHORT = "the stored data was shorter than the required size"
BLOCK = 16
"""Bytes of an AES block."""
NONCE = 12
"""Bytes, of AES-GCM."""
INFO = 32
"""Bytes from which a key for one value is derived."""
BOX_NONCE, BOX_OVERHEAD = 24, 16


class Undecryptable(ValueError):
    """The value can not be opened; the text says why."""


class Cipher(Protocol):
    def seal(self, value: bytes, place: bytes) -> bytes:
        """`place` is what the value is bound to. Raises Unsealable where keys can be missing."""
        ...

    def open(self, sealed: bytes, place: bytes) -> tuple[bytes, bool]:
        """(the value, whether it would be sealed in another way now). Raises Undecryptable."""
        ...


class Plain:
    """No cipher. Refuses to take for plain what looks sealed."""

    def seal(self, value: bytes, place: bytes) -> bytes:
        return value

    def open(self, sealed: bytes, place: bytes) -> tuple[bytes, bool]:
        if sealed.startswith(b"k8s:enc:"):
            raise Undecryptable("identity transformer tried to read encrypted data")
        return sealed, False


class AesGcm:
    """With a random nonce, so that a key must not seal more than 2^32 values."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def seal(self, value: bytes, place: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, value, place)

    def open(self, sealed: bytes, place: bytes) -> tuple[bytes, bool]:
        from cryptography.exceptions import InvalidTag

        if len(sealed) < NONCE:
            raise Undecryptable(SHORT)
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place), False
        except InvalidTag:
            raise Undecryptable("cipher: message authentication failed") from None


class AesCbc:
    """Not bound to a place, and not authenticated: kept for clusters that have it."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.algorithms import AES

        self._algorithm = AES(key)

    def seal(self, value: bytes, place: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher as Ciphered
        from cryptography.hazmat.primitives.ciphers.modes import CBC

        nonce = os.urandom(BLOCK)
        missing = BLOCK - len(value) % BLOCK
        encryptor = Ciphered(self._algorithm, CBC(nonce)).encryptor()
        return nonce + encryptor.update(value + bytes([missing]) * missing) + encryptor.finalize()

    def open(self, sealed: bytes, place: bytes) -> tuple[bytes, bool]:
        from cryptography.hazmat.primitives.ciphers import Cipher as Ciphered
        from cryptography.hazmat.primitives.ciphers.modes import CBC

        if len(sealed) < BLOCK:
            raise Undecryptable(SHORT)
        if len(sealed) % BLOCK:
            raise Undecryptable("the stored data is not a multiple of the block size")
        decryptor = Ciphered(self._algorithm, CBC(sealed[:BLOCK])).decryptor()
        padded = decryptor.update(sealed[BLOCK:]) + decryptor.finalize()
        extra = padded[-1] if padded else 0
        if extra == 0 or extra > len(padded):
            raise Undecryptable("invalid PKCS7 data (empty or not padded)")
        if padded[-extra:] != padded[-1:] * extra:
            raise Undecryptable("invalid padding on input")
        return padded[:-extra], False


class Secretbox:
    """XSalsa20 and Poly1305."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, value: bytes, place: bytes) -> bytes:
        from nacl.bindings import crypto_secretbox

        nonce = os.urandom(BOX_NONCE)
        return nonce + crypto_secretbox(value, nonce, self._key)

    def open(self, sealed: bytes, place: bytes) -> tuple[bytes, bool]:
        from nacl.bindings import crypto_secretbox_open
        from nacl.exceptions import CryptoError

        if len(sealed) < BOX_OVERHEAD + BOX_NONCE:
            raise Undecryptable(SHORT)
        try:
            return crypto_secretbox_open(sealed[BOX_NONCE:], sealed[:BOX_NONCE], self._key), False
        except CryptoError:
            raise Undecryptable("output array was not large enough for encryption") from None


class Derived:
    """AES-GCM with a key for every value, derived from a seed and 32 random bytes, which the value begins with."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) < INFO:
            raise Undecryptable(f"invalid seed length {len(seed)} used for key generation")
        self._seed = seed

    def _cipher(self, info: bytes) -> AesGcm:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

        return AesGcm(HKDFExpand(SHA256(), INFO, info).derive(self._seed))

    def seal(self, value: bytes, place: bytes) -> bytes:
        info = os.urandom(INFO)
        return info + self._cipher(info).seal(value, place)

    def open(self, sealed: bytes, place: bytes) -> tuple[bytes, bool]:
        if len(sealed) < INFO:
            raise Undecryptable(SHORT)
        return self._cipher(sealed[:INFO]).open(sealed[INFO:], place)
