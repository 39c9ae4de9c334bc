"""persistentVolumeClaim: the volume that the claim is bound to, of type local, hostPath or nfs."""

import asyncio
import os
from pathlib import Path

from umiak.api.core.persistentvolume import KIND as VOLUMES
from umiak.api.core.persistentvolumeclaim import KIND as CLAIMS
from umiak.node import ownership, pods
from umiak.node.volume import CannotMount, Mounted, Request, VolumeType
from umiak.node.volumes import hostpath, nfs
from umiak.objects import meta
from umiak.objects.types import Object

GROUP = "pv.beta.kubernetes.io/gid"
RECENT = 2.0  # seconds: a claim that has just been bound is not to wait for a minute


async def bound_volume(request: Request) -> tuple[Object, Object]:
    """The claim and its volume; raises CannotMount while they are not bound to each other."""
    fetch, namespace, name = request.tools.fetch, meta.namespace(request.pod), request.source["claimName"]
    claim = await fetch.find(CLAIMS, namespace, name, within=RECENT)
    if claim is None:
        raise CannotMount(f'failed to fetch PVC from API server: persistentvolumeclaims "{name}" not found')
    if meta.is_being_deleted(claim) and pods.phase(request.pod) == "Pending":
        raise CannotMount("PVC is being deleted")
    bound_to = (claim.get("spec") or {}).get("volumeName")
    if not bound_to or (claim.get("status") or {}).get("phase") != "Bound":
        raise CannotMount("PVC is not bound")
    volume = await fetch.find(VOLUMES, "", bound_to, within=RECENT)
    if volume is None:
        raise CannotMount(f'failed to fetch PV from API server: persistentvolumes "{bound_to}" not found')
    if ((volume["spec"].get("claimRef")) or {}).get("uid") != meta.uid(claim):
        raise CannotMount(f'PV "{bound_to}" is bound to another claim')
    return claim, volume


async def mount(request: Request) -> Mounted:
    _, volume = await bound_volume(request)
    spec = volume["spec"]
    readonly = bool(request.source.get("readOnly")) or spec.get("accessModes") == ["ReadOnlyMany"]
    groups = tuple(int(g) for g in [meta.annotations(volume).get(GROUP, "")] if g.isdecimal())
    path = await _path(request, volume, readonly)
    if spec.get("volumeMode") == "Block":
        return Mounted(path=path, readonly=readonly, device=True)
    is_ours = "local" in spec or is_below(path, request.tools.local_path_root)
    if is_ours and not readonly:
        lazily = pods.security(request.pod).get("fsGroupChangePolicy") == "OnRootMismatch"
        await asyncio.to_thread(ownership.give, path, request.fs_group, only_if_root_differs=lazily)
    return Mounted(path=path, readonly=readonly, groups=groups)


async def _path(request: Request, volume: Object, readonly: bool) -> Path:
    spec = volume["spec"]
    if (source := spec.get("hostPath")) and is_below(Path(source["path"]), request.tools.local_path_root):
        await asyncio.to_thread(_ready_local, Path(source["path"]), request.tools.local_path_root)
        return Path(source["path"])
    if source := spec.get("hostPath"):
        await asyncio.to_thread(hostpath.ready, Path(source["path"]), source.get("type") or "")
        return Path(source["path"])
    if source := spec.get("local"):
        path = Path(source["path"])
        await asyncio.to_thread(_ready_local, path, request.tools.local_path_root)
        return path
    if source := spec.get("nfs"):
        place = request.tools.machine.paths.volume(meta.uid(request.pod), "nfs", meta.name(volume))
        only_read = readonly or bool(source.get("readOnly"))
        await nfs.mount_share(source["server"], source["path"], place, only_read, spec.get("mountOptions") or ())
        return place
    raise CannotMount(f"no volume plugin matched PersistentVolume {meta.name(volume)}")


def is_below(path: Path, root: str) -> bool:
    """Whether `path` lies inside `root`, links followed; never for an empty root or the root itself."""
    if not root:
        return False
    top, inner = Path(os.path.realpath(root)), Path(os.path.realpath(path))
    return top in inner.parents


def _ready_local(path: Path, root: str) -> None:
    """A local volume must be there, except below the folder where the local-path provisioner has its own."""
    if is_below(path, root):
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o777)
        return
    if not path.exists():
        raise CannotMount(f'path "{path}" does not exist')


VOLUME = VolumeType(field="persistentVolumeClaim", plugin="local-volume", mount=mount, removable=False)
