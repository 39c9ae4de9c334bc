"""Admission plugins that are on only when they are named (kube-apiserver's `plugin/pkg/admission`)."""

import random

import pytest
from msgspec.structs import force_setattr

from umiak.api import registry
from umiak.api.configuration import Unacceptable
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects.errors import StatusError
from umiak.server.admission.optional import event_rate_limit, image_policy_webhook, pod_node_selector
from umiak.server.admission.optional.event_rate_limit import Bucket
from umiak.server.admission.optional.image_policy_webhook import lifetime
from umiak.server.admission.optional.pod_toleration_restriction import covers, merged
from umiak.server.contract import Means
from umiak.testing.clock import VirtualClock


def pod(image="i", name="p", **spec):
    containers = [{"name": "c", "image": image, "imagePullPolicy": "IfNotPresent"}]
    return {"metadata": {"name": name, "namespace": "n"}, "spec": {"containers": containers, **spec}}


async def a_namespace(gate, **annotations):
    about = {key.replace("__", "/").replace("_", "-"): value for key, value in annotations.items()}
    await gate.add(NAMESPACE, {"metadata": {"name": "n", "annotations": about}})


async def test_images_are_pulled_anew(gate):
    volumes = [{"name": "v", "image": {"reference": "r"}}, {"name": "e", "emptyDir": {}}]
    new = await gate("AlwaysPullImages", "pods", pod(volumes=volumes))
    assert new["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert new["spec"]["volumes"][0]["image"]["pullPolicy"] == "Always"
    same = await gate("AlwaysPullImages", "pods", pod(), pod())
    assert same["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def service(*ips):
    return {"metadata": {"name": "s", "namespace": "n"}, "spec": {"externalIPs": list(ips)}}


async def test_services_get_no_new_external_addresses(gate):
    await gate("DenyServiceExternalIPs", "services", service())
    await gate("DenyServiceExternalIPs", "services", service("1.1.1.1"), service("1.1.1.1", "2.2.2.2"))
    why = await gate.refused("DenyServiceExternalIPs", "services", service("1.1.1.1"))
    assert why == 'services "s" is forbidden: Use of external IPs is denied by admission control'


async def test_pods_do_not_keep_others_off_a_zone(gate):
    def affine(key):
        term = {"topologyKey": key}
        return pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})

    await gate("LimitPodHardAntiAffinityTopology", "pods", affine("kubernetes.io/hostname"))
    why = await gate.refused("LimitPodHardAntiAffinityTopology", "pods", affine("zone"))
    assert why.endswith("has TopologyKey zone but only key kubernetes.io/hostname is allowed")


