"""Asks the runtime about one pod, and asks no more than needed: what has ended does not change."""

from pathlib import Path

from msgspec.structs import replace

from umiak.node.names import MESSAGE_PATH, MESSAGE_POLICY
from umiak.node.runtime import Container, ContainerStatus, Missing, Runtime, Sandbox, State
from umiak.node.snapshot import Snapshot

MAX_MESSAGE = 4096  # bytes of a termination message
MAX_LOG_MESSAGE, MAX_LOG_LINES = 2048, 80  # of one taken from the log


class Observer:
    """Remembers ended containers' statuses and sandboxes' addresses for one pod."""

    def __init__(self, runtime: Runtime, uid: str) -> None:
        self._runtime = runtime
        self._uid = uid
        self._ended: dict[str, ContainerStatus] = {}
        self._sandboxes: dict[str, Sandbox] = {}

    async def look(self) -> Snapshot:
        """Raises RuntimeFailure."""
        listed = await self._runtime.sandboxes(self._uid)
        listed.sort(key=lambda s: (s.created_at, s.id), reverse=True)
        sandboxes = [await self._sandbox(s, newest=index == 0) for index, s in enumerate(listed)]
        lines = await self._runtime.containers(self._uid)
        found = [s for line in lines if (s := await self._container(line)) is not None]
        found.sort(key=lambda c: (c.created_at, c.id), reverse=True)
        self._ended = {c.id: c for c in found if c.state == State.EXITED}
        return Snapshot(sandboxes, found, {line.id: line.sandbox_id for line in lines})

    async def _sandbox(self, listed: Sandbox, newest: bool) -> Sandbox:
        """With addresses, which matter for the newest only and stay what they are."""
        known = self._sandboxes.get(listed.id)
        if known is not None:
            return replace(known, ready=listed.ready)
        if not newest:
            return listed
        full = await self._runtime.sandbox(listed.id)
        if full.ips or full.host_network:
            self._sandboxes = {full.id: full}
        return full

    async def _container(self, listed: Container) -> ContainerStatus | None:
        if listed.id in self._ended:
            return self._ended[listed.id]
        try:
            status = await self._runtime.container(listed.id)
        except Missing:
            return None
        return with_message(status) if status.state == State.EXITED else status


def with_message(status: ContainerStatus) -> ContainerStatus:
    """Adds what the container left in its termination message file, or at the end of its log."""
    fallback = status.annotations.get(MESSAGE_POLICY) == "FallbackToLogsOnError"
    wants_log = fallback and status.exit_code != 0 and status.reason != "ContainerCannotRun"
    text, wants_log = _from_file(status, wants_log)
    if wants_log:
        text = last_log_lines(Path(status.log_path))
    if not text:
        return status
    return replace(status, message=f"{status.message}: {text}" if status.message else text)


def _from_file(status: ContainerStatus, wants_log: bool) -> tuple[str, bool]:
    path = status.annotations.get(MESSAGE_PATH, "")
    mount = next((m for m in status.mounts if path and m.container_path == path), None)
    if mount is None:
        return "", wants_log
    try:
        data = Path(mount.host_path).read_bytes()[-MAX_MESSAGE:]
    except FileNotFoundError:
        return "", wants_log
    except OSError as error:
        return f"Error on reading termination log {mount.host_path}: {error}", False
    return data.decode(errors="replace"), wants_log and not data


def last_log_lines(path: Path) -> str:
    """The last 80 lines or 2048 bytes of a container's log, without times."""
    from umiak.node.logs import entries

    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 64 * 1024))
            data = file.read()
    except OSError:
        return ""
    text = b"".join(e.content for e in entries(data))
    lines = text.splitlines(keepends=True)[-MAX_LOG_LINES:]
    return b"".join(lines)[-MAX_LOG_MESSAGE:].decode(errors="replace")
