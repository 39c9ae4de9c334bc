"""What one API server is told about its surroundings."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from umiak.server.access.settings import AccessSettings, FrontProxySettings
from umiak.server.admission_settings import AdmissionSettings

if TYPE_CHECKING:
    from umiak.server.audit.settings import AuditSettings
    from umiak.server.encryption.following import EncryptionSettings

VERSION = "v1.37.1"
"""The Kubernetes release whose behaviour is served."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """With the reference's defaults; times in seconds, sizes in bytes."""

    data_dir: Path | None = None
    bind: str = "127.0.0.1"
    port: int = 6443
    advertise: str = "127.0.0.1"
    """The address other machines and pods reach this server at."""
    service_cidr: str = "10.96.0.0/16"
    node_ports: tuple[int, int] = (30000, 32767)
    """First and last port that services of type NodePort may have."""
    cluster_domain: str = "cluster.local"
    issuer: str = "https://kubernetes.default.svc.cluster.local"
    token_file: Path | None = None
    admission: AdmissionSettings = msgspec.field(default_factory=AdmissionSettings)
    max_body: int = 3 * 1024 * 1024
    bookmark_interval: float = 60
    min_watch_timeout: float = 1800
    """A watch without a timeout of its own ends after this to twice this."""
    watch_backlog: int = 8 * 1024 * 1024
    """A watcher that lets more than this pile up is dropped."""
    max_requests_inflight: int = 400
    """Requests that only read; 0 for any number. With priority and fairness the sum of both is divided."""
    max_mutating_requests_inflight: int = 200
    priority_and_fairness: bool = True
    """Else the two limits above hold by themselves."""
    flags: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What the command line said and left to its defaults, to be shown."""
    audit: "AuditSettings | None" = None
    encryption: "EncryptionSettings | None" = None
    kubelet_ca: str = ""
    """PEM text of the CA that nodes' serving certificates are checked against; empty: they are not checked."""

    access: AccessSettings = msgspec.field(default_factory=AccessSettings)
    front_proxy: FrontProxySettings = msgspec.field(default_factory=FrontProxySettings)

    @property
    def issuers(self) -> tuple[str, ...]:
        """Of service account tokens: the first signs, all are believed."""
        return self.access.issuers or (self.issuer,)

    @property
    def audiences(self) -> tuple[str, ...]:
        return self.access.api_audiences or self.issuers
