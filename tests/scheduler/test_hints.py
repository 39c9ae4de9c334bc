"""Which changes can help a pod that a plugin rejected: the situations of each plugin's `isSchedulableAfter*` tests."""

import pytest

from umiak.scheduler.contract import Event
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView, view
from umiak.scheduler.profile import default_plugins

PLUGINS = {p.name: p for p in default_plugins()}
HOST, ZONE, NODE = "kubernetes.io/hostname", "zone", "node"
YES, NO = True, False


@pytest.fixture
def helps(world):
    def ask(plugin: str, event: Event, pod: dict, old=None, new=None) -> bool:
        return PLUGINS[plugin].retry_on[event](world.cycle(pod), old, new)

    return ask


def seen(node: dict) -> NodeView:
    found = NodeView(node["metadata"]["name"])
    found.describe(node)
    return found


def placed(pod: dict) -> PodView:
    """As the scheduler keeps a pod that is on a node."""
    found = view(pod)
    found.settle()
    return found


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
SOFT = {"key": "k", "value": "v", "effect": "PreferNoSchedule"}
TOLERATION = {"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("tolerations", "old", "new", "want"),
    [
        pytest.param([], None, {"taints": [TAINT]}, NO, id="added, not tolerated"),
        pytest.param([], None, {"taints": [SOFT]}, YES, id="added, only rather not"),
        pytest.param([TOLERATION], None, {"taints": [TAINT]}, YES, id="added, tolerated"),
        pytest.param([], {"taints": [TAINT]}, {}, YES, id="taint removed"),
        pytest.param([], {}, {}, NO, id="none before either"),
        pytest.param([TOLERATION], {"taints": [TAINT]}, {}, NO, id="was tolerated before"),
    ],
)
def test_taint_toleration(helps, node_of, pod_of, tolerations, old, new, want):
    before = None if old is None else seen(node_of("n", **old))
    event = Event.NODE_ADDED if old is None else Event.NODE_TAINTS
    pod = pod_of("p", tolerations=tolerations)
    assert helps("TaintToleration", event, pod, before, seen(node_of("n", **new))) is want


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [(None, False, YES), (None, True, NO), (True, False, YES), (False, False, NO), (False, True, NO)],
)
def test_node_unschedulable(helps, node_of, pod_of, old, new, want):
    before = None if old is None else seen(node_of("n", unschedulable=old))
    event = Event.NODE_ADDED if old is None else Event.NODE_TAINTS
    after = seen(node_of("n", unschedulable=new))
    assert helps("NodeUnschedulable", event, pod_of("p"), before, after) is want


@pytest.mark.parametrize(("key", "want"), [("node.kubernetes.io/unschedulable", YES), ("other", NO)])
def test_node_unschedulable_after_a_new_toleration(helps, pod_of, key, want):
    new = pod_of("p", tolerations=[{"key": key, "operator": "Exists", "effect": "NoSchedule"}])
    assert helps("NodeUnschedulable", Event.OWN_TOLERATIONS, new, view(pod_of("p")), view(new)) is want


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param(None, {"foo": "bar"}, YES, id="added, wanted"),
        pytest.param(None, {}, NO, id="added, not wanted"),
        pytest.param({}, {"foo": "bar"}, YES, id="became wanted"),
        pytest.param({"foo": "bar"}, {"foo": "bar", "x": "y"}, NO, id="was wanted before"),
        pytest.param({"foo": "bar"}, {}, NO, id="no longer wanted"),
    ],
)
def test_node_affinity(helps, node_of, pod_of, old, new, want):
    before = None if old is None else seen(node_of("n", labels=old))
    event = Event.NODE_ADDED if old is None else Event.NODE_LABELS
    pod = pod_of("p", nodeSelector={"foo": "bar"})
    assert helps("NodeAffinity", event, pod, before, seen(node_of("n", labels=new))) is want


