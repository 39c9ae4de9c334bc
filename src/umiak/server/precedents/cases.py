"""Requests as cases: which are looked at, what their likeness is, and how they are decided by a precedent."""

from typing import Any

import msgspec

from umiak.objects.meta import format_time
from umiak.server import metadata, stored
from umiak.server.call import Call
from umiak.server.contract import Admitted
from umiak.server.managed_fields import manager
from umiak.server.options import WriteOptions
from umiak.server.part import Part, itself, taken
from umiak.server.precedents import templates
from umiak.server.precedents.free import NAME_ALONE, Free, Words, cut_stored, form_of_word, free_of, words_among
from umiak.server.precedents.precedent import Precedent, Sighting
from umiak.server.precedents.texts import NAME, NOW, UID, VERSION, Parts, parts_of
from umiak.server.special import ORDINARY
from umiak.server.sync import at_once
from umiak.store.contract import Entry, Mismatch, Render

LONGEST = 32 * 1024
"""Bytes of a body, and of an object, that are looked at."""
SMALL = 200
"""Bytes of a sighting, besides the body."""


class _About(msgspec.Struct):
    name: str = ""
    generateName: str = ""
    resourceVersion: str | None = None


class _Outline(msgspec.Struct):
    metadata: _About = msgspec.field(default_factory=_About)


_OUTLINE = msgspec.json.Decoder(_Outline)


class Case(msgspec.Struct):
    """A write that may be like one before. `entry` is what is there already, if anything."""

    call: Call
    free: Free
    words: Words
    likeness: tuple[object, ...]
    parts: Parts
    changes: tuple[int, ...]
    sighting: Sighting
    entry: Entry | None = None
    prefix: str = ""
    """What the name is to be generated from, when there is none."""

    async def follow(self) -> bytes | None:
        """What is answered to a write that a precedent decided; None when it has to be worked out."""
        call, entry = self.call, self.entry
        found = call.app.precedents.get(self.likeness)
        if found is None:
            self.sighting.misses += 1
        if found is None or not found.holds_for(self.parts.texts, self.changes):
            return None
        if entry is None and not await self._may_be_made():
            return None
        key, expected = (entry.key, entry.modified) if entry is not None else (self._key(), 0)
        try:
            entry = await call.store.put(key, self._render(found), expect=expected)
        except Mismatch:
            return None
        self.sighting.misses = 0
        call.warn(found.warnings)
        return entry.value if found.shown is found.stored else found.shown.filled(self.parts.texts)

    async def _may_be_made(self) -> bool:
        """Whether a new object's name will do, which is generated if need be. Raises 403."""
        call, parts = self.call, self.parts.texts
        if call.name:
            await call.app.authorize_create(call)
        if self.prefix:
            parts[NAME] = metadata.generated_name(self.prefix, call.app.dice).encode()
            return True
        return not metadata.name_faults(call.kind, parts[NAME].decode())

    def _key(self) -> str:
        return self.call.kind.store_key(self.call.namespace, self.parts.texts[NAME].decode())

    def _render(self, found: Precedent) -> Render:
        text, parts, dice = found.stored, self.parts.texts, self.call.app.dice
        assert text is not None

        def render(revision: int) -> bytes:
            parts[VERSION] = b"%d" % revision
            parts[UID] = parts[UID] or metadata.new_uid(dice).encode()
            return text.filled(parts)

        return render

    def learn(self, admitted: Admitted, shown: bytes) -> None:
        """Takes in what working it out came to; `shown` is what is answered."""
        app = self.call.app
        if not admitted.alike or format_time(app.clock.now()).encode() != self.parts.texts[NOW]:
            return
        value = self._stored(shown)
        head = cut_stored(NAME_ALONE, value, {}) if value is not None else None
        if value is None or head is None or not self._may_be_followed(value):
            return
        parts, warnings = self.parts, tuple(self.call.warnings)
        for place, text in zip((NAME, UID, VERSION), head.parts, strict=False):
            parts.settle(place, text)
        known = app.precedents.get(self.likeness)
        if known is not None and known.changes == self.changes:
            if known.prove(parts.texts, value, shown, warnings):
                self.sighting.misses = 0
            return
        made = self._learnt(value, shown, warnings)
        if made is not None:
            app.precedents.keep(self.likeness, made, made.size + len(self.entry.value if self.entry else b""))

    def _stored(self, shown: bytes) -> bytes | None:
        """What of a new object is stored may have another form; None when it is somebody else's by now."""
        if stored.is_direct(self.call.kind):
            return shown
        entry = at_once(self.call.store.get(self._key()))
        return entry.value if entry is not None and entry.created == entry.modified else None

    def _may_be_followed(self, value: bytes) -> bool:
        judged_by = self.call.kind.judged_by
        return self.entry is not None or judged_by is None or bool(judged_by(msgspec.json.decode(value)))

    def _learnt(self, value: bytes, shown: bytes, warnings: tuple[str, ...]) -> Precedent | None:
        parts = self.parts
        own = words_among(parts.texts[NOW : NAME + 1]) if self.free is NAME_ALONE else {}
        texts = []
        for text in (value,) if value is shown else (value, shown):
            cut = cut_stored(self.free, text, {**self.words, **own})
            if cut is None:
                return None
            texts.append(parts.find(cut))
        proved = {VERSION} if self._says(parts.texts[NOW]) else {VERSION, NOW}
        return Precedent(texts[0], texts[-1], parts.texts, self.changes, warnings, proved)

    def _says(self, now: bytes) -> bool:
        """Whether what is stored can have that time from elsewhere than the clock."""
        return now in self.call.request.body or (self.entry is not None and now in self.entry.value)


