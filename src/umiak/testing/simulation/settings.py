"""What kind of machines to pretend, and how pods fare on them. Times in seconds, shares from 0 to 1."""

from typing import Any
from zlib import crc32

import msgspec

from umiak.objects.selectors import InvalidSelector, Selector, parse_labels
from umiak.objects.types import Object


class Wrong(ValueError):
    """Settings that mean nothing; says which and why."""


class Life(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """How pods fare that `selector` (of labels, as kubectl writes it) and `namespace` choose; empty ones choose all."""

    selector: str = ""
    namespace: str = ""
    start_delay: float = 0.0
    """From being scheduled to Running."""
    ready_delay: float = 0.0
    """From Running to Ready."""
    stop_delay: float = 0.0
    """From being deleted to being gone."""
    jitter: float = 0.0
    """By what share of itself each delay may be longer, by chance."""
    run_seconds: float | None = None
    """How long containers run that end at all; None: as the pod's annotation says, else one second."""
    failing: float = 0.0
    """Of how many pods the containers end, with exit code 1, whatever their restartPolicy."""
    stuck: float = 0.0
    """How many pods never start, as if their image could not be pulled."""


class Outages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Nodes that fall silent from time to time: no lease is renewed, no pod moves on."""

    share: float = 0.0
    """Of how many nodes this is true."""
    every: float = 600.0
    lasts: float = 120.0

    def left(self, node: str, now: float) -> float:
        """Seconds until the node is back; 0 when it is not out. `now` in seconds since the epoch."""
        if chance(node, "outage") >= self.share:
            return 0.0
        into = (now + chance(node, "moment") * self.every) % self.every
        return max(0.0, self.lasts - into)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """All of it; as YAML the names are in camel case."""

    prefix: str = "node"
    count: int = msgspec.field(default=1, name="nodes")
    cpu: str = "8"
    memory: str = "32Gi"
    pods: int = 110
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    taints: tuple[Object, ...] = ()
    zones: tuple[str, ...] = ()
    """Nodes are spread over these in turn."""
    life: Life = Life()
    """Of pods that none of `lives` is about."""
    lives: tuple[Life, ...] = ()
    outages: Outages = Outages()

    def __post_init__(self) -> None:
        if self.count < 0 or self.pods < 0:
            raise Wrong("nodes and pods must not be negative")
        for life in (self.life, *self.lives):
            selector_of(life)

    def names(self) -> list[str]:
        return [f"{self.prefix}-{i}" for i in range(self.count)]

    @property
    def renew_every(self) -> float:
        """Ten seconds as for real nodes; for thousands longer, lest they keep the server busy with nothing else."""
        return min(30.0, max(10.0, self.count / 100))


def selector_of(life: Life) -> Selector:
    try:
        return parse_labels(life.selector)
    except InvalidSelector as error:
        raise Wrong(f"selector {life.selector!r}: {error}") from None


def read(found: Any) -> Settings:
    """Settings from what a YAML file holds. Raises Wrong."""
    try:
        return msgspec.convert(found or {}, Settings)
    except msgspec.ValidationError as error:
        raise Wrong(str(error)) from None


def chance(who: str, what: str) -> float:
    """From 0 up to 1, always the same for the same words, so that a run can be repeated."""
    return crc32(f"{who}/{what}".encode()) / 2**32
