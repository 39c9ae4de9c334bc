"""What is to be done about a node's volumes (situations of the reference's reconciler_test.go)."""

from typing import Any

import pytest

from umiak.controllers._attachable import Volume, csi_name
from umiak.controllers._attachments import (
    ATTACH_TIME,
    EXCLUSIVE,
    MOST_WAIT,
    Detach,
    Elsewhere,
    Known,
    NodeState,
    Plan,
    Situation,
    Wanted,
    plan,
    users_text,
)
from umiak.objects.types import Object

NAME = csi_name("driver", "handle")
DISK = Volume(NAME, "pv", "driver", "handle", exclusive=True, source={"persistentVolumeName": "pv"})
SHARED = Volume(NAME, "pv", "driver", "handle", source={"persistentVolumeName": "pv"})
BARE = Volume("kubernetes.io/iscsi/a:b:0", "bare")
POD = {"metadata": {"name": "web", "namespace": "shop"}}
NOW = 1000.0
ATTACHED = {"status": {"attached": True}}
GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def node(**changes: Any) -> NodeState:
    given: dict[str, Any] = {
        "exists": True,
        "ready": True,
        "out_of_service": False,
        "in_use": frozenset(),
        "reported": {},
    }
    return NodeState("one", **(given | changes))


def attachment(about: Object | None = None, **status: Any) -> Object:
    return {"metadata": {"name": "csi-1", **(about or {})}, "status": {"attached": False, **status}}


def decide(
    state: NodeState,
    wanted: Volume | None = None,
    found: Object | None = None,
    others: tuple[Elsewhere, ...] = (),
    known: Known | None = None,
) -> Plan:
    remembered = known or Known()
    return plan(
        Situation(
            state,
            {wanted.name: Wanted(wanted, (POD,))} if wanted else {},
            {NAME: found} if found else {},
            known=lambda name: remembered,
            elsewhere=lambda volume: others,
            now=NOW,
        )
    )


REPORTED = {NAME: ""}
IN_USE = frozenset({NAME})
AT_ONCE = [Detach(NAME, "csi-1")]
IN_TIME = [Detach(NAME, "csi-1", "timeout")]
BY_FORCE = [Detach(NAME, "csi-1", "out-of-service")]


@pytest.mark.parametrize(
    ("state", "unwanted_for", "detach", "later"),
    [
        pytest.param(node(reported=REPORTED), None, AT_ONCE, None, id="unused: at once"),
        pytest.param(node(reported=REPORTED, in_use=IN_USE), None, [], MOST_WAIT + 0.1, id="in use: waits"),
        pytest.param(
            node(reported=REPORTED, in_use=IN_USE), MOST_WAIT + 1, [], None, id="in use on a well node: stays"
        ),
        pytest.param(node(ready=False, in_use=IN_USE), 10, [], MOST_WAIT - 9.9, id="unwell, but not for long"),
        pytest.param(node(ready=False, in_use=IN_USE), MOST_WAIT + 1, IN_TIME, None, id="unwell for six minutes"),
        pytest.param(node(out_of_service=True, in_use=IN_USE), None, BY_FORCE, None, id="out of service: at once"),
        pytest.param(node(exists=False, ready=False), None, AT_ONCE, None, id="node gone, volume was unused"),
        pytest.param(node(exists=False, ready=False, in_use=IN_USE), 1, [], MOST_WAIT - 0.9, id="node gone, was used"),
    ],
)
def test_detaching(state: NodeState, unwanted_for: float | None, detach: list[Detach], later: float | None) -> None:
    known = Known(unwanted_since=None if unwanted_for is None else NOW - unwanted_for)
    made = decide(state, found=attachment(attached=True), known=known)
    assert made.detach == detach
    assert made.later == pytest.approx(later)
    assert made.report == ([] if detach or not state.reported else [NAME])


def test_what_is_being_detached_is_waited_for() -> None:
    made = decide(node(), found=attachment(GOING, attached=True))
    assert made == Plan()


def test_wanted_again_forgets_that_it_was_to_go() -> None:
    known = Known(unwanted_since=NOW - 100)
    made = decide(node(reported=REPORTED), DISK, attachment(attached=True), known=known)
    assert known.unwanted_since is None
    assert (made.report, made.detach, made.told) == ([NAME], [], [])


def test_attaching_begins_with_an_attachment() -> None:
    made = decide(node(), DISK)
    assert (made.attach, made.report) == ([DISK], [])


def test_attached_is_reported_and_told_once() -> None:
    made = decide(node(), DISK, attachment(attached=True))
    message = 'AttachVolume.Attach succeeded for volume "pv" '
    assert made.report == [NAME]
    assert made.told == [(POD, "Normal", "SuccessfulAttachVolume", message)]


def test_without_a_driver_there_is_nothing_to_wait_for() -> None:
    made = decide(node(), BARE)
    assert (made.report, made.attach, len(made.told)) == ([BARE.name], [], 1)


def test_an_attachment_that_vanished_is_made_anew() -> None:
    made = decide(node(reported=REPORTED), DISK)
    assert (made.attach, made.report) == ([DISK], [])


def test_nothing_is_attached_to_a_node_that_is_gone() -> None:
    assert decide(node(exists=False), DISK).attach == []


@pytest.mark.parametrize(
    ("found", "error"),
    [
        pytest.param(attachment(attachError={"message": "no such disk"}), "no such disk", id="refused"),
        pytest.param(attachment(GOING), "volume attachment is being deleted", id="still going"),
    ],
)
def test_failures(found: Object, error: str) -> None:
    made = decide(node(), DISK, found)
    assert [text for _, text in made.failed] == [error]
    assert made.report == []


def test_a_slow_driver_is_told_of() -> None:
    known = Known()
    assert decide(node(), DISK, attachment(), known=known).later == ATTACH_TIME
    known.attaching_since = NOW - ATTACH_TIME
    made = decide(node(), DISK, attachment(), known=known)
    text = "timed out waiting for external-attacher of driver CSI driver to attach volume handle"
    assert [error for _, error in made.failed] == [text]
    assert known.attaching_since == NOW


@pytest.mark.parametrize(
    ("volume", "other", "attached", "told"),
    [
        pytest.param(DISK, Elsewhere("two", confirmed=True), False, 1, id="exclusive, taken"),
        pytest.param(DISK, Elsewhere("two", confirmed=False), False, 0, id="exclusive, another is at it"),
        pytest.param(DISK, Elsewhere("one", confirmed=True), True, 0, id="this very node"),
        pytest.param(SHARED, Elsewhere("two", confirmed=True), True, 0, id="shared"),
    ],
)
def test_one_node_at_a_time(volume: Volume, other: Elsewhere, attached: bool, told: int) -> None:
    known = Known()
    made = decide(node(), volume, others=(other,), known=known)
    assert (bool(made.attach), len(made.told)) == (attached, told)
    assert not decide(node(), volume, others=(other,), known=known).told


def user(name: str, namespace: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}}


@pytest.mark.parametrize(
    ("users", "text"),
    [
        ((), EXCLUSIVE),
        ((user("a", "shop"), user("b", "shop")), "Volume is already used by pod(s) a, b"),
        (
            (user("a", "shop"), user("b", "bank")),
            "Volume is already used by pod(s) a and 1 pod(s) in different namespaces",
        ),
        ((user("b", "bank"),), "Volume is already used by 1 pod(s) in different namespaces"),
    ],
)
def test_names_of_other_namespaces_stay_secret(users: tuple[Object, ...], text: str) -> None:
    assert users_text(POD, [Elsewhere("two", confirmed=True, pods=users)]) == text
