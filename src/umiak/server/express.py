"""Gets that are answered at once, by what was found out for the one before on the same connection.

Whoever reads one object after another sends the same header lines and, but for the object's name, the same path. Who
that is, whether it is allowed, which way it has through priority and fairness, of which kind and in which form the
answer is, and where it is counted: all of this is then as it was, and kept as a `Lane` among the connection's notes on
these header lines. What is left is to look up the object, under the same conditions as ever:

- Nothing a lane was made from has changed. Roles, bindings, authorizers, flow schemas, levels, kinds and API services
  tell when they change, which is the end of all lanes; whether the credentials still hold is asked each time.
- The flow has room, so nobody would have to wait.
- The store can tell at once what the newest state is that anybody was told of; and the object is there, in the clear,
  and small enough to be sent in one piece.

Otherwise the request goes the usual way, and so does every other: with other header lines, with a query, of users whose
leave depends on the object's name or on somebody else's word, and all requests of servers that keep an audit log.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from umiak.kit.http.exchange import SMALL, HttpRequest, head_of
from umiak.kit.metrics import Counter, Histogram
from umiak.objects.errors import StatusError
from umiak.server import stored
from umiak.server.access.authorization import Authorization
from umiak.server.call import Call, Exchange
from umiak.server.contract import Request, always
from umiak.server.flow.control import Passage
from umiak.server.route import Route, route
from umiak.server.verbs.get import get

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

MOST = 64
"""Lanes of one connection."""
COUNTED = 12
"""Hexadecimal digits of an answer's identity that are its number; the others are by chance."""
NAMESPACES = "namespaces"
"""What a user may do to one is for each of them to say."""


class Lane(msgspec.Struct, frozen=True):
    """Gets of objects of one kind in one namespace, by one user. `lasts` is None for credentials that hold for good,
    `form` for objects that are sent as they lie in the store."""

    epoch: int
    lasts: Callable[[], bool] | None
    passage: Passage
    root: str
    """What the object's name makes a key in the store."""
    form: Callable[[bytes], bytes] | None
    head: tuple[bytes, bytes]
    """Status line and header lines, before and after the end of the request's identity."""
    requests: Counter
    durations: Histogram


class Express:
    """`answer` is a shortcut (`kit.http.exchange.Shortcut`) past the `ApiServer`, which lets it `learn`."""

    def __init__(self, app: "ApiServer", authorization: Authorization) -> None:
        self._app = app
        self._peek = app.store.peek
        self._monotonic = app.clock.monotonic
        self._authorization = authorization
        self._epoch = 0
        self._answers = 0
        authorization.on_change(self.forget)
        if app.flow is not None:
            app.flow.on_change.append(self.forget)

    def forget(self) -> None:
        """Something changed that lanes were made from."""
        self._epoch += 1

    def answer(self, target: str, lanes: dict[str, Lane]) -> tuple[bytes, bytes] | None:
        """As `Shortcut`."""
        path, _, name = target.rpartition("/")
        lane = lanes.get(path)
        if lane is None or "?" in name:
            return None
        began = self._monotonic()
        if lane.epoch != self._epoch or (lane.lasts is not None and not lane.lasts()):
            del lanes[path]
            return None
        entry = self._peek(lane.root + name)
        if entry is None or len(entry.value) > SMALL or not lane.passage.is_open:
            return None
        body = entry.value + b"\n" if lane.form is None else lane.form(entry.value)
        before, after = lane.head
        self._answers += 1
        seconds = self._monotonic() - began
        lane.passage.passed(seconds)
        lane.requests.value += 1
        lane.durations.observe(seconds)
        return b"%b%012x%b" % (before, self._answers, after), body

    def learn(self, incoming: HttpRequest, request: Request, exchange: Exchange) -> None:
        """Takes note of a get that was answered, for those after it that differ in the object's name only."""
        lanes, path = incoming.notes, request.path.rpartition("/")[0]
        if lanes is None or request.lasts is None or request.query or path in lanes:
            return
        if request.impersonates or "audit-id" in request.headers:
            return
        found = route(request)
        if found.verb != "get" or not found.is_resource or found.subresource or found.resource == NAMESPACES:
            return
        if not self._authorization.of_any_name(found.attributes(request.user)) or self._is_elsewhere(found):
            return
        lane = self._lane(request, found, exchange)
        if lane is not None:
            if len(lanes) >= MOST:
                lanes.clear()
            lanes[path] = lane

    def _is_elsewhere(self, found: Route) -> bool:
        extensions = self._app.extensions
        return extensions is not None and extensions.behind(found.path) is not None

    def _lane(self, request: Request, found: Route, exchange: Exchange) -> Lane | None:
        """None where more is to be done than to send what lies in the store."""
        app = self._app
        kind = app.kind(found.group, found.version, found.resource)
        passage = app.flow.passage(request.user, found) if app.flow is not None else None
        if kind is None or passage is None or request.answer_headers != passage.headers:
            return None
        try:
            call, run = app.dispatch.prepare(app, request, found, kind, exchange)
        except StatusError:
            return None
        if run is not get or call.media.target or call.media.pretty or call.warnings or not stored.is_direct(kind):
            return None
        if call.media.is_plain:
            form = None
        elif call.media.is_binary:
            form = partial(app.messages.body, kind)
        else:
            return None
        lasts = None if request.lasts is always else request.lasts
        root = kind.store_key(call.namespace, "")
        return Lane(self._epoch, lasts, passage, root, form, self._head(call), *app.metrics.of_gets(found))

    def _head(self, call: Call) -> tuple[bytes, bytes]:
        """The identities of a lane's answers begin as that of the request it was learnt from."""
        identity = self._app.identity(call.request)
        headers = [*self._app.standard_headers(call.request), ("Content-Type", call.media.type)]
        before, _, after = head_of(200, headers).encode().partition(identity.encode())
        return before + identity[:-COUNTED].encode(), after
