"""Changes that are alike: what came of one is what comes of the next, but for what is each object's own.

Controllers say the same of hundreds of objects that were made from one template, and server-side apply brings hundreds
that differ in little. What a change comes to follows from the stored object, from what is sent, from who sends it and
how, and from a few objects that admission looks at (`molds` says how those are followed). Nobody looks at some parts of
it (`Own`): of these matters which are equal, and in which order times are, but not what they are. So with these left
out of what is sent and of what is stored, both decide what will be stored, with the same left out: a mold.

What is sent, and what it meets, is noted the first time and learnt from the second; before a mold is used, the long way
has to make another object like it. For kinds that say what they carry without looking at it (`Kind.carries`).
"""

import re
import secrets
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from umiak.api.kind import Kind
from umiak.objects import names
from umiak.objects.encoding import to_json
from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server import metadata, stored
from umiak.server.call import Call
from umiak.server.contract import Admitted
from umiak.server.managed_fields import manager
from umiak.server.options import WriteOptions
from umiak.server.part import Part, itself, taken
from umiak.server.special import ORDINARY
from umiak.store.contract import Entry, Render

LONGEST = 32 * 1024
"""Bytes of a body or of an object that is looked at."""
_SECRET = secrets.token_hex(16)
_PLACES = re.compile(f"{_SECRET}([nurtso][0-9]*);".encode())
"""Marks stand for what is each object's own: name, uid, revision, times, values that were sent, values of old. Nobody
else can know them, so they are found nowhere else."""
_PLACE = "\0"
"""Stands for a value in what is left of a body."""
_TIME = b'"time":"'
"""Where the time of a manager is. Quotes in texts are escaped, so that this is nothing else."""
MOST_MISSES, RARELY = 16, 64
"""After so many misses in a row a body is tried on every 64th object only: looking costs a tenth of working it out."""
SMALL = 100
"""Bytes of a note."""
_LENGTH_OF_TIME = 20
"""Of what is in whole seconds and UTC, so that the order of texts is that of times."""
_SENDABLE = frozenset({"name", "namespace", "uid", "labels", "annotations", "ownerReferences", "finalizers"})
"""Metadata that a body may speak of; other fields mean more than they say."""

Maps = dict[str, dict[str, str]]
"""Keys and values by field: `labels`, and what else the kind carries."""


class Own(msgspec.Struct, frozen=True):
    """What is an object's own, and its bytes without that. `times` are those of its creation and its managers. `uid` is
    empty when it gets one."""

    shape: bytes
    name: str
    uid: str
    times: tuple[str, ...] = ()
    maps: Maps = msgspec.field(default_factory=dict)


class Sent(msgspec.Struct, frozen=True):
    """What a body says with values of its own, and the body without them. `uid` is empty unless it names one."""

    shape: bytes
    maps: Maps
    uid: str


class Mold(msgspec.Struct):
    """`parts` are the stored bytes, cut where something of an object's own belongs, and every second one says what.
    Empty when it did not come out right."""

    parts: tuple[bytes, ...]
    warnings: tuple[str, ...]
    changes: tuple[int, ...]
    """How often what admission looks at had changed."""
    first: str
    """The name of the object that it was made from."""
    is_proven: bool = False
    misses: int = 0
    """Of what only notes that a body was seen: to how many objects in a row nothing known was like the one it met."""


def nothing() -> Mold:
    """Notes that something was seen, or came out wrong."""
    return Mold((), (), (), "")


class _About(msgspec.Struct):
    name: str
    uid: str
    resourceVersion: str
    creationTimestamp: str
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    managedFields: msgspec.Raw = msgspec.Raw(b"")


