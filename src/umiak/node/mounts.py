"""Makes a pod's volumes ready, turns volume mounts into the runtime's mounts, and clears all away afterwards."""

import asyncio
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from umiak.client.contract import Unreachable
from umiak.kit.modules import exported
from umiak.node import pods, subpath
from umiak.node.expand import expand
from umiak.node.names import Paths
from umiak.node.runtime import Device, Mount
from umiak.node.tools import Tools
from umiak.node.volume import CannotMount, Mounted, Request, VolumeType
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

log = logging.getLogger(__name__)
PROPAGATION = {
    "None": "PRIVATE",
    "HostToContainer": "HOST_TO_CONTAINER",
    "Bidirectional": "BIDIRECTIONAL",
}


@cache
def volume_types() -> Mapping[str, VolumeType]:
    """All volume types by the field of their source."""
    return {v.field: v for v in exported("umiak.node.volumes", "VOLUME").values()}


def type_of(volume: Object) -> VolumeType:
    """Raises CannotMount when there is no such type here."""
    known = volume_types()
    for field in volume:
        if field in known:
            return known[field]
    kinds = ", ".join(k for k in volume if k != "name") or "nothing"
    raise CannotMount(f'no volume plugin matched name: volume "{volume["name"]}" is of type {kinds}')


async def mount_all(tools: Tools, pod: Object, pod_ips: tuple[str, ...]) -> dict[str, Mounted]:
    """Makes every volume ready, all at the same time; raises CannotMount with the first problem."""
    volumes = pods.spec(pod).get("volumes") or []
    done = await asyncio.gather(*(_mount(tools, pod, v, pod_ips) for v in volumes), return_exceptions=True)
    problems = [d for d in done if isinstance(d, BaseException)]
    if problems:
        raise problems[0]
    return {v["name"]: m for v, m in zip(volumes, done, strict=True) if isinstance(m, Mounted)}


