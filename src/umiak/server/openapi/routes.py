"""`/openapi/v2`, `/openapi/v3` and the documents below it, made when first asked for and kept as bytes."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.utils import formatdate
from functools import cache

import msgspec

from umiak.api import compiled
from umiak.api.kind import Kind
from umiak.kit import memory
from umiak.kit.clock import Clock
from umiak.objects.types import Object
from umiak.server.answer import JSON, TEXT, Answer, generic
from umiak.server.contract import Request
from umiak.server.openapi import protobuf as wire
from umiak.server.openapi.documents import name_of, names, version_2, version_3

FORMAT = 1
"""To be raised when this package writes the same schemas differently."""
V2, V3 = "/openapi/v2", "/openapi/v3"
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
PROTOBUF_ONCE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What clients still ask for by its former name."""

Others = Sequence[tuple[Object, list[str]]]
"""OpenAPI 2 documents of other servers, and the paths in each that count."""


class Documents:
    """The documents in compressed form; forgotten when the set of kinds changes."""

    def __init__(
        self, kinds: Callable[[], Iterable[Kind]], clock: Clock, elsewhere: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        """`elsewhere`: names of OpenAPI 3 documents that others have, to their URLs."""
        self._kinds = kinds
        self._elsewhere = elsewhere
        self._others = ""
        self._clock = clock
        self._kept: dict[str, bytes] = {}
        self._digests: dict[str, str] = {}
        """Of the custom kinds in a document."""
        self._changed = formatdate(clock.now().timestamp(), usegmt=True)

    def changed(self) -> None:
        """To be called whenever a kind comes, goes or gets another schema."""
        self._kept.clear()
        self._digests.clear()
        self._changed = formatdate(self._clock.now().timestamp(), usegmt=True)

    def answer(self, request: Request, others: Others = ()) -> Answer:
        """`others`: what is to be made part of the OpenAPI 2 document."""
        path = request.path.rstrip("/")
        if path == V2:
            self._take(others)
        if path == V2 and asks_protobuf(request.header("accept")):
            return self._document(request, "", lambda: self._whole(others), protobuf=True)
        if not _accepts_json(request.header("accept")):
            raise generic(406, "NotAcceptable", "only the following media types are accepted: application/json")
        if path == V2:
            return self._document(request, "", lambda: self._whole(others))
        if path == V3:
            return Answer(200, self._listing(), TEXT)
        name = path.removeprefix(V3 + "/")
        answer = self._document(request, name, lambda: version_3(name, self._kinds()))
        wanted = request.option("hash")
        tag = dict(answer.headers).get("Etag", "").strip('"')
        if wanted and tag and wanted != tag:
            location = f"{V3}/{name}?hash={tag}"
            return Answer(301, b"", JSON, [*answer.headers, ("Location", location)])
        return answer

    def _take(self, others: Others) -> None:
        """Forgets the document when others say something else than before."""
        digest = hashlib.sha256(msgspec.json.encode(others)).hexdigest() if others else ""
        if digest != self._others:
            self._others = digest
            self._kept.pop("", None)
            self._kept.pop(PROTOBUF, None)

    def _whole(self, others: Others) -> Object:
        if not others:
            return version_2(self._kinds())
        from umiak.server.aggregation.openapi import merged

        return merged(version_2(self._kinds()), others)

    def _document(
        self, request: Request, name: str, make: Callable[[], Object | None], *, protobuf: bool = False
    ) -> Answer:
        if name and name not in names(self._kinds()):
            return Answer(404, b"", "")
        tag = self._tag(name)
        headers = [("Etag", f'"{tag}"'), ("Vary", "Accept"), ("Last-Modified", self._changed)]
        if name and request.option("hash") == tag:
            headers.append(("Cache-Control", "public, immutable"))
        if request.header("if-none-match") == f'"{tag}"':
            return Answer(304, b"", "", headers)
        kept_as, encode, form = (PROTOBUF, wire.document, PROTOBUF) if protobuf else (name, msgspec.json.encode, JSON)
        if kept_as not in self._kept:
            self._kept[kept_as] = zlib.compress(encode(make() or {}), 1)
            memory.give_back()
        return Answer(200, zlib.decompress(self._kept[kept_as]), form, headers)

    def _listing(self) -> bytes:
        """Every document with its tag, so that clients may keep it for good."""
        urls = {name: {"serverRelativeURL": f"{V3}/{name}?hash={self._tag(name)}"} for name in names(self._kinds())}
        urls |= {name: {"serverRelativeURL": url} for name, url in self._elsewhere().items()}
        return msgspec.json.encode({"paths": dict(sorted(urls.items()))})

    def _tag(self, name: str) -> str:
        """Changes with whatever the document is made from, so that no document is made to know its tag."""
        made_from = f"{FORMAT} {name} {compiled_digest()} {self._custom(name)}{'' if name else self._others}"
        return hashlib.sha512(made_from.encode()).hexdigest().upper()

    def _custom(self, name: str) -> str:
        if name not in self._digests:
            kinds = [k for k in self._kinds() if k.is_custom and (not name or name_of(k.group, k.version) == name)]
            self._digests[name] = digest(kinds) if kinds else ""
        return self._digests[name]


def digest(kinds: list[Kind]) -> str:
    from umiak.server.custom import openapi

    return openapi.digest(kinds)


@cache
def compiled_digest() -> str:
    return hashlib.sha256(compiled.SCHEMA.read_bytes()).hexdigest()


def _types(accept: str) -> set[str]:
    return {part.partition(";")[0].strip() for part in accept.split(",")}


def asks_protobuf(accept: str) -> bool:
    return bool(_types(accept) & {PROTOBUF, PROTOBUF_ONCE})


def _accepts_json(accept: str) -> bool:
    if not accept:
        return True
    types = _types(accept)
    return bool(types & {"*/*", "application/*", JSON})
