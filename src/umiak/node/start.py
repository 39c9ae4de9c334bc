"""Starts one container: image, variables, mounts, create, start, hook. What goes wrong becomes a `Failure`."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.secret import KIND as SECRET
from umiak.client.contract import Unreachable
from umiak.node import environment, hosts, names, pods
from umiak.node.configs import Prepared, container_config
from umiak.node.decide import Kill, Why
from umiak.node.downward import Place, Unanswerable
from umiak.node.environment import Sources
from umiak.node.hooks import HookFailed, run_hook
from umiak.node.kill import kill_container
from umiak.node.mounts import container_mounts, devices, extra_groups
from umiak.node.pull import NoImage, seconds
from umiak.node.runtime import Image, Mount, RuntimeFailure, SandboxConfig, State
from umiak.node.security import Refused
from umiak.node.snapshot import Snapshot
from umiak.node.status import Failure
from umiak.node.tools import Tools
from umiak.node.volume import CannotMount, Mounted
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

KINDS = {environment.CONFIG_MAP: CONFIG_MAP, environment.SECRET: SECRET}


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where a pod's containers start: its sandbox, its addresses, its volumes."""

    pod: Object
    seen: Snapshot
    sandbox_id: str
    sandbox: SandboxConfig
    ips: tuple[str, ...]
    volumes: Mapping[str, Mounted]


class _Config(Exception):
    """The container's configuration cannot be made."""


def crash_key(pod: Object, container: Object) -> tuple[str, str]:
    """Restarts are counted per container as it is specified: a new image starts with a clean slate."""
    return meta.uid(pod), f"{container['name']} {msgspec.json.encode(container).decode()}"


def held_back(tools: Tools, pod: Object, container: Object, seen: Snapshot) -> tuple[Failure, float] | None:
    """Why and how long (seconds) a crashed container is not started yet; None when it may start."""
    last = next((c for c in seen.containers if c.name == container["name"] and c.state == State.EXITED), None)
    if last is None:
        return None
    key, ended, now = crash_key(pod, container), last.finished_at / 1e9, tools.now()
    left = tools.restarts.left(key, ended, now)
    if left <= 0:
        tools.restarts.next(key, ended, now)
        return None
    wait = seconds(tools.restarts.wait(key))
    message = f"back-off {wait} restarting failed container={container['name']} pod={pods.described(pod)}"
    return Failure("CrashLoopBackOff", message), left


async def start(tools: Tools, site: Site, where: str, container: Object) -> Failure | None:
    """Starts it; None when it runs. Events tell of each step."""
    pod = site.pod

    def tell(type: str, reason: str, message: str) -> None:
        tools.event(pod, type, reason, message, where, container["name"])

    try:
        image = await _image(tools, site, container, tell)
    except NoImage as error:
        tell("Warning", "Failed", f"Error: {error.failure.reason}")
        return error.failure
    try:
        ready = await _prepare(tools, site, container, image)
        config = container_config(pod, container, tools.machine, ready)
        log_path = Path(site.sandbox.log_directory) / config.log_path
        log_path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    except (_Config, Refused, OSError) as error:
        tell("Warning", "Failed", f"Error: {error}")
        return Failure("CreateContainerConfigError", str(error))
    return await _create(tools, site, where, container, config, tell)


async def _image(tools: Tools, site: Site, container: Object, tell: object) -> Image:
    secrets = []
    for reference in pods.spec(site.pod).get("imagePullSecrets") or ():
        try:
            found = await tools.fetch.find(SECRET, meta.namespace(site.pod), reference.get("name", ""))
        except (StatusError, Unreachable):
            continue  # the pull may do without; if not, its own failure says so
        if found is not None:
            secrets.append(found)
    return await tools.puller.ensure(site.pod, container, secrets, site.sandbox, tell)  # type: ignore[arg-type]


async def _prepare(tools: Tools, site: Site, container: Object, image: Image) -> Prepared:
    pod = site.pod
    try:
        values = environment.variables(pod, container, await _sources(tools, site, container))
        mounts = container_mounts(tools.machine.paths, pod, container, site.volumes, values)
        block = devices(container, site.volumes)
    except (Unanswerable, CannotMount, StatusError, Unreachable) as error:
        raise _Config(str(error)) from error
    restarts = await asyncio.to_thread(restart_count, tools, site, container)
    own = [*_hosts_mount(tools, site, mounts), *_message_mount(tools, pod, container)]
    return Prepared(
        image=image,
        environment=values,
        mounts=[*mounts, *own],
        devices=block,
        restarts=restarts,
        extra_groups=extra_groups(site.volumes.values()),
        target=_target(site, container),
    )


