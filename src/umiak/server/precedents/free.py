"""Which parts of a text are free, and of what form: a field that takes one form may refuse another.

Forms are recognized by the text alone, or by the field that `Kind.free` names. The texts are JSON, in which values that
are equal are equal bytes; whoever calls sees to that.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache, lru_cache

import msgspec

from umiak.objects import names
from umiak.server.precedents.texts import REVISION, Cut

SECONDS, MICROSECONDS, UID, ADDRESS = "seconds", "microseconds", "uid", "address"
"""Told by the text."""
LABEL, VALUE, NAMED = "label", "value", "named"
"""Told by the field: what labels are set to, texts of other maps, the object's name."""
HOST, WORD = "host", "word"
"""Of names and remarks, wherever they stand: those that are DNS labels, and others."""
HELD_HOST, HELD_WORD = "held host", "held word"
"""Of the same in the fields that say which they are."""
_CANDIDATE = rb'([0-9a-f][-0-9a-fT:.]{6,39}Z?)(?=\\?")'
_SENT = re.compile(rb'"\s*:\s*\\?"' + _CANDIDATE)
_STORED = re.compile(rb'":\\?"' + _CANDIDATE)
"""What fields hold, also in quotes that are escaped, as in the keys of managed fields. Looking for the first two bytes
of this takes half as long as for one."""
_MOMENT = re.compile(rb"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z")
_UID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BYTE = rb"(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])"
_ADDRESS = re.compile(rb"(?!0|127\.|169\.254\.|22[4-9]\.|2[3-5]\d\.)" + rb"\.".join([_BYTE] * 4))
_WORD = re.compile(rb"[0-9]{3,}|(?=[^-./:]*[-./:])(?=[^0-9]*[0-9])[ -!#-\[\]-~]{4,512}")
"""What can not be taken for a word of the API."""
_HOST = re.compile(names.DNS_LABEL.encode())
_LONGEST_LABEL = 63
_ENDS = re.compile(rb'\\?"(?!\s*:)')
_NAMED = re.compile(rb'"name"\s*:\s*"([^"\\]+)"')
_TEXT = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
_ITEM = re.compile(rb"\s*" + _TEXT + rb"\s*:\s*(?:" + _TEXT + rb"|null)\s*(,?)")
_CLOSED = re.compile(rb"\s*\}")
TIME = b'"time":"'
"""Of a manager. Quotes in texts are escaped, so that this is nothing else."""
_HEAD = re.compile(
    rb'\{"kind":"\w+","apiVersion":"[\w./]+","metadata":\{"name":"([^"\\]+)",(?:"generateName":"[^"\\]*",)?'
    rb'(?:"namespace":"[^"\\]*",)?"uid":"([^"\\]+)","resourceVersion":"(\d+)",'
    rb'(?:"generation":\d+,)?"creationTimestamp":"[^"]+"(?!,"deletionTimestamp")'
)
Words = dict[bytes, str]
"""The form of each."""
Spans = dict[int, tuple[int, str]]
"""Where parts end, and of what form they are, by where they begin."""


class Field(msgspec.Struct, frozen=True, eq=False):
    """`begin` is the name in quotes, which is quicker to find than a pattern that matches from there."""

    begin: bytes
    pattern: re.Pattern[bytes]

    def found(self, text: bytes) -> Iterator[re.Match[bytes]]:
        at = text.find(self.begin)
        while at >= 0:
            if found := self.pattern.match(text, at):
                yield found
            at = text.find(self.begin, at + len(self.begin))


class Free(msgspec.Struct, frozen=True, eq=False):
    """What is free in texts of a kind: `words` are fields of names and remarks, `maps` those of maps of texts of a
    form; uids, times and addresses if they are `by_form`."""

    words: tuple[Field, ...] = ()
    maps: tuple[tuple[Field, str], ...] = ()
    by_form: bool = True


NAME_ALONE = Free(by_form=False)


@cache
def free_of(fields: tuple[str, ...]) -> Free:
    """Of what `Kind.free` names."""
    words, maps = [], []
    for field in fields:
        first, _, second = field.encode().partition(b".")
        begin = b'"%b"' % first
        if second == b"*":
            maps.append((Field(begin, re.compile(begin + rb"\s*:\s*\{")), LABEL if first == b"labels" else VALUE))
        else:
            below = rb'\{[^{}]*?"%b"\s*:\s*' % second if second else b""
            words.append(Field(begin, re.compile(begin + rb"\s*:\s*" + below + rb'"([^"\\]+)"')))
    return Free(tuple(words), tuple(maps))


@lru_cache(4096)
def form_of(part: bytes) -> str:
    """What a part is by itself; empty when it is not free by that."""
    if _UID.fullmatch(part):
        return UID
    if _ADDRESS.fullmatch(part):
        return ADDRESS
    if not _MOMENT.fullmatch(part):
        return ""
    try:
        datetime.fromisoformat(part.decode())
    except ValueError:
        return ""
    return MICROSECONDS if b"." in part else SECONDS


def form_of_word(word: bytes) -> str:
    return HOST if len(word) <= _LONGEST_LABEL and _HOST.fullmatch(word) else WORD