@pytest.mark.parametrize(
    ("used", "want"),
    [
        pytest.param([], NO, id="no ports"),
        pytest.param([("", 8080)], YES, id="the port"),
        pytest.param([("", 8081)], NO, id="another port"),
        pytest.param([("127.0.0.1", 8080)], YES, id="at one address"),
    ],
)
def test_node_ports(helps, pod_of, used, want):
    ports = [{"hostPort": port, "hostIP": ip} for ip, port in used]
    gone = placed(pod_of("q", node="n", container={"ports": ports}))
    pod = pod_of("p", container={"ports": [{"hostPort": 8080}]})
    assert helps("NodePorts", Event.POD_REMOVED, pod, gone) is want


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param(None, {"cpu": "2"}, YES, id="added, has room"),
        pytest.param(None, {"cpu": "500m"}, NO, id="added, too small"),
        pytest.param(None, {"cpu": "2", "pods": "0"}, NO, id="added, takes no pods"),
        pytest.param({"cpu": "500m"}, {"cpu": "2"}, YES, id="more of what it wants"),
        pytest.param({"cpu": "2", "memory": "1Gi"}, {"cpu": "2", "memory": "9Gi"}, NO, id="more of something else"),
        pytest.param({"cpu": "4"}, {"cpu": "2"}, NO, id="less"),
        pytest.param({"cpu": "2", "pods": "1"}, {"cpu": "2", "pods": "2"}, YES, id="more pods"),
    ],
)
def test_node_resources_fit_after_a_node_change(helps, node_of, pod_of, old, new, want):
    before = None if old is None else seen(node_of("n", **old))
    event = Event.NODE_ADDED if old is None else Event.NODE_ROOM
    assert helps("NodeResourcesFit", event, pod_of("p", cpu="1"), before, seen(node_of("n", **new))) is want


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param({"cpu": "2"}, {"cpu": "1"}, YES, id="what the pod wants"),
        pytest.param({"cpu": "2", "memory": "2Gi"}, {"cpu": "2", "memory": "1Gi"}, NO, id="something else"),
        pytest.param({"cpu": "1"}, {"cpu": "2"}, NO, id="more of it"),
    ],
)
def test_node_resources_fit_after_another_pod_shrank(helps, pod_of, old, new, want):
    before, after = placed(pod_of("q", node="n", **old)), placed(pod_of("q", node="n", **new))
    assert helps("NodeResourcesFit", Event.POD_SHRANK, pod_of("p", cpu="1"), before, after) is want


def spreading(pod_of, *keys: str, labels=None, **more) -> dict:
    selector = {"matchLabels": {"foo": ""}}
    rules = [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector, **more}
        for key in keys
    ]
    return pod_of("p", topologySpreadConstraints=rules, labels=labels)


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param(None, {"foo": ""}, YES, id="added, matches"),
        pytest.param(None, {"bar": ""}, NO, id="added, does not match"),
        pytest.param({"foo": ""}, None, YES, id="removed, matches"),
        pytest.param({"bar": ""}, None, NO, id="removed, does not match"),
        pytest.param({"foo": ""}, {"bar": ""}, YES, id="no longer matches"),
        pytest.param({"foo": ""}, {"foo": "", "bar": ""}, NO, id="matches still"),
    ],
)
@pytest.mark.parametrize("namespace", ["default", "other"])
def test_pod_topology_spread_after_a_pod_change(helps, pod_of, old, new, want, namespace):
    sides = [s and placed(pod_of("q", node="n", labels=s, namespace=namespace)) for s in (old, new)]
    event = Event.POD_ADDED if old is None else Event.POD_REMOVED if new is None else Event.POD_LABELS
    assert helps("PodTopologySpread", event, spreading(pod_of, ZONE), *sides) is (want and namespace == "default")


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param(None, {ZONE: "1", NODE: "a"}, YES, id="added with all keys"),
        pytest.param(None, {ZONE: "1"}, NO, id="added without a key"),
        pytest.param({ZONE: "1", NODE: "a"}, None, YES, id="removed with all keys"),
        pytest.param({ZONE: "1"}, None, NO, id="removed without a key"),
        pytest.param({ZONE: "1"}, {ZONE: "1", NODE: "a"}, YES, id="got the key"),
        pytest.param({ZONE: "1", NODE: "a"}, {ZONE: "1"}, YES, id="lost the key"),
        pytest.param({ZONE: "1", NODE: "a"}, {ZONE: "2", NODE: "a"}, YES, id="moved"),
        pytest.param({ZONE: "1", NODE: "a"}, {ZONE: "1", NODE: "a", "foo": "x"}, NO, id="another label"),
        pytest.param({ZONE: "1"}, {ZONE: "2"}, NO, id="moved, without all keys"),
    ],
)
def test_pod_topology_spread_after_a_node_change(helps, node_of, pod_of, old, new, want):
    sides = [None if s is None else seen(node_of("n", labels=s)) for s in (old, new)]
    event = Event.NODE_ADDED if old is None else Event.NODE_REMOVED if new is None else Event.NODE_LABELS
    assert helps("PodTopologySpread", event, spreading(pod_of, ZONE, NODE), *sides) is want