class Asked(msgspec.Struct):
    """A change of some object, apart from the state of that."""

    call: Call
    free: Free
    words: Words
    likeness: tuple[object, ...]
    parts: Parts
    sighting: Sighting
    _last: Case | None = None

    async def follow(self) -> tuple[bytes, bool] | None:
        """What is answered, and whether the object is new; None when the change has to be worked out."""
        call = self.call
        case = self.case(await call.store.latest(call.kind.store_key(call.namespace, call.name)))
        value = await case.follow() if case is not None else None
        return None if case is None or value is None else (value, case.entry is None)

    def case(self, entry: Entry | None) -> Case | None:
        """The change of that state; None when it has to be worked out."""
        if self._last is None or self._last.entry is not entry:
            self._last = self._case(entry)
        return self._last

    def _case(self, entry: Entry | None) -> Case | None:
        call, parts = self.call, self.parts.copy()
        changes = _changes(call, "CREATE" if entry is None else "UPDATE")
        if changes is None:
            return None
        if entry is None:
            if call.kind.judged_by is not None:
                return None
            return Case(call, self.free, self.words, self.likeness, parts, changes, self.sighting)
        value = entry.value if len(entry.value) <= LONGEST else b""
        cut = templates.stored(call.app.templates, self.likeness[:2], self.free, value, self.words)
        if cut is None or cut.parts[2] != b"%d" % entry.modified or not self._can_be_without(cut.words):
            return None
        parts.settle(UID, cut.parts[1])
        likeness = (*self.likeness, cut.order(parts.texts[NOW]), parts.take(cut), cut.forms)
        return Case(call, self.free, cut.words, likeness, parts, changes, self.sighting, entry)

    def _can_be_without(self, words: Words) -> bool:
        """Whether the body, which is cut, has none of the object's words that were not known then."""
        body = self.call.request.body
        return words is self.words or not any(b'"' + word in body for word in words.keys() - self.words.keys())


def creation(call: Call, options: WriteOptions) -> Case | None:
    """None for what has to be worked out in any case, as has a body that is seen for the first time."""
    kind = call.kind
    about = _may_be_looked_at(call, options)
    if about is None or (not about.name and not about.generateName):
        return None
    free = NAME_ALONE if kind.judged_by is not None else free_of(kind.free or ())
    asked = _asked(call, options, free, about, "")
    changes = _changes(call, "CREATE") if asked is not None else None
    if asked is None or changes is None:
        return None
    prefix = "" if about.name else about.generateName
    return Case(call, free, asked.words, asked.likeness, asked.parts, changes, asked.sighting, prefix=prefix)


def change(call: Call, part: Part, options: WriteOptions) -> Asked | None:
    """The same of a patch or an apply of an object, of which all is shown."""
    kind = call.kind
    is_plain = part.view is itself is part.live and part.merge is taken and part.body_kind(kind) is kind
    if not is_plain or not stored.is_direct(kind):
        return None
    about = _may_be_looked_at(call, options)
    if about is None or about.name not in ("", call.name):
        return None
    return _asked(call, options, free_of(kind.free or ()), about, part.name)


def _may_be_looked_at(call: Call, options: WriteOptions) -> _About | None:
    """What the body says of its metadata."""
    body, kind = call.request.body, call.kind
    if kind.free is None or options.dry_run or call.request.audit is not None or len(body) > LONGEST:
        return None
    if call.app.special(kind) is not ORDINARY or body[:1] != b"{" or _is_unusual(body):
        return None
    try:
        about = _OUTLINE.decode(body).metadata
        if not body.isascii():
            body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return about if about.resourceVersion is None else None


def _is_unusual(body: bytes) -> bool:
    """Whether a text may stand for another, or the body says what is the server's business."""
    return b"\\u" in body or b"\\/" in body or b'"managedFields"' in body


def _asked(call: Call, options: WriteOptions, free: Free, about: _About, part: str) -> Asked | None:
    body, name = call.request.body, (call.name or about.name).encode()
    words = words_among((name,))
    sort = (call.kind, part)
    cut = templates.body(call.app.templates, (*sort, free), free, body, words, b"" if words or not about.name else name)
    if cut is None:
        return None
    parts = parts_of(format_time(call.app.clock.now()).encode(), name)
    host = words.get(name) or form_of_word(name)
    likeness = (*sort, call.namespace, *_sender(call, options), host, parts.take(cut), cut.forms)
    sighting = call.app.sightings.get(likeness)
    if sighting is None:
        call.app.sightings.keep(likeness, Sighting(), len(body) + SMALL)
        return None
    return Asked(call, free, cut.words, likeness, parts, sighting) if sighting.is_worth_a_look() else None


def _sender(call: Call, options: WriteOptions) -> tuple[Any, ...]:
    """All of the request that decides, but for its path and body."""
    user, request = call.user, call.request
    who = user.name, user.uid, user.groups, tuple(user.extra.items())
    query = tuple([(name, *values) for name, values in request.query.items()])
    program = manager.name_of(options.manager, request.header("user-agent"))
    return request.method, request.header("content-type"), query, program, who


def _changes(call: Call, operation: str) -> tuple[int, ...] | None:
    """How often what admission looks at has changed; None while a plugin is awake that may do more than look."""
    roots = call.app.gate.looks_at(call.kind.plural, operation)
    if roots is None:
        return None
    count = call.app.store.changes
    return tuple([count(root) for root in roots])
