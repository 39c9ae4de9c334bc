"""Events are written only so fast: for the whole server, a namespace, a user, or a source and its object.

Source: `plugin/pkg/admission/eventratelimit`; its configuration is `eventratelimit.admission.k8s.io/v1alpha1`.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

import msgspec

from umiak.api.configuration import NUMBER, TEXT, Unacceptable, document, list_of, read, struct
from umiak.kit.clock import Clock
from umiak.objects.errors import FieldError, StatusError, invalid_value, not_supported, together
from umiak.objects.types import Object
from umiak.server.contract import Admission, Admitted, Means, Phase, Surroundings

REMEMBERED = 4096
_LIMIT = struct("Limit", type=TEXT, qps=NUMBER, burst=NUMBER, cacheSize=NUMBER)
_FILE = document("Configuration", limits=list_of(_LIMIT))
_KNOWN = {("eventratelimit.admission.k8s.io/v1alpha1", "Configuration"): _FILE}


def concerns(request: Admitted) -> bool:
    asked = request.attributes
    is_event = asked.resource == "events" and not asked.group
    return is_event and request.operation in ("CREATE", "UPDATE") and not request.dry_run


def _source_and_object(request: Admitted) -> str:
    event = request.new or {}
    source, about = event.get("source") or {}, event.get("involvedObject") or {}
    names = ("kind", "namespace", "name", "uid", "apiVersion")
    texts = (source.get("component"), source.get("host"), *(about.get(name) for name in names))
    return "".join(text or "" for text in texts)


KEYS: dict[str, Callable[[Admitted], str]] = {
    "Server": lambda request: "",
    "Namespace": lambda request: request.attributes.namespace,
    "User": lambda request: request.attributes.user.name,
    "SourceAndObject": _source_and_object,
}


class Bucket(msgspec.Struct):
    """Fills with `qps` tokens a second, up to `burst`; full at first."""

    tokens: float
    at: float

    def take(self, now: float, qps: int, burst: int) -> bool:
        self.tokens = min(burst, self.tokens + (now - self.at) * qps)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Limit:
    """One limit of the configuration, with a bucket for each key, those used last."""

    def __init__(self, about: Object, clock: Clock) -> None:
        self._type: str = about["type"]
        self._qps: int = about["qps"]
        self._burst: int = about["burst"]
        self._most = about.get("cacheSize") or REMEMBERED
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def fault(self, request: Admitted) -> str:
        """Why not now; empty when the limit is not reached."""
        key, now = KEYS[self._type](request), self._clock.monotonic()
        bucket = self._buckets.setdefault(key, Bucket(self._burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        if bucket.take(now, self._qps, self._burst):
            return ""
        return f"limit reached on type {self._type} for key {key}"


def faults_of(limits: list[Object]) -> list[FieldError]:
    if not limits:
        return [invalid_value("limits", None, "must not be empty")]
    found = []
    for i, one in enumerate(limits):
        path, kind = f"limits[{i}]", one.get("type") or ""
        if kind not in KEYS:
            found.append(not_supported(f"{path}.type", kind, KEYS))
        for name in ("burst", "qps"):
            if (one.get(name) or 0) <= 0:
                found.append(invalid_value(f"{path}.{name}", one.get(name) or 0, "must be positive"))
        if kind != "Server" and (one.get("cacheSize") or 0) < 0:
            found.append(invalid_value(f"{path}.cacheSize", one["cacheSize"], "must not be negative"))
    return found


def configure(data: bytes, means: Means) -> Admission:
    """Raises Unacceptable."""
    described = (read(data, _KNOWN).get("limits") or []) if data else []
    if wrong := faults_of(described):
        raise Unacceptable(together(wrong))
    limits = [Limit(one, means.clock) for one in described]

    async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
        reached = [why for limit in limits if (why := limit.fault(request))]
        if reached:
            raise StatusError(429, "TooManyRequests", f"Too many requests: {together(reached)}")

    return plugin(run)


def plugin(run: Callable[[Surroundings, Admitted, Phase], Awaitable[None]]) -> Admission:
    return Admission(
        name="EventRateLimit",
        order=16,
        phases=(Phase.VALIDATE,),
        run=run,
        concerns=concerns,
        configure=configure,
    )


async def _unlimited(around: Surroundings, request: Admitted, phase: Phase) -> None:
    """Only until it is configured."""


ADMISSION = plugin(_unlimited)
