"""What the agent asks of a container runtime, in plain data: `cri/` speaks it over gRPC, `umiak.testing` has a fake.

The words are those of the Container Runtime Interface v1 (k8s.io/cri-api); times are nanoseconds since the epoch, 0 for
never.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec


class RuntimeFailure(Exception):
    """The runtime said no, or said nothing. `code` is the gRPC code's name, `message` the runtime's own words."""

    def __init__(self, message: str, code: str = "Unknown") -> None:
        super().__init__(f"rpc error: code = {code} desc = {message}")
        self.message = message
        self.code = code


class Missing(RuntimeFailure):
    """No such sandbox, container or image."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "NotFound")


class Unsupported(RuntimeFailure):
    """The runtime does not know this call."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "Unimplemented")


class Unreachable(RuntimeFailure):
    """The runtime does not answer at its socket."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "Unavailable")


class TimedOut(RuntimeFailure):
    """The answer did not come in time, or the command ran too long."""

    def __init__(self, message: str = "context deadline exceeded") -> None:
        super().__init__(message, "DeadlineExceeded")


class Mode(StrEnum):
    """Whose namespace: shared in the pod, the container's own, the machine's, or that of a target container."""

    POD = "POD"
    CONTAINER = "CONTAINER"
    NODE = "NODE"
    TARGET = "TARGET"


class State(StrEnum):
    """Where a container stands."""

    CREATED = "Created"
    RUNNING = "Running"
    EXITED = "Exited"
    UNKNOWN = "Unknown"


class Namespaces(msgspec.Struct, frozen=True):
    network: Mode = Mode.POD
    pid: Mode = Mode.CONTAINER
    ipc: Mode = Mode.POD
    target: str = ""
    """Id of the container whose processes are seen, with `Mode.TARGET`."""


class Profile(msgspec.Struct, frozen=True):
    """A seccomp or AppArmor profile: RuntimeDefault, Unconfined, or Localhost with its path or name."""

    type: str
    reference: str = ""


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """How processes run. None leaves a choice to the image or the runtime."""

    namespaces: Namespaces = Namespaces()
    user: int | None = None
    group: int | None = None
    user_name: str = ""
    supplemental_groups: Sequence[int] = ()
    strict_groups: bool = False
    """Whether groups that the image's /etc/group gives the user are left out."""
    privileged: bool = False
    readonly_root: bool = False
    seccomp: Profile | None = None
    apparmor: Profile | None = None
    selinux: Mapping[str, str] | None = None
    add_capabilities: Sequence[str] = ()
    drop_capabilities: Sequence[str] = ()
    no_new_privileges: bool = False
    masked_paths: Sequence[str] = ()
    readonly_paths: Sequence[str] = ()


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """Limits in the kernel's units: microseconds, shares, bytes. 0 means not set."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    memory_limit: int = 0
    memory_swap_limit: int = 0
    oom_score_adj: int = 0
    hugepages: Mapping[str, int] = msgspec.field(default_factory=dict)
    unified: Mapping[str, str] = msgspec.field(default_factory=dict)


class Dns(msgspec.Struct, frozen=True):
    servers: Sequence[str] = ()
    searches: Sequence[str] = ()
    options: Sequence[str] = ()


class PortMapping(msgspec.Struct, frozen=True):
    container_port: int
    host_port: int
    protocol: str = "TCP"
    host_ip: str = ""


class SandboxConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A pod's common surroundings. `resources` and `overhead` are hints for runtimes that size virtual machines."""

    name: str
    namespace: str
    uid: str
    attempt: int = 0
    hostname: str = ""
    log_directory: str = ""
    dns: Dns | None = None
    ports: Sequence[PortMapping] = ()
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    cgroup_parent: str = ""
    sysctls: Mapping[str, str] = msgspec.field(default_factory=dict)
    security: Security = msgspec.field(default_factory=Security)
    resources: Resources | None = None
    overhead: Resources | None = None


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """`propagation` is PRIVATE, HOST_TO_CONTAINER or BIDIRECTIONAL. `image` takes the place of a host path."""

    container_path: str
    host_path: str = ""
    readonly: bool = False
    propagation: str = "PRIVATE"
    recursive_readonly: bool = False
    image: str = ""
    image_sub_path: str = ""


class Device(msgspec.Struct, frozen=True):
    container_path: str
    host_path: str
    permissions: str


class ContainerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`log_path` is below the sandbox's log directory."""

    name: str
    attempt: int = 0
    image: str
    """What `image` or `pull` answered."""
    user_image: str = ""
    """What the user wrote."""
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    working_dir: str = ""
    environment: Sequence[tuple[str, str]] = ()
    mounts: Sequence[Mount] = ()
    devices: Sequence[Device] = ()
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    log_path: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    stop_signal: str = ""
    resources: Resources = msgspec.field(default_factory=Resources)
    security: Security = msgspec.field(default_factory=Security)


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """A sandbox as the runtime knows it. `ips` are known only when asked about it alone."""

    id: str
    name: str
    namespace: str
    uid: str
    attempt: int
    ready: bool
    created_at: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    handler: str = ""
    ips: tuple[str, ...] = ()
    host_network: bool = False


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the runtime's list of containers."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    state: State
    created_at: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    image: str = ""
    image_ref: str = ""


class ContainerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """All about one container. `exit_code`, `reason` and `message` count once it has exited."""

    id: str
    name: str
    attempt: int
    state: State
    created_at: int
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    image: str = ""
    image_ref: str = ""
    image_id: str = ""
    reason: str = ""
    message: str = ""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    log_path: str = ""
    resources: Resources | None = None
    user: tuple[int, int, tuple[int, ...]] | None = None
    """uid, gid and supplemental groups of the first process, when the runtime tells."""
    stop_signal: str = ""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image on this machine. `user` or `user_name` is what the image wants to run as."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: int | None = None
    user_name: str = ""
    pinned: bool = False


class Auth(msgspec.Struct, frozen=True):
    username: str = ""
    password: str = ""
    auth: str = ""
    identity_token: str = ""
    registry_token: str = ""


class Version(msgspec.Struct, frozen=True):
    name: str
    version: str
    api_version: str


class Condition(msgspec.Struct, frozen=True):
    type: str
    status: bool
    reason: str = ""
    message: str = ""


class Health(msgspec.Struct, frozen=True):
    """`conditions` has RuntimeReady, NetworkReady; `handlers` are runtime handlers by name ("" is the default)."""

    conditions: tuple[Condition, ...]
    handlers: tuple[str, ...] = ()

    def problem(self, type: str) -> str:
        """Why a condition does not hold, in kubelet's words; empty when it holds."""
        for c in self.conditions:
            if c.type == type:
                return "" if c.status else f"{type}=false reason:{c.reason} message:{c.message}"
        return f"runtime does not report {type}"


class ExecResult(msgspec.Struct, frozen=True):
    stdout: bytes
    stderr: bytes
    exit_code: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a container uses. CPU in core-nanoseconds since its start, the rest in bytes, measured `at`."""

    container_id: str
    name: str
    labels: Mapping[str, str]
    at: int
    cpu: int = 0
    working_set: int = 0
    memory: int = 0
    rss: int = 0
    root_bytes: int = 0
    root_inodes: int = 0


class Filesystem(msgspec.Struct, frozen=True):
    mountpoint: str
    used_bytes: int
    used_inodes: int


class Streams(msgspec.Struct, frozen=True):
    """Which of a process's streams to connect."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


class Runtime(Protocol):
    """A container runtime. Every method raises RuntimeFailure; removing or stopping what is gone is no failure."""

    async def version(self) -> Version: ...

    async def health(self) -> Health: ...

    async def set_pod_cidr(self, cidr: str) -> None: ...

    async def run_sandbox(self, config: SandboxConfig, handler: str = "") -> str:
        """Creates and starts a sandbox with its network; answers its id."""
        ...

    async def stop_sandbox(self, id: str) -> None:
        """Kills what still runs in it and gives back its network."""
        ...

    async def remove_sandbox(self, id: str) -> None: ...

    async def sandbox(self, id: str) -> Sandbox: ...

    async def sandboxes(self, uid: str = "") -> list[Sandbox]:
        """All, or those of one pod."""
        ...

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str: ...

    async def start_container(self, id: str) -> None: ...

    async def stop_container(self, id: str, grace: int) -> None:
        """Asks it to stop, and kills it after `grace` seconds; returns when it has stopped."""
        ...

    async def remove_container(self, id: str) -> None: ...

    async def container(self, id: str) -> ContainerStatus: ...

    async def containers(self, uid: str = "") -> list[Container]: ...

    async def update_resources(self, id: str, resources: Resources) -> None: ...

    async def reopen_log(self, id: str) -> None: ...

    async def exec(self, id: str, command: Sequence[str], timeout: float) -> ExecResult:
        """Runs a command to its end; raises TimedOut when it takes longer than `timeout` seconds (0: no limit)."""
        ...

    async def exec_url(self, id: str, command: Sequence[str], streams: Streams) -> str:
        """Where to connect a client to a new process in the container."""
        ...

    async def attach_url(self, id: str, streams: Streams) -> str: ...

    async def port_forward_url(self, sandbox_id: str) -> str: ...

    async def usage(self) -> list[Usage]: ...

    def events(self) -> AsyncIterator[str]:
        """Pod uids as something happens to their containers ("" when it is not known whose).

        Raises Unsupported when the runtime has no such stream.
        """
        ...

    async def images(self) -> list[Image]: ...

    async def image(self, name: str) -> Image | None: ...

    async def pull(self, name: str, auth: Auth | None, sandbox: SandboxConfig | None) -> str:
        """Fetches an image; answers the reference to create containers with."""
        ...

    async def remove_image(self, name: str) -> None: ...

    async def image_filesystems(self) -> list[Filesystem]: ...

    async def close(self) -> None: ...