async def test_devices_are_tolerated(gate):
    spec = {"containers": [{"name": "c", "resources": {"requests": {"example.com/gpu": "1", "cpu": "1"}}}]}
    own = {"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule", "value": ""}
    for before in ([], [own]):
        new = {"metadata": {"name": "p", "namespace": "n"}, "spec": {**spec, "tolerations": before}}
        await gate("ExtendedResourceToleration", "pods", new)
        assert new["spec"]["tolerations"] == [{"key": "example.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


async def test_namespaces(gate):
    assert await gate.refused("NamespaceExists", "pods", pod()) == 'namespaces "n" not found'
    await gate("NamespaceAutoProvision", "pods", pod(), dry_run=True)
    assert await gate.around.objects.find(NAMESPACE, "", "n") is None
    for _ in range(2):
        await gate("NamespaceAutoProvision", "pods", pod())
    await gate("NamespaceExists", "pods", pod())
    assert (await gate.around.objects.get(NAMESPACE, "", "n"))["spec"] == {"finalizers": ["kubernetes"]}


async def test_nothing_at_all(gate):
    why = await gate.refused("AlwaysDeny", "pods", pod())
    assert why == 'pods "p" is forbidden: admission control is denying all modifications'
    await gate("AlwaysAdmit", "pods", pod())


# Owners


def owned(block=None, kind="Pod", uid="u", version="v1"):
    ref = {"apiVersion": version, "kind": kind, "name": "o", "uid": uid}
    if block is not None:
        ref["blockOwnerDeletion"] = block
    return {"metadata": {"name": "c", "namespace": "n", "ownerReferences": [ref]}}


BARE = {"metadata": {"name": "c", "namespace": "n"}}
OWNERS = "OwnerReferencesPermissionEnforcement"


@pytest.fixture
def owners(gate):
    force_setattr(gate.around, "kinds", registry.kinds)
    return gate


async def test_owners_of_new_objects(owners):
    await owners(OWNERS, "configmaps", owned())
    why = await owners.refused(OWNERS, "configmaps", owned(block=True))
    told = "if an ownerReference refers to a resource you can't set finalizers on: , <nil>"
    assert why == f'configmaps "c" is forbidden: cannot set blockOwnerDeletion {told}'
    owners.leaves.given.add(("update", "pods", "o"))
    await owners(OWNERS, "configmaps", owned(block=True))
    why = await owners.refused(OWNERS, "configmaps", owned(block=True, kind="Foo"))
    assert why.endswith('cannot find RESTMapping for APIVersion v1 Kind Foo: no matches for kind "Foo" in version "v1"')
    owners.leaves.given.add(("update", "*", "*"))
    await owners(OWNERS, "configmaps", owned(block=True, kind="Foo"))


async def test_owners_of_objects_there_are(owners):
    why = await owners.refused(OWNERS, "configmaps", owned(), BARE)
    assert why == 'configmaps "c" is forbidden: cannot set an ownerRef on a resource you can\'t delete: , <nil>'
    owners.leaves.given.add(("delete", "configmaps", "c"))
    await owners(OWNERS, "configmaps", owned(), BARE)
    await owners(OWNERS, "configmaps", owned(block=True), owned(block=True))
    assert "can't set finalizers" in await owners.refused(OWNERS, "configmaps", owned(block=True), owned())


# Node selectors

SELECTORS = b"podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: zone=z, 'n': 'zone=z,disk=ssd'}"


@pytest.mark.parametrize(
    ("annotation", "own", "wanted"),
    [
        (None, {}, {"zone": "z"}),
        (None, {"disk": "ssd"}, {"zone": "z", "disk": "ssd"}),
        (None, {"zone": "y"}, "pod node label selector conflicts with its namespace node label selector"),
        (None, {"disk": "hdd"}, "pod node label selector labels conflict with its namespace whitelist"),
        ("disk=ssd", {}, {"disk": "ssd"}),
        ("", {}, None),
        ("nonsense", {}, "invalid selector: [nonsense]"),
    ],
)
async def test_node_selectors(gate, annotation, own, wanted):
    plugin = pod_node_selector.configure(SELECTORS, Means(VirtualClock(), random.Random(1)))
    await a_namespace(
        gate, **({} if annotation is None else {"scheduler.alpha.kubernetes.io__node_selector": annotation})
    )
    new = pod(nodeSelector=own) if own else pod()
    if isinstance(wanted, str):
        assert (await gate.refused(plugin, "pods", new)).endswith(wanted)
    else:
        assert (await gate(plugin, "pods", new))["spec"].get("nodeSelector") == wanted


# Tolerations


def exists(key="", effect="", seconds=None):
    found = {"operator": "Exists", "key": key, "effect": effect, "tolerationSeconds": seconds}
    return {name: value for name, value in found.items() if value not in ("", None)}


def equals(key, value, effect=""):
    found = {"operator": "Equal", "key": key, "value": value, "effect": effect}
    return {name: text for name, text in found.items() if text}


@pytest.mark.parametrize(
    ("wide", "narrow", "wanted"),
    [
        (exists(), exists("k"), True),
        (exists("k"), equals("k", "v", "NoSchedule"), True),
        (exists("k", "NoExecute"), exists("k"), False),
        (exists("k", "NoExecute", 5), exists("k", "NoExecute"), False),
        (exists("k", "NoExecute", 5), exists("k", "NoExecute", 4), True),
        (equals("k", "v"), equals("k", "w"), False),
        (equals("k", "v"), exists("k"), False),
        (exists("j"), exists("k"), False),
    ],
)
def test_one_toleration_covers_another(wide, narrow, wanted):
    """`isSuperset` in `pkg/util/tolerations`."""
    assert covers(wide, narrow) == wanted


def test_needless_tolerations_go():
    assert merged([equals("k", "v")], [exists("k"), exists("j")]) == [exists("k"), exists("j")]


async def test_tolerations_of_a_namespace(gate):
    given = {
        "scheduler.alpha.kubernetes.io__defaultTolerations": '[{"operator": "Exists", "key": "k"}]',
        "scheduler.alpha.kubernetes.io__tolerationsWhitelist": '[{"operator": "Exists", "key": "k"}]',
    }
    await gate.add(
        NAMESPACE, {"metadata": {"name": "n", "annotations": {key.replace("__", "/"): v for key, v in given.items()}}}
    )
    new = await gate("PodTolerationRestriction", "pods", pod())
    assert new["spec"]["tolerations"] == [exists("k")]
    with pytest.raises(StatusError) as caught:
        await gate("PodTolerationRestriction", "pods", pod(tolerations=[exists("j")]))
    assert (caught.value.code, caught.value.message) == (
        500,
        "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist",
    )


# Rates of events


def event(number, about="o"):
    return {"metadata": {"name": f"e{number}", "namespace": "n"}, "involvedObject": {"kind": "Pod", "name": about}}


def limits(*described):
    head = '{"apiVersion": "eventratelimit.admission.k8s.io/v1alpha1", "kind": "Configuration", "limits": ['
    return (head + ", ".join(described) + "]}").encode()


async def test_rates_of_events(gate):
    clock = VirtualClock()
    data = limits('{"type": "Namespace", "qps": 1, "burst": 2}', '{"type": "User", "qps": 1, "burst": 2}')
    plugin = event_rate_limit.configure(data, Means(clock, random.Random(1)))
    for number in range(2):
        await gate(plugin, "events", event(number))
    with pytest.raises(StatusError) as caught:
        await gate(plugin, "events", event(2))
    told = "[limit reached on type Namespace for key n, limit reached on type User for key ada]"
    assert (caught.value.code, caught.value.message) == (429, f"Too many requests: {told}")
    await gate(plugin, "events", event(2), dry_run=True)
    await gate(plugin, "events", event(2), group="events.k8s.io")
    await clock.advance(1)
    await gate(plugin, "events", event(2))


async def test_only_so_many_keys_are_remembered(gate):
    data = limits('{"type": "SourceAndObject", "qps": 1, "burst": 1, "cacheSize": 1}')
    plugin = event_rate_limit.configure(data, Means(VirtualClock(), random.Random(1)))
    for about in ("a", "b", "a", "b"):
        await gate(plugin, "events", event(0, about))


def test_a_bucket_fills_up_to_its_brim():
    bucket = Bucket(2, 0)
    taken = [bucket.take(at, 1, 2) for at in (0, 0, 0, 0.5, 1, 1, 100, 100, 100)]
    assert taken == [True, True, False, False, True, False, True, True, False]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "limits: Invalid value: null: must not be empty"),
        (limits('{"type": "Server"}'), "limits[0].burst: Invalid value: 0: must be positive"),
        (limits('{"type": "Foo", "qps": 1, "burst": 1}'), 'limits[0].type: Unsupported value: "Foo"'),
        (
            limits('{"type": "User", "qps": 1, "burst": 1, "cacheSize": -1}'),
            "limits[0].cacheSize: Invalid value: -1: must not be negative",
        ),
        (b"{}", "Object 'Kind' is missing in '{}'"),
    ],
)
def test_faults_of_limits(data, why):
    with pytest.raises(Unacceptable) as caught:
        event_rate_limit.configure(data, Means(VirtualClock(), random.Random(1)))
    assert why in str(caught.value)


# Images


def test_how_long_answers_about_images_are_kept():
    assert [lifetime(told, 1, 1800, 300) for told in (0, -1, 50)] == [300, 0, 50]
    with pytest.raises(Unacceptable, match="valid value is between 1s and 30m0s, got 1h0m0s"):
        lifetime(3600, 1, 1800, 300)


def test_images_need_somebody_to_ask():
    with pytest.raises(Unacceptable, match="no config specified"):
        image_policy_webhook.configure(b"", Means(VirtualClock(), random.Random(1)))