@pytest.mark.parametrize(("policy", "want"), [("Honor", YES), ("Ignore", NO)])
def test_pod_topology_spread_after_a_new_toleration(helps, pod_of, policy, want):
    pod = spreading(pod_of, ZONE, nodeTaintsPolicy=policy)
    new = {**pod, "spec": {**pod["spec"], "tolerations": [TOLERATION]}}
    assert helps("PodTopologySpread", Event.OWN_TOLERATIONS, new, view(pod), view(new)) is want


def company(kind: str, *keys: str) -> dict:
    selector = {"matchExpressions": [{"key": "service", "operator": "In", "values": ["securityscan"]}]}
    terms = [{"topologyKey": key, "labelSelector": selector} for key in keys]
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


SCAN = {"service": "securityscan"}


@pytest.mark.parametrize(
    ("affinity", "old", "new", "want"),
    [
        pytest.param(company("podAffinity", ZONE), None, SCAN, YES, id="the company it wants came"),
        pytest.param(company("podAffinity", ZONE), None, {}, NO, id="other company came"),
        pytest.param(company("podAffinity", ZONE), {}, SCAN, YES, id="became the company it wants"),
        pytest.param(company("podAffinity", ZONE), SCAN, {**SCAN, "a": "b"}, NO, id="was it before"),
        pytest.param(company("podAffinity", ZONE), SCAN, None, NO, id="the company it wants left"),
        pytest.param(company("podAntiAffinity", ZONE), SCAN, None, YES, id="whom it shuns left"),
        pytest.param(company("podAntiAffinity", ZONE), {}, None, NO, id="somebody else left"),
        pytest.param(company("podAntiAffinity", ZONE), SCAN, {}, YES, id="need not be shunned any more"),
        pytest.param(company("podAntiAffinity", ZONE), None, SCAN, NO, id="whom it shuns came"),
        pytest.param({}, None, SCAN, NO, id="it wants nobody"),
    ],
)
def test_inter_pod_affinity_after_a_pod_change(helps, pod_of, affinity, old, new, want):
    sides = [None if s is None else placed(pod_of("q", node="n", labels=s)) for s in (old, new)]
    event = Event.POD_ADDED if old is None else Event.POD_REMOVED if new is None else Event.POD_LABELS
    assert helps("InterPodAffinity", event, pod_of("p", affinity=affinity), *sides) is want


def test_inter_pod_affinity_after_one_left_who_shunned_it(helps, pod_of):
    gone = placed(pod_of("q", node="n", affinity=company("podAntiAffinity", ZONE)))
    assert helps("InterPodAffinity", Event.POD_REMOVED, pod_of("p", labels=SCAN), gone)
    assert not helps("InterPodAffinity", Event.POD_REMOVED, pod_of("p"), gone)


@pytest.mark.parametrize(
    ("affinity", "old", "new", "want"),
    [
        pytest.param(company("podAffinity", ZONE), None, {ZONE: "1"}, YES, id="added, somewhere"),
        pytest.param(company("podAffinity", ZONE), None, {NODE: "1"}, NO, id="added, nowhere"),
        pytest.param(company("podAntiAffinity", ZONE), None, {}, YES, id="added, to be alone"),
        pytest.param(company("podAffinity", ZONE), {}, {ZONE: "1"}, YES, id="got a place"),
        pytest.param(company("podAffinity", ZONE), {ZONE: "1"}, {ZONE: "2"}, YES, id="moved"),
        pytest.param(company("podAffinity", ZONE), {ZONE: "1"}, {}, NO, id="lost its place"),
        pytest.param(company("podAntiAffinity", ZONE), {ZONE: "1"}, {}, YES, id="lost its place, to be alone"),
        pytest.param(company("podAntiAffinity", ZONE), {ZONE: "1"}, {ZONE: "2"}, YES, id="moved, to be alone"),
        pytest.param(company("podAntiAffinity", ZONE), {}, {ZONE: "1"}, NO, id="got a place, to be alone"),
        pytest.param(company("podAffinity", ZONE, NODE), {ZONE: "1"}, {ZONE: "1", NODE: "a"}, YES, id="second term"),
        pytest.param(company("podAffinity", ZONE), {ZONE: "1"}, {ZONE: "1", NODE: "a"}, NO, id="another label"),
    ],
)
def test_inter_pod_affinity_after_a_node_change(helps, node_of, pod_of, affinity, old, new, want):
    sides = [None if s is None else seen(node_of("n", labels=s)) for s in (old, new)]
    event = Event.NODE_ADDED if old is None else Event.NODE_LABELS
    assert helps("InterPodAffinity", event, pod_of("p", affinity=affinity), *sides) is want


