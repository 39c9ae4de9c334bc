"""How many volumes and claims there are, as kube-controller-manager's metrics of the binder tell (`pv_collector`)."""

from collections import Counter
from collections.abc import Mapping

from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.controllers._volumes import class_name, phase, spec
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.contract import Cache, Measure

PLUGINS = {"hostPath": "kubernetes.io/host-path", "nfs": "kubernetes.io/nfs"}
"""Types that the reference's binder knows: it can recycle them. All others are N/A."""
Counts = Mapping[tuple[str, ...], float]


def plugin_of(volume: Object) -> str:
    return next((name for field, name in PLUGINS.items() if spec(volume).get(field)), "N/A")


def totals(cache: Cache) -> Counts:
    return Counter((plugin_of(v), spec(v).get("volumeMode") or "Filesystem") for v in cache.list(VOLUME))


def volumes(cache: Cache, *, bound: bool) -> Counts:
    return Counter((class_name(v),) for v in cache.list(VOLUME) if (phase(v) == "Bound") is bound)


def claims(cache: Cache, *, bound: bool) -> Counts:
    found = [c for c in cache.list(CLAIM) if (phase(c) == "Bound") is bound]
    return Counter((meta.namespace(c), class_name(c), spec(c).get("volumeAttributesClassName") or "") for c in found)


OF_VOLUMES, OF_CLAIMS = ("storage_class",), ("namespace", "storage_class", "volume_attributes_class")
MEASURES = (
    Measure(
        "pv_collector_total_pv_count",
        "Gauge measuring total number of persistent volumes",
        ("plugin_name", "volume_mode"),
        totals,
    ),
    Measure(
        "pv_collector_bound_pv_count",
        "Gauge measuring number of persistent volume currently bound",
        OF_VOLUMES,
        lambda cache: volumes(cache, bound=True),
    ),
    Measure(
        "pv_collector_unbound_pv_count",
        "Gauge measuring number of persistent volume currently unbound",
        OF_VOLUMES,
        lambda cache: volumes(cache, bound=False),
    ),
    Measure(
        "pv_collector_bound_pvc_count",
        "Gauge measuring number of persistent volume claim currently bound",
        OF_CLAIMS,
        lambda cache: claims(cache, bound=True),
    ),
    Measure(
        "pv_collector_unbound_pvc_count",
        "Gauge measuring number of persistent volume claim currently unbound",
        OF_CLAIMS,
        lambda cache: claims(cache, bound=False),
    ),
)
