"""What a server is told about auditing: kube-apiserver's flags `--audit-*`, with its defaults."""

from dataclasses import dataclass, field
from pathlib import Path

BATCH, BLOCKING, STRICT = "batch", "blocking", "blocking-strict"
MODES = (BATCH, BLOCKING, STRICT)
FORMATS = ("legacy", "json")
GROUP_VERSION = "audit.k8s.io/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How many events are kept, sent at once, and for how many seconds at most they wait; `per_second` batches are
    sent on average, 0 for any number, and `burst` after a quiet time."""

    buffer: int = 10_000
    most: int = 1
    wait: float = 30.0
    per_second: float = 0
    burst: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncating:
    """Bytes that an event and a batch may have; what is larger loses its objects, or is dropped."""

    enabled: bool = False
    batch: int = 10 * 1024 * 1024
    event: int = 100 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """`path` "-" is standard output; days, number and megabytes of old files are 0 for no limit."""

    path: str = ""
    days: int = 366
    backups: int = 100
    megabytes: int = 100
    format: str = "json"
    compress: bool = False
    mode: str = BLOCKING
    batching: Batching = field(default_factory=Batching)
    truncating: Truncating = field(default_factory=Truncating)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """`backoff` is how many seconds pass before a failed call is made again the first time."""

    config: str = ""
    backoff: float = 10.0
    mode: str = BATCH
    batching: Batching = field(default_factory=lambda: Batching(most=400, per_second=10))
    truncating: Truncating = field(default_factory=Truncating)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    policy: Path
    log: LogSettings = field(default_factory=LogSettings)
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