async def _mount(tools: Tools, pod: Object, volume: Object, pod_ips: tuple[str, ...]) -> Mounted:
    type = type_of(volume)
    path = tools.machine.paths.volume(meta.uid(pod), type.plugin, volume["name"])
    request = Request(
        pod=pod, name=volume["name"], source=volume[type.field] or {}, path=path, tools=tools, pod_ips=pod_ips
    )
    try:
        return await type.mount(request)
    except CannotMount as error:
        raise CannotMount(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from error
    except (OSError, StatusError, Unreachable) as error:
        raise CannotMount(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from error


def container_mounts(
    paths: Paths, pod: Object, container: Object, volumes: Mapping[str, Mounted], environment: Mapping[str, str]
) -> list[Mount]:
    """The container's volume mounts; raises CannotMount."""
    return [
        _container_mount(paths, pod, container, index, mount, volumes, environment)
        for index, mount in enumerate(container.get("volumeMounts") or ())
    ]


def _container_mount(
    paths: Paths,
    pod: Object,
    container: Object,
    index: int,
    mount: Object,
    volumes: Mapping[str, Mounted],
    environment: Mapping[str, str],
) -> Mount:
    volume = volumes.get(mount["name"])
    if volume is None:
        raise CannotMount(f'cannot find volume "{mount["name"]}" to mount into container "{container["name"]}"')
    below = sub_path(mount, environment)
    inside = mount["mountPath"] if mount["mountPath"].startswith("/") else "/" + mount["mountPath"]
    common = {
        "container_path": inside,
        "readonly": bool(mount.get("readOnly")) or volume.readonly,
        "propagation": PROPAGATION[mount.get("mountPropagation") or "None"],
        "recursive_readonly": mount.get("recursiveReadOnly") == "Enabled",
    }
    if volume.image:
        return Mount(**common, image=volume.image, image_sub_path=below)
    host_path = volume.path
    if below:
        target = paths.subpath(meta.uid(pod), mount["name"], container["name"], index)
        what = f'subPath directory for volumeMount "{mount["name"]}" of container "{container["name"]}"'
        try:
            host_path = subpath.bind(volume.path, below, target)
        except OSError as error:
            log.warning("subPath %s of %s: %s", below, pods.described(pod), error)
            raise CannotMount(f"failed to prepare {what.replace(' directory', '')}") from error
    return Mount(**common, host_path=str(host_path))


def sub_path(mount: Object, environment: Mapping[str, str]) -> str:
    """The folder or file within the volume, empty for all of it; raises CannotMount for one that leaves it."""
    below = mount.get("subPath") or ""
    if expression := mount.get("subPathExpr"):
        missing: set[str] = set()

        def value(name: str) -> str | None:
            if not environment.get(name):
                missing.add(name)
            return environment.get(name, "")

        below = expand(expression, value)
        if missing:
            raise CannotMount(f"missing value for {', '.join(sorted(missing))}")
    if below.startswith("/"):
        raise CannotMount(f"error SubPath `{below}` must not be an absolute path")
    if ".." in PurePosixPath(below).parts:
        raise CannotMount(f"unable to provision SubPath `{below}`: must not contain '..'")
    return below


def devices(container: Object, volumes: Mapping[str, Mounted]) -> list[Device]:
    """Raw block volumes as the container sees them; raises CannotMount."""
    found = []
    for wanted in container.get("volumeDevices") or ():
        volume = volumes.get(wanted["name"])
        if volume is None or not volume.device:
            raise CannotMount(f'cannot find block volume "{wanted["name"]}" for container "{container["name"]}"')
        permissions = "r" if volume.readonly else "mrw"
        found.append(Device(wanted["devicePath"], str(volume.path), permissions))
    return found


def mount_points_below(folder: Path) -> list[str]:
    """What is mounted inside `folder`, the deepest first."""
    prefix = str(folder) + "/"
    with open("/proc/self/mountinfo", encoding="utf-8") as file:  # noqa: PTH123 - not a regular file
        points = [unescaped(line.split(" ")[4]) for line in file]
    return sorted((p for p in points if p.startswith(prefix)), key=len, reverse=True)


def unescaped(path: str) -> str:
    r"""A path of mountinfo, where blanks are `\040`."""
    return path.encode().decode("unicode_escape") if "\\" in path else path


async def clear(paths: Paths, uid: str) -> None:
    """Unmounts and removes all of a pod's volumes. Raises OSError while something is still in use.

    Files are removed only once nothing is mounted below, so that no other file system is ever emptied by mistake.
    """
    folder = paths.pod(uid)
    if not folder.exists():
        return
    await asyncio.to_thread(_clear, folder)


def _clear(folder: Path) -> None:
    from umiak.node.mounting import unmount

    for point in mount_points_below(folder):
        unmount(point)
    left = mount_points_below(folder)
    if left:
        raise OSError(f"still mounted: {', '.join(left)}")
    for name in ("volume-subpaths", "volumes"):
        remove_tree(folder / name)


def remove_tree(path: Path) -> None:
    """Removes a folder with all in it, never following links or entering another file system."""
    if not path.is_dir() or path.is_symlink():
        return
    device = path.stat().st_dev
    for entry in list(os.scandir(path)):
        if entry.is_dir(follow_symlinks=False):
            if entry.stat(follow_symlinks=False).st_dev != device:
                raise OSError(f"{entry.path} is on another file system; not removed")
            remove_tree(Path(entry.path))
        else:
            Path(entry.path).unlink()
    path.rmdir()


def remove_pod_folder(paths: Paths, uid: str) -> None:
    """Removes what is left of a pod once its volumes are cleared."""
    shutil.rmtree(paths.pod(uid), ignore_errors=True)


def extra_groups(volumes: Iterable[Mounted]) -> list[int]:
    return list(dict.fromkeys(g for v in volumes for g in v.groups))


def refresh_due(volumes: Iterable[Mounted]) -> float | None:
    """Seconds until the first volume wants to be refreshed."""
    waits = [v.refresh_after for v in volumes if v.refresh_after is not None]
    return min(waits) if waits else None
