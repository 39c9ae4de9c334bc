"""A whole API server: access, admission, allocation, default objects and discovery around a store."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING

import msgspec

from umiak.api import registry
from umiak.api.kind import Kind
from umiak.kit.clock import Clock
from umiak.kit.metrics import Registry
from umiak.kit.modules import exported
from umiak.kit.pki import Pair
from umiak.kit.tasks import Tasks
from umiak.objects.types import Object
from umiak.server import issuer_discovery
from umiak.server.access import setup
from umiak.server.access.authorization import Authorization
from umiak.server.access.certificates import Certificates
from umiak.server.access.front_proxy import FrontProxy
from umiak.server.aggregation.follow import Services
from umiak.server.aggregation.follow import follow as follow_services
from umiak.server.allocation.services import Given, ServiceAllocator
from umiak.server.answer import Answer
from umiak.server.app import ApiServer, Step
from umiak.server.bootstrap.objects import Server
from umiak.server.bootstrap.start import bootstrap, keep_alive
from umiak.server.contract import Admission, Request
from umiak.server.custom.follow import follow as follow_definitions
from umiak.server.discovery import Discovery
from umiak.server.express import Express
from umiak.server.flow import setup as flow
from umiak.server.policies.book import PolicyBook
from umiak.server.policies.book import hang_in as follow_policies
from umiak.server.resources import Resources
from umiak.server.settings import Settings
from umiak.server.special import Special
from umiak.server.upkeep import Upkeep
from umiak.server.webhooks import plugins as webhooks
from umiak.server.webhooks.sender import Sender
from umiak.store.contract import Store

if TYPE_CHECKING:
    from umiak.server.audit.auditing import Auditing
    from umiak.server.openapi.routes import Documents

NOT_LISTED = "apiregistration.k8s.io"
"""The group of API services does not list itself."""


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a server must be given besides its settings; PEM texts."""

    service_account_key: str
    verification_keys: tuple[str, ...] = ()
    """Further keys whose tokens count, e.g. those of before a change of keys."""
    client_ca: str = ""
    requestheader_ca: str = ""
    kubelet_client: Pair | None = None
    """Certificate and key that this server shows to nodes."""
    front_proxy_client: Pair | None = None
    """Those it shows to API servers behind it."""


async def assemble(
    store: Store,
    *,
    clock: Clock,
    chance: random.Random,
    settings: Settings,
    secrets: Secrets,
    keeps_house: bool = True,
) -> ApiServer:
    """A server ready to `start`. One of the processes that share a store `keeps_house`: it sees to what must be there
    and must go, which the others follow. Raises OSError and ValueError when a file of its configuration is unreadable.
    """
    keys = setup.signing_keys(settings.access, secrets.service_account_key, secrets.verification_keys)
    needs, background = setup.Needs(store, clock, chance, keys, settings), setup.Background()
    authentication = setup.authentication(needs, background)
    authorization = await setup.authorization(needs, background)
    allocator = ServiceAllocator(store, clock, settings.service_cidr, settings.node_ports, chance)
    app: ApiServer
    policies = PolicyBook(lambda: app)
    hooks, asking = webhooks.plugins(lambda: app, Sender(Resources(store, clock, chance), chance))
    app = ApiServer(
        store,
        clock=clock,
        random=chance,
        authenticators=(*_front_proxies(secrets, settings, clock), authentication),
        authorizer=authorization,
        admission=_admission(settings, asking, clock, chance),
        settings=settings,
        specials={("", "services"): _services(allocator, lambda: app)},
        rules=authorization,
        issuer=setup.issuer(needs),
        policies=policies,
    )
    app.kubelet_client = secrets.kubelet_client
    app.front_proxy_client = secrets.front_proxy_client
    app.keeps_house = keeps_house
    _run_along(app, background)
    webhooks.hang_in(app, hooks)
    follow_policies(app, policies)
    _hang_in(app)
    _prepare(app, allocator, secrets)
    _follow(app, lambda: follow_services(app))
    flow.hang_in(app)
    _audit(app)
    _express(app, authorization)
    return app


def _admission(
    settings: Settings, others: Sequence[Admission], clock: Clock, chance: random.Random
) -> Iterable[Admission]:
    """Configuration is read at once, since it may be wrong."""
    if settings.admission.is_usual:
        return Usual(others)
    from umiak.server.admission_choice import chosen

    return chosen(settings.admission, others, clock, chance)


class Usual(msgspec.Struct, frozen=True):
    """The plugins that are on by themselves, loaded when they are gone through."""

    others: Sequence[Admission]

    def __iter__(self) -> Iterator[Admission]:
        yield from exported("umiak.server.admission", "ADMISSION").values()
        yield from self.others


def _audit(app: ApiServer) -> None:
    if app.settings.audit is None:
        return
    from umiak.server.audit.setup import auditing  # most servers have none

    app.auditing = auditing(app.settings.audit, app.clock, app.dice, app.identity)
    app.on_close.append(app.auditing.close)
    app.metrics.on_read.append(partial(_count_events, app.auditing))


