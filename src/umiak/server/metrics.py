"""What the server counts of itself, under the reference's metric names, and `/metrics`."""

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.kit.metrics import Counter, Histogram, Registry, merged
from umiak.server.answer import Answer
from umiak.server.contract import Request
from umiak.server.route import Route

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
LABELS = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component", "code")
DURATION_LABELS = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component")
BOUNDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
VERBS = {"create": "POST", "update": "PUT", "deletecollection": "DELETECOLLECTION"}
ALIKE = ("umiak_store_revision", "apiserver_resource_objects", "aggregator_unavailable_apiservice")
"""What all processes of a server know, instead of a share each."""
MOST_SERIES = 4096
"""Sorts of requests whose place is remembered."""
PAGE = os.sysconf("SC_PAGE_SIZE")


def _resident() -> float:
    """Bytes; 0 where there is no /proc."""
    try:
        return float(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)
    except (OSError, IndexError, ValueError):
        return 0.0


class Metrics:
    """Per request one tuple, one dict look-up and two additions."""

    def __init__(self, app: "ApiServer") -> None:
        self.registry = Registry()
        self.on_read: list[Callable[[Registry], None]] = []
        """Called before the text is made; they bring up to date what others count."""
        self.others: Callable[[], Awaitable[list[str]]] = _alone
        """The texts of the other processes of this server."""
        self._requests = self.registry.counters(
            "apiserver_request_total", "Requests by verb, resource and HTTP response code.", *LABELS
        )
        self._durations = self.registry.histograms(
            "apiserver_request_duration_seconds", "How long requests took.", *DURATION_LABELS, bounds=BOUNDS
        )
        self._known: dict[tuple[object, ...], tuple[Counter, Histogram]] = {}
        self._terminations = self.registry.counters(
            "apiserver_request_terminations_total",
            "Requests that the server turned away to protect itself.",
            *(label for label in LABELS if label != "dry_run"),
        )
        self._add_gauges(app)

    def _add_gauges(self, app: "ApiServer") -> None:
        watches = self.registry.gauge("apiserver_longrunning_requests", "Watches that are open.")
        watches.read = lambda: len(app.watchers)
        revision = self.registry.gauge("umiak_store_revision", "The newest revision of the store.")
        revision.read = lambda: app.store.revision
        memory = self.registry.gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
        memory.read = _resident
        cpu = self.registry.gauge("process_cpu_seconds_total", "User and system CPU time spent in seconds.")
        cpu.read = time.process_time

    def observe(self, found: Route, dry_run: str, code: int, seconds: float) -> None:
        """Counts one request that was answered."""
        scope = bool(found.name), bool(found.namespace)
        key = found.verb, found.group, found.version, found.resource, found.subresource, scope, dry_run, code
        known = self._known.get(key)
        if known is None:
            known = self._series(found, dry_run, code)
            if len(self._known) < MOST_SERIES:
                self._known[key] = known
        known[0].value += 1
        if found.verb != "watch":
            known[1].observe(seconds)

    def _series(self, found: Route, dry_run: str, code: int) -> tuple[Counter, Histogram]:
        about = _about(found, dry_run)
        return self._requests.at(*about, str(code)), self._durations.at(*about)

    def of_gets(self, found: Route) -> tuple[Counter, Histogram]:
        """Where plain gets like this one are counted, and how long they took."""
        return self._series(found, "", 200)

    def terminated(self, found: Route, dry_run: str, code: int) -> None:
        """Counts one request that the server turned away to protect itself."""
        about = _about(found, dry_run)
        self._requests.at(*about, str(code)).inc()
        verb, _, *rest = about
        self._terminations.at(verb, *rest, str(code)).inc()

    def text(self, app: "ApiServer") -> str:
        """In Prometheus' format, with the number of stored objects."""
        objects = self.registry.gauges(
            "apiserver_resource_objects", "Number of stored objects by resource.", "group", "resource"
        )
        for kind in app.kinds():
            if "watch" in kind.verbs:
                objects.at(kind.group, kind.plural).set(app.store.count(kind.store_prefix()))
        for refresh in self.on_read:
            refresh(self.registry)
        return self.registry.text().decode()


def _about(found: Route, dry_run: str) -> tuple[str, ...]:
    """What requests are told apart by."""
    scope = "resource" if found.name else "namespace" if found.namespace else "cluster"
    verb = VERBS.get(found.verb) or found.verb.upper()
    return (verb, dry_run, found.group, found.version, found.resource, found.subresource, scope, "apiserver")


async def _alone() -> list[str]:
    return []


async def answer(app: "ApiServer", request: Request) -> Answer:
    """Of all processes of the server, since whoever asks again may reach another."""
    others = await app.metrics.others()
    text = app.metrics.text(app)
    return Answer(200, (merged([text, *others], ALIKE) if others else text).encode(), CONTENT_TYPE)


ROUTES = [("/metrics", answer)]
