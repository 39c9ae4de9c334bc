"""The API server itself: everything it consists of, and the way of a request through it.

A request is authenticated, perhaps impersonated, authorized, and then answered by a verb, a subresource or a path that
belongs to no resource. `handler` is what an HTTP server calls.
"""

import asyncio
import logging
import random
import re
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from msgspec.structs import replace

from umiak.api import registry
from umiak.api.kind import Kind
from umiak.kit.clock import Clock
from umiak.kit.memo import Memo
from umiak.kit.pki import Pair
from umiak.objects.errors import StatusError, bad_request, internal, unauthorized
from umiak.objects.go_text import quoted
from umiak.objects.types import Object
from umiak.server import binary, deprecation, metadata, paths, stored, warning
from umiak.server.access.authorization import Unjudged, refusal, sanitized
from umiak.server.answer import GZIP_ABOVE, Answer, gzipped, indented, no_such_resource, page_not_found, plain
from umiak.server.audience import Audiences
from umiak.server.call import Call, Exchange, Gate
from umiak.server.contract import (
    ANONYMOUS,
    Admission,
    Attributes,
    Authenticator,
    Authorizer,
    Decision,
    Request,
    RuleBook,
    Sender,
    Surroundings,
    User,
)
from umiak.server.dispatch import Dispatch
from umiak.server.health import Check
from umiak.server.metrics import Metrics
from umiak.server.negotiation import FAILURE, negotiate, wants_pretty
from umiak.server.policies.book import PolicyBook
from umiak.server.resources import Resources
from umiak.server.rounds import Rounds
from umiak.server.route import Route, route
from umiak.server.settings import Settings
from umiak.server.special import CERTIFICATE_REQUESTS, DEFINITIONS, NAMESPACES, ORDINARY, Special
from umiak.server.sync import at_once, begin
from umiak.server.tokens import Issuer
from umiak.server.upstream import Upstreams
from umiak.server.watchers import Watchers
from umiak.store.contract import Entry, Store, Unreadable, Unsealable, Unwritable

if TYPE_CHECKING:
    from umiak.server.aggregation.extensions import Extensions
    from umiak.server.aggregation.follow import Services
    from umiak.server.audit.auditing import Auditing
    from umiak.server.audit.record import Record
    from umiak.server.express import Express
    from umiak.server.flow.control import Gate as FlowGate
    from umiak.server.impersonation import Impersonation
    from umiak.server.intake import Known
    from umiak.server.precedents.precedent import Precedent, Sighting
    from umiak.server.precedents.templates import Recent

log = logging.getLogger(__name__)

DEFAULTS = Settings()
DEPRECATED = "k8s.io/deprecated"
MOST_KEPT = 512
"""Characters of a query whose parameters are remembered."""
REMEMBERED = 1024 * 1024
"""Bytes that are kept at most of what was found out about new objects, of each sort."""
SENDER = "sender"
"""The note of a connection on who sends requests."""
SELECTIVE = ("list", "watch", "deletecollection")
Step = Callable[[], Awaitable[None]]