def _express(app: ApiServer, authorization: Authorization) -> None:
    """Not past an audit log."""
    if app.auditing is None:
        app.express = Express(app, authorization)


def _count_events(of: "Auditing", into: Registry) -> None:
    into.counter("apiserver_audit_event_total", "Audit events told.").value = of.told
    into.counter("apiserver_audit_requests_rejected_total", "Requests refused for want of their event.").value = of.lost


def _front_proxies(secrets: Secrets, settings: Settings, clock: Clock) -> tuple[FrontProxy, ...]:
    if not secrets.requestheader_ca:
        return ()
    return (FrontProxy(settings.front_proxy, secrets.requestheader_ca, secrets.client_ca, Certificates(clock)),)


def _services(allocator: ServiceAllocator, app: Callable[[], ApiServer]) -> Special:
    async def reserve(new: Object, old: Object | None, dry_run: bool) -> Given:
        return await allocator.allocate(app().objects, new, old, dry_run)

    async def released(service: Object) -> None:
        await allocator.release(app().objects, service)

    return Special(reserve=reserve, released=released)


def _run_along(app: ApiServer, background: setup.Background) -> None:
    tasks = Tasks("access")

    async def start() -> None:
        for begin in background.starts:
            begin()
        for work in background.works:
            tasks.start("configuration", work())

    app.on_start.append(start)
    app.on_close += [*background.closes, tasks.close]


def _hang_in(app: ApiServer) -> None:
    """Paths that are no resources."""
    advertised = f"{app.settings.advertise}:{app.settings.port}"
    made: list[Documents] = []

    def changed() -> None:
        discovery.changed()
        if app.express is not None:
            app.express.forget()
        for document in made:
            document.changed()

    services = app.services = Services(app, changed)
    discovery = Discovery(app.kinds, lambda: advertised, lambda: services.priorities, services.entries)

    async def discover(app: ApiServer, request: Request) -> Answer:
        return discovery.answer(request)

    def documents() -> "Documents":
        """Loaded with the first question; most servers are asked much later than they must be ready."""
        if not made:
            from umiak.server.openapi.routes import Documents

            made.append(Documents(app.kinds, app.clock, services.documents))
        return made[0]

    async def describe(app: ApiServer, request: Request) -> Answer:
        return documents().answer(request, await services.openapi_2(request.path))

    for path in ("/openapi/v2", "/openapi/v3", "/openapi/v3/"):
        app.paths.add(path, describe)
    for path in ("/api", "/api/", "/apis", "/apis/"):
        app.paths.add(path, discover)
    for path, handler in issuer_discovery.ROUTES:
        app.paths.add(path, handler)

    _follow(app, lambda: follow_definitions(app, changed))


def _follow(app: ApiServer, begin: Callable[[], Awaitable[Step]]) -> None:
    """Follows something in the store as long as the server runs; `begin` returns what ends it."""
    stops: list[Step] = []

    async def start() -> None:
        stops.append(await begin())

    async def stop() -> None:
        for end in stops:
            await end()

    app.on_start.append(start)
    app.on_close.append(stop)


def _prepare(app: ApiServer, allocator: ServiceAllocator, secrets: Secrets) -> None:
    """What happens at start: default objects, then the allocator, then its repair."""
    if not app.keeps_house:
        _follow_allocations(app, allocator)
        return
    server = _about(app.settings, secrets, app)
    tasks: list[asyncio.Task[None]] = []

    async def start() -> None:
        await bootstrap(app.objects, find_kind, server, group_versions(), app.clock)
        await allocator.start()
        await allocator.repair(app.objects)
        tasks.append(asyncio.create_task(keep_alive(app.objects, server, app.clock)))
        tasks.append(asyncio.create_task(Upkeep(app.store, app.clock).run()))

    async def stop() -> None:
        allocator.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    app.on_start.append(start)
    app.on_close.append(stop)


def _follow_allocations(app: ApiServer, allocator: ServiceAllocator) -> None:
    async def start() -> None:
        await allocator.start()

    async def stop() -> None:
        allocator.stop()

    app.on_start.append(start)
    app.on_close.append(stop)


def find_kind(api_version: str, kind: str) -> Kind:
    return registry.find(api_version, kind)


def group_versions() -> list[tuple[str, str]]:
    """(group, version) of everything that has an APIService."""
    split = [version.rpartition("/") for version in registry.group_versions()]
    return [(group, version) for group, _, version in split if group != NOT_LISTED]


def _about(settings: Settings, secrets: Secrets, app: ApiServer) -> Server:
    first = next(iter(ip_network(settings.service_cidr).hosts()))
    return Server(
        hostname=socket.gethostname(),
        address=settings.advertise,
        port=settings.port,
        service_ip=str(first),
        service_cidrs=(settings.service_cidr,),
        client_ca=secrets.client_ca,
        requestheader_ca=secrets.requestheader_ca,
        front_proxy=settings.front_proxy,
        boot_id=f"{app.dice.getrandbits(128):032x}",
    )
