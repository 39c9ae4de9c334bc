"""Users as named in headers by a proxy in front of this server, whose certificate shows that it may.

As apiserver's `headerrequest` package: the certificate must come from an authority kept for this, and the headers of
everybody else are of no account. A certificate of that authority alone is nobody's own.
"""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from umiak.objects.errors import unauthorized
from umiak.server.access.certificates import Certificates, Malformed
from umiak.server.access.credentials import bearer_token, with_authenticated
from umiak.server.access.settings import FrontProxySettings
from umiak.server.contract import Request, User

END = ssl.PEM_FOOTER


def anchors(pem: str) -> frozenset[bytes]:
    """DER of each certificate in a PEM text."""
    pieces = (piece.partition(ssl.PEM_HEADER)[2] for piece in pem.split(END))
    return frozenset(ssl.PEM_cert_to_DER_cert(f"{ssl.PEM_HEADER}{piece}{END}") for piece in pieces if piece.strip())


class FrontProxy:
    """Implements `contract.Authenticator`; to be asked before all others."""

    def __init__(
        self, settings: FrontProxySettings, authority: str, client_authority: str, certificates: Certificates
    ) -> None:
        """`authority` is the one for proxies, `client_authority` that of users' own certificates; PEM texts."""
        self._settings = settings
        self._trusted = anchors(authority)
        self._clients = anchors(client_authority) if client_authority else frozenset()
        self._certificates = certificates

    async def authenticate(self, request: Request) -> User | None:
        """None when the request speaks for itself. Raises 401."""
        if not request.peer_certificate:
            return None
        if request.peer_anchor in self._trusted and self._may_speak(request.peer_certificate):
            user = named(request.headers, self._settings)
            if user is not None:
                return with_authenticated(user)
        if request.peer_anchor in self._clients:
            return None
        if not bearer_token(request):
            raise unauthorized()
        request.peer_certificate = b""  # it is not the user's, who shows something else
        return None

    def _may_speak(self, certificate: bytes) -> bool:
        try:
            owner = self._certificates.read(certificate)
        except Malformed:
            return False
        allowed = self._settings.allowed_names
        return not allowed or (owner is not None and owner.name in allowed)


def named(headers: Mapping[str, Sequence[str]], settings: FrontProxySettings) -> User | None:
    """The user that the headers name; None when they name none."""
    name = _first(headers, settings.username_headers)
    if not name:
        return None
    groups = tuple(value for header in settings.group_headers for value in headers.get(header.lower()) or ())
    return User(name, _first(headers, settings.uid_headers), groups, dict(_extra(headers, settings.extra_prefixes)))


def _first(headers: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> str:
    return next((values[0] for header in wanted if (values := headers.get(header.lower())) and values[0]), "")


def _extra(headers: Mapping[str, Sequence[str]], prefixes: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for prefix in prefixes:
        for header, values in headers.items():
            if header.startswith(prefix.lower()):
                yield unquote(header[len(prefix) :]), tuple(values)
