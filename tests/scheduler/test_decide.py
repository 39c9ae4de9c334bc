"""Which nodes fit, which is best, and in which words a refusal is told (the reference's)."""

import pytest

from umiak.scheduler.decide import Placement, wanted_count

ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"


def test_no_nodes_at_all(world, pod_of):
    found = world.decide(pod_of("p"))
    assert found.message == "no nodes available to schedule pods"


def test_the_emptier_node_is_better(world, node_of, pod_of):
    world.add_nodes(node_of("a"), node_of("b"))
    world.add_pods(pod_of("x", node="a", cpu="2", memory="4Gi"))
    found = world.decide(pod_of("p", cpu="1", memory="1Gi"))
    assert isinstance(found, Placement)
    assert (found.node.name, sorted(found.feasible)) == ("b", ["a", "b"])


def test_reasons_are_counted_and_sorted(world, node_of, pod_of):
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    world.add_nodes(
        node_of("small", cpu="100m"), node_of("tainted", taints=[taint]), node_of("off", unschedulable=True)
    )
    assert world.why_not(pod_of("p", cpu="1")) == (
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable."
    )


def test_one_node_may_lack_several_things(world, node_of, pod_of):
    world.add_nodes(node_of("a", cpu="100m", memory="1Mi", pods="0"))
    assert world.why_not(pod_of("p", cpu="1", memory="1Gi")) == (
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods."
    )


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        pytest.param({"nodeSelector": {"disk": "ssd"}}, ["a"], id="selector"),
        pytest.param({"nodeSelector": {"disk": "none"}}, [], id="selector matches nothing"),
        pytest.param({"tolerations": [{"operator": "Exists"}]}, ["a", "b", "c"], id="tolerates all"),
        pytest.param({"tolerations": [{"key": "k", "value": "v"}]}, ["a", "b", "c"], id="tolerates that one"),
        pytest.param({"tolerations": [{"key": "k", "value": "w"}]}, ["a", "b"], id="tolerates another"),
        pytest.param({"nodeName": "b"}, ["b"], id="node by name"),
    ],
)
def test_node_rules(world, node_of, pod_of, spec, fits):
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    world.add_nodes(node_of("a", labels={"disk": "ssd"}), node_of("b"), node_of("c", taints=[taint]))
    assert world.feasible(pod_of("p", **spec)) == fits


def required(*expressions, fields=()):
    term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
    node_affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": node_affinity}}


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "n", "operator": "In", "values": ["1", "2"]}, ["a", "b"]),
        ({"key": "n", "operator": "NotIn", "values": ["1"]}, ["b", "c"]),
        ({"key": "n", "operator": "Exists"}, ["a", "b"]),
        ({"key": "n", "operator": "DoesNotExist"}, ["c"]),
        ({"key": "n", "operator": "Gt", "values": ["1"]}, ["b"]),
        ({"key": "n", "operator": "Lt", "values": ["2"]}, ["a"]),
    ],
)
def test_node_affinity_operators(world, node_of, pod_of, expression, fits):
    world.add_nodes(node_of("a", labels={"n": "1"}), node_of("b", labels={"n": "2"}), node_of("c"))
    assert world.feasible(pod_of("p", **required(expression))) == fits


def test_affinity_to_a_node_by_name_looks_at_no_other(world, node_of, pod_of):
    world.add_nodes(node_of("a"), node_of("b"))
    field = {"key": "metadata.name", "operator": "In", "values": ["b"]}
    assert world.feasible(pod_of("p", **required(fields=[field]))) == ["b"]


def test_host_ports_clash(world, node_of, pod_of):
    world.add_nodes(node_of("a"), node_of("b"))
    port = {"container": {"ports": [{"containerPort": 80, "hostPort": 80}]}}
    world.add_pods(pod_of("x", node="a", **port))
    assert world.feasible(pod_of("p", **port)) == ["b"]


def apart(key=HOST, app="web"):
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def near(key=HOST, app="web"):
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def test_pods_that_want_to_be_apart(world, node_of, pod_of):
    world.add_nodes(node_of("a"), node_of("b"))
    world.add_pods(pod_of("x", node="a", labels={"app": "web"}))
    assert world.feasible(pod_of("p", labels={"app": "web"}, **apart())) == ["b"]


def test_a_placed_pod_keeps_newcomers_away(world, node_of, pod_of):
    world.add_nodes(
        node_of("a", labels={ZONE: "1"}), node_of("b", labels={ZONE: "1"}), node_of("c", labels={ZONE: "2"})
    )
    world.add_pods(pod_of("x", node="a", **apart(ZONE)))
    assert world.feasible(pod_of("p", labels={"app": "web"})) == ["c"]
    assert world.feasible(pod_of("q", labels={"app": "other"})) == ["a", "b", "c"]


def test_pods_that_want_to_be_near(world, node_of, pod_of):
    world.add_nodes(node_of("a"), node_of("b"))
    assert world.why_not(pod_of("p", **near())) == "0/2 nodes are available: 2 node(s) didn't match pod affinity rules."
    world.add_pods(pod_of("x", node="b", labels={"app": "web"}))
    assert world.feasible(pod_of("p", **near())) == ["b"]


def test_the_first_of_a_group_that_wants_to_be_near_itself(world, node_of, pod_of):
    world.add_nodes(node_of("a"), node_of("b"))
    assert world.feasible(pod_of("p", labels={"app": "web"}, **near())) == ["a", "b"]


def spread(skew=1, key=ZONE, hard=True, **more):
    rule = {"maxSkew": skew, "topologyKey": key, "labelSelector": {"matchLabels": {"app": "web"}}, **more}
    rule["whenUnsatisfiable"] = "DoNotSchedule" if hard else "ScheduleAnyway"
    return {"topologySpreadConstraints": [rule], "labels": {"app": "web"}}


