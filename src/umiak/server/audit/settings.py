"""What a server is told about auditing: kube-apiserver's flags `--audit-*`, with its defaults."""

from pathlib import Path

import msgspec

BATCH, BLOCKING, STRICT = "batch", "blocking", "blocking-strict"
MODES = (BATCH, BLOCKING, STRICT)
FORMATS = ("legacy", "json")
GROUP_VERSION = "audit.k8s.io/v1"


class Batching(msgspec.Struct, frozen=True, kw_only=True):
    """How many events are kept, sent at once, and for how many seconds at most they wait; `per_second` batches are
    sent on average, 0 for any number, and `burst` after a quiet time."""

    buffer: int = 10_000
    most: int = 1
    wait: float = 30.0
    per_second: float = 0
    burst: int = 15


class Truncating(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that an event and a batch may have; what is larger loses its objects, or is dropped."""

    enabled: bool = False
    batch: int = 10 * 1024 * 1024
    event: int = 100 * 1024


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`path` "-" is standard output; days, number and megabytes of old files are 0 for no limit."""

    path: str = ""
    days: int = 366
    backups: int = 100
    megabytes: int = 100
    format: str = "json"
    compress: bool = False
    mode: str = BLOCKING
    batching: Batching = msgspec.field(default_factory=Batching)
    truncating: Truncating = msgspec.field(default_factory=Truncating)


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`backoff` is how many seconds pass before a failed call is made again the first time."""

    config: str = ""
    backoff: float = 10.0
    mode: str = BATCH
    batching: Batching = msgspec.field(default_factory=lambda: Batching(most=400, per_second=10))
    truncating: Truncating = msgspec.field(default_factory=Truncating)


class AuditSettings(msgspec.Struct, frozen=True, kw_only=True):
    policy: Path
    log: LogSettings = msgspec.field(default_factory=LogSettings)
    webhook: WebhookSettings = msgspec.field(default_factory=WebhookSettings)
