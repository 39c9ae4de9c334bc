"""What is to be done about the volumes of one node: attach, detach, report. Pure.

A volume counts as attached once its VolumeAttachment says so; the node learns it from `status.volumesAttached`. It is
taken from there before it is detached, so that the node does not start to mount it. It is not detached while the node
says that it is in use, unless the node has been unwell for six minutes or is marked out of service.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from umiak.controllers._attachable import Volume
from umiak.objects import meta
from umiak.objects.types import Object

MOST_WAIT = 360.0
"""Seconds after which a volume is taken from an unwell node that says it uses it."""
ATTACH_TIME = 120.0
"""Seconds that a driver has for attaching, before people are told."""
TIMEOUT, OUT_OF_SERVICE = "timeout", "out-of-service"
LOOK_AGAIN = 15.0
"""Seconds until a volume that another node has is looked at again, should its release go unnoticed."""
TICK = 0.001
"""Seconds too short to wait for: what is left of a wait after its end is noise of the clock's numbers."""
BEING_DELETED = "volume attachment is being deleted"
EXCLUSIVE = (
    "Volume is already exclusively attached to one node, waiting on detach before it can be attached to another node"
)


class Wanted(msgspec.Struct, frozen=True):
    """A volume that pods on the node need."""

    volume: Volume
    pods: tuple[Object, ...]


class Elsewhere(msgspec.Struct, frozen=True):
    """Another node that has, or may have, a volume which only one node may have."""

    node: str
    confirmed: bool
    pods: tuple[Object, ...] = ()
    """Those there that need the volume."""


class Known(msgspec.Struct):
    """What is remembered of one volume on one node, in seconds of the monotonic clock."""

    unwanted_since: float | None = None
    attaching_since: float | None = None
    has_told_of_other: bool = False


class NodeState(msgspec.Struct, frozen=True):
    """What matters of a node. One that is gone is not ready, and uses what it used last."""

    name: str
    exists: bool
    ready: bool
    out_of_service: bool
    in_use: frozenset[str]
    reported: Mapping[str, str]
    """Names of volumes that its status says are attached, with their device paths."""


class Detach(msgspec.Struct, frozen=True):
    volume: str
    attachment: str
    """The name of the VolumeAttachment to delete; empty when there is none."""
    forced: str = ""
    """Why the node's last word on its use does not matter: timeout or out-of-service; empty when it does."""


class Plan(msgspec.Struct):
    """`told` are events: pod, type, reason, message. `later` is in seconds, None when only changes matter."""

    attach: list[Volume] = msgspec.field(default_factory=list)
    detach: list[Detach] = msgspec.field(default_factory=list)
    report: list[str] = msgspec.field(default_factory=list)
    told: list[tuple[Object, str, str, str]] = msgspec.field(default_factory=list)
    failed: list[tuple[Wanted, str]] = msgspec.field(default_factory=list)
    """Attachments that failed, and why: to be told, but less and less often."""
    later: float | None = None

    def look_again(self, seconds: float) -> None:
        self.later = seconds if self.later is None else min(self.later, seconds)


class Situation(msgspec.Struct, frozen=True):
    """One node and its volumes. `attachments` are by the name of the volume."""

    node: NodeState
    wanted: Mapping[str, Wanted]
    attachments: Mapping[str, Object]
    known: Callable[[str], Known]
    elsewhere: Callable[[Volume], Iterable[Elsewhere]]
    now: float


def is_attached(attachment: Object) -> bool:
    return bool((attachment.get("status") or {}).get("attached"))


def error_of(attachment: Object, field: str) -> str:
    return ((attachment.get("status") or {}).get(field) or {}).get("message") or ""


def blocks(attachment: Object) -> bool:
    """Whether another node must wait for this attachment: it is there, or a driver is at work on it."""
    if meta.is_being_deleted(attachment):
        return not error_of(attachment, "detachError")
    return is_attached(attachment) or not error_of(attachment, "attachError")


def plan(situation: Situation) -> Plan:
    made = Plan()
    names = {*situation.wanted, *situation.attachments, *situation.node.reported}
    for name in sorted(names):
        if name in situation.wanted:
            situation.known(name).unwanted_since = None
            _attach(made, situation, situation.wanted[name])
        else:
            _detach(made, situation, name)
    return made


