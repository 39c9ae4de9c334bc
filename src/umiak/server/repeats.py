"""Writes that are alike are worked out twice and then repeated: leases renewed, events told, like pods that run.

What is stored follows from the body, the object before it, the sender, and what admission looks at. Of these texts some
parts are *own*: names, uids, times, addresses, remarks. Nothing follows from them but that some are equal. They are cut
out; what is left, and which of them are equal, is the key of a `Lesson`, which keeps what was stored with places for
them. The next write with that key has its own parts put there. Own parts are of the same forms then (`form_of`).

A lesson is not believed at once. What it foretells is compared with what the whole way comes to for other objects, and
a part may only be another than the one it was learnt from when it was so in a comparison that came out right. A lesson
that was wrong once is never used. Who sends the write is found out, and may do it or not, before all this, each time.

`Kind.own_texts` says which kinds this is for, and which of their texts besides the obvious are own.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import msgspec

from umiak.objects.meta import format_time
from umiak.server import metadata, stored
from umiak.server.call import Call
from umiak.server.contract import Admitted
from umiak.server.managed_fields import manager
from umiak.server.options import WriteOptions
from umiak.server.part import Part, itself
from umiak.server.special import ORDINARY
from umiak.server.sync import at_once
from umiak.store.contract import Entry, Mismatch, Render

LONGEST = 16 * 1024
"""Bytes of a body, and of an object, that are looked at."""
MOST_MANAGERS = 9
"""With more, which of them are kept depends on their times."""
_CANDIDATE = re.compile(rb'"([0-9a-f\x01-\x08][-0-9a-fT:.\x01-\x08]{6,39}Z?)(?=\\?")')
_MOMENT = re.compile(rb"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z")
_UID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BYTE = rb"(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])"
_ADDRESS = re.compile(rb"(?!0|127\.|169\.254\.|22[4-9]\.|2[3-5]\d\.)" + rb"\.".join([_BYTE] * 4))
_WORD = re.compile(r"(?=.*[-./:])(?=.*[0-9])[ -!#-\[\]-~]{4,512}|[0-9]{3,}")
"""What can not be taken for a word of the API."""
_CONTAINER = re.compile(rb'"containerID":"([^"\\]+)"')
_STAMP = re.compile(rb'"time":"([^"\\]+)"')
_CONTROL = re.compile(rb"[\x00-\x08]")
_REVISION = b"\x01" * 7
_STAND_INS = [bytes([number]) * 7 for number in range(2, 9)]
WORD = "word"
UNBORN = b"\0"
"""The uid of an object that there is none of yet."""
VERSION, NOW, UID = range(3)
"""Places that every write has: the object's resourceVersion, the time of the write, the object's uid."""


class Text(msgspec.Struct, frozen=True):
    """A text cut at its own parts: `literals` are what is around them, `places` say which part is between two."""

    literals: tuple[bytes, ...]
    places: tuple[int, ...]

    def filled(self, own: Sequence[bytes]) -> bytes:
        pairs = zip(self.literals, self.places, strict=False)
        return b"".join([piece for literal, place in pairs for piece in (literal, own[place])] + [self.literals[-1]])


class Lesson(msgspec.Struct):
    """What came of a write, and how far it is to be believed."""

    stored: Text | None
    """None when it was wrong, or can not be told where its parts are from."""
    shown: Text | None
    """What was answered."""
    own: list[bytes]
    """The parts it was learnt from."""
    changes: tuple[int, ...]
    """How often what admission looks at had changed."""
    proved: set[int]
    """The parts that were others in a comparison that came out right."""
    warnings: tuple[str, ...] = ()
    """None: they may name what is own."""

    def holds_for(self, own: Sequence[bytes], changes: tuple[int, ...]) -> bool:
        if changes != self.changes or self.stored is None:
            return False
        return all(mine == own[place] or place in self.proved for place, mine in enumerate(self.own))

    def prove(self, own: list[bytes], value: bytes, shown: bytes) -> None:
        """Compares what it foretells with what came."""
        if self.stored is None or self.shown is None:
            return
        if self.stored.filled(own) == value and self.shown.filled(own) == shown:
            self.proved |= {place for place, mine in enumerate(self.own) if mine != own[place]}
        else:
            self.stored = self.shown = None


class Cutter:
    """Cuts the texts of one write. Parts that are equal are one."""

    def __init__(self, own: Sequence[bytes], words: Sequence[bytes]) -> None:
        """`own` are the version, the time and the uid; `words` come in quotes."""
        self.own: list[bytes] = [*own]
        self._places = {_REVISION: VERSION, own[NOW]: NOW, own[UID]: UID}
        self._words: list[tuple[bytes, bytes]] = []
        for word, stand_in in zip(dict.fromkeys(words), _STAND_INS, strict=False):
            self._words.append((b'"%b"' % word, b'"%b"' % stand_in))
            self._places[stand_in] = self._place(word)

    def set_uid(self, uid: bytes) -> None:
        """Another than was thought of."""
        if uid != self.own[UID]:
            del self._places[self.own[UID]]
            self._places[uid], self.own[UID] = UID, uid

    def _place(self, part: bytes) -> int:
        place = self._places.get(part)
        if place is None:
            place = self._places[part] = len(self.own)
            self.own.append(part)
        return place

    def cut(self, text: bytes, version: bytes, *, grows: bool = True) -> Text | None:
        """None when a part's place may depend on what it is; also, unless the parts may grow, when one comes up that is
        not known."""
        text = text.replace(b'"resourceVersion":"%b"' % version, b'"resourceVersion":"%b"' % _REVISION, 1)
        for word, stand_in in self._words:
            text = text.replace(word, stand_in)
        literals, places, literal = [], [], b""
        pieces = _CANDIDATE.split(text)
        for before, part in zip(pieces[::2], pieces[1::2], strict=False):
            place = self._places.get(part)
            if place is None:
                if not is_own(part):
                    literal += before + b'"' + part
                    continue
                if not grows:
                    return None
                place = self._place(part)
            if before.endswith(b"\\") and not _is_only_key(text, before, part):
                return None  # keys of one map are sorted
            literals.append(literal + before + b'"')
            places.append(place)
            literal = b""
        return Text((*literals, literal + pieces[-1]), tuple(places))


def _is_only_key(text: bytes, before: bytes, part: bytes) -> bool:
    """Whether no list has an item beside the one that managed fields know by the part, which comes after `before`."""
    start = before.rfind(b'"k:{')
    key = before[start:] + b'"'
    return start >= 0 and text.count(key) == text.count(key + part)


def is_own(part: bytes) -> bool:
    """Whether it is a time, a uid or an address as everybody writes them, or stands for something that is own."""
    return part[0] <= 8 or form_of(part) != WORD


@lru_cache(4096)
def form_of(part: bytes) -> str:
    """What a part may be taken for: a field that takes one form may refuse another."""
    if _UID.fullmatch(part):
        return "uid"
    if _ADDRESS.fullmatch(part):
        return "address"
    if not _MOMENT.fullmatch(part):
        return WORD
    try:
        datetime.fromisoformat(part.decode())
    except ValueError:
        return WORD
    return "microseconds" if b"." in part else "seconds"


class Repeat(msgspec.Struct):
    """A write that may be like one before. `entry` is what is there already, if anything."""

    call: Call
    key: str
    entry: Entry | None
    lesson_key: tuple[object, ...]
    cutter: Cutter
    changes: tuple[int, ...]

    def mold(self) -> Lesson | None:
        """A lesson to be believed."""
        lesson = self.call.app.lessons.get(self.lesson_key)
        return lesson if lesson is not None and lesson.holds_for(self.cutter.own, self.changes) else None

    def cast(self, lesson: Lesson) -> Render:
        """What is to be stored, once its revision is known."""
        if self.entry is None:
            self.cutter.set_uid(metadata.new_uid(self.call.app.dice).encode())
        own, text = self.cutter.own, lesson.stored
        assert text is not None
        return lambda revision: text.filled([b"%d" % revision, *own[1:]])

    async def answer(self) -> bytes | None:
        """What is to be answered to a creation that could be repeated."""
        lesson = self.mold()
        if lesson is None or lesson.shown is None:
            return None
        try:
            entry = await self.call.store.put(self.key, self.cast(lesson), expect=0)
        except Mismatch:
            return None
        if lesson.shown is lesson.stored:
            return entry.value
        return lesson.shown.filled([b"%d" % entry.modified, *self.cutter.own[1:]])

    def learn(self, admitted: Admitted, shown: bytes) -> None:
        """Takes in what the whole way came to; `shown` is what is answered."""
        app, own, value = self.call.app, self.cutter.own, shown
        if not admitted.alike or self.call.warnings or format_time(app.clock.now()).encode() != own[NOW]:
            return
        if not stored.is_direct(self.call.kind):
            entry = at_once(self.call.store.get(self.key))
            if entry is None or entry.created != entry.modified:
                return
            value = entry.value
        about = _reader(())(value).metadata
        self.cutter.set_uid(about.uid.encode())
        own[VERSION] = about.resourceVersion.encode()
        known = app.lessons.get(self.lesson_key)
        if known is not None and known.changes == self.changes:
            known.prove(own, value, shown)
            return
        kept = self.cutter.cut(value, own[VERSION], grows=False)
        told = kept if value is shown else self.cutter.cut(shown, own[VERSION], grows=False)
        lesson = Lesson(kept if told else None, told if kept else None, own, self.changes, {VERSION})
        app.lessons.keep(self.lesson_key, lesson, 3 * len(value) + 2 * len(self.call.request.body))


class Repetition(msgspec.Struct, frozen=True):
    """A change of some object, apart from the state of that."""

    call: Call
    options: WriteOptions

    def wish(self, entry: Entry | None) -> Repeat | None:
        """None when it has to be worked out in any case."""
        if entry is None or len(entry.value) > LONGEST or b'"deletionTimestamp"' in entry.value:
            return None
        now = format_time(self.call.app.clock.now()).encode()
        stamps = _STAMP.findall(entry.value)
        if len(stamps) > MOST_MANAGERS or any(stamp > now for stamp in stamps):
            return None  # managers are sorted by their times
        return _repeat(self.call, self.options, entry, now)


def repetition(call: Call, part: Part, options: WriteOptions) -> Repetition | None:
    """None for what such changes are not looked for among. What is said in the same words again, and what differs in
    labels and the like alone, is the business of `alike`."""
    kind = call.kind
    if kind.own_texts is None or not _may_repeat(call, options) or not stored.is_direct(kind):
        return None
    if part.view is not itself or (kind.carries is not None and not (part.name and _says_own(call.request.body))):
        return None
    return Repetition(call, options)


def _says_own(body: bytes) -> bool:
    """Whether there are times or addresses in it."""
    return any(is_own(part) and not _UID.fullmatch(part) for part in _CANDIDATE.findall(body))


def creation(call: Call, options: WriteOptions) -> Repeat | None:
    """The creation of an object whose name is sent; None when it has to be worked out in any case."""
    kind = call.kind
    if kind.own_texts is None or kind.judged_by is not None or not _may_repeat(call, options):
        return None
    repeat = _repeat(call, options, None, format_time(call.app.clock.now()).encode())
    return None if repeat is None or at_once(call.store.latest(repeat.key)) is not None else repeat


def _may_repeat(call: Call, options: WriteOptions) -> bool:
    body = call.request.body
    if options.dry_run or call.request.audit is not None or call.app.special(call.kind) is not ORDINARY:
        return False
    return len(body) <= LONGEST and _CONTROL.search(body) is None


def _repeat(call: Call, options: WriteOptions, entry: Entry | None, now: bytes) -> Repeat | None:
    app, kind, paths = call.app, call.kind, call.kind.own_texts or ()
    texts = [call.request.body] if entry is None else [entry.value, call.request.body]
    roots = app.gate.looks_at(kind.plural, "CREATE" if entry is None else "UPDATE")
    try:
        found = [_reader(paths)(text) for text in texts]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    about = found[0].metadata
    if roots is None or about is None or not about.name or (entry is None and metadata.name_faults(kind, about.name)):
        return None
    version, uid = (b"", UNBORN) if entry is None else (b"%d" % entry.modified, about.uid.encode())
    cutter = Cutter((version, now, uid), _words(paths, found, texts))
    cuts = [cutter.cut(text, version) for text in texts]
    if None in cuts:
        return None
    key = kind.store_key(call.namespace, about.name) if entry is None else entry.key
    asked = (kind, call.route.subresource, call.namespace, *_sender(call, options))
    changes = tuple([app.store.changes(root) for root in roots])
    forms = tuple(map(form_of, cutter.own))
    return Repeat(call, key, entry, (*asked, forms, *cuts), cutter, changes)


def _sender(call: Call, options: WriteOptions) -> tuple[object, ...]:
    """All of the request that decides, but for its path and body."""
    user, request = call.user, call.request
    who = user.name, user.uid, user.groups, tuple(user.extra.items())
    query = tuple([(name, *values) for name, values in request.query.items()])
    program = manager.name_of(options.manager, request.header("user-agent"))
    return request.method, request.header("content-type"), query, program, who


def _words(paths: Sequence[str], found: Sequence[Any], texts: Sequence[bytes]) -> list[bytes]:
    """The names and remarks of a write that are taken for its own."""
    words = [obj.metadata.name for obj in found if obj.metadata is not None]
    words += [_at(obj, path) for path in paths for obj in found]
    texts = [text for text in texts if b'"containerID"' in text]
    identities = [identity for text in texts for identity in _CONTAINER.findall(text)]
    return [word.encode() for word in words if word and _WORD.fullmatch(word)] + identities


def _at(found: Any, path: str) -> str:
    for step in path.split("."):
        found = getattr(found, step, None)
    return found or ""


@cache
def _reader(paths: tuple[str, ...]) -> Callable[[bytes], Any]:
    """Reads of an object its name, uid, version and the texts at `paths`, which are of two steps at most."""
    inner: dict[str, dict[str, None]] = {"metadata": dict.fromkeys(("name", "uid", "resourceVersion"))}
    for path in paths:
        first, _, second = path.partition(".")
        inner.setdefault(first, {}).update({second: None} if second else {})
    fields: list[tuple[str, Any, Any]] = []
    for first, names in inner.items():
        part = msgspec.defstruct(first, [(name, str | None, None) for name in names]) if names else str
        fields.append((first, part | None, None))
    return msgspec.json.Decoder(msgspec.defstruct("Own", fields)).decode
