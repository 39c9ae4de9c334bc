"""Makes a pod's private key with the proof that it is held, in a process of its own: the cryptography library is not
to stay in memory.

usage: python -m umiak.node.podkey TYPE     prints a PKCS#10 request (DER in base64) on one line, then the key (PEM)
"""

import asyncio
import base64
import sys
from typing import NamedTuple

RSA = {"RSA3072": 3072, "RSA4096": 4096}
CURVES = {"ECDSAP256": "SECP256R1", "ECDSAP384": "SECP384R1", "ECDSAP521": "SECP521R1"}
TYPES = frozenset({*RSA, *CURVES, "ED25519"})


class Made(NamedTuple):
    """A private key as PEM, and an empty certificate request that it signed, as base64 of DER."""

    key_pem: bytes
    request: str


def make(kind: str) -> Made:
    """ValueError for a type that is none of TYPES."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if kind in RSA:
        key = rsa.generate_private_key(65537, RSA[kind])
    elif kind in CURVES:
        key = ec.generate_private_key(getattr(ec, CURVES[kind])())
    elif kind == "ED25519":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        raise ValueError(f'unknown key type "{kind}"')
    empty = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = empty.sign(key, None if kind == "ED25519" else hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Made(pem, base64.b64encode(signed.public_bytes(Encoding.DER)).decode())


async def make_apart(kind: str) -> Made:
    """`make` in a process of its own. Raises ValueError."""
    if kind not in TYPES:
        raise ValueError(f'unknown key type "{kind}"')
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "umiak.node.podkey",
        kind,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    request, _, key = out.partition(b"\n")
    if process.returncode != 0 or not key:
        raise ValueError(f"no {kind} key could be made")
    return Made(key, request.decode())


if __name__ == "__main__":
    made = make(sys.argv[1])
    sys.stdout.write(f"{made.request}\n{made.key_pem.decode()}")
