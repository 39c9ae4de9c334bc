"""What the runtime knows of one pod at one moment."""

from collections.abc import Sequence

import msgspec

from umiak.node.runtime import ContainerStatus, Sandbox, State

NO_SANDBOX = "no pod sandbox exists"
SEVERAL_SANDBOXES = "multiple pod sandboxes are ready and need to be reconciled"
SANDBOX_NOT_READY = "pod sandbox is not ready"
OTHER_NETWORK = "network namespace mode changed and sandbox needs to be recreated"
NO_ADDRESS = "pod sandbox has no IP address"


class Snapshot(msgspec.Struct, frozen=True):
    """Sandboxes and containers of a pod, the newest first."""

    sandboxes: Sequence[Sandbox] = ()
    containers: Sequence[ContainerStatus] = ()
    sandbox_of: dict[str, str] = msgspec.field(default_factory=dict)
    """Sandbox id by container id."""

    @property
    def active(self) -> Sandbox | None:
        """The newest sandbox, when it is ready."""
        return self.sandboxes[0] if self.sandboxes and self.sandboxes[0].ready else None

    @property
    def ips(self) -> tuple[str, ...]:
        return self.active.ips if self.active else ()

    def latest(self, name: str) -> ContainerStatus | None:
        """The newest container of that name in any sandbox."""
        return next((c for c in self.containers if c.name == name), None)

    def latest_active(self, name: str) -> ContainerStatus | None:
        """The newest container of that name in the active sandbox."""
        if self.active is None:
            return None
        return next((c for c in self.containers if c.name == name and self.sandbox_of[c.id] == self.active.id), None)

    @property
    def running(self) -> list[ContainerStatus]:
        """What may have processes: what runs, and what the runtime is unsure of."""
        return [c for c in self.containers if c.state in (State.RUNNING, State.UNKNOWN)]

    def sandbox_problem(self, host_network: bool) -> str:
        """Why a new sandbox is needed; empty when the present one does."""
        if not self.sandboxes:
            return NO_SANDBOX
        if sum(s.ready for s in self.sandboxes) > 1:
            return SEVERAL_SANDBOXES
        newest = self.sandboxes[0]
        if not newest.ready:
            return SANDBOX_NOT_READY
        if newest.host_network != host_network:
            return OTHER_NETWORK
        return NO_ADDRESS if not host_network and not newest.ips else ""