async def _sources(tools: Tools, site: Site, container: Object) -> Sources:
    """Reads anew what variables come from: unlike files they are never corrected later."""
    services = tools.services()
    if services is None and not pods.is_static(site.pod):
        raise _Config("services have not yet been read at least once, cannot construct envvars")
    namespace = meta.namespace(site.pod)
    objects = {
        (kind, name): await tools.fetch.find(KINDS[kind], namespace, name, within=1.0)
        for kind, name in environment.referenced(container)
    }
    place = Place(tools.host_ips, site.ips, tools.allocatable)
    return Sources(objects, services or (), place)


def restart_count(tools: Tools, site: Site, container: Object) -> int:
    """One more than the last; when the runtime has forgotten, the numbers of the logs that are left tell."""
    last = site.seen.latest(container["name"])
    if last is not None:
        return names.restarts_of(last.annotations) + 1
    folder = Path(site.sandbox.log_directory) / container["name"]
    numbers = [int(p.name.split(".")[0]) for p in folder.glob("*.log*") if p.name.split(".")[0].isdecimal()]
    return max(numbers) + 1 if numbers else 0


def _hosts_mount(tools: Tools, site: Site, mounts: list[Mount]) -> list[Mount]:
    """/etc/hosts, unless the container brings its own."""
    on_host = pods.uses_host_network(site.pod)
    if any(m.container_path == "/etc/hosts" for m in mounts) or not (site.ips or on_host):
        return []
    path = tools.machine.paths.hosts(meta.uid(site.pod))
    machine = Path("/etc/hosts").read_text() if on_host else ""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    path.write_text(hosts.hosts_file(site.pod, site.ips, tools.machine.resolver.cluster_domain, machine))
    path.chmod(0o644)
    return [Mount(container_path="/etc/hosts", host_path=str(path))]


def _message_mount(tools: Tools, pod: Object, container: Object) -> list[Mount]:
    """A new empty file for the termination message."""
    inside = container.get("terminationMessagePath")
    if not inside:
        return []
    folder = tools.machine.paths.container(meta.uid(pod), container["name"])
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    path = folder / f"{tools.clock.now().timestamp():.6f}".replace(".", "")
    path.touch()
    path.chmod(0o666)
    return [Mount(container_path=inside if inside.startswith("/") else f"/{inside}", host_path=str(path))]


def _target(site: Site, container: Object) -> str:
    """The id of the container whose processes an ephemeral one wants to see."""
    name = container.get("targetContainerName")
    if not name:
        return ""
    found = site.seen.latest(name)
    if found is None:
        raise _Config(f'unable to find target container "{name}"')
    if found.state == State.EXITED:
        raise _Config(f'container "{name}" has already exited')
    return found.id


async def _create(
    tools: Tools, site: Site, where: str, container: Object, config: object, tell: object
) -> Failure | None:
    say = partial(_said, tell, container["name"])
    try:
        id = await tools.runtime.create_container(site.sandbox_id, config, site.sandbox)  # type: ignore[arg-type]
    except RuntimeFailure as error:
        say("", "Warning", "Failed", f"Error: {error.message}")
        return Failure("CreateContainerError", error.message)
    say(id, "Normal", "Created", "Container created")
    try:
        await tools.runtime.start_container(id)
    except RuntimeFailure as error:
        say(id, "Warning", "Failed", f"Error: {error.message}")
        return Failure("RunContainerError", error.message)
    say(id, "Normal", "Started", "Container started")
    return await _post_start(tools, site, container, id, say)


def _said(tell: object, name: str, id: str, type: str, reason: str, message: str) -> None:
    """Ids would make each event a new one."""
    tell(type, reason, message.replace(id, name) if id else message)  # type: ignore[operator]


async def _post_start(tools: Tools, site: Site, container: Object, id: str, say: object) -> Failure | None:
    hook = (container.get("lifecycle") or {}).get("postStart")
    if not hook:
        return None
    ip = site.ips[0] if site.ips else ""
    try:
        await run_hook(tools.runtime, tools.clock, site.pod, container, id, hook, ip)
    except HookFailed as error:
        say(id, "Warning", "FailedPostStartHook", "PostStartHook failed")  # type: ignore[operator]
        doomed = Kill(id, container["name"], "FailedPostStartHook", Why.POST_START)
        await kill_container(tools, site.pod, doomed, ip)
        return Failure("PostStartHookError", str(error))
    return None
