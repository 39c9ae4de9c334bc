"""Errors are those that kube-scheduler 1.37.1 printed for the same files (`kube-scheduler --config F`)."""

import pytest

from umiak.api.configuration import Unacceptable
from umiak.scheduler.configuration.reading import Configuration, load

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
LABEL = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
PROFILE = "initializing profiles: creating profile for scheduler name default-scheduler: "


def read(text: str) -> Configuration:
    return load((HEAD + text).encode())


def plugin(name: str, args: str) -> str:
    return f"profiles: [{{pluginConfig: [{{name: {name}, args: {args}}}]}}]"


WRONG = {
    "unknown fields": (
        "profile: 3\nprofiles: [{schedulerName: a, bla: 3, pluginConfig: [{name: NodeResourcesFit, args: {foo: 1}}]}]",
        'strict decoding error: unknown field "profile", unknown field "profiles[0].bla", decoding '
        ".profiles[0].pluginConfig[0]: strict decoding error: decoding args for plugin NodeResourcesFit: strict "
        'decoding error: unknown field "foo"',
    ),
    "arguments of another plugin": (
        plugin("NodeResourcesFit", "{kind: InterPodAffinityArgs, apiVersion: kubescheduler.config.k8s.io/v1}"),
        "decoding .profiles[0].pluginConfig[0]: args for plugin NodeResourcesFit were not of type "
        "NodeResourcesFitArgs.kubescheduler.config.k8s.io, got InterPodAffinityArgs.kubescheduler.config.k8s.io",
    ),
    "many at once": (
        """
parallelism: 0
podInitialBackoffSeconds: 0
podMaxBackoffSeconds: -1
percentageOfNodesToScore: 101
profiles:
- schedulerName: a
  percentageOfNodesToScore: -1
  pluginConfig:
  - {name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}
  - {name: InterPodAffinity}
  - name: PodTopologySpread
    args: {defaultingType: X, defaultConstraints: [{maxSkew: 0, whenUnsatisfiable: YY}]}
- pluginConfig:
  - {name: DefaultPreemption, args: {minCandidateNodesPercentage: -1, minCandidateNodesAbsolute: -1}}
  - {name: VolumeBinding, args: {bindTimeoutSeconds: -1, shape: [{utilization: 1, score: 11}]}}
  - {name: DynamicResources, args: {filterTimeout: -1s, bindingTimeout: 1ms}}
- schedulerName: a
  pluginConfig:
  - {name: NodeResourcesBalancedAllocation, args: {resources: [{name: cpu, weight: 2}, {name: cpu, weight: 1}]}}
extenders:
- {prioritizeVerb: p, bindVerb: b, managedResources: [{name: foo}, {name: a.com/b}]}
- {bindVerb: b, managedResources: [{name: a.com/b}]}
""",
        "[parallelism: Invalid value: 0: should be an integer value greater than zero, "
        "profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100], "
        "profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100], "
        'profiles[0].pluginConfig[1]: Duplicate value: "InterPodAffinity", '
        'profiles[0].pluginConfig[2].args.defaultingType: Unsupported value: "X": supported values: "System", "List", '
        "profiles[0].pluginConfig[2].args.defaultConstraints[0].maxSkew: Invalid value: 0: not in valid range (0, inf)"
        ", "
        "profiles[0].pluginConfig[2].args.defaultConstraints[0].topologyKey: Required value: can not be empty, "
        "profiles[0].pluginConfig[2].args.defaultConstraints[0].whenUnsatisfiable: Unsupported value: "
        '"YY": supported values: "DoNotSchedule", "ScheduleAnyway", '
        "profiles[1].schedulerName: Required value, "
        "profiles[1].pluginConfig[0].args.minCandidateNodesPercentage: Invalid value: -1: not in valid range [0, 100], "
        "profiles[1].pluginConfig[0].args.minCandidateNodesAbsolute: Invalid value: -1: not in valid range [0, inf), "
        "profiles[1].pluginConfig[1].args.bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, should "
        "not be a negative value, "
        "profiles[1].pluginConfig[1].args.shape[0].score: Invalid value: 11: not in valid range [0, 10], "
        'profiles[1].pluginConfig[2].args.filterTimeout: Invalid value: "-1s": must be zero or positive, '
        'profiles[1].pluginConfig[2].args.bindingTimeout: Invalid value: "1ms": must be at least 1 second, '
        "profiles[2].pluginConfig[0].args.resources[0].weight: Invalid value: 2: must be 1, "
        'profiles[2].pluginConfig[0].args.resources[1].name: Duplicate value: "cpu", '
        "profiles[2].schedulerName: Duplicate value: {}, "
        "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100], "
        "podInitialBackoffSeconds: Invalid value: 0: must be greater than 0, "
        "podMaxBackoffSeconds: Invalid value: -1: must be greater than or equal to PodInitialBackoffSeconds, "
        "extenders[0].weight: Invalid value: 0: must have a positive weight applied to it, "
        'extenders[0].managedResources[0].name: Invalid value: "foo": is an invalid extended resource name, '
        'extenders[1].managedResources[0].name: Invalid value: "a.com/b": duplicate extender managed resource name, '
        'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind]',
    ),
    "a point that is not the plugin's": (
        "profiles:\n- plugins: {score: {enabled: [{name: NodeName}]}}",
        PROFILE + 'plugin "NodeName" does not extend ScorePlugin plugin',
    ),
    "no such plugin at a point": (
        "profiles:\n- plugins: {score: {enabled: [{name: Foo}]}}",
        PROFILE + 'ScorePlugin "Foo" does not exist',
    ),
    "no such plugin anywhere": (
        "profiles:\n- plugins: {multiPoint: {enabled: [{name: Foo}]}}",
        PROFILE + 'PreFilterPlugin "Foo" does not exist',
    ),
    "nobody binds": (
        'profiles:\n- plugins: {bind: {disabled: [{name: "*"}]}}',
        PROFILE + 'at least one bind plugin is needed for profile with scheduler name "default-scheduler"',
    ),
    "nobody sorts": (
        'profiles:\n- plugins: {queueSort: {disabled: [{name: "*"}]}}',
        PROFILE + 'only one queue sort plugin required for profile with scheduler name "default-scheduler", but got 0',
    ),
    "twice at a point": (
        "profiles:\n- plugins: {score: {enabled: [{name: NodeAffinity}, {name: NodeAffinity}]}}",
        PROFILE + 'plugin "NodeAffinity" already registered as "ScorePlugin"',
    ),
    "twice everywhere": (
        "profiles:\n- plugins: {multiPoint: {enabled: [{name: NodeAffinity}, {name: NodeAffinity}]}}",
        PROFILE + 'plugin "NodeAffinity" already registered as "PreFilterPlugin"',
    ),
    "a plugin of old": (
        "profiles:\n- plugins: {filter: {enabled: [{name: EBSLimits}]}}",
        'profiles[0].plugins.filter.enabled[0]: Invalid value: "EBSLimits": was invalid in version "v1" '
        '(KubeSchedulerConfiguration is version "kubescheduler.config.k8s.io/v1")',
    ),
    "two that sort": (
        "profiles:\n- {plugins: {queueSort: {enabled: [{name: PrioritySort}, {name: Foo}]}}}",
        "profiles[0].plugins.queueSort.Enabled: Invalid value: 2: only one queue sort plugin can be enabled",
    ),
    "a ratio without its shape": (
        plugin("NodeResourcesFit", "{scoringStrategy: {type: RequestedToCapacityRatio}}"),
        PROFILE + 'initializing plugin "NodeResourcesFit": scoringStrategy.requestedToCapacityRatio: Required value: '
        "must be specified when type is RequestedToCapacityRatio",
    ),
    "a shape that goes back": (
        plugin(
            "NodeResourcesFit",
            "{scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: "
            "[{utilization: 2, score: 1}, {utilization: 1, score: 101}]}}}",
        ),
        PROFILE + 'initializing plugin "NodeResourcesFit": [scoringStrategy.requestedToCapacityRatio.shape[1]'
        ".utilization: Invalid value: 1: values must be sorted in increasing order, scoringStrategy."
        "requestedToCapacityRatio.shape[1].score: Invalid value: 101: not in valid range [0, 10]]",
    ),
    "names of resources": (
        plugin(
            "NodeResourcesFit",
            "{scoringStrategy: {type: LeastAllocated, requestedToCapacityRatio: {shape: []}}, "
            'ignoredResources: ["a b"], ignoredResourceGroups: ["a/b"]}',
        ),
        PROFILE + f'initializing plugin "NodeResourcesFit": [ignoredResources[0]: Invalid value: "a b": {LABEL}, '
        "ignoredResourceGroups[0]: Invalid value: \"a/b\": resource group name can't contain '/', "
        "scoringStrategy.requestedToCapacityRatio: Forbidden: must be nil when type is not RequestedToCapacityRatio]",
    ),
    "constraints beside the system's": (
        plugin(
            "PodTopologySpread",
            "{defaultConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway}]}",
        ),
        'profiles[0].pluginConfig[0].args.defaultingType: Invalid value: "System": when .defaultConstraints are not '
        "empty",
    ),
    "constraints twice and with a selector": (
        plugin(
            "PodTopologySpread",
            "{defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: "
            "ScheduleAnyway, labelSelector: {}}, {maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway}]}",
        ),
        "[profiles[0].pluginConfig[0].args.defaultConstraints[0].labelSelector: Forbidden: constraint must not define "
        "a selector, as they deduced for each pod, profiles[0].pluginConfig[0].args.defaultConstraints[1]: Duplicate "
        'value: "{a, ScheduleAnyway}"]',
    ),
    "a profile without a name": (
        "profiles: [{schedulerName: a}, {}]",
        "profiles[1].schedulerName: Required value",
    ),
    "election": (
        "leaderElection: {leaderElect: true, leaseDuration: 1s, renewDeadline: 2s, resourceLock: endpoints}",
        '[leaderElection.leaseDuration: Invalid value: "2s": must be greater than `RenewDeadline`, '
        'leaderElection.resourceLock: Invalid value: "endpoints": resourceLock value must be "leases"]',
    ),
    "connection": ("clientConnection: {burst: -1}", "clientConnection.burst: Invalid value: -1: must be non-negative"),
    "preemption without candidates": (
        plugin("DefaultPreemption", "{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}"),
        "[profiles[0].pluginConfig[0].args.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same "
        "time as minCandidateNodesAbsolute, profiles[0].pluginConfig[0].args.minCandidateNodesAbsolute: Invalid value: "
        "0: cannot be zero at the same time as minCandidateNodesPercentage]",
    ),
    "affinity": (
        plugin(
            "NodeAffinity",
            "{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: "
            "[{key: a, operator: Inn, values: [x]}, {key: a, operator: In}, {key: a, operator: Gt, values: [x]}, "
            "{key: a, operator: Exists, values: [x]}]}, {matchFields: [{key: a, operator: In, values: [x]}]}]}, "
            "preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: "
            "[{key: a, operator: Inn}]}}]}}",
        ),
        "[profiles[0].pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution."
        'nodeSelectorTerms[0].matchExpressions[0].operator: Unsupported value: "Inn": supported values: "In", '
        '"NotIn", "Exists", "DoesNotExist", "Gt", "Lt", profiles[0].pluginConfig[0].args.addedAffinity.'
        "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1].values: Invalid "
        "value: null: for 'in', 'notin' operators, values set can't be empty, profiles[0].pluginConfig[0].args."
        "addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[2]."
        "values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer, profiles[0]."
        "pluginConfig[0].args.addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]."
        'matchExpressions[3].values: Invalid value: ["x"]: values set must be empty for exists and does not exist, '
        "profiles[0].pluginConfig[0].args.addedAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
        'matchExpressions[0].operator: Unsupported value: "Inn": supported values: "In", "NotIn", "Exists", '
        '"DoesNotExist", "Gt", "Lt"]',
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_as_the_reference_does(name):
    text, error = WRONG[name]
    with pytest.raises(Unacceptable) as found:
        read(text)
    assert str(found.value) == error


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (
            "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfigurations",
            'no kind "KubeSchedulerConfigurations" is registered for version "kubescheduler.config.k8s.io/v1" in '
            'scheme "pkg/runtime/scheme.go:111"',
        ),
        (
            "apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration",
            'no kind "KubeSchedulerConfiguration" is registered for version "kubescheduler.config.k8s.io/v1beta3" in '
            'scheme "pkg/runtime/scheme.go:111"',
        ),
    ],
)
def test_other_kinds_are_refused(head, error):
    with pytest.raises(Unacceptable) as found:
        load(head.encode())
    assert str(found.value) == error


