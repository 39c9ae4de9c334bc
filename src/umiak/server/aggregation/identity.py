"""Who sent a request, in headers for a server that believes our certificate (client-go's `SetAuthProxyHeaders`)."""

from collections.abc import Iterator

from umiak.server.contract import User

PLAIN = frozenset("!#$&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
"""What may stand in the name of a header as it is."""


def headers_of(user: User) -> list[tuple[str, str]]:
    """One header for each group and each extra value."""
    return list(_headers(user))


def _headers(user: User) -> Iterator[tuple[str, str]]:
    yield "X-Remote-User", user.name
    if user.uid:
        yield "X-Remote-Uid", user.uid
    for group in user.groups:
        yield "X-Remote-Group", group
    for key, values in user.extra.items():
        for value in values:
            yield f"X-Remote-Extra-{escaped(key)}", value


def escaped(key: str) -> str:
    """A key as part of a header's name."""
    return "".join(c if c in PLAIN else "".join(f"%{byte:02X}" for byte in c.encode()) for c in key)
