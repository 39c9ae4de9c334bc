"""Watch: an endless answer of what happens to objects, one JSON line or protobuf frame each.

A watcher gets what the store tells, in order. Plain lines and frames are encoded once per change and shared by
all watchers; those that want everything of a place in one form are told together (`server/audience.py`). Who does not
keep up is dropped, and comes back with the version it has seen.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from umiak.api import schema
from umiak.api.kind import Kind
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.server import binary, representation, stored, streams
from umiak.server.audience import Audience
from umiak.server.call import Call, Stream
from umiak.server.metadata import is_custom
from umiak.server.options import ListOptions, list_options, too_large, watched_version
from umiak.server.selection import Selection, prefix, selection
from umiak.server.tables import include_policy
from umiak.store.contract import Cancel, Compacted, Entry, Event

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
TOO_OLD = "too old resource version: {} ({})"
ADDED, MODIFIED, DELETED, BOOKMARK, ERROR = (
    b"ADDED",
    b"MODIFIED",
    b"DELETED",
    b"BOOKMARK",
    b"ERROR",
)


def line(type_: bytes, value: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (type_, value)


def told(app: "ApiServer", kind: Kind, is_binary: bool, type_: bytes, value: bytes) -> bytes:
    """An event of an object in the kind's own form, as a line or a frame."""
    return binary.event(type_, app.messages.body(kind, value)) if is_binary else line(type_, value)


def shared(app: "ApiServer", kind: Kind, form: str, is_binary: bool, event: Event) -> bytes:
    """A change, encoded for the first watcher that wants it in this `form`."""
    found: bytes | None = event.memo.get(form)
    if found is None:
        type_ = DELETED if event.deleted else ADDED if event.previous is None else MODIFIED
        found = event.memo[form] = told(app, kind, is_binary, type_, stored.shown(kind, event.entry.value))
    return found


async def watch(call: Call) -> None:
    options = list_options(call.request, is_watch=True)
    wanted = selection(call.kind, options, call.name if call.name and not options.fields else "")
    after = watched_version(options.resource_version)
    if options.initial_events and after > call.app.store.revision:
        raise too_large(after, call.app.store.revision)
    if options.initial_events and call.media.is_binary and not call.media.target:
        await _ready(call, wanted)
    watcher = Watcher(call, options, wanted)
    if call.kind.comes_converted:
        watcher = await _converted(call, options, wanted)
    watcher.check_form()
    if streams.is_websocket(call):
        await _by_messages(call, watcher, after)
        return
    media = "application/json" if call.media.format == "json" else f"{call.media.type};stream=watch"
    watcher.stream = call.exchange.start(200, [*call.app.common_headers(call), ("Content-Type", media)])
    watcher.begin(after)


async def _by_messages(call: Call, watcher: "Watcher", after: int) -> None:
    stream = streams.EventStream(streams.accepted(call, streams.offered(call) or [""]), call.media.is_binary)
    watcher.stream = stream
    watcher.begin(after)
    await stream.until_closed()


async def _converted(call: Call, options: ListOptions, wanted: Selection) -> "Watcher":
    from umiak.server.custom.version_store import VersionStore
    from umiak.server.custom.watching import ConvertedWatcher

    view = call.store
    assert isinstance(view, VersionStore)
    watcher = ConvertedWatcher(call, options, wanted, view)
    if options.initial_events:
        await watcher.look()
    return watcher


async def _ready(call: Call, wanted: Selection) -> None:
    """Has what the watch begins with encoded beforehand: it is sent in one go."""
    entries, _ = call.app.present(*prefix(call.kind, call.namespace, wanted))
    values = [stored.shown(call.kind, entry.value) for entry in entries if wanted.matches(entry.value)]
    await call.app.messages.all_of(call.kind, values)


class Timers(msgspec.Struct, eq=False):
    """What still has to happen to a watch by itself."""

    end: asyncio.TimerHandle | None = None
    bookmark: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        for timer in (self.end, self.bookmark):
            if timer is not None:
                timer.cancel()


