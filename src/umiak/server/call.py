"""One request on its way through a verb, and the admission it has to pass."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec.structs import replace

from umiak.api.kind import Kind
from umiak.objects.types import Object
from umiak.server.contract import Admission, Admitted, Phase, Request, Surroundings, User
from umiak.server.negotiation import Media
from umiak.server.route import Route
from umiak.server.warning import MOST as MOST_WARNINGS

if TYPE_CHECKING:
    from umiak.kit.http.exchange import Pieces
    from umiak.server.answer import Answer
    from umiak.server.app import ApiServer
    from umiak.store.contract import Store


class Stream(Protocol):
    """An answer written bit by bit; `kit.http.exchange.Stream` and the in-process transport have one."""

    closed: bool
    on_close: list[Callable[[], None]]

    @property
    def buffered(self) -> int: ...

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class Exchange(Protocol):
    """How to answer, as `kit.http.exchange.Exchange`."""

    @property
    def answered(self) -> bool: ...

    def reply(self, status: int, headers: Any, body: "bytes | Pieces" = b"") -> None: ...

    def start(self, status: int, headers: Any) -> Stream: ...

    def upgrade(self, headers: Any) -> Any: ...

    def hijack(self) -> Any: ...


class Call(msgspec.Struct):
    """A request for a resource: what it asks for, of which kind, how it wants its answer, and what it is warned of."""

    app: "ApiServer"
    request: Request
    route: Route
    kind: Kind
    media: Media
    exchange: Exchange
    warnings: list[str] = msgspec.field(default_factory=list)

    @property
    def user(self) -> User:
        return self.request.user

    @property
    def store(self) -> "Store":
        """The store as the kind sees it."""
        return self.app.objects.store_of(self.kind)

    @property
    def namespace(self) -> str:
        return self.route.namespace if self.kind.namespaced else ""

    @property
    def name(self) -> str:
        return self.route.name

    def warn(self, texts: Iterable[str]) -> None:
        """Adds what was not said yet, as long as somebody would read it."""
        for text in texts:
            if len(self.warnings) >= MOST_WARNINGS:
                return
            if text and text not in self.warnings:
                self.warnings.append(text)

    def admitted(
        self, operation: str, new: Object | None, old: Object | None, options: Object, dry_run: bool, name: str = ""
    ) -> Admitted:
        """The write as admission plugins see it."""
        attributes = self.route.attributes(self.user)
        if name and name != attributes.name:
            attributes = replace(attributes, name=name)
        admitted = Admitted(attributes, self.kind, operation, new, old, options, dry_run, self.warnings)
        if self.request.audit is not None:
            admitted.annotations = self.request.audit.annotations
        return admitted


Handler = Callable[[Call], Awaitable["Answer | None"]]
"""Does what a call asks; None when it answered through the exchange itself."""


Dormant = Callable[[Surroundings], bool]
MOST_RESOURCES = 2000
"""Sorts of writes whose plugins are remembered; custom resources come and go."""


class Gate:
    """All admission plugins, each phase in the reference's order. They are gone through when first asked: loading them
    would be a tenth of a server's start, and reads need none."""

    def __init__(self, plugins: Iterable[Admission], surroundings: Surroundings) -> None:
        self._plugins = plugins
        self._about: dict[tuple[Phase, str, str], list[Admission]] = {}
        self._looks: dict[tuple[str, str], tuple[tuple[Dormant, ...], tuple[str, ...]]] = {}
        self._surroundings = surroundings

    async def pass_through(self, admitted: Admitted, phase: Phase) -> None:
        """Raises what the first plugin that refuses raises."""
        await self._ask_all(admitted, phase)
        again = admitted.reinvocation
        if phase is Phase.MUTATE and again is not None and again.is_wanted:
            again.is_second = True
            await self._ask_all(admitted, phase)

    async def _ask_all(self, admitted: Admitted, phase: Phase) -> None:
        for plugin in self._concerned(phase, admitted.attributes.resource, admitted.operation):
            if (plugin.dormant is None or not plugin.dormant(self._surroundings)) and plugin.concerns(admitted):
                if plugin.looks_at is None:
                    admitted.alike = False
                await plugin.run(self._surroundings, admitted, phase)

    def looks_at(self, resource: str, operation: str) -> Sequence[str] | None:
        """Where all lies that plugins look at when such a write comes; None while one is awake that may do more."""
        found = self._looks.get((resource, operation))
        if found is None:
            if len(self._looks) >= MOST_RESOURCES:
                self._looks.clear()
            plugins = [plugin for phase in Phase for plugin in self._concerned(phase, resource, operation)]
            sleepers = dict.fromkeys(plugin.dormant for plugin in plugins if plugin.dormant is not None)
            roots = dict.fromkeys(root for plugin in plugins for root in plugin.looks_at or ())
            found = self._looks[resource, operation] = tuple(sleepers), tuple(roots)
        sleeping, everywhere = found
        for is_dormant in sleeping:
            if not is_dormant(self._surroundings):
                return None
        return everywhere

    @cached_property
    def _phases(self) -> Mapping[Phase, list[Admission]]:
        ordered = sorted(self._plugins, key=lambda p: p.order)
        return {phase: [p for p in ordered if phase in p.phases] for phase in Phase}

    def _concerned(self, phase: Phase, resource: str, operation: str) -> list[Admission]:
        """Those that may be about such a write."""
        key = phase, resource, operation
        found = self._about.get(key)
        if found is None:
            if len(self._about) >= MOST_RESOURCES:
                self._about.clear()
            found = self._about[key] = [p for p in self._phases[phase] if p.may_concern(resource, operation)]
        return found


async def undo(admitted: Admitted) -> None:
    """Takes back what plugins did for a write that failed."""
    steps, admitted.undo = admitted.undo, []
    for step in reversed(steps):
        await step()
