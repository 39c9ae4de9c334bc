"""A container runtime in memory (`umiak.node.runtime.Runtime`), checked by the same contract as the real one.

Its lies: no processes, networks, files or limits. A container whose command is `sleep` or unknown runs until it is
stopped or `exit` is called; `true`, `false` and `sh -c "exit N"` end at once. Commands run by `exec` know the same few
words and `echo`; `on_exec` can be replaced.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from msgspec.structs import replace

from umiak.kit.clock import Clock, RealClock
from umiak.node.names import POD_UID
from umiak.node.runtime import (
    Auth,
    Condition,
    Container,
    ContainerConfig,
    ContainerStatus,
    ExecResult,
    Filesystem,
    Health,
    Image,
    Missing,
    Mode,
    Resources,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    State,
    Streams,
    Usage,
    Version,
)

KILLED = 137


class Program(msgspec.Struct):
    """What a container does: ends at once with `code`, or runs on when that is None."""

    code: int | None = None
    output: bytes = b""


def program(command: Sequence[str]) -> Program:
    """The few words that are understood."""
    if not command:
        return Program()
    name = command[0].rpartition("/")[2]
    if name in ("true", "false"):
        return Program(0 if name == "true" else 1)
    if name == "echo":
        return Program(0, " ".join(command[1:]).encode() + b"\n")
    if name == "sh" and (found := re.fullmatch(r"exit (\d+)", command[-1])):
        return Program(int(found[1]))
    return Program()


class _Kept(msgspec.Struct):
    status: ContainerStatus
    sandbox_id: str
    config: ContainerConfig
    ended: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


class FakeRuntime:
    """`calls` lists what was asked, as (method, name or id). `fail` makes the next call of a method raise."""

    def __init__(self, clock: Clock | None = None, images: Sequence[str] = ("busybox:1",)) -> None:
        self.clock = clock or RealClock()
        self.calls: list[tuple[str, str]] = []
        self.configs: dict[str, ContainerConfig] = {}
        """Of all containers ever created, by id."""
        self.pullable: dict[str, Image] = {}
        """Images that `pull` finds."""
        self.health_conditions = (Condition("RuntimeReady", True), Condition("NetworkReady", True))
        self.on_exec: Callable[[str, Sequence[str]], ExecResult] | None = None
        self._images = {name: self.make_image(name) for name in images}
        self._sandboxes: dict[str, Sandbox] = {}
        self._containers: dict[str, _Kept] = {}
        self._failures: dict[str, list[RuntimeFailure]] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[asyncio.Queue[str]] = []

    # For tests

    @staticmethod
    def make_image(name: str, size: int = 1000) -> Image:
        return Image(id=f"sha256:{name.encode().hex():0<64.64}", tags=(name,), size=size)

    def fail(self, method: str, *problems: RuntimeFailure) -> None:
        """The next calls of `method` raise these, one each."""
        self._failures.setdefault(method, []).extend(problems)

    def exit(self, id: str, code: int, reason: str = "", message: str = "") -> None:
        """A running container's process ends by itself."""
        kept = self._containers[id]
        reason = reason or ("Completed" if code == 0 else "Error")
        self._end(kept, code, reason, message)

    def running(self, name: str) -> str:
        """The id of the running container of that name; LookupError when there is none."""
        found = [i for i, k in self._containers.items() if k.status.name == name and k.status.state == State.RUNNING]
        if not found:
            raise LookupError(f"no running container {name}")
        return found[-1]

    def reboot(self) -> None:
        """The machine starts anew: all that ran is dead, but remembered."""
        for kept in self._containers.values():
            if kept.status.state == State.RUNNING:
                self._end(kept, 255, "Unknown", "")
        self._sandboxes = {i: replace(s, ready=False) for i, s in self._sandboxes.items()}

    def _said(self, method: str, about: str) -> None:
        self.calls.append((method, about))
        if waiting := self._failures.get(method):
            raise waiting.pop(0)

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1e9)

    def _new_id(self) -> str:
        return f"{next(self._numbers):064x}"

    def _end(self, kept: _Kept, code: int, reason: str, message: str) -> None:
        kept.status = replace(
            kept.status,
            state=State.EXITED,
            exit_code=code,
            reason=reason,
            message=message,
            finished_at=self._now(),
        )
        kept.ended.set()
        for queue in self._listeners:
            queue.put_nowait(kept.status.labels.get(POD_UID, ""))

    def _find(self, id: str) -> _Kept:
        if id not in self._containers:
            raise Missing(f'an error occurred when try to find container "{id}": not found')
        return self._containers[id]

    # The protocol

    async def version(self) -> Version:
        self._said("version", "")
        return Version("fake", "1", "v1")

    async def health(self) -> Health:
        self._said("health", "")
        return Health(self.health_conditions)

    async def set_pod_cidr(self, cidr: str) -> None:
        self._said("set_pod_cidr", cidr)

    async def run_sandbox(self, config: SandboxConfig, handler: str = "") -> str:
        self._said("run_sandbox", config.name)
        id, number = self._new_id(), len(self._sandboxes) + 1
        on_host = config.security.namespaces.network == Mode.NODE
        self._sandboxes[id] = Sandbox(
            id=id,
            name=config.name,
            namespace=config.namespace,
            uid=config.uid,
            attempt=config.attempt,
            ready=True,
            created_at=self._now() + number,
            labels=config.labels,
            annotations=config.annotations,
            handler=handler,
            ips=() if on_host else (f"10.88.{number // 250}.{number % 250 + 2}",),
            host_network=on_host,
        )
        return id

    async def stop_sandbox(self, id: str) -> None:
        self._said("stop_sandbox", id)
        for kept in self._containers.values():
            if kept.sandbox_id == id and kept.status.state == State.RUNNING:
                self._end(kept, KILLED, "Error", "")
        if id in self._sandboxes:
            self._sandboxes[id] = replace(self._sandboxes[id], ready=False)

    async def remove_sandbox(self, id: str) -> None:
        self._said("remove_sandbox", id)
        await self.stop_sandbox(id)
        self._containers = {i: k for i, k in self._containers.items() if k.sandbox_id != id}
        self._sandboxes.pop(id, None)

    async def sandbox(self, id: str) -> Sandbox:
        self._said("sandbox", id)
        if id not in self._sandboxes:
            raise Missing(f'an error occurred when try to find sandbox: "{id}" not found')
        return self._sandboxes[id]

    async def sandboxes(self, uid: str = "") -> list[Sandbox]:
        self._said("sandboxes", uid)
        every = [replace(s, ips=(), host_network=False) for s in self._sandboxes.values()]
        return [s for s in every if not uid or s.labels.get(POD_UID) == uid]

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        self._said("create_container", config.name)
        if sandbox_id not in self._sandboxes:
            raise Missing(f'failed to find sandbox id "{sandbox_id}": not found')
        if not any(config.image in (i.id, *i.tags) for i in self._images.values()):
            raise RuntimeFailure(f'failed to resolve image "{config.image}"', "NotFound")
        id = self._new_id()
        status = ContainerStatus(
            id=id,
            name=config.name,
            attempt=config.attempt,
            state=State.CREATED,
            created_at=self._now() + len(self._containers) + 1,
            image=config.user_image or config.image,
            image_ref=config.image,
            labels=config.labels,
            annotations=config.annotations,
            mounts=config.mounts,
            log_path=f"{sandbox.log_directory}/{config.log_path}",
        )
        self._containers[id] = _Kept(status, sandbox_id, config)
        self.configs[id] = config
        return id

    async def start_container(self, id: str) -> None:
        self._said("start_container", id)
        kept = self._find(id)
        if kept.status.state != State.CREATED:
            raise RuntimeFailure(f'failed to set starting state for container "{id}": not in created state')
        kept.status = replace(kept.status, state=State.RUNNING, started_at=self._now())
        code = program(kept.config.command).code
        if code is not None:
            self.exit(id, code)

    async def stop_container(self, id: str, grace: int) -> None:
        self._said("stop_container", id)
        kept = self._containers.get(id)
        if kept is not None and kept.status.state == State.RUNNING:
            self._end(kept, KILLED, "Error", "")

    async def remove_container(self, id: str) -> None:
        self._said("remove_container", id)
        kept = self._containers.pop(id, None)
        if kept is not None and kept.status.state == State.RUNNING:
            self._end(kept, KILLED, "Error", "")

    async def container(self, id: str) -> ContainerStatus:
        self._said("container", id)
        return self._find(id).status

    async def containers(self, uid: str = "") -> list[Container]:
        self._said("containers", uid)
        return [
            Container(
                id=id,
                sandbox_id=kept.sandbox_id,
                name=kept.status.name,
                attempt=kept.status.attempt,
                state=kept.status.state,
                created_at=kept.status.created_at,
                labels=kept.status.labels,
                annotations=kept.status.annotations,
                image=kept.status.image,
                image_ref=kept.status.image_ref,
            )
            for id, kept in self._containers.items()
            if not uid or kept.status.labels.get(POD_UID) == uid
        ]

    async def update_resources(self, id: str, resources: Resources) -> None:
        self._said("update_resources", id)
        kept = self._find(id)
        kept.status = replace(kept.status, resources=resources)

    async def reopen_log(self, id: str) -> None:
        self._said("reopen_log", id)
        self._find(id)

    async def exec(self, id: str, command: Sequence[str], timeout: float) -> ExecResult:
        self._said("exec", id)
        kept = self._find(id)
        if kept.status.state != State.RUNNING:
            raise RuntimeFailure(f'failed to exec in container "{id}": container is in {kept.status.state} state')
        if self.on_exec is not None:
            return self.on_exec(id, command)
        found = program(command)
        return ExecResult(found.output, b"", found.code or 0)

    async def exec_url(self, id: str, command: Sequence[str], streams: Streams) -> str:
        self._said("exec_url", id)
        return f"http://127.0.0.1:1/exec/{id}"

    async def attach_url(self, id: str, streams: Streams) -> str:
        self._said("attach_url", id)
        return f"http://127.0.0.1:1/attach/{id}"

    async def port_forward_url(self, sandbox_id: str) -> str:
        self._said("port_forward_url", sandbox_id)
        return f"http://127.0.0.1:1/portforward/{sandbox_id}"

    async def usage(self) -> list[Usage]:
        self._said("usage", "")
        return [
            Usage(container_id=i, name=k.status.name, labels=k.status.labels, at=self._now())
            for i, k in self._containers.items()
            if k.status.state == State.RUNNING
        ]

    async def events(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)

    async def images(self) -> list[Image]:
        self._said("images", "")
        return list(self._images.values())

    async def image(self, name: str) -> Image | None:
        self._said("image", name)
        found = [i for i in self._images.values() if name in (i.id, *i.tags, *i.digests)]
        return found[0] if found else None

    async def pull(self, name: str, auth: Auth | None, sandbox: SandboxConfig | None) -> str:
        self._said("pull", name)
        if name not in self.pullable:
            raise Missing(f'failed to pull and unpack image "{name}": {name}: not found')
        self._images[name] = self.pullable[name]
        return self._images[name].id

    async def remove_image(self, name: str) -> None:
        self._said("remove_image", name)
        self._images = {n: i for n, i in self._images.items() if name not in (i.id, *i.tags)}

    async def image_filesystems(self) -> list[Filesystem]:
        self._said("image_filesystems", "")
        return [Filesystem("/", 0, 0)]

    async def close(self) -> None:
        self._said("close", "")