def may_be(part: bytes, form: str, *, is_sent: bool) -> bool:
    """Whether a part would be found to be of that form in the place of another that is."""
    if form in (SECONDS, MICROSECONDS, UID, ADDRESS):
        return form_of(part) == form
    if not part or b"\\" in part:
        return False
    if form == LABEL:
        return not is_sent or not names.label_value(part.decode())
    if form == REVISION:
        return part.isdigit()
    if form in (HOST, WORD, HELD_HOST, HELD_WORD):
        is_host = form_of_word(part) == HOST
        return is_host == (form in (HOST, HELD_HOST)) and _WORD.fullmatch(part) is not None and not form_of(part)
    return True


def words_among(texts: Iterable[bytes]) -> Words:
    return {text: form_of_word(text) for text in texts if _WORD.fullmatch(text)}


def cut_body(free: Free, text: bytes, words: Words, name: bytes = b"") -> Cut | None:
    """Cuts a body at all that is free, among it `words`, wherever they stand, and the first `name`: if that is the
    object's, or is known to be equal to it, then two bodies with one likeness are the same or differ in what both have
    for metadata.name. None when a text is not valid where it stands, or a part's place may depend on what it is."""
    spans: Spans = {}
    for found in _NAMED.finditer(text) if name else ():
        if found[1] == name:
            spans[found.start(1)] = found.end(1), NAMED
            break
    return _cut(free, text, words, spans, is_sent=True)


def cut_stored(free: Free, text: bytes, words: Words) -> Cut | None:
    """The same of a stored object, of which the name, uid and version come first. None also for one that is not as
    usual."""
    head = _HEAD.match(text)
    if head is None or form_of(head[2]) != UID:
        return None
    first, *more = text.split(TIME)
    spans: Spans = {head.start(group): (head.end(group), form) for group, form in ((1, NAMED), (2, UID), (3, REVISION))}
    stamps, at = [], len(first)
    for part in more:
        stamp, _, _ = part.partition(b'"')
        if form_of(stamp) != SECONDS:
            return None
        stamps.append(stamp)
        spans[at + len(TIME)] = at + len(TIME) + len(stamp), SECONDS
        at += len(TIME) + len(part)
    return _cut(free, text, words, spans, tuple(stamps), is_sent=False)


def _cut(
    free: Free, text: bytes, words: Words, spans: Spans, stamps: tuple[bytes, ...] = (), *, is_sent: bool
) -> Cut | None:
    for field, form in free.maps:
        for map_ in field.found(text):
            if not _add_values(spans, text, map_.end(), form, is_sent=is_sent):
                return None
    if free.by_form:
        for candidate in (_SENT if is_sent else _STORED).finditer(text):
            if form := form_of(candidate[1]):
                spans.setdefault(candidate.start(1), (candidate.end(1), form))
    held = {found.start(1): found[1] for field in free.words for found in field.found(text)}
    if held:
        own = words_among(held.values())
        words = words | own
        for start, word in held.items():
            if word in own:
                spans.setdefault(start, (start + len(word), HELD_HOST if own[word] == HOST else HELD_WORD))
    for word, form in words.items():
        _add_word(spans, text, word, form)
    return _pieces(text, spans, words, stamps)


def _add_values(spans: Spans, text: bytes, at: int, form: str, *, is_sent: bool) -> bool:
    """Those of the map whose inside begins at `at`. False if they are not as they should be."""
    while item := _ITEM.match(text, at):
        at = item.end()
        value = item[2]
        if value and not item[1].startswith(b"$"):  # which says what is to be done
            if is_sent and form == LABEL and names.label_value(value.decode()):
                return False
            spans[item.start(2)] = item.end(2), form
        if not item[3]:
            break
    return _CLOSED.match(text, at) is not None


def _add_word(spans: Spans, text: bytes, word: bytes, form: str) -> None:
    quoted = b'"' + word
    at = text.find(quoted)
    while at >= 0:
        end = at + len(quoted)
        if _ENDS.match(text, end):
            spans.setdefault(at + 1, (end, form))
        at = text.find(quoted, end)


def _pieces(text: bytes, spans: Spans, words: Words, stamps: tuple[bytes, ...]) -> Cut | None:
    literals, parts, forms, at = [], [], [], 0
    for start in sorted(spans):
        if start < at:
            continue  # it lies in another
        end, form = spans[start]
        if not is_in_place(text, start, end):
            return None
        literals.append(text[at:start])
        parts.append(text[start:end])
        forms.append(form)
        at = end
    return Cut((*literals, text[at:]), tuple(parts), tuple(forms), words, stamps)


def is_in_place(text: bytes, start: int, end: int) -> bool:
    """False for a part of a key in managed fields, which are sorted, unless no list has an item beside that."""
    if text[start - 2 : start - 1] != b"\\":
        return True
    begin = text.rfind(b'"k:{', 0, start)
    key = text[begin:start]
    if begin < 0 or key.count(b'"') != key.count(b'\\"') + 1:
        return False
    return text.count(key) == text.count(text[begin:end])