@lru_cache(64)
def _decoder(carried: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    fields: list[Any] = [("metadata", _About), *((name, dict[str, str], {}) for name in carried)]
    return msgspec.json.Decoder(msgspec.defstruct("Outline", fields))


def own_of(kind: Kind, value: bytes) -> Own | None:
    """What is a stored object's own; None for one that is not as usual."""
    if kind.carries is None or len(value) > LONGEST:
        return None
    try:
        outline = _decoder(kind.carries).decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    about = outline.metadata
    maps: Maps = {"labels": about.labels}
    managers = _Managers(bytes(about.managedFields))
    cut = _Cut(value)
    for name in ("name", "uid", "resourceVersion", "creationTimestamp"):
        cut.out(name, b'"%b"' % getattr(about, name).encode(), b"")
    if about.labels:
        cut.out("labels", to_json(about.labels), _shape_of(about.labels))
    if managers.text:
        cut.out("managedFields", managers.text, managers.shape)
    for name in kind.carries:
        given = maps[name] = getattr(outline, name)
        if given:
            cut.out(name, to_json(given), _shape_of(given))
    times = (about.creationTimestamp, *managers.times)
    if cut.failed or any(len(time) != _LENGTH_OF_TIME for time in times):
        return None
    return Own(cut.rest(), about.name, about.uid, times, maps)


class _Cut:
    """Bytes of an object of which some are taken out, in their order. Names and what else comes before a field can not
    contain quotes that are not escaped: so the first match is the field."""

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.failed = False
        self._at = 0
        self._parts: list[bytes] = []

    def out(self, name: str, text: bytes, shape: bytes) -> None:
        """`shape` is left in the place of `text`, between zero bytes, which no JSON contains."""
        field = b'"%b":' % name.encode()
        begin = self.value.find(field, self._at) + len(field)
        if not self.value.startswith(text, begin):
            self.failed = True
            return
        self._parts += (self.value[self._at : begin], shape)
        self._at = begin + len(text)

    def rest(self) -> bytes:
        return b"\0".join((*self._parts, self.value[self._at :]))


class _Managers:
    """The text of managed fields, their times, and the text without these."""

    def __init__(self, text: bytes) -> None:
        before, *parts = text.split(_TIME)
        self.text = text
        self.times = [part[:_LENGTH_OF_TIME].decode() for part in parts]
        self.shape = _TIME.join((before, *(part[_LENGTH_OF_TIME:] for part in parts)))


def _shape_of(given: dict[str, str]) -> bytes:
    return to_json([key if value else [key] for key, value in given.items()])


def sent_of(call: Call, body: Any) -> Sent | None:
    """What is a body's own; None for one that has to be worked out in any case."""
    if not isinstance(body, dict) or not _is_plain(call, body):
        return None
    about = body.get("metadata", {})
    if not isinstance(about, dict) or not about.keys() <= _SENDABLE:
        return None
    if about.get("name", call.name) != call.name or about.get("namespace", call.namespace) != call.namespace:
        return None
    uid = about.get("uid", "")
    if not isinstance(uid, str):
        return None
    maps: Maps = {}
    about = {name: _PLACE if name in ("name", "uid") else value for name, value in about.items()}
    shape = {**body, "metadata": about}
    for name in ("labels", *(call.kind.carries or ())):
        where = about if name == "labels" else shape
        given = where.get(name)
        if isinstance(given, dict):
            if any(key.startswith("$") for key in given):  # it says what is to be done
                return None
            maps[name] = {key: value for key, value in given.items() if value and isinstance(value, str)}
            where[name] = {**given, **dict.fromkeys(maps[name], _PLACE)}
    if any(names.label_value(value) for value in maps.get("labels", {}).values()):
        return None
    return Sent(to_json(shape), maps, uid)


def _is_plain(call: Call, body: Any) -> bool:
    """Whether the bytes say nothing that the value does not."""
    length = len(call.request.body)
    return length <= LONGEST and len(to_json(body)) == length


class Wish(msgspec.Struct):
    """A change that may be like one before. Made anew for each state of the object that it is tried on."""

    call: Call
    key: tuple[object, ...]
    sent: Sent
    own: Own
    ranks: list[str]
    """All times, in order."""
    changes: tuple[int, ...]
    note: Mold
    """Of the body."""

    def mold(self) -> Mold | None:
        """One that fits, if nothing has changed."""
        found = self.call.app.alike.get(self.key)
        fits = found is not None and found.is_proven and found.changes == self.changes
        self.note.misses = 0 if fits else self.note.misses + 1
        return found if fits else None

    def cast(self, mold: Mold) -> Render:
        """The bytes of the changed object, once its revision is known."""
        made, own = list(mold.parts), self.own
        uid = own.uid or metadata.new_uid(self.call.app.dice)
        values = {"n": own.name, "u": uid, "r": ""}
        for letter, known in (("s", _values(self.sent.maps)), ("o", _values(own.maps)), ("t", self.ranks)):
            for number, value in enumerate(known):
                values[f"{letter}{number}"] = value
        for at in range(1, len(made), 2):
            made[at] = to_json(values[made[at].decode()])[1:-1]
        place = mold.parts.index(b"r")

        def render(revision: int) -> bytes:
            made[place] = b"%d" % revision
            return b"".join(made)

        return render

    def learn(self, admitted: Admitted, value: bytes) -> None:
        """Keeps what came of the long way, or compares it with what was kept; `value` is what was stored."""
        known = self.call.app.alike
        mold, warnings = known.get(self.key), tuple(self.call.warnings)
        if not admitted.alike or (mold is not None and not mold.parts):
            return
        if mold is None and not self._was_seen():
            return
        parts = self._marked(msgspec.json.decode(value))
        size = 2 * len(value) + len(self.own.shape)
        if not parts:
            return
        if mold is None or mold.changes != self.changes:
            known.keep(self.key, Mold(parts, warnings, self.changes, self.own.name), size)
        elif not mold.is_proven and mold.first != self.own.name:
            is_right = (mold.parts, mold.warnings) == (parts, warnings)
            known.keep(self.key, replace(mold, is_proven=True) if is_right else nothing(), size)

    def _was_seen(self) -> bool:
        """Most shapes are seen once: these cost no more than a note."""
        known, key = self.call.app.alike, ("seen", hash(self.key))
        if known.get(key) is not None:
            return True
        known.keep(key, nothing(), SMALL)
        return False

    def _marked(self, obj: Object) -> tuple[bytes, ...]:
        """The parts of a mold; none when something is not what it should be."""
        kind, about, times = self.call.kind, obj["metadata"], self.ranks
        marks = {**_marks("o", self.own.maps), **_marks("s", self.sent.maps)}
        try:
            about["creationTimestamp"] = _mark("t", times.index(about["creationTimestamp"]))
            for entry in about.get("managedFields") or ():
                entry["time"] = _mark("t", times.index(entry["time"]))
            for name in ("labels", *(kind.carries or ())):
                where = about if name == "labels" else obj
                if given := where.get(name):
                    where[name] = {key: marks[name, key, value] for key, value in given.items()}
        except (KeyError, ValueError):  # the clock went on meanwhile, or somebody had more to say
            return ()
        about["name"], about["uid"], about["resourceVersion"] = _mark("n"), _mark("u"), _mark("r")
        return tuple(_PLACES.split(stored.encode(kind, obj)))


def _mark(letter: str, number: int | str = "") -> str:
    return f"{_SECRET}{letter}{number};"


def _values(maps: Maps) -> list[str]:
    return [value for below in maps.values() for value in below.values()]


def _marks(letter: str, maps: Maps) -> dict[tuple[str, str, str], str]:
    """The mark of each value, by field and key."""
    every = [(name, key, value) for name, below in maps.items() for key, value in below.items()]
    return {place: _mark(letter, number) for number, place in enumerate(every)}


class Likeness(msgspec.Struct):
    """A change of some object, apart from the state of that."""

    call: Call
    key: tuple[object, ...]
    sent: Sent
    note: Mold

    def wish(self, entry: Entry | None) -> Wish | None:
        """None when such a change has to be worked out."""
        app, kind = self.call.app, self.call.kind
        roots = app.gate.looks_at(kind.plural, "UPDATE" if entry is not None else "CREATE")
        own = own_of(kind, entry.value) if entry is not None else self._new()
        if roots is None or own is None or (self.sent.uid and self.sent.uid != own.uid):
            return None
        now = format_time(app.clock.now())
        ranks = sorted({now, *own.times})
        order = tuple([ranks.index(time) for time in (now, *own.times)])
        pairs = [(own.maps.get(name, {}), below) for name, below in self.sent.maps.items()]
        same = tuple([before.get(key) == value for before, below in pairs for key, value in below.items()])
        changes = tuple([app.store.changes(root) for root in roots])
        return Wish(self.call, (*self.key, own.shape, order, same), self.sent, own, ranks, changes, self.note)

    def _new(self) -> Own | None:
        """Of an object that is not there yet."""
        kind, name = self.call.kind, self.call.name
        return None if kind.judged_by is not None or metadata.name_faults(kind, name) else Own(b"", name, "")


def likeness(call: Call, part: Part, options: WriteOptions, body: Any) -> Likeness | None:
    """None for what has to be worked out in any case, as has a body that is seen for the first time."""
    if options.dry_run or call.request.audit is not None or not _may_be_alike(call, part):
        return None
    sent = sent_of(call, body)
    if sent is None:
        return None
    user, agent = call.user, call.request.header("user-agent")
    who = user.name, user.uid, user.groups, manager.name_of(options.manager, agent)
    how = part.name, call.request.header("content-type"), options.directive, options.force
    key = (call.kind, call.namespace, *who, *how, sent.shape)
    known = call.app.alike
    note = known.get(key)
    if note is None:
        known.keep(key, nothing(), len(sent.shape))
        return None
    if note.misses >= MOST_MISSES:
        note.misses += 1
        if note.misses % RARELY:
            return None
    return Likeness(call, key, sent, note)


def _may_be_alike(call: Call, part: Part) -> bool:
    kind = call.kind
    if kind.carries is None or kind.default_times is not None or not stored.is_direct(kind):
        return False
    is_plain = part.view is itself is part.live and part.merge is taken and part.body_kind(kind) is kind
    return is_plain and call.app.special(kind) is ORDINARY
