"""What the parts of the agent share. One value, made once, handed to every pod's worker."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from umiak.client.contract import Client
from umiak.kit.clock import Clock
from umiak.node import pods
from umiak.node.cgroups import Cgroups
from umiak.node.configs import Machine
from umiak.node.fetch import Fetcher
from umiak.node.holdoff import Holdoff
from umiak.node.podcertificates import PodCertificates
from umiak.node.probes.manager import Prober
from umiak.node.pull import Puller
from umiak.node.runtime import Runtime
from umiak.node.tokens import Tokens
from umiak.objects.types import Object
from umiak.reconcile.contract import Recorder


class Tools(msgspec.Struct, kw_only=True):
    runtime: Runtime
    client: Client
    clock: Clock
    events: Recorder
    machine: Machine
    cgroups: Cgroups
    fetch: Fetcher
    puller: Puller
    prober: Prober
    tokens: Tokens
    certificates: PodCertificates
    restarts: Holdoff = msgspec.field(default_factory=Holdoff)
    runtime_name: str = "containerd"
    node_name: str = ""
    host_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = msgspec.field(default_factory=dict)
    services: Callable[[], Iterable[Object] | None] = lambda: ()
    """All services, or None while they are not known yet."""
    network_problem: Callable[[], str] = lambda: ""
    local_path_root: str = ""

    def event(self, pod: Object, type: str, reason: str, message: str, where: str = "", container: str = "") -> None:
        """An event about a pod, or about the container that stands in the field `where`."""
        self.events.event(pods.reference(pod, where, container), type, reason, message)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.now().timestamp()