def _detach(made: Plan, situation: Situation, name: str) -> None:
    node, known = situation.node, situation.known(name)
    attachment = situation.attachments.get(name)
    known.attaching_since, known.has_told_of_other = None, False
    if attachment is not None and meta.is_being_deleted(attachment) and name not in node.reported:
        return
    if known.unwanted_since is None:
        known.unwanted_since = situation.now
    waited = situation.now - known.unwanted_since
    is_due = waited > MOST_WAIT
    if name in node.in_use and not (is_due and not node.ready) and not node.out_of_service:
        if not is_due:
            made.look_again(MOST_WAIT - waited + 0.1)
        if name in node.reported:
            made.report.append(name)
        return
    found = "" if attachment is None else meta.name(attachment)
    forced = TIMEOUT if is_due else (OUT_OF_SERVICE if node.out_of_service else "")
    made.detach.append(Detach(name, found, forced))


def _attach(made: Plan, situation: Situation, wanted: Wanted) -> None:
    volume, node = wanted.volume, situation.node
    known, attachment = situation.known(volume.name), situation.attachments.get(volume.name)
    is_reported = volume.name in node.reported
    if attachment is not None and is_attached(attachment) and (is_reported or not meta.is_being_deleted(attachment)):
        _attached(made, wanted, known, is_reported)
    elif attachment is not None:
        _attaching(made, situation.now, wanted, known, attachment)
    elif not node.exists:
        return
    elif not volume.driver and is_reported:
        made.report.append(volume.name)
    elif _has_it_alone(made, situation, wanted):
        if volume.driver:
            known.attaching_since = situation.now
            made.attach.append(volume)
        else:
            _attached(made, wanted, known, is_reported)


def _attached(made: Plan, wanted: Wanted, known: Known, is_reported: bool) -> None:
    known.attaching_since, known.has_told_of_other = None, False
    made.report.append(wanted.volume.name)
    if not is_reported:
        message = f'AttachVolume.Attach succeeded for volume "{wanted.volume.title}" '
        made.told += [(pod, "Normal", "SuccessfulAttachVolume", message) for pod in wanted.pods]


def _attaching(made: Plan, now: float, wanted: Wanted, known: Known, attachment: Object) -> None:
    if meta.is_being_deleted(attachment):
        made.failed.append((wanted, BEING_DELETED))
        return
    error = error_of(attachment, "attachError")
    if error:
        made.failed.append((wanted, error))
        return
    if known.attaching_since is None:
        known.attaching_since = now
    left = known.attaching_since + ATTACH_TIME - now
    if left > TICK:
        made.look_again(left)
        return
    volume, known.attaching_since = wanted.volume, now
    text = f"timed out waiting for external-attacher of {volume.driver} CSI driver to attach volume {volume.handle}"
    made.failed.append((wanted, text))
    made.look_again(ATTACH_TIME)


def _has_it_alone(made: Plan, situation: Situation, wanted: Wanted) -> bool:
    """Whether nobody else has a volume that only one node may have; else its pods are told, once."""
    if not wanted.volume.exclusive:
        return True
    others = [e for e in situation.elsewhere(wanted.volume) if e.node != situation.node.name]
    known = situation.known(wanted.volume.name)
    if any(e.confirmed for e in others) and not known.has_told_of_other:
        known.has_told_of_other = True
        for pod in wanted.pods:
            message = f'Waiting for detach for volume "{wanted.volume.title}" {users_text(pod, others)}'
            made.told.append((pod, "Warning", "FailedAttachVolume", message))
    if others:
        made.look_again(LOOK_AGAIN)
    return not others


def users_text(pod: Object, others: Iterable[Elsewhere]) -> str:
    """Who has the volume, as far as the pod's owner may know: names stay within their namespace."""
    users = [user for other in others if other.confirmed for user in other.pods]
    if not users:
        return EXCLUSIVE
    local = [meta.name(u) for u in users if meta.namespace(u) == meta.namespace(pod)]
    foreign = len(users) - len(local)
    if not local:
        return f"Volume is already used by {foreign} pod(s) in different namespaces"
    text = f"Volume is already used by pod(s) {', '.join(local)}"
    return f"{text} and {foreign} pod(s) in different namespaces" if foreign else text