def using(name: str) -> dict:
    return {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": name}}]}


def an_object(name: str, namespace: str = "", **fields) -> dict:
    return {"metadata": {"name": name, "namespace": namespace}, **fields}


@pytest.mark.parametrize("plugin", ["VolumeBinding", "VolumeZone", "VolumeRestrictions", "NodeVolumeLimits"])
@pytest.mark.parametrize(
    ("name", "namespace", "want"), [("c", "default", YES), ("d", "default", NO), ("c", "other", NO)]
)
def test_claims(helps, pod_of, plugin, name, namespace, want):
    assert helps(plugin, Event.CLAIM_ADDED, pod_of("p", **using("c")), None, an_object(name, namespace)) is want


@pytest.mark.parametrize(
    ("theirs", "namespace", "want"), [("c", "default", YES), ("d", "default", NO), ("c", "other", NO)]
)
def test_volume_restrictions_after_a_pod_left(helps, pod_of, theirs, namespace, want):
    gone = placed(pod_of("q", node="n", namespace=namespace, **using(theirs)))
    assert helps("VolumeRestrictions", Event.POD_REMOVED, pod_of("p", **using("c")), gone) is want


@pytest.mark.parametrize(("volumes", "want"), [(using("x"), YES), ({}, NO)])
def test_node_volume_limits_after_a_pod_left(helps, pod_of, volumes, want):
    gone = placed(pod_of("q", node="n", **volumes))
    assert helps("NodeVolumeLimits", Event.POD_REMOVED, pod_of("p", **using("c")), gone) is want


@pytest.mark.parametrize(("before", "after", "want"), [(1, 2, YES), (2, 2, NO), (2, 1, NO), (None, 1, YES)])
def test_node_volume_limits_after_a_new_limit(helps, pod_of, before, after, want):
    def limit(count):
        allocatable = {} if count is None else {"allocatable": {"count": count}}
        return an_object("n", spec={"drivers": [{"name": "d", **allocatable}]})

    pod = pod_of("p", **using("c"))
    assert helps("NodeVolumeLimits", Event.CSINODE_CHANGED, pod, limit(before), limit(after)) is want


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param({}, {"allowedTopologies": [{"matchLabelExpressions": []}]}, YES, id="other places"),
        pytest.param({}, {"parameters": {"a": "b"}}, NO, id="something else"),
    ],
)
def test_volume_binding_after_a_class_change(helps, pod_of, old, new, want):
    sides = an_object("c", **old), an_object("c", **new)
    assert helps("VolumeBinding", Event.CLASS_CHANGED, pod_of("p"), *sides) is want


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param({"capacity": "1Gi"}, {"capacity": "2Gi"}, YES, id="more room"),
        pytest.param({"capacity": "2Gi"}, {"capacity": "1Gi"}, NO, id="less"),
        pytest.param({}, {"capacity": "1Gi"}, YES, id="room where none was told of"),
        pytest.param({"capacity": "1Gi"}, {"capacity": "9Gi", "maximumVolumeSize": "1Gi"}, NO, id="no larger volume"),
    ],
)
def test_volume_binding_after_room_for_volumes_changed(helps, pod_of, old, new, want):
    sides = an_object("c", **old), an_object("c", **new)
    assert helps("VolumeBinding", Event.STORAGE_ROOM_CHANGED, pod_of("p"), *sides) is want


@pytest.mark.parametrize(
    ("driver", "tells", "want"), [("d", False, YES), ("d", True, NO), ("other", False, NO), ("", False, NO)]
)
def test_volume_binding_after_a_driver_no_longer_tells_its_room(helps, pod_of, driver, tells, want):
    """isSchedulableAfterCSIDriverChange looks at inline volumes only."""
    sides = [an_object("d", spec={"storageCapacity": told}) for told in (True, tells)]
    volumes = [{"name": "v", "csi": {"driver": driver}}] if driver else []
    assert helps("VolumeBinding", Event.CSIDRIVER_CHANGED, pod_of("p", volumes=volumes), *sides) is want


@pytest.mark.parametrize(("spec", "want"), [(using("c"), YES), ({}, NO)])
def test_node_volume_limits_after_a_volume_was_detached(helps, pod_of, spec, want):
    gone = an_object("a", spec={"attacher": "d", "nodeName": "n"})
    assert helps("NodeVolumeLimits", Event.ATTACHMENT_REMOVED, pod_of("p", **spec), gone) is want


