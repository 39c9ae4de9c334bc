"""Reads config maps, secrets and the like for pods. What was read a minute ago is not asked for again.

kubelet watches each object that a pod names; a minute's delay is within what it promises, and spares a connection per
object.
"""

from collections.abc import Iterable

from umiak.api.kind import Kind
from umiak.client.contract import Client
from umiak.kit.clock import Clock
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

FRESH = 60.0  # seconds
MAX_KEPT = 4096

Name = tuple[str, str, str]


class Fetcher:
    """Objects by name. Methods raise StatusError or client.contract.Unreachable."""

    def __init__(self, client: Client, clock: Clock, fresh: float = FRESH) -> None:
        self._client = client
        self._clock = clock
        self._fresh = fresh
        self._kept: dict[Name, tuple[float, Object]] = {}

    async def get(self, kind: Kind, namespace: str, name: str, within: float | None = None) -> Object:
        """The object as it was at most `within` seconds (60) ago; not to be changed."""
        key = (kind.plural, namespace, name)
        found = self._kept.get(key)
        now = self._clock.monotonic()
        if found is not None and now - found[0] < (self._fresh if within is None else within):
            return found[1]
        self._kept.pop(key, None)
        obj = await self._client.get(kind, name, namespace)
        self._kept[key] = (now, obj)
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return obj

    async def find(self, kind: Kind, namespace: str, name: str, within: float | None = None) -> Object | None:
        """The same; None when there is no such object."""
        try:
            return await self.get(kind, namespace, name, within)
        except StatusError as error:
            if error.code == 404:
                return None
            raise

    def keep_only(self, namespaces: Iterable[str]) -> None:
        """Forgets objects of namespaces that have no pod here any more."""
        wanted = {"", *namespaces}
        for key in [k for k in self._kept if k[1] not in wanted]:
            del self._kept[key]
