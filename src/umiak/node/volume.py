"""What a volume type is. Each module in `volumes/` exports one as VOLUME; the folder is the list."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from umiak.objects.types import Object

if TYPE_CHECKING:
    from umiak.node.tools import Tools


class CannotMount(Exception):
    """A volume cannot be made ready now; the message is for the pod's events."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A pod's volume to make ready. `path` is its own folder below the pod's, not made yet."""

    pod: Object
    name: str
    source: Object
    """What stands in the volume's type field; `{"claimName": ...}` and the like."""
    path: Path
    tools: "Tools"
    pod_ips: tuple[str, ...] = ()

    @property
    def fs_group(self) -> int | None:
        return ((self.pod.get("spec") or {}).get("securityContext") or {}).get("fsGroup")


class Mounted(msgspec.Struct, frozen=True, kw_only=True):
    """Where containers find the volume. `refresh_after`: seconds until `mount` is to be called again."""

    path: Path
    readonly: bool = False
    refresh_after: float | None = None
    groups: tuple[int, ...] = ()
    """Group ids that the volume's files want in every process."""
    device: bool = False
    """Whether `path` is a block device, not a folder."""
    image: str = ""
    """An image whose files are the volume; then there is no path."""


class VolumeType(msgspec.Struct, frozen=True, kw_only=True):
    """`field` is the source's field in the volume, `plugin` the folder name below `volumes/kubernetes.io~`.

    `mount` makes the volume ready, and is called again to refresh it and after a restart of the agent: it must do no
    harm then. It raises CannotMount. `removable` says that the folder's files are the pod's own and go with it.
    """

    field: str
    plugin: str
    mount: Callable[[Request], Awaitable[Mounted]]
    removable: bool = True
    unmount: Callable[[Path], Awaitable[None]] | None = None
