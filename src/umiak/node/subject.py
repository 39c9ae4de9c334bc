"""Reads who a client certificate speaks for, straight from its DER: only the subject's names are wanted.

TLS has verified the certificate already; a library for all of X.509 would cost more memory than the rest of the agent.
"""

COMMON_NAME, ORGANIZATION = bytes.fromhex("550403"), bytes.fromhex("55040a")
SEQUENCE, SET, OBJECT_ID, VERSION = 0x30, 0x31, 0x06, 0xA0


class Malformed(ValueError):
    """The bytes are no certificate."""


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, first and last+1 position of the value that begins at `at`."""
    if at + 2 > len(data):
        raise Malformed("cut off")
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 0 < count <= 4 or at + count > len(data):
            raise Malformed("bad length")
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    if at + length > len(data):
        raise Malformed("cut off")
    return tag, at, at + length


def _children(data: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
    found = []
    while start < end:
        element = _element(data, start)
        found.append(element)
        start = element[2]
    return found


def names(certificate: bytes) -> tuple[str, list[str]]:
    """Common name and organizations: for Kubernetes user and groups. Raises Malformed."""
    tag, start, end = _element(certificate, 0)
    parts = _children(certificate, start, end)
    if tag != SEQUENCE or not parts:
        raise Malformed("not a certificate")
    fields = _children(certificate, *parts[0][1:])
    subject = 5 if fields and fields[0][0] == VERSION else 4  # serial, algorithm, issuer and validity come first
    if len(fields) <= subject or fields[subject][0] != SEQUENCE:
        raise Malformed("no subject")
    common, organizations = "", []
    for _, begin, stop in _children(certificate, *fields[subject][1:]):
        for _, inner, last in _children(certificate, begin, stop):
            pair = _children(certificate, inner, last)
            if len(pair) != 2 or pair[0][0] != OBJECT_ID:
                continue
            kind, text = certificate[slice(*pair[0][1:])], certificate[slice(*pair[1][1:])].decode(errors="replace")
            if kind == COMMON_NAME:
                common = text
            elif kind == ORGANIZATION:
                organizations.append(text)
    return common, organizations
