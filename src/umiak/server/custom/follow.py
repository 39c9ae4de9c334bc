"""Follows custom resource definitions; loads the rest of this package when there is one."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from umiak.server.access.feed import follow as follow_store

if TYPE_CHECKING:
    from umiak.server.app import ApiServer
    from umiak.server.custom.definitions import Definitions

PREFIX = "/apiextensions.k8s.io/customresourcedefinitions/"


async def follow(app: "ApiServer", changed: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """Serves what the definitions in the store define, from now on until the function returned is called. `changed` is
    called when a kind comes, goes or changes."""
    found: list[Definitions] = []

    def definitions() -> "Definitions":
        if not found:
            from umiak.server.custom.definitions import Definitions

            found.append(Definitions(app, changed))
        return found[0]

    def heard(name: str, value: bytes | None) -> None:
        if value is not None:
            definitions().put(name, value)
        elif found:
            found[0].drop(name)

    cancel = await follow_store(app.store, PREFIX, heard)

    async def stop() -> None:
        cancel()
        if found:
            await found[0].stop()

    return stop
