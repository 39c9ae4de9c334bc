"""List: pages of objects, joined from their stored bytes."""

import base64
import binascii

import msgspec

from umiak.objects import json_syntax
from umiak.objects.errors import StatusError, bad_request, expired
from umiak.objects.types import Object
from umiak.server import representation, stored
from umiak.server.answer import Answer
from umiak.server.call import Call
from umiak.server.options import EXACT, ListOptions, list_options, too_large, version_number
from umiak.server.selection import Selection, prefix, selection
from umiak.store.contract import Compacted, Entry, FutureRevision

TOKEN_VERSION = "meta.k8s.io/v1"
LIST_TOO_OLD = "The resourceVersion for the provided list is too old."
TOKEN_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
FETCHED = 500
"""How many objects are looked at in one go where a selector leaves out most of them."""


async def list_objects(call: Call) -> Answer:
    options = list_options(call.request, is_watch=False)
    name = call.name if call.name and not options.fields else ""
    page = await read(call, options, selection(call.kind, options, name))
    values = [entry.value for entry in page.entries]
    if not stored.is_direct(call.kind):
        values = [stored.shown(call.kind, value) for value in values]
    return await representation.of_list(call, values, page.metadata())


class Page(msgspec.Struct, frozen=True):
    """`remaining` is None when it is not known."""

    entries: list[Entry]
    revision: int
    token: str = ""
    remaining: int | None = None

    def metadata(self) -> Object:
        about: Object = {"resourceVersion": str(self.revision)}
        if self.token:
            about["continue"] = self.token
            if self.remaining is not None:
                about["remainingItemCount"] = self.remaining
        return about


async def read(call: Call, options: ListOptions, wanted: Selection) -> Page:
    """Raises 400, 410 and 504 as the version asked for commands."""
    store = call.store
    root, key = prefix(call.kind, call.namespace, wanted)
    if key and not options.token:
        return await _single(call, options, wanted, root, key)
    start, revision = _place(call, options, root)
    limit = 0 if options.resource_version == "0" and not options.token else options.limit
    try:
        if wanted.is_everything:
            found = await store.range(root, start=start, limit=limit, revision=revision)
            token = encode_token(found.entries[-1].key, root, found.revision) if found.remaining else ""
            return Page(found.entries, found.revision, token, found.remaining)
        return await _filtered(call, wanted, root, start, limit, revision)
    except Compacted:
        raise _too_old(options, start, root) from None
    except FutureRevision:
        raise too_large(revision, store.revision) from None


def _too_old(options: ListOptions, start: str, root: str) -> StatusError:
    if not options.token:
        return expired(LIST_TOO_OLD)
    error = ExpiredToken(410, "Expired", TOKEN_TOO_OLD)
    error.token = encode_token(start.removesuffix("\0"), root, -1)
    return error


class ExpiredToken(StatusError):
    """Carries a token with which the list can go on, inconsistently."""

    token = ""

    def status(self) -> Object:
        return {**StatusError.status(self), "metadata": {"continue": self.token}}


async def _single(call: Call, options: ListOptions, wanted: Selection, root: str, key: str) -> Page:
    store = call.store
    _, revision = _place(call, options, root)
    if revision and revision != store.revision:
        return await _at(call, wanted, root, key, revision)
    entry = await store.get(key)
    return Page([entry] if entry is not None and wanted.matches(entry.value) else [], store.revision)


async def _at(call: Call, wanted: Selection, root: str, key: str, revision: int) -> Page:
    try:
        found = await call.store.range(root, start=key, limit=1, revision=revision)
    except Compacted:
        raise expired(LIST_TOO_OLD) from None
    return Page([e for e in found.entries if e.key == key and wanted.matches(e.value)], found.revision)


async def _filtered(call: Call, wanted: Selection, root: str, start: str, limit: int, revision: int) -> Page:
    """Goes on until the page is full; all pieces are of one revision."""
    kept: list[Entry] = []
    while True:
        found = await call.store.range(root, start=start, limit=limit and max(limit, FETCHED), revision=revision)
        revision = found.revision
        for index, entry in enumerate(found.entries):
            if wanted.matches(entry.value):
                kept.append(entry)
                if limit and len(kept) == limit:
                    more = found.remaining or index + 1 < len(found.entries)
                    return Page(kept, revision, encode_token(entry.key, root, revision) if more else "")
        if not found.remaining:
            return Page(kept, revision)
        start = found.entries[-1].key + "\0"


def _place(call: Call, options: ListOptions, root: str) -> tuple[str, int]:
    """(first key, revision) to read from; revision 0 is the newest."""
    if options.token:
        return _continued(options, root)
    wanted = version_number(options.resource_version)
    if wanted > call.store.revision:
        raise too_large(wanted, call.store.revision)
    exact = options.match == EXACT or (not options.match and options.limit > 0)
    return "", wanted if exact else 0


def _continued(options: ListOptions, root: str) -> tuple[str, int]:
    start, revision = decode_token(options.token, root)
    if options.resource_version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    return start, max(0, revision)


class _Token(msgspec.Struct, omit_defaults=False):
    v: str = ""
    rv: int = 0
    start: str = ""


def encode_token(last: str, root: str, revision: int) -> str:
    """What comes after the key `last`, at `revision` (-1: whenever it is asked for)."""
    token = _Token(TOKEN_VERSION, revision, last.removeprefix(root) + "\0")
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).rstrip(b"=").decode()


def decode_token(text: str, root: str) -> tuple[str, int]:
    """(first key, revision). Raises 400."""
    fault = "invalid continue token: continue key is not valid"
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise bad_request(f"{fault}: illegal base64 data at input byte {_illegal_byte(text)}") from None
    try:
        token = msgspec.json.decode(data, type=_Token)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise bad_request(f"{fault}: {json_syntax.fault(data)}") from None
    if token.v != TOKEN_VERSION:
        raise bad_request(f"{fault}: server does not recognize this encoded version {token.v}")
    if token.rv == 0:
        raise bad_request(f"{fault}: incorrect encoded start resourceVersion (version {TOKEN_VERSION})")
    if not token.start:
        raise bad_request(f"{fault}: encoded start key empty (version {TOKEN_VERSION})")
    if any(part in ("", ".", "..") for part in token.start.strip("/").split("/")):
        raise bad_request(f"{fault}: {token.start}")
    return root + token.start.lstrip("/"), token.rv


def _illegal_byte(text: str) -> int:
    """The first that is none of the alphabet, or the last one, which stands alone."""
    letters = "-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return next((i for i, letter in enumerate(text) if letter not in letters), len(text) - 1)
