"""The fields of a KubeSchedulerConfiguration and of the arguments of each plugin (kube-scheduler's `config/v1`)."""

from umiak.api.configuration import ANYTHING, LONG, NUMBER, SPAN, SWITCH, TEXT, document, list_of, struct
from umiak.api.core import pod
from umiak.api.schema import Schema

VERSION = "kubescheduler.config.k8s.io/v1"
KIND = "KubeSchedulerConfiguration"

_PLUGIN_SET = struct(
    "PluginSet",
    enabled=list_of(struct("Plugin", name=TEXT, weight=NUMBER)),
    disabled=list_of(struct("Plugin", name=TEXT, weight=NUMBER)),
)
SETS = (
    "preEnqueue",
    "queueSort",
    "preFilter",
    "filter",
    "postFilter",
    "preScore",
    "score",
    "reserve",
    "permit",
    "preBind",
    "bind",
    "postBind",
    "multiPoint",
    "placementGenerate",
    "placementScore",
    "podGroupPostFilter",
)
_PROFILE = struct(
    "KubeSchedulerProfile",
    schedulerName=TEXT,
    percentageOfNodesToScore=NUMBER,
    plugins=struct("Plugins", **dict.fromkeys(SETS, _PLUGIN_SET)),
    pluginConfig=list_of(struct("PluginConfig", name=TEXT, args=ANYTHING)),
)
_EXTENDER = struct(
    "Extender",
    urlPrefix=TEXT,
    filterVerb=TEXT,
    preemptVerb=TEXT,
    prioritizeVerb=TEXT,
    weight=LONG,
    bindVerb=TEXT,
    enableHTTPS=SWITCH,
    tlsConfig=struct(
        "ExtenderTLSConfig",
        insecure=SWITCH,
        serverName=TEXT,
        certFile=TEXT,
        keyFile=TEXT,
        caFile=TEXT,
        certData=TEXT,
        keyData=TEXT,
        caData=TEXT,
    ),
    httpTimeout=SPAN,
    nodeCacheCapable=SWITCH,
    managedResources=list_of(struct("ExtenderManagedResource", name=TEXT, ignoredByScheduler=SWITCH)),
    ignorable=SWITCH,
)
FILE = document(
    KIND,
    parallelism=NUMBER,
    leaderElection=struct(
        "LeaderElectionConfiguration",
        leaderElect=SWITCH,
        leaseDuration=SPAN,
        renewDeadline=SPAN,
        retryPeriod=SPAN,
        resourceLock=TEXT,
        resourceName=TEXT,
        resourceNamespace=TEXT,
    ),
    clientConnection=struct(
        "ClientConnectionConfiguration",
        kubeconfig=TEXT,
        acceptContentTypes=TEXT,
        contentType=TEXT,
        qps=ANYTHING,
        burst=NUMBER,
    ),
    enableProfiling=SWITCH,
    enableContentionProfiling=SWITCH,
    percentageOfNodesToScore=NUMBER,
    podInitialBackoffSeconds=LONG,
    podMaxBackoffSeconds=LONG,
    profiles=list_of(_PROFILE),
    extenders=list_of(_EXTENDER),
    delayCacheUntilActive=SWITCH,
)

_RESOURCES = list_of(struct("ResourceSpec", name=TEXT, weight=LONG))
_SHAPE = list_of(struct("UtilizationShapePoint", utilization=NUMBER, score=NUMBER))


def _of_pods(*path: str) -> Schema:
    """A part of a pod's spec, which arguments repeat."""
    found = pod.KIND.schema.properties["spec"]
    for name in path:
        found = found.properties[name]
    return found


ARGS = {
    "DefaultPreemption": document(
        "DefaultPreemptionArgs", minCandidateNodesPercentage=NUMBER, minCandidateNodesAbsolute=NUMBER
    ),
    "InterPodAffinity": document(
        "InterPodAffinityArgs", hardPodAffinityWeight=NUMBER, ignorePreferredTermsOfExistingPods=SWITCH
    ),
    "NodeAffinity": document("NodeAffinityArgs", addedAffinity=_of_pods("affinity", "nodeAffinity")),
    "NodeResourcesFit": document(
        "NodeResourcesFitArgs",
        ignoredResources=list_of(TEXT),
        ignoredResourceGroups=list_of(TEXT),
        scoringStrategy=struct(
            "ScoringStrategy",
            type=TEXT,
            resources=_RESOURCES,
            requestedToCapacityRatio=struct("RequestedToCapacityRatioParam", shape=_SHAPE),
        ),
    ),
    "NodeResourcesBalancedAllocation": document("NodeResourcesBalancedAllocationArgs", resources=_RESOURCES),
    "PodTopologySpread": document(
        "PodTopologySpreadArgs",
        defaultConstraints=_of_pods("topologySpreadConstraints"),
        defaultingType=TEXT,
    ),
    "VolumeBinding": document("VolumeBindingArgs", bindTimeoutSeconds=LONG, shape=_SHAPE),
    "DynamicResources": document("DynamicResourcesArgs", filterTimeout=SPAN, bindingTimeout=SPAN),
}
"""By plugin. Plugins that are not here take no arguments; what is given for them is passed over."""