def test_node_declared_features_after_a_node_declares_more(helps, node_of, pod_of):
    able = node_of("n")
    able["status"]["declaredFeatures"] = ["UserNamespacesHostNetworkSupport"]
    sides = seen(node_of("n")), seen(able)
    pod = pod_of("p", hostNetwork=True, hostUsers=False)
    assert helps("NodeDeclaredFeatures", Event.NODE_FEATURES, pod, *sides)
    assert not helps("NodeDeclaredFeatures", Event.NODE_FEATURES, pod, sides[1], sides[1])


@pytest.mark.parametrize(("users", "want"), [(True, YES), (False, NO)])
def test_node_declared_features_after_the_pod_needs_less(helps, pod_of, users, want):
    old, new = (view(pod_of("p", hostNetwork=True, hostUsers=told)) for told in (False, users))
    assert helps("NodeDeclaredFeatures", Event.OWN_CHANGED, pod_of("p"), old, new) is want


@pytest.mark.parametrize(("mode", "want"), [("WaitForFirstConsumer", YES), ("Immediate", NO), (None, NO)])
def test_volume_zone_after_a_new_class(helps, pod_of, mode, want):
    assert helps("VolumeZone", Event.CLASS_ADDED, pod_of("p"), None, an_object("c", volumeBindingMode=mode)) is want


@pytest.mark.parametrize(("key", "want"), [("topology.kubernetes.io/zone", YES), ("other", NO)])
def test_volume_zone_after_a_volume_moved(helps, pod_of, key, want):
    sides = [{"metadata": {"name": "v", "labels": {key: value}}} for value in ("a", "b")]
    assert helps("VolumeZone", Event.VOLUME_CHANGED, pod_of("p"), *sides) is want


EVENTS = {
    "DefaultBinder": "",
    "DefaultPreemption": "",
    "DynamicResources": "NODE_ADDED NODE_LABELS NODE_ROOM RESOURCE_CLAIM_ADDED RESOURCE_CLAIM_CHANGED "
    "RESOURCE_CLAIM_REMOVED OWN_CLAIMS DEVICE_CLASS_ADDED DEVICE_CLASS_CHANGED SLICE_ADDED SLICE_CHANGED",
    "ImageLocality": "",
    "InterPodAffinity": "POD_ADDED POD_REMOVED POD_LABELS OWN_LABELS NODE_ADDED NODE_LABELS",
    "NodeAffinity": "NODE_ADDED NODE_LABELS",
    "NodeName": "NODE_ADDED",
    "NodePorts": "POD_REMOVED NODE_ADDED",
    "NodeResourcesBalancedAllocation": "",
    "NodeResourcesFit": "POD_REMOVED POD_SHRANK OWN_SHRANK NODE_ADDED NODE_ROOM "
    "DEVICE_CLASS_ADDED DEVICE_CLASS_CHANGED",
    "NodeUnschedulable": "NODE_ADDED NODE_TAINTS OWN_TOLERATIONS",
    "NodeDeclaredFeatures": "NODE_ADDED NODE_FEATURES OWN_CHANGED",
    "NodeVolumeLimits": "CSINODE_ADDED CSINODE_CHANGED POD_REMOVED CLAIM_ADDED ATTACHMENT_REMOVED",
    "PodTopologySpread": "POD_ADDED POD_REMOVED POD_LABELS OWN_LABELS OWN_TOLERATIONS NODE_ADDED NODE_REMOVED "
    "NODE_LABELS NODE_TAINTS",
    "PrioritySort": "",
    "SchedulingGates": "OWN_GATES",
    "TaintToleration": "NODE_ADDED NODE_TAINTS OWN_TOLERATIONS",
    "VolumeBinding": "CLASS_ADDED CLASS_CHANGED CLAIM_ADDED CLAIM_CHANGED VOLUME_ADDED VOLUME_CHANGED NODE_ADDED "
    "NODE_LABELS CSINODE_ADDED CSINODE_CHANGED CSIDRIVER_CHANGED STORAGE_ROOM_ADDED STORAGE_ROOM_CHANGED",
    "VolumeRestrictions": "POD_REMOVED NODE_ADDED CLAIM_ADDED",
    "VolumeZone": "CLASS_ADDED NODE_ADDED NODE_LABELS CLAIM_ADDED CLAIM_CHANGED VOLUME_ADDED VOLUME_CHANGED",
}
"""By plugin, what `EventsToRegister` of the reference lists, of the kinds that are looked at."""


@pytest.mark.parametrize("plugin", EVENTS)
def test_events_are_the_references(plugin):
    assert {event.name for event in PLUGINS[plugin].retry_on} == set(EVENTS[plugin].split())
