"""The APIService of each group and version that definitions bring: it says that this very server serves them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from umiak.api.apiregistration.apiservice import KIND as SERVICE
from umiak.objects.errors import StatusError
from umiak.objects.meta import format_time, labels
from umiak.objects.types import Object
from umiak.server.bootstrap.objects import api_service

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

MANAGED = "kube-aggregator.kubernetes.io/automanaged"
PRIORITY = 100
"""The same for all versions, so that they are told apart by their names."""
MINE = "true"
"""What the label says of services that come and go with definitions."""


async def register(app: "ApiServer", group: str, version: str) -> None:
    """Makes the service, or puts ours in order; leaves that of somebody else alone."""
    wanted = api_service(group, version, format_time(app.clock.now()))
    wanted["metadata"]["labels"][MANAGED] = MINE
    wanted["spec"]["versionPriority"] = PRIORITY
    found = await app.objects.find(SERVICE, "", wanted["metadata"]["name"])
    if found is not None:
        if _is_mine(found) and found["spec"] != wanted["spec"]:
            await app.objects.modify(SERVICE, "", wanted["metadata"]["name"], _corrected(wanted["spec"]), "")
        return
    try:
        await app.objects.create(SERVICE, wanted)
    except StatusError as error:
        if error.reason != "AlreadyExists":  # another server was faster
            raise


async def unregister(app: "ApiServer", group: str, version: str) -> None:
    """Removes the service, if it is one of ours."""
    name = f"{version}.{group}"
    found = await app.objects.find(SERVICE, "", name)
    if found is not None and _is_mine(found):
        await app.objects.remove(SERVICE, "", name)


def _is_mine(service: Object) -> bool:
    return labels(service).get(MANAGED) == MINE


def _corrected(spec: Object) -> Callable[[Object], Object | None]:
    return lambda latest: {**latest, "spec": spec} if _is_mine(latest) else None
