"""Users by client certificate: the common name is the user, the organizations are the groups.

TLS has verified the signature already; only the subject and the validity are read here, without a crypto library.
"""

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

from umiak.kit.clock import Clock
from umiak.server.contract import User

CREDENTIAL = "authentication.kubernetes.io/credential-id"
KEPT = 1024
SEQUENCE, EXPLICIT_0, UTC_TIME, BMP_STRING = 0x30, 0xA0, 0x17, 0x1E
COMMON_NAME = bytes((0x55, 4, 3))
ORGANIZATION = bytes((0x55, 4, 10))
USER_UID = bytes((0x2B, 6, 1, 4, 1, 0x83, 0xC2, 0x51, 2))  # 1.3.6.1.4.1.57683.2


class Malformed(ValueError):
    """The bytes are no certificate."""


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of each DER element in a row."""
    at = 0
    while at < len(der):
        try:
            tag, length, at = der[at], der[at + 1], at + 2
            if length & 0x80:
                size = length & 0x7F
                length, at = int.from_bytes(der[at : at + size], "big"), at + size
        except IndexError:
            raise Malformed("truncated") from None
        if at + length > len(der):
            raise Malformed("truncated")
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, text: bytes) -> datetime:
    if tag == UTC_TIME:  # two-digit years: 50 and above belong to the last century
        text = (b"19" if text[:2] >= b"50" else b"20") + text
    return datetime.strptime(text.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _names(subject: bytes) -> Iterator[tuple[bytes, str]]:
    """(object identifier, text) of each attribute of a distinguished name."""
    for _, relative in _elements(subject):
        for _, attribute in _elements(relative):
            (_, identifier), (tag, value) = list(_elements(attribute))[:2]
            yield identifier, value.decode("utf-16-be" if tag == BMP_STRING else "utf-8")


def parse(der: bytes) -> tuple[list[tuple[bytes, str]], datetime, datetime]:
    """(subject's attributes, not before, not after). Raises Malformed."""
    try:
        ((_, certificate),) = list(_elements(der))
        (_, signed), *_ = _elements(certificate)
        fields = list(_elements(signed))
        if fields[0][0] == EXPLICIT_0:  # the version; absent in version 1
            del fields[0]
        not_before, not_after = (_time(tag, text) for tag, text in _elements(fields[3][1]))
        return list(_names(fields[4][1])), not_before, not_after
    except (ValueError, IndexError) as error:
        raise Malformed(str(error)) from error


def user_of(der: bytes) -> tuple[User | None, datetime, datetime]:
    """The user, None without a common name; and the times between which the certificate holds."""
    subject, not_before, not_after = parse(der)
    found: dict[bytes, list[str]] = {}
    for identifier, text in subject:
        found.setdefault(identifier, []).append(text)
    if not found.get(COMMON_NAME):
        return None, not_before, not_after
    uid = (found.get(USER_UID) or [""])[0]
    fingerprint = f"X509SHA256={hashlib.sha256(der).hexdigest()}"
    groups = tuple(found.get(ORGANIZATION, ()))
    return User(found[COMMON_NAME][-1], uid, groups, {CREDENTIAL: (fingerprint,)}), not_before, not_after


class Certificates:
    """Reads each certificate once; the newest ones are remembered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[bytes, tuple[User | None, datetime, datetime]] = {}

    def read(self, der: bytes) -> User | None:
        """The user; None when the certificate names none. Raises Malformed when it is expired or unreadable."""
        known = self._known.get(der)
        if known is None:
            if len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            known = self._known[der] = user_of(der)
        user, not_before, not_after = known
        if not not_before <= self._clock.now() <= not_after:
            raise Malformed("certificate has expired or is not yet valid")
        return user

    def holds(self, der: bytes) -> bool:
        """Whether a certificate that was read may still be shown."""
        _, not_before, not_after = self._known.get(der) or user_of(der)
        return not_before <= self._clock.now() <= not_after


def request_subject(encoded: str) -> tuple[str, list[str]]:
    """(common name, organizations) that a certificate request, base64 of PEM, asks for. Raises Malformed."""
    try:
        lines = base64.b64decode(encoded).decode("ascii").split("-----")
        if len(lines) < 3 or lines[1] != "BEGIN CERTIFICATE REQUEST":
            raise Malformed("PEM block type must be CERTIFICATE REQUEST")
        ((_, request),) = list(_elements(base64.b64decode(lines[2])))
        (_, signed), *_ = _elements(request)
        subject = list(_names(list(_elements(signed))[1][1]))
    except (ValueError, IndexError) as error:
        raise Malformed(str(error)) from error
    name = next((text for identifier, text in subject if identifier == COMMON_NAME), "")
    return name, [text for identifier, text in subject if identifier == ORGANIZATION]
