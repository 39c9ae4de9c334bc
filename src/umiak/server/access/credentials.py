"""Who sends a request: client certificate, bearer token, or nobody in particular.

Tokens are read by a row of readers; the first that recognises one has the say. Bad credentials are refused, not
taken for anonymous.
"""

import base64
import binascii
import csv
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

from umiak.objects.errors import together, unauthorized
from umiak.server import warning
from umiak.server.access.certificates import Certificates, Malformed
from umiak.server.contract import ANONYMOUS, Request, User, always

AUTHENTICATED = "system:authenticated"
WEBSOCKET_TOKEN = "base64url.bearer.authorization.k8s.io."


class Unverified(Exception):
    """The token is of a kind that is read here, but not good; the text may be shown to its bearer."""


class Verified(msgspec.Struct, frozen=True):
    """Whom a token stands for, and for which of the wanted audiences."""

    user: User
    audiences: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """For its bearer."""
    annotations: Mapping[str, str] | None = None
    """For the audit log."""
    lasts: Callable[[], bool] | None = None
    """Whether the token still stands for the same; None when only reading it can tell."""


class TokenReader(Protocol):
    async def read(self, token: str, audiences: Sequence[str]) -> Verified | None:
        """None when the token is of another kind; raises Unverified when it is this kind and bad."""
        ...


class TokenFile:
    """kube-apiserver's static tokens: lines of token,user,uid,"group,group"."""

    def __init__(self, text: str, audiences: Sequence[str]) -> None:
        """Raises ValueError when a line has fewer than three columns."""
        self._audiences = tuple(audiences)
        self._known: dict[bytes, Verified] = {}
        for row in csv.reader(text.splitlines(), skipinitialspace=True):
            if row and len(row) < 3:
                raise ValueError(
                    f"token file must have at least 3 columns (token, user name, user uid), found {len(row)}"
                )
            if row and row[0]:
                groups = tuple(row[3].split(",")) if len(row) > 3 else ()
                user = with_authenticated(User(row[1], row[2], groups))
                self._known[self._digest(row[0])] = Verified(user, self._audiences, lasts=always)

    @classmethod
    def load(cls, path: Path, audiences: Sequence[str]) -> "TokenFile":
        """Raises OSError, and ValueError that names the file."""
        try:
            return cls(path.read_text(), audiences)
        except ValueError as error:
            raise ValueError(f"--token-file {path}: {error}") from None

    @staticmethod
    def _digest(token: str) -> bytes:
        """Looking up digests takes the same time for every wrong token, however much of it is right."""
        return hashlib.sha256(token.encode()).digest()

    async def read(self, token: str, audiences: Sequence[str]) -> Verified | None:
        known = self._known.get(self._digest(token))
        if known is None or audiences is self._audiences:
            return known
        return agnostic(known.user, self._audiences, audiences)


def agnostic(user: User, own: tuple[str, ...], wanted: Sequence[str]) -> Verified | None:
    """A token without audiences of its own is good for those of the server."""
    shared = own if own == wanted else tuple(a for a in own if a in wanted)
    return Verified(user, shared) if shared else None


def bearer_token(request: Request) -> str:
    """The token of the Authorization header, or of a WebSocket's subprotocols; empty when there is none."""
    parts = request.header("authorization").strip().split(" ", 2)
    if len(parts) >= 2 and parts[0].lower() == "bearer":
        return parts[1]
    for header in request.headers.get("sec-websocket-protocol") or ():
        for protocol in header.split(","):
            if protocol.strip().startswith(WEBSOCKET_TOKEN):
                return _decoded(protocol.strip()[len(WEBSOCKET_TOKEN) :])
    return ""


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise unauthorized() from None


def with_authenticated(user: User) -> User:
    """Everybody known by name belongs to system:authenticated."""
    if AUTHENTICATED in user.groups or user.name == ANONYMOUS.name:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED))


class Authentication:
    """All ways of saying who one is, in the reference's order."""

    def __init__(
        self,
        certificates: Certificates,
        readers: Sequence[TokenReader],
        audiences: Sequence[str],
        anonymous: bool = True,
        anonymous_paths: Collection[str] = (),
    ) -> None:
        """`audiences`: those of this server, for tokens that are sent to it. `anonymous_paths`: those that are open to
        anonymous requests; all when there are none."""
        self._certificates = certificates
        self._readers = tuple(readers)
        self.audiences = tuple(audiences)
        self._anonymous = anonymous
        self._anonymous_paths = frozenset(anonymous_paths)

    async def authenticate(self, request: Request) -> User | None:
        """None when nothing was shown and anonymous requests are not welcome. Raises 401."""
        failed = False
        if request.peer_certificate:
            try:
                if user := self._certificates.read(request.peer_certificate):
                    request.lasts = partial(self._certificates.holds, request.peer_certificate)
                    return with_authenticated(user)
            except Malformed:
                failed = True
        if token := bearer_token(request):
            try:
                verified = await self.review(token, self.audiences)
                if verified.warnings:
                    request.answer_headers = (*request.answer_headers, *warning.headers(verified.warnings))
                request.annotations = verified.annotations
                request.lasts = None if failed else verified.lasts
                return verified.user
            except Unverified:
                failed = True
        if failed:
            raise unauthorized()
        return ANONYMOUS if self._anonymous and self._is_open(request.path) else None

    def _is_open(self, path: str) -> bool:
        return not self._anonymous_paths or unquote(path) in self._anonymous_paths

    async def review(self, token: str, audiences: Sequence[str]) -> Verified:
        """Whom a token stands for. Raises Unverified with all that the readers have against it; first comes what the
        reference says of every token that is not its own process's."""
        faults = ["invalid bearer token"]
        for reader in self._readers:
            try:
                verified = await reader.read(token, audiences)
            except Unverified as error:
                faults.append(str(error))
                continue
            if verified is not None:
                known = with_authenticated(verified.user)
                return verified if known is verified.user else replace(verified, user=known)
        raise Unverified(together(faults))