def test_nothing_said_means_the_defaults():
    config = read("")
    assert [p.name for p in config.profiles] == ["default-scheduler"]
    assert (config.backoff.first, config.backoff.limit) == (1, 10)
    assert (config.leader_elect, config.lease_seconds, config.renew_deadline, config.retry_period) == (True, 15, 10, 2)
    weights = {p.name: p.weight for p in config.profiles[0].plugins if p.weight}
    assert weights == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "NodeResourcesFit": 1,
        "VolumeBinding": 1,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "DynamicResources": 2,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 1,
    }


def test_arguments_nobody_knows_are_passed_over():
    assert read(plugin("Foo", "{a: b}")).profiles[0].settings["InterPodAffinity"].hard_weight == 1


def test_an_empty_shape_of_volumes_means_the_default():
    found = read(plugin("VolumeBinding", "{shape: []}")).described["profiles"][0]["pluginConfig"][0]["args"]
    assert found["shape"] == [{"utilization": 0, "score": 10}, {"utilization": 100, "score": 0}]


def test_of_two_profiles_one_may_see_more_nodes():
    profiles = "[{schedulerName: a, percentageOfNodesToScore: 70}, {schedulerName: b}]"
    config = read(f"percentageOfNodesToScore: 10\nprofiles: {profiles}")
    assert {p.name: p.percentage for p in config.profiles} == {"a": 70, "b": 10}


def test_the_default_plugins_are_the_references():
    """`kube-scheduler --write-config-to` of 1.37.1, whose VolumeBinding says no weight and counts once."""
    sets = read("").described["profiles"][0]["plugins"]["multiPoint"]["enabled"]
    assert [(p["name"], p["weight"]) for p in sets] == [
        ("SchedulingGates", 0),
        ("PrioritySort", 0),
        ("NodeName", 0),
        ("NodeUnschedulable", 0),
        ("TaintToleration", 3),
        ("NodeAffinity", 2),
        ("NodePorts", 0),
        ("NodeResourcesFit", 1),
        ("VolumeRestrictions", 0),
        ("NodeVolumeLimits", 0),
        ("VolumeBinding", 1),
        ("VolumeZone", 0),
        ("PodTopologySpread", 2),
        ("InterPodAffinity", 2),
        ("DynamicResources", 2),
        ("DefaultPreemption", 0),
        ("NodeResourcesBalancedAllocation", 1),
        ("ImageLocality", 1),
        ("DefaultBinder", 0),
        ("NodeDeclaredFeatures", 0),
    ]
