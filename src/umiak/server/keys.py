"""Keys that sign service account tokens, and their public halves as others need them (JWS and JWK, RFC 7515 and 7517).

The crypto library is loaded with the first key that is used.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from umiak.objects.types import Object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey
    PublicKey = RSAPublicKey | EllipticCurvePublicKey

COORDINATE = 32
"""Bytes of each half of an ES256 signature or point."""


class BadSignature(Exception):
    """The token was not signed by a key that is known here, or not in a way that is understood."""


def encoded(data: bytes) -> str:
    """Base64 for URLs without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Raises ValueError on anything that is not base64 for URLs."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _integer(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _algorithm(key: Any) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    raise ValueError("service account keys must be RSA or P-256 keys")


class VerificationKey:
    """A public key and its name: the hash of its encoding, as the reference computes it."""

    def __init__(self, public: "PublicKey") -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._public = public
        self.algorithm = _algorithm(public)
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.id = encoded(hashlib.sha256(der).digest())

    def verify(self, signed: bytes, signature: bytes) -> None:
        """Raises BadSignature."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            if isinstance(self._public, rsa.RSAPublicKey):
                self._public.verify(signature, signed, padding.PKCS1v15(), SHA256())
                return
            if len(signature) != 2 * COORDINATE:
                raise BadSignature
            r, s = (int.from_bytes(half, "big") for half in (signature[:COORDINATE], signature[COORDINATE:]))
            self._public.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise BadSignature from None

    def jwk(self) -> Object:
        from cryptography.hazmat.primitives.asymmetric import rsa

        about: Object = {"use": "sig", "kty": "RSA", "kid": self.id}
        if isinstance(self._public, rsa.RSAPublicKey):
            numbers = self._public.public_numbers()
            return {**about, "alg": self.algorithm, "n": _integer(numbers.n), "e": _integer(numbers.e)}
        point = self._public.public_numbers()
        halves = {axis: encoded(getattr(point, axis).to_bytes(COORDINATE, "big")) for axis in ("x", "y")}
        return {**about, "kty": "EC", "crv": "P-256", "alg": self.algorithm, **halves}


class Keys:
    """One key that signs, and all whose signatures count."""

    def __init__(self, signing: str, verification: Sequence[str] = (), trusts_itself: bool = True) -> None:
        """PEM texts; those in `verification` hold public keys, private ones or certificates. `trusts_itself` says
        whether what it signs itself counts. Nothing is parsed before first use.
        """
        self._signing_pem = signing
        self._verification_pem = tuple(verification)
        self._trusts_itself = trusts_itself
        self._private: PrivateKey | None = None
        self._known: dict[str, VerificationKey] | None = None

    def _signing(self) -> "PrivateKey":
        if self._private is None:
            self._private = _private(self._signing_pem)
        return self._private

    @property
    def known(self) -> dict[str, VerificationKey]:
        """Verification keys by their id, the signing key's own first."""
        if self._known is None:
            own = [self.own] if self._trusts_itself else []
            texts = [block for pem in self._verification_pem for block in _blocks(pem)]
            others = [VerificationKey(_public(block)) for block in texts]
            self._known = {key.id: key for key in (*own, *others)}
        return self._known

    @cached_property
    def own(self) -> VerificationKey:
        """The public half of the key that signs."""
        return VerificationKey(self._signing().public_key())

    def sign(self, claims: Object) -> str:
        """A compact JWS of the claims, whose keys are written in alphabetical order."""
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        header = msgspec.json.encode({"alg": self.own.algorithm, "kid": self.own.id})
        signed = f"{encoded(header)}.{encoded(msgspec.json.encode(claims, order='sorted'))}"
        private = self._signing()
        if isinstance(private, rsa.RSAPrivateKey):
            return f"{signed}.{encoded(private.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        r, s = utils.decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{encoded(r.to_bytes(COORDINATE, 'big') + s.to_bytes(COORDINATE, 'big'))}"

    def verify(self, token: str) -> None:
        """Checks the signature alone. Raises BadSignature."""
        try:
            head, _, signature = token.split(".")
            header = msgspec.json.decode(decoded(head))
            raw = decoded(signature)
        except (ValueError, msgspec.DecodeError):
            raise BadSignature("malformed token") from None
        named = header.get("kid")
        keys = [self.known[named]] if named in self.known else [] if named else list(self.known.values())
        if not keys:
            raise BadSignature("invalid signature, no keys found")
        for key in keys:
            if header.get("alg") == key.algorithm and _verified(key, token.rpartition(".")[0].encode(), raw):
                return
        raise BadSignature("go-jose/go-jose: error in cryptographic primitive")

    def jwks(self) -> Object:
        """All verification keys as a JSON Web Key Set."""
        return {"keys": [key.jwk() for key in self.known.values()]}


def _verified(key: VerificationKey, signed: bytes, signature: bytes) -> bool:
    try:
        key.verify(signed, signature)
    except BadSignature:
        return False
    return True


def _blocks(pem: str) -> list[str]:
    """Each key or certificate of a file."""
    shape = r"-----BEGIN ((?:[A-Z ]* )?(?:KEY|CERTIFICATE))-----.*?-----END \1-----\n?"
    return [found[0] for found in re.finditer(shape, pem, re.DOTALL)]


def _private(pem: str) -> "PrivateKey":
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem.encode(), None)  # type: ignore[return-value]


def _public(pem: str) -> "PublicKey":
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if "PRIVATE KEY" in pem:
        return _private(pem).public_key()
    if "BEGIN CERTIFICATE" in pem:
        from cryptography.x509 import load_pem_x509_certificate

        return load_pem_x509_certificate(pem.encode()).public_key()  # type: ignore[return-value]
    return load_pem_public_key(pem.encode())  # type: ignore[return-value]
