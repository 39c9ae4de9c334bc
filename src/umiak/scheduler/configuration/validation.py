"""What is wrong with a configuration that is complete (kube-scheduler's `apis/config/validation`)."""

from collections.abc import Iterator

from umiak.api.common.resource_requirements import is_extended
from umiak.api.configuration import seconds, shown_span
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, invalid_value, required
from umiak.objects.types import Object
from umiak.scheduler.configuration import arguments
from umiak.scheduler.configuration.structure import SETS, VERSION

Faults = Iterator[FieldError]
GONE = ("AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits")
"""Plugins of earlier versions."""
CHECKED_SETS = tuple(name for name in SETS if name not in ("multiPoint", "placementGenerate", "placementScore"))


def faults(config: Object) -> Faults:
    if config["clientConnection"]["burst"] < 0:
        yield invalid_value("clientConnection.burst", config["clientConnection"]["burst"], "must be non-negative")
    yield from _leader_election(config["leaderElection"])
    if config["parallelism"] <= 0:
        yield invalid_value("parallelism", config["parallelism"], "should be an integer value greater than zero")
    yield from _profiles(config["profiles"])
    yield from _percentage(config, "percentageOfNodesToScore")
    first, most = config["podInitialBackoffSeconds"], config["podMaxBackoffSeconds"]
    if first <= 0:
        yield invalid_value("podInitialBackoffSeconds", first, "must be greater than 0")
    if most < first:
        detail = "must be greater than or equal to PodInitialBackoffSeconds"
        yield invalid_value("podMaxBackoffSeconds", most, detail)
    yield from _extenders(config.get("extenders") or [])


def _percentage(holder: Object, path: str) -> Faults:
    share = holder.get("percentageOfNodesToScore")
    if share is not None and not 0 <= share <= 100:
        yield invalid_value(path, share, "not in valid range [0-100]")


def _leader_election(election: Object) -> Faults:
    if not election["leaderElect"]:
        return
    spans = {name: seconds(election, name) for name in ("leaseDuration", "renewDeadline", "retryPeriod")}
    for name, span in spans.items():
        if span <= 0:
            yield invalid_value(f"leaderElection.{name}", shown_span(span), "must be greater than zero")
    if spans["leaseDuration"] <= spans["renewDeadline"]:
        shown = shown_span(spans["renewDeadline"])  # the reference shows the one beside it, too
        yield invalid_value("leaderElection.leaseDuration", shown, "must be greater than `RenewDeadline`")
    if election["resourceLock"] != "leases":
        detail = 'resourceLock value must be "leases"'
        yield invalid_value("leaderElection.resourceLock", election["resourceLock"], detail)


def _profiles(profiles: list[Object]) -> Faults:
    seen: dict[str, int] = {}
    for i, profile in enumerate(profiles):
        path, name = f"profiles[{i}]", profile.get("schedulerName") or ""
        if not name:
            yield required(f"{path}.schedulerName")
        yield from _percentage(profile, f"{path}.percentageOfNodesToScore")
        yield from _plugin_sets(profile["plugins"], f"{path}.plugins")
        yield from _plugin_config(profile["pluginConfig"], path)
        if name in seen:
            yield duplicate(f"{path}.schedulerName", {})
        seen[name] = i
    yield from _queue_sort(profiles)


def _plugin_sets(sets: Object, path: str) -> Faults:
    for point in CHECKED_SETS:
        for i, plugin in enumerate((sets.get(point) or {}).get("enabled") or ()):
            if plugin.get("name") in GONE:
                yield _gone(plugin["name"], f"{path}.{point}.enabled[{i}]")


def _gone(name: str, path: str) -> FieldError:
    detail = f'was invalid in version "v1" (KubeSchedulerConfiguration is version "{VERSION}")'
    return invalid_value(path, name, detail)


def _plugin_config(configs: list[Object], path: str) -> Faults:
    seen: set[str] = set()
    for i, one in enumerate(configs):
        here, name = f"{path}.pluginConfig[{i}]", one.get("name") or ""
        if name in seen:
            yield duplicate(here, name)
        seen.add(name)
        if name in GONE:
            yield _gone(name, here)
        elif name not in arguments.LATE and isinstance(one.get("args"), dict):
            yield from arguments.faults(name, one["args"], f"{here}.args")


def _queue_sort(profiles: list[Object]) -> Faults:
    """All profiles share one queue, so they must sort it alike."""
    first = profiles[0]["plugins"].get("queueSort") or {}
    enabled = first.get("enabled") or []
    if len(enabled) > 1:
        detail = "only one queue sort plugin can be enabled"
        yield invalid_value("profiles[0].plugins.queueSort.Enabled", len(enabled), detail)
    for i, profile in enumerate(profiles[1:], 1):
        own = profile["plugins"].get("queueSort") or {}
        if any((own.get(part) or []) != (first.get(part) or []) for part in ("enabled", "disabled")):
            yield invalid_value(f"profiles[{i}].plugins.queueSort", own, "must be the same for all profiles")


def _extenders(extenders: list[Object]) -> Faults:
    managed: set[str] = set()
    for i, extender in enumerate(extenders):
        path, weight = f"extenders[{i}]", extender.get("weight") or 0
        if extender.get("prioritizeVerb") and weight <= 0:
            yield invalid_value(f"{path}.weight", weight, "must have a positive weight applied to it")
        for j, resource in enumerate(extender.get("managedResources") or ()):
            here, name = f"{path}.managedResources[{j}].name", resource.get("name") or ""
            yield from _resource_name(name, here)
            if name in managed:
                yield invalid_value(here, name, "duplicate extender managed resource name")
            managed.add(name)
    binders = sum(1 for extender in extenders if extender.get("bindVerb"))
    if binders > 1:
        shown = f"found {binders} extenders implementing bind"
        yield invalid_value("extenders", shown, "only one extender can implement bind")


def _resource_name(name: str, path: str) -> Faults:
    problems = names.label_key(name)
    for detail in problems or ([] if is_extended(name) else ["is an invalid extended resource name"]):
        yield invalid_value(path, name, detail)