def test_spreading_keeps_zones_even(world, node_of, pod_of):
    world.add_nodes(node_of("a", labels={ZONE: "1"}), node_of("b", labels={ZONE: "2"}), node_of("c"))
    world.add_pods(pod_of("x", node="a", labels={"app": "web"}))
    assert world.feasible(pod_of("p", **spread())) == ["b"]
    assert world.feasible(pod_of("p", **spread(skew=2))) == ["a", "b"]
    assert world.feasible(pod_of("p", **spread(hard=False))) == ["a", "b", "c"]


def test_soft_spreading_prefers_the_emptier_zone(world, node_of, pod_of):
    world.add_nodes(*(node_of(n, labels={ZONE: n[0]}) for n in ("a1", "a2", "b1")))
    world.add_pods(*(pod_of(f"x{i}", node="a1", labels={"app": "web"}) for i in range(3)))
    found = world.decide(pod_of("p", **spread(hard=False)))
    assert found.node.name == "b1"


def test_nodes_that_were_not_named_are_told_of(world, node_of, pod_of):
    """FitError: nodes that no plugin looked at get the status of NodeToStatus' absent nodes."""
    named = {"key": "metadata.name", "operator": "In", "values": ["a"]}
    world.add_nodes(node_of("a", cpu="100m"), node_of("b"), node_of("c"))
    assert world.why_not(pod_of("p", cpu="1", **required(fields=[named]))) == (
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        pytest.param({"hostNetwork": True, "hostUsers": False}, ["able"], id="user namespace on the host's network"),
        pytest.param({"hostNetwork": True}, ["able", "old"], id="host's network"),
        pytest.param(
            {"container": {"restartPolicyRules": [{"action": "RestartAllContainers"}]}}, [], id="restarts all"
        ),
        pytest.param(
            {"container": {"volumeMounts": [{"name": "v", "bindMountOptions": ["nodev"]}]}}, [], id="mount options"
        ),
    ],
)
def test_features_that_nodes_declare(world, node_of, pod_of, spec, fits):
    """Upstream: plugins/nodedeclaredfeatures/nodedeclaredfeatures_test.go."""
    able = node_of("able")
    able["status"]["declaredFeatures"] = ["UserNamespacesHostNetworkSupport"]
    world.add_nodes(able, node_of("old"))
    assert world.feasible(pod_of("p", **spec)) == fits


@pytest.mark.parametrize(("selector", "fits"), [({}, ["a", "b"]), ({"matchLabels": {"app": "x"}}, ["b"])])
def test_an_empty_selector_spreads_nothing(world, node_of, pod_of, selector, fits):
    """countPodsMatchSelector (plugins/podtopologyspread/common.go) counts no pods for an empty selector."""
    constraint = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}
    world.add_nodes(node_of("a"), node_of("b"))
    world.add_pods(pod_of("x", node="a", labels={"app": "x"}))
    newcomer = pod_of("p", labels={"app": "x"}, topologySpreadConstraints=[constraint])
    assert world.feasible(newcomer) == fits


def test_an_empty_label_is_a_topology_and_a_missing_one_is_not(world, node_of, pod_of):
    """Upstream: satisfyPodAntiAffinity (plugins/interpodaffinity/filtering.go)."""
    term = {"topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "x"}}}
    spec = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}
    world.add_nodes(node_of("a", labels={"rack": ""}), node_of("b", labels={"rack": ""}), node_of("none"))
    world.add_pods(pod_of("x", node="a", labels={"app": "x"}))
    assert world.feasible(pod_of("p", **spec)) == ["none"]


@pytest.mark.parametrize(("nodes", "enough"), [(50, 50), (100, 100), (1000, 420), (5000, 500), (10000, 500)])
def test_large_clusters_are_sampled(nodes, enough):
    assert wanted_count(nodes) == enough


def test_a_missing_claim_is_named(world, node_of, pod_of):
    world.add_nodes(node_of("a"))
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "gone"}}
    why = world.why_not(pod_of("p", volumes=[volume]))
    assert why == '0/1 nodes are available: persistentvolumeclaim "gone" not found.'


def test_init_containers_count_at_their_peak(pod_of):
    from umiak.scheduler.requests import requested

    def container(cpu, **more):
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [container("100m"), container("200m")],
        "initContainers": [container("1"), container("50m", restartPolicy="Always"), container("500m")],
        "overhead": {"cpu": "10m"},
    }
    assert requested(spec) == {"cpu": 1010}


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({"container": {"image": "big"}}, {"a": 24, "b": 0, "c": 24}, id="on two of three nodes"),
        pytest.param({"container": {"image": "small:1"}}, {"a": 0, "b": 0, "c": 0}, id="too small to matter"),
        pytest.param(
            {"volumes": [{"name": "v", "image": {"reference": "big"}}]}, {"a": 12, "b": 0, "c": 12}, id="image volume"
        ),
    ],
)
def test_images(world, node_of, pod_of, spec, want):
    """Upstream: plugins/imagelocality/image_locality_test.go. The first node's size of an image goes for all."""
    for name, size in (("a", 400), ("b", 0), ("c", 1)):
        node = node_of(name)
        held = [{"names": ["big:latest"], "sizeBytes": size * 1024 * 1024}] if size else []
        node["status"]["images"] = [*held, {"names": ["small:1"], "sizeBytes": 1024}]
        world.add_nodes(node)
    plugin = next(p for p in world.plugins if p.name == "ImageLocality")
    cycle = world.cycle(pod_of("p", **spec))
    plugin.prescore(cycle, list(world.nodes.values()))
    assert {name: plugin.score(cycle, node) for name, node in world.nodes.items()} == want