class Watcher:
    """One client's watch. Needs no task: the store calls it, and it writes."""

    stream: Stream

    def __init__(self, call: Call, options: ListOptions, wanted: Selection) -> None:
        self.call = call
        self.options = options
        self.wanted = wanted
        self.kind = call.kind
        self.is_binary = call.media.is_binary
        self.is_shared = call.media.is_plain or (self.is_binary and not call.media.target)
        self._form = f"{call.media.format} {call.kind.api_version}"
        self.selects = not wanted.is_everything
        self.seen = call.app.store.revision
        self._skipped = 0
        self._headers_sent = False
        self._untold: list[bytes] = []
        self._timers = Timers()
        self._cancel: Cancel | None = None
        self._audience: Audience | None = None

    def check_form(self) -> None:
        """Raises what would go wrong with the first event, before the answer has begun."""
        if self.call.media.target == "Table":
            include_policy(self.call.request)

    def begin(self, after: int) -> None:
        app, stream = self.call.app, self.stream
        stream.on_close.append(self._ended)
        app.watchers.add(self)
        loop = asyncio.get_running_loop()
        settings = app.settings
        seconds = self.options.timeout or settings.min_watch_timeout * (1 + app.dice.random())
        self._timers.end = loop.call_later(seconds, self.close)
        root, key = prefix(self.kind, self.call.namespace, self.wanted)
        try:
            after = self._initial(root, key, after)
            self._skipped = after  # somebody may wait for what has not happened yet
            self._cancel = app.store.watch(key or root, min(after, app.store.revision), self._sink)
            self._meet_others(key or root)
        except Compacted as error:
            self._fail(StatusError(410, "Expired", TOO_OLD.format(after, error.oldest)))
            return
        if stream.closed:
            self._ended()
        elif self.options.bookmarks:
            self._timers.bookmark = loop.call_later(settings.bookmark_interval, self._bookmark)

    def _meet_others(self, place: str) -> None:
        """From now on hears together with those who are to hear the same."""
        app, cancel = self.call.app, self._cancel
        if not self.is_shared or self.selects or self._skipped > app.store.revision or self.kind.comes_converted:
            return
        assert cancel is not None
        cancel()
        self.tell()
        encode = partial(shared, app, self.kind, self._form, self.is_binary)
        self._audience, self._cancel = app.audiences.join(place, self._form, encode, self)

    def _initial(self, root: str, key: str, after: int) -> int:
        """Sends what there is, when that was asked for; returns the revision to go on from."""
        if not self.options.initial_events:
            return after or self.call.app.store.revision
        entries, revision = self.present(root, key)
        self.seen = revision
        self._write([self._shown(ADDED, e.value) for e in entries if self._matches(e)])
        if self.options.bookmarks:
            self._send_bookmark({"annotations": {INITIAL_EVENTS_END: "true"}})
        return revision

    def present(self, root: str, key: str) -> tuple[list[Entry], int]:
        """(what there is under `root`, or at `key`; the revision that is true at)."""
        return self.call.app.present(root, key)

    def newest(self) -> int:
        """A revision up to which everything was told."""
        return max(self.seen, self.call.app.store.revision)

    def _matches(self, entry: Entry) -> bool:
        return not self.selects or self.wanted.matches(entry.value)

    def _sink(self, events: Sequence[Event]) -> None:
        self.seen = events[-1].revision
        if events[0].revision <= self._skipped:
            events = [event for event in events if event.revision > self._skipped]
        self._untold += [found for event in events if (found := self._event(event))]
        if self._untold:
            self.call.app.rounds.join(self)

    def tell(self) -> None:
        if self._audience is not None:
            self._audience.tell_one(self)
            return
        lines, self._untold = self._untold, []
        self._write(lines)

    def _event(self, event: Event) -> bytes:
        """The event as this watcher sees it: an object that enters the selection is added, one that leaves deleted."""
        before = event.previous is not None and self._before(event)
        now = not event.deleted and self._matches(event.entry)
        if now:
            type_ = MODIFIED if before else ADDED
            if self.is_shared and (event.previous is None) is not before:
                return self._shared(event)
            return self._shown(type_, event.entry.value)
        if not before:
            return b""
        value = event.entry.value
        if not event.deleted:  # leaves with its last matching state, at the version of the change
            assert event.previous is not None
            value = stored.restamp(event.previous)(event.revision)
        return self._shown(DELETED, value)

    def _before(self, event: Event) -> bool:
        assert event.previous is not None
        return self._matches(event.previous)

    def _shown(self, type_: bytes, value: bytes) -> bytes:
        value = stored.shown(self.kind, value)
        if self.is_shared:
            return self._own(type_, value)
        value = representation.converted(self.call, value, self.kind, with_headers=not self._headers_sent)
        self._headers_sent = True
        return self._framed(type_, value)

    def _framed(self, type_: bytes, value: bytes) -> bytes:
        return binary.event(type_, binary.body(value)) if self.is_binary else line(type_, value)

    def _own(self, type_: bytes, value: bytes) -> bytes:
        """The event of an object in the kind's form."""
        return told(self.call.app, self.kind, self.is_binary, type_, value)

    def _shared(self, event: Event) -> bytes:
        return shared(self.call.app, self.kind, self._form, self.is_binary, event)

    def _write(self, lines: list[bytes]) -> None:
        if lines:
            self.write(b"".join(lines) if len(lines) > 1 else lines[0])

    def write(self, text: bytes) -> None:
        if self.stream.closed:
            return
        self.stream.write(text)
        if self.stream.buffered > self.call.app.settings.watch_backlog:
            self.stream.abort()

    def _bookmark(self) -> None:
        """Tells the newest revision, so that a quiet watcher does not fall behind the history that is kept."""
        self.seen = self.newest()
        self._send_bookmark({})
        interval = self.call.app.settings.bookmark_interval
        self._timers.bookmark = asyncio.get_running_loop().call_later(interval, self._bookmark)

    def _send_bookmark(self, extra: Object) -> None:
        self.tell()
        about = {"resourceVersion": str(self.seen), **extra}
        obj: Object = {"kind": self.kind.kind, "apiVersion": self.kind.api_version, "metadata": about}
        if not is_custom(self.kind):
            schema.normalize(self.kind.schema, obj)
        if self.call.media.target:
            self._write([self._shown(BOOKMARK, msgspec.json.encode(obj))])
        else:
            self._write([self._framed(BOOKMARK, msgspec.json.encode(obj))])

    def _fail(self, error: StatusError) -> None:
        self.tell()
        self._write([self._framed(ERROR, msgspec.json.encode(error.status()))])
        self.close()

    def close(self) -> None:
        if not self.stream.closed:
            self.tell()
            self.stream.close()

    def _ended(self) -> None:
        self._timers.cancel()
        self.call.app.watchers.discard(self)
        if self._cancel is not None:
            self._cancel()
            self._cancel = self._audience = None