class ApiServer:
    """Serves objects of a store. Call `start` before the first request and `close` after the last."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        random: random.Random,
        authenticators: Sequence[Authenticator],
        authorizer: Authorizer,
        admission: Iterable[Admission] = (),
        settings: Settings = DEFAULTS,
        specials: Mapping[tuple[str, str], Special] | None = None,
        rules: RuleBook | None = None,
        issuer: Issuer | None = None,
        policies: PolicyBook | None = None,
    ) -> None:
        """`rules` are for checks that look at more than one request; without an `issuer` no tokens are given."""
        self.store = store
        self.clock = clock
        self.dice = random
        self.settings = settings
        self.authenticators = tuple(authenticators)
        self.authorizer = authorizer
        self.objects = Resources(store, clock, random)
        self.gate = Gate(admission, Surroundings(self.objects, clock, authorizer, random, rules, policies, self.kinds))
        self.issuer = issuer
        self.dispatch = Dispatch()
        self.paths = paths.Paths()
        self.metrics = Metrics(self)
        self.watchers = Watchers()
        self.began = clock.monotonic()
        self.checks: list[Check] = []
        """Of health, beside those that every server has."""
        self.auditing: Auditing | None = None
        self.rounds = Rounds(clock)
        self.audiences = Audiences(store, self.rounds)
        self.flow: FlowGate | None = None
        """Limits how many requests run at once."""
        self.messages = binary.Messages()
        self.intakes: Memo[Known] = Memo(REMEMBERED)
        """Bodies of new objects that were read lately."""
        self.verdicts: Memo[tuple[str, ...]] = Memo(REMEMBERED)
        """Warnings of new objects that were found to be valid lately."""
        self.precedents: Memo[Precedent] = Memo(2 * REMEMBERED)
        """What came of writes lately that others may be like."""
        self.templates: Recent = {}
        """How texts of writes were cut lately."""
        self.sightings: Memo[Sighting] = Memo(REMEMBERED)
        """Bodies of writes that came lately."""
        self.custom: dict[tuple[str, str, str], Kind] = {}
        """Kinds that custom resource definitions brought, by group, version and plural."""
        self.on_start: list[Step] = []
        self.on_close: list[Step] = []
        self.is_ready: bool = False
        self.is_closing: bool = False
        self.specials: dict[tuple[str, str], Special] = {
            ("", "namespaces"): NAMESPACES,
            ("apiextensions.k8s.io", "customresourcedefinitions"): DEFINITIONS,
            ("certificates.k8s.io", "certificatesigningrequests"): CERTIFICATE_REQUESTS,
            **(specials or {}),
        }
        self.express: Express | None = None
        """The short way for gets that are like others before them."""
        self.upstreams = Upstreams()
        self.services: Services | None = None
        """What API services say, once they are followed."""
        self.front_proxy_client: Pair | None = None
        """Certificate and key shown to servers behind this one."""
        self.kubelet_tls: ssl.SSLContext | None = None
        self.keeps_house: bool = True
        """Whether this process, of all that share the store, does what has to be done once."""
        self.kubelet_client: Pair | None = None
        """Certificate and key shown to nodes."""

    @cached_property
    def impersonation(self) -> "Impersonation":
        from umiak.server.impersonation import Impersonation  # few ask for it

        return Impersonation(self.authorizer)

    async def start(self) -> None:
        for step in self.on_start:
            await step()
        self.is_ready = True

    async def close(self) -> None:
        """Ends all watches; the store stays open."""
        self.is_closing, self.is_ready = True, False
        for watcher in self.watchers:
            watcher.close()
        await self.upstreams.close()
        for step in reversed(self.on_close):
            await step()

    @property
    def extensions(self) -> "Extensions | None":
        """What servers behind this one serve; None as long as there never was one."""
        return self.services.extensions if self.services is not None else None

    # What verbs ask

    def kind(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind behind a path, built in or custom."""
        found = self.custom.get((group, version, plural))  # never one that is built in
        if found is not None:
            return found
        try:
            return registry.resource(group, version, plural)
        except registry.UnknownKind:
            return None

    def kinds(self) -> list[Kind]:
        """All kinds served now."""
        return [*registry.kinds(), *self.custom.values()]

    def serves(self, group: str) -> bool:
        """Whether there is such a group, apart from custom ones: what those lack is nowhere at all."""
        return not group or any(known.startswith(f"{group}/") for known in registry.group_versions())

    def special(self, kind: Kind) -> Special:
        return self.specials.get((kind.group, kind.plural), ORDINARY)

    async def vanish(self, kind: Kind, entry: Entry, obj: Object, changed: bool = False) -> Entry:
        """Removes an object for good, if it is still the one of `entry`; one that its deletion has `changed` is seen
        like that before it goes."""
        render = stored.render(kind, obj) if changed else stored.restamp(entry)
        store = self.objects.store_of(kind)
        last = await store.delete(entry.key, expect=entry.modified, render=render, parting=changed)
        if released := self.special(kind).released:
            await released(obj)
        return last

    def present(self, root: str, key: str) -> tuple[list[Entry], int]:
        """(what there is now under `root`, or at `key`, the revision it is true at)."""
        if key:
            entry = at_once(self.store.get(key))
            return ([entry] if entry is not None else []), self.store.revision
        page = at_once(self.store.range(root))
        return page.entries, page.revision

    async def authorize(self, asked: Attributes, record: "Record | None" = None) -> None:
        """Raises 403, or Unjudged; the `record` tells how it was decided."""
        self._judge(await self.authorizer.authorize(asked), asked, record)

    @staticmethod
    def _judge(decision: Decision, asked: Attributes, record: "Record | None") -> None:
        """As `authorize`."""
        if record is not None:
            record.decided(decision)
        if not decision.allowed:
            if decision.error:
                raise Unjudged(decision.error)
            raise refusal(asked, decision.reason)

    async def authorize_create(self, call: Call) -> None:
        """An update that creates needs leave to create."""
        about = call.route
        asked = Attributes(
            call.user,
            "create",
            about.group,
            about.version,
            about.resource,
            about.subresource,
            about.namespace,
            call.name,
        )
        await self.authorize(asked)

    # The way of a request

    def handler(self, incoming: Any, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """Answers `incoming` (`kit.http.exchange.HttpRequest`); what it returns has to be run by a task."""
        if self.store.behind:
            return self._serve_when_caught_up(incoming, exchange)
        request = request_of(incoming)
        work = self._guarded(request, exchange, self._authenticated)
        if incoming.method != "GET":
            return work
        rest = begin(work)
        if rest is None and self.express is not None:
            self.express.learn(incoming, request, exchange)
        return rest

    async def _serve_when_caught_up(self, incoming: Any, exchange: Exchange) -> None:
        """Somebody may have been told of a write that this process has not seen yet, and send this because of it."""
        await self.store.caught_up()
        await self._guarded(request_of(incoming), exchange, self._authenticated)

    async def serve_as(self, user: User, request: Request, exchange: Exchange) -> None:
        """Answers a request whose sender is known, e.g. because it comes from this very process."""
        request.user = user
        await self._guarded(request, exchange, self._known)

    async def _guarded(
        self, request: Request, exchange: Exchange, step: Callable[[Request, Exchange], Awaitable[Answer | None]]
    ) -> None:
        """Turns whatever goes wrong into an answer."""
        panicked = False
        try:
            answer = await step(request, exchange)
        except StatusError as error:
            answer = refused(request, error)
            if error.code == 403:  # who is not allowed to ask at all is answered by `responsewriters.Forbidden`
                answer.headers.append(("X-Content-Type-Options", "nosniff"))
        except Unjudged as error:
            answer = unjudged(request, error)
        except (Unreadable, Unsealable) as error:
            answer = refused(request, internal(str(error)))
        except Unwritable as error:
            answer = refused(request, StatusError(500, "InternalError", f"the store can not be written: {error}"))
        except RecursionError:  # what works on objects follows their depth
            answer = refused(request, bad_request("exceeded max depth"))
        except Exception as error:
            log.exception("%s %s", request.method, request.path)
            panicked = True
            answer = refused(request, internal(f"{type(error).__name__}: {error}"))
        if answer is None or exchange.answered:
            return
        if request.audit is not None and self.auditing is not None:
            await self.auditing.answered(request.audit, answer, panicked)
        await self.reply(request, exchange, answer)

    async def reply(self, request: Request, exchange: Exchange, answer: Answer) -> None:
        headers = [*self.standard_headers(request), *answer.headers]
        if answer.type:
            headers.append(("Content-Type", answer.type))
        body = answer.body
        if len(body) > GZIP_ABOVE and is_far(request) and "gzip" in request.header("accept-encoding"):
            headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
            body = await asyncio.to_thread(gzipped, body)  # a long list would hold up everybody else
        exchange.reply(answer.status, headers, body)

    def standard_headers(self, request: Request) -> list[tuple[str, str]]:
        return [("Audit-Id", self.identity(request)), ("Cache-Control", "no-cache, private"), *request.answer_headers]

    def identity(self, request: Request) -> str:
        """What a request is known by: as its sender says, or by chance."""
        request.identity = request.identity or request.header("audit-id") or metadata.new_uid(self.dice)
        return request.identity

    def common_headers(self, call: Call) -> list[tuple[str, str]]:
        return [*self.standard_headers(call.request), *warning.headers(call.warnings)]

    async def authenticate(self, request: Request) -> User:
        """Raises 401."""
        for authenticator in self.authenticators:
            user = await authenticator.authenticate(request)
            if user is not None:
                return user
        raise unauthorized()

    async def _authenticated(self, request: Request, exchange: Exchange) -> Answer | None:
        if not is_known(request):
            try:
                request.user = await self.authenticate(request)
            except StatusError as error:
                if self.auditing is not None:
                    await self.auditing.unknown(request, error)
                raise
            if request.notes is not None and request.lasts is not None:
                request.notes[SENDER] = Sender(request.user, request.lasts)
        if self.auditing is None:
            return await self._authorized(request, exchange)
        return await self._known(request, exchange)

    async def _known(self, request: Request, exchange: Exchange) -> Answer | None:
        if self.auditing is None:
            return await self._authorized(request, exchange)
        return await self.auditing.audited(request, exchange, self._authorized)

    async def _authorized(self, request: Request, exchange: Exchange) -> Answer | None:
        found = route(request)
        if found.verb in SELECTIVE:
            asked = found.attributes(request.user, request.option("fieldSelector"), request.option("labelSelector"))
        else:
            asked = found.attributes(request.user)
        if request.impersonates:
            request.user, constraint = await self.impersonation.user(request, asked)
            if request.audit is not None and request.user is not asked.user:
                request.audit.impersonates(request.user, constraint)
            asked = replace(asked, user=request.user)
        if self.flow is None or (ticket := self.flow.enter(request, found)) is None:
            return await self._permitted(request, found, asked, exchange)
        if ticket.started is None and not await self.flow.turn(ticket):
            return self._turned_away(self.flow.refusal(ticket), request, found)
        try:
            return await self._permitted(request, found, asked, exchange)
        finally:
            self.flow.leave(ticket)

    def _turned_away(self, answer: Answer, request: Request, found: Route) -> Answer:
        """The client is to come back later."""
        self.metrics.terminated(found, request.option("dryRun"), answer.status)
        return answer

    async def _permitted(self, request: Request, found: Route, asked: Attributes, exchange: Exchange) -> Answer | None:
        self._judge(await self.authorizer.authorize(asked), asked, request.audit)
        if (elsewhere := self.extensions) is not None and (extension := elsewhere.behind(found.path)) is not None:
            return await elsewhere.hand_on(request, found, exchange, extension)
        if not found.is_resource:
            return await self.paths.answer(self, request)
        return await self._resource(request, found, exchange)

    async def _resource(self, request: Request, found: Route, exchange: Exchange) -> Answer | None:
        kind = self.kind(found.group, found.version, found.resource)
        if kind is None:
            if self.serves(found.group):
                raise no_such_resource()
            return page_not_found()
        if kind.is_custom:
            from umiak.server.custom.paths import leads_nowhere

            if leads_nowhere(found, kind):
                return page_not_found()
        started = self.clock.monotonic()
        call, run = self.dispatch.prepare(self, request, found, kind, exchange)
        try:
            answer = await run(call)
        except StatusError as error:
            answer = refused(request, error)
        except Unreadable as error:
            answer = refused(request, stored.unreadable(error, kind, found.verb))
        code = answer.status if answer is not None else 200
        self.metrics.observe(found, request.option("dryRun"), code, self.clock.monotonic() - started)
        if request.audit is not None and deprecation.warnings(kind):
            request.audit.annotate(DEPRECATED, "true")
        if answer is not None and call.warnings:
            answer.headers += warning.headers(call.warnings)
        return answer


def is_far(request: Request) -> bool:
    """Whether an answer leaves the machine. One that does not is copied in less time than it is inflated: a client on
    the same machine and the server take 55 ms together for a list of 5,000 Pods instead of 75."""
    return not request.peer_address.startswith(("127.", "::1", "::ffff:127."))


def is_known(request: Request) -> bool:
    """Whether the same header lines came on its connection before, and what was found out of who sent them still holds;
    its user is the same then."""
    sender: Sender | None = request.notes.get(SENDER) if request.notes else None
    if sender is None or not sender.lasts():
        return False
    request.user, request.lasts = sender.user, sender.lasts
    return True


def request_of(incoming: Any) -> Request:
    """The request as the server's parts see it."""
    path, _, query = incoming.target.partition("?")
    return Request(
        incoming.method,
        path,
        parameters(query) if query else {},
        incoming.headers,
        incoming.body,
        incoming.peer_certificate,
        incoming.peer_address,
        incoming.peer_anchor,
        ANONYMOUS,
        incoming.target,
        notes=incoming.notes,
    )


def parameters(query: str) -> dict[str, list[str]]:
    """Those of a query by name, with their values in order."""
    found = _parameters(query) if len(query) <= MOST_KEPT else _parameters.__wrapped__(query)
    return {name: list(values) for name, values in found.items()}


@lru_cache(512)
def _parameters(query: str) -> Mapping[str, Sequence[str]]:
    """A client's requests have few different ones. Go passes over those that it cannot read."""
    if _UNREADABLE.search(query):
        query = "&".join(part for part in query.split("&") if not _UNREADABLE.search(part))
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


_UNREADABLE = re.compile("%(?![0-9A-Fa-f]{2})|;")


def unjudged(request: Request, error: Unjudged) -> Answer:
    """No `Status`, as `responsewriters.InternalError` answers."""
    log.error("authorizing %s %s: %s", request.method, request.path, error)
    return plain(sanitized(f"Internal Server Error: {quoted(request.target or request.path)}: {error}\n"), 500)


def refused(request: Request, error: StatusError) -> Answer:
    """An error as a `Status`; in JSON for who accepts nothing we have."""
    import msgspec

    headers = [("Retry-After", str(error.retry_after))] if error.retry_after else []
    encoded = msgspec.json.encode(error.status())
    media = negotiate(request.header("accept"), FAILURE)
    if media is None:
        return Answer(error.code, indented(encoded), headers=headers)
    if media.format == "yaml":
        from umiak.objects.encoding import to_yaml

        return Answer(error.code, to_yaml(error.status()), media.type, headers)
    if media.is_binary:
        return Answer(error.code, binary.body(encoded), media.type, headers)
    body = indented(encoded) if media.pretty or wants_pretty(request) else encoded + b"\n"
    return Answer(error.code, body, headers=headers)
