"""Removes the folders of local-path volumes that are deleted, then lets the volume go.

The controller (umiak.controllers.local_path) marks a volume with the node that has its folder. A folder is removed
only when it lies inside the configured root: an annotation must never make us delete anything else.
"""

import asyncio
import logging
from pathlib import Path

from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.client.contract import Client, Unreachable
from umiak.node.mounts import remove_tree
from umiak.node.volumes.persistentvolumeclaim import is_below
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

log = logging.getLogger(__name__)
FINALIZER = "umiak.dev/local-path"
DELETE_ON = "umiak.dev/delete-path-on"


def is_ours_to_delete(volume: Object, node: str) -> bool:
    wanted = meta.annotations(volume).get(DELETE_ON) == node
    return wanted and meta.is_being_deleted(volume) and FINALIZER in (meta.metadata(volume).get("finalizers") or ())


def folder_of(volume: Object) -> str:
    spec = volume.get("spec") or {}
    return ((spec.get("hostPath") or spec.get("local") or {}).get("path")) or ""


async def delete_folder(client: Client, volume: Object, root: str) -> bool:
    """Whether the volume is done with; otherwise to be tried again."""
    path = folder_of(volume)
    if not path or not is_below(Path(path), root):
        log.error("volume %s: %s is not inside %s; not removed", meta.name(volume), path, root or "any local-path root")
        return True
    try:
        await asyncio.to_thread(remove_tree, Path(path))
        rest = [f for f in meta.metadata(volume)["finalizers"] if f != FINALIZER]
        about = {"finalizers": rest or None, "resourceVersion": meta.resource_version(volume)}
        await client.patch(VOLUME, meta.name(volume), "", {"metadata": about}, type="merge")
    except StatusError as error:
        if error.code == 404:
            return True
        log.warning("volume %s: %s", meta.name(volume), error)
        return False
    except (OSError, Unreachable) as error:
        log.warning("volume %s: %s", meta.name(volume), error)
        return False
    return True
