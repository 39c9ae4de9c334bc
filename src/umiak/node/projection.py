"""Collects the files of configMap, secret, downwardAPI and projected volumes, and puts them in place."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.secret import KIND as SECRET
from umiak.node import atomic, environment, mounting, ownership, pods
from umiak.node.atomic import File
from umiak.node.downward import Place, Unanswerable, field_value, resource_value
from umiak.node.fetch import FRESH
from umiak.node.volume import CannotMount, Mounted, Request
from umiak.objects import meta
from umiak.objects.types import Object

DEFAULT_MODE = 0o644
Files = dict[str, File]


def chosen(data: Mapping[str, bytes], source: Object, mode: int, what: str) -> Files:
    """All keys, or those listed under `items` with their paths and modes."""
    items = source.get("items")
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    found: Files = {}
    for item in items:
        if item["key"] not in data:
            if source.get("optional"):
                continue
            raise CannotMount(
                f"{what} references non-existent {'config' if 'config' in what else 'secret'} key: {item['key']}"
            )
        found[item["path"]] = File(data[item["key"]], mode_of(item, mode))
    return found


def mode_of(entry: Object, default: int) -> int:
    own = entry.get("mode")
    return default if own is None else int(own)


async def from_config_map(request: Request, source: Object, name: str, mode: int) -> Files:
    found = await request.tools.fetch.find(CONFIG_MAP, meta.namespace(request.pod), name)
    if found is None:
        if source.get("optional"):
            return {}
        raise CannotMount(f'configmap "{name}" not found')
    return chosen(environment.contents(environment.CONFIG_MAP, found), source, mode, "configmap")


async def from_secret(request: Request, source: Object, name: str, mode: int) -> Files:
    found = await request.tools.fetch.find(SECRET, meta.namespace(request.pod), name)
    if found is None:
        if source.get("optional"):
            return {}
        raise CannotMount(f'secret "{name}" not found')
    return chosen(environment.contents(environment.SECRET, found), source, mode, "secret")


def from_downward(request: Request, items: Iterable[Object], mode: int) -> Files:
    tools = request.tools
    place = Place(tools.host_ips, request.pod_ips, tools.allocatable)
    found: Files = {}
    for item in items:
        try:
            if ref := item.get("fieldRef"):
                text = field_value(request.pod, ref["fieldPath"], place)
            else:
                text = resource_value(request.pod, {}, item["resourceFieldRef"], place)
        except Unanswerable as error:
            raise CannotMount(str(error)) from error
        found[item["path"]] = File(text.encode(), mode_of(item, mode))
    return found


async def put(request: Request, files: Files, *, in_memory: bool, refresh_after: float = FRESH) -> Mounted:
    """Writes the files into the volume's folder, on a memory file system when they are secret."""
    await asyncio.to_thread(_put, request, files, in_memory)
    return Mounted(path=request.path, readonly=False, refresh_after=refresh_after)


def _put(request: Request, files: Files, in_memory: bool) -> None:
    folder = request.path
    make_folder(folder, in_memory)

    def adjust(fresh: Path) -> None:
        ownership.give(fresh, request.fs_group, readonly=True)

    try:
        atomic.write(folder, files, request.tools.clock.now(), adjust)
    except ValueError as error:
        raise CannotMount(str(error)) from error


def make_folder(folder: Path, in_memory: bool, options: str = "mode=0777") -> None:
    """An open folder, as kubelet's emptyDir makes it."""
    if not folder.is_dir():
        folder.mkdir(parents=True, mode=0o750)
        folder.chmod(0o777)
    if in_memory and not folder.is_mount():
        mounting.mount("tmpfs", str(folder), "tmpfs", mounting.MS_NOSUID | mounting.MS_NODEV, options)


def owner_of_tokens(pod: Object) -> int | None:
    """The user all containers run as, when it is one and named: then tokens can be his alone."""
    users = {pods.effective_security(pod, c).get("runAsUser") for _, c in pods.every_container(pod)}
    return users.pop() if len(users) == 1 else None
