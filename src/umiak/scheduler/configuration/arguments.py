"""The arguments of plugins: what is meant when nothing is said, and what is wrong with what is said.

Source: kube-scheduler's `apis/config/v1/defaults.go` and `apis/config/validation/validation_pluginargs.go`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from umiak.api.configuration import Unacceptable, seconds, shown_span
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, field_forbidden, invalid_value, not_supported, required
from umiak.objects.types import Object

Faults = Iterator[FieldError]
MOST_POINTS = 10
"""The best score that a point of a shape may have."""
STRATEGIES = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")


def complete(plugin: str, args: Object) -> None:
    """Fills in what is not given."""
    defaults = _DEFAULTS.get(plugin)
    if defaults is not None:
        defaults(args)


def faults(plugin: str, args: Object, path: str) -> list[FieldError]:
    """What is wrong with arguments that are complete."""
    check = _CHECKS.get(plugin)
    return list(check(args, path)) if check is not None else []


def _name_faults(value: str, path: str) -> Faults:
    for detail in names.label_key(value):
        yield invalid_value(path, value, detail)


def _preemption_defaults(args: Object) -> None:
    args.setdefault("minCandidateNodesPercentage", 10)
    args.setdefault("minCandidateNodesAbsolute", 100)


def _preemption(args: Object, path: str) -> Faults:
    share, number = args["minCandidateNodesPercentage"], args["minCandidateNodesAbsolute"]
    share_path, number_path = f"{path}.minCandidateNodesPercentage", f"{path}.minCandidateNodesAbsolute"
    if not 0 <= share <= 100:
        yield invalid_value(share_path, share, "not in valid range [0, 100]")
    if number < 0:
        yield invalid_value(number_path, number, "not in valid range [0, inf)")
    if share == number == 0:
        yield invalid_value(share_path, 0, "cannot be zero at the same time as minCandidateNodesAbsolute")
        yield invalid_value(number_path, 0, "cannot be zero at the same time as minCandidateNodesPercentage")


def _pod_affinity_defaults(args: Object) -> None:
    args.setdefault("hardPodAffinityWeight", 1)
    args.setdefault("ignorePreferredTermsOfExistingPods", False)


def _pod_affinity(args: Object, path: str) -> Faults:
    weight = args["hardPodAffinityWeight"]
    if not 0 <= weight <= 100:
        yield invalid_value(f"{path}.hardPodAffinityWeight", weight, "not in valid range [0, 100]")


def _default_resources(holder: Object) -> None:
    """cpu and memory when none is named; what has no weight counts once."""
    holder["resources"] = holder.get("resources") or [{"name": "cpu"}, {"name": "memory"}]
    for resource in holder["resources"]:
        resource["weight"] = resource.get("weight") or 1


def _fit_defaults(args: Object) -> None:
    _default_resources(args.setdefault("scoringStrategy", {"type": "LeastAllocated"}))


def _fit(args: Object, path: str) -> Faults:
    start = f"{path}." if path else ""  # the reference looks at these only when it starts the plugin
    for i, name in enumerate(args.get("ignoredResources") or ()):
        yield from _name_faults(name, f"{start}ignoredResources[{i}]")
    for i, group in enumerate(args.get("ignoredResourceGroups") or ()):
        here = f"{start}ignoredResourceGroups[{i}]"
        if "/" in group:
            yield invalid_value(here, group, "resource group name can't contain '/'")
        yield from _name_faults(group, here)
    yield from _strategy(args["scoringStrategy"], f"{start}scoringStrategy")


def _strategy(strategy: Object, path: str) -> Faults:
    kind, ratio = strategy.get("type") or "", strategy.get("requestedToCapacityRatio")
    if kind not in STRATEGIES:
        yield not_supported(f"{path}.type", kind, STRATEGIES)
    for i, one in enumerate(strategy["resources"]):
        if not 0 < one["weight"] <= 100:
            detail = f"resource weight of {one.get('name', '')} not in valid range (0, 100]"
            yield invalid_value(f"{path}.resources[{i}].weight", one["weight"], detail)
    ratio_path = f"{path}.requestedToCapacityRatio"
    if kind != "RequestedToCapacityRatio":
        if ratio is not None:
            yield field_forbidden(ratio_path, "must be nil when type is not RequestedToCapacityRatio")
    elif ratio is None:
        yield required(ratio_path, "must be specified when type is RequestedToCapacityRatio")
    else:
        yield from _shape(ratio.get("shape") or [], f"{ratio_path}.shape")


def _shape(points: list[Object], path: str) -> Faults:
    if not points:
        yield required(path, "at least one point must be specified")
    used = [point.get("utilization") or 0 for point in points]
    wrong = next((i for i in range(1, len(used)) if used[i - 1] >= used[i]), None)
    if wrong is not None:
        detail = "values must be sorted in increasing order"
        yield invalid_value(f"{path}[{wrong}].utilization", used[wrong], detail)
    for i, point in enumerate(points):
        if not 0 <= used[i] <= 100:
            yield invalid_value(f"{path}[{i}].utilization", used[i], "not in valid range [0, 100]")
        score = point.get("score") or 0
        if not 0 <= score <= MOST_POINTS:
            yield invalid_value(f"{path}[{i}].score", score, f"not in valid range [0, {MOST_POINTS}]")


def _balanced(args: Object, path: str) -> Faults:
    seen: set[str] = set()
    for i, one in enumerate(args["resources"]):
        here = f"{path}.resources[{i}]"
        if one.get("name") in seen:
            yield duplicate(f"{here}.name", one["name"])
        seen.add(one.get("name") or "")
        if one["weight"] != 1:
            yield invalid_value(f"{here}.weight", one["weight"], "must be 1")


def _spread_defaults(args: Object) -> None:
    args["defaultingType"] = args.get("defaultingType") or "System"


def _spread(args: Object, path: str) -> Faults:
    kind, constraints = args["defaultingType"], args.get("defaultConstraints") or []
    if kind not in ("System", "List"):
        yield not_supported(f"{path}.defaultingType", kind, ("System", "List"))
    elif kind == "System" and constraints:
        yield invalid_value(f"{path}.defaultingType", kind, "when .defaultConstraints are not empty")
    seen: set[tuple[str, str]] = set()
    for i, one in enumerate(constraints):
        here = f"{path}.defaultConstraints[{i}]"
        yield from _constraint(one, here)
        pair = (one.get("topologyKey") or "", one.get("whenUnsatisfiable") or "")
        if pair in seen:
            yield duplicate(here, f"{{{pair[0]}, {pair[1]}}}")
        seen.add(pair)


def _constraint(one: Object, path: str) -> Faults:
    skew, key, action = one.get("maxSkew") or 0, one.get("topologyKey"), one.get("whenUnsatisfiable")
    if skew <= 0:
        yield invalid_value(f"{path}.maxSkew", skew, "not in valid range (0, inf)")
    if not key:
        yield required(f"{path}.topologyKey", "can not be empty")
    else:
        yield from _name_faults(key, f"{path}.topologyKey")
    if not action:
        yield required(f"{path}.whenUnsatisfiable", "can not be empty")
    elif action not in ("DoNotSchedule", "ScheduleAnyway"):
        yield not_supported(f"{path}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway"))
    if one.get("labelSelector") is not None:
        detail = "constraint must not define a selector, as they deduced for each pod"
        yield field_forbidden(f"{path}.labelSelector", detail)


def _volume_defaults(args: Object) -> None:
    args.setdefault("bindTimeoutSeconds", 600)
    args["shape"] = args.get("shape") or [{"utilization": 0, "score": MOST_POINTS}, {"utilization": 100, "score": 0}]


def _volume(args: Object, path: str) -> Faults:
    if args["bindTimeoutSeconds"] < 0:
        detail = "invalid BindTimeoutSeconds, should not be a negative value"
        yield invalid_value(f"{path}.bindTimeoutSeconds", args["bindTimeoutSeconds"], detail)
    yield from _shape(args["shape"], f"{path}.shape")


def _device_defaults(args: Object) -> None:
    args.setdefault("filterTimeout", "10s")
    args.setdefault("bindingTimeout", "10m0s")


def _device(args: Object, path: str) -> Faults:
    waits, binds = _span(args, "filterTimeout"), _span(args, "bindingTimeout")
    if waits < 0:
        yield invalid_value(f"{path}.filterTimeout", shown_span(waits), "must be zero or positive")
    if binds < 1:
        yield invalid_value(f"{path}.bindingTimeout", shown_span(binds), "must be at least 1 second")


def _span(args: Object, name: str) -> float:
    try:
        return seconds(args, name)
    except Unacceptable:
        return 0


def _node_affinity(args: Object, path: str) -> Faults:
    added = args.get("addedAffinity") or {}
    must = "requiredDuringSchedulingIgnoredDuringExecution"
    terms = (added.get(must) or {}).get("nodeSelectorTerms") or ()
    for i, term in enumerate(terms):
        yield from _term(term, f"{path}.addedAffinity.{must}.nodeSelectorTerms[{i}]")
    may = "preferredDuringSchedulingIgnoredDuringExecution"
    for i, one in enumerate(added.get(may) or ()):
        if one.get("weight"):
            yield from _term(one.get("preference") or {}, f"{path}.addedAffinity.{may}[{i}]")


def _term(term: Object, path: str) -> Faults:
    for i, one in enumerate(term.get("matchExpressions") or ()):
        yield from _expression(one, f"{path}.matchExpressions[{i}]")
    for i, one in enumerate(term.get("matchFields") or ()):
        here = f"{path}.matchFields[{i}]"
        if one.get("operator") not in ("In", "NotIn"):
            yield not_supported(f"{here}.operator", one.get("operator") or "", ("In", "NotIn"))
        elif len(one.get("values") or ()) != 1:
            yield invalid_value(f"{here}.values", one.get("values"), "must have one element")


def _expression(one: Object, path: str) -> Faults:
    """As labels.NewRequirement judges it."""
    operator, values, key = one.get("operator") or "", one.get("values"), one.get("key") or ""
    if operator not in OPERATORS:
        yield not_supported(f"{path}.operator", operator, OPERATORS)
        return
    if problems := names.label_key(key):
        yield invalid_value(f"{path}.key", key, "; ".join(problems))
    yield from _values(operator, values or [], values, f"{path}.values")
    for i, value in enumerate(values or ()):
        if problems := names.label_value(value):
            yield invalid_value(f"{path}.values[{i}][{key}]", value, "; ".join(problems))


def _values(operator: str, values: Iterable[str], shown: Any, path: str) -> Faults:
    given = list(values)
    if operator in ("In", "NotIn"):
        if not given:
            yield invalid_value(path, shown, "for 'in', 'notin' operators, values set can't be empty")
    elif operator in ("Exists", "DoesNotExist"):
        if given:
            yield invalid_value(path, shown, "values set must be empty for exists and does not exist")
    elif len(given) != 1:
        yield invalid_value(path, shown, "for 'Gt', 'Lt' operators, exactly one value is required")
    elif not given[0].lstrip("+-").isdigit():
        yield invalid_value(f"{path}[0]", given[0], "for 'Gt', 'Lt' operators, the value must be an integer")


_DEFAULTS: dict[str, Callable[[Object], None]] = {
    "DefaultPreemption": _preemption_defaults,
    "DynamicResources": _device_defaults,
    "InterPodAffinity": _pod_affinity_defaults,
    "NodeResourcesBalancedAllocation": _default_resources,
    "NodeResourcesFit": _fit_defaults,
    "PodTopologySpread": _spread_defaults,
    "VolumeBinding": _volume_defaults,
}
_CHECKS: dict[str, Callable[[Object, str], Faults]] = {
    "DefaultPreemption": _preemption,
    "DynamicResources": _device,
    "InterPodAffinity": _pod_affinity,
    "NodeAffinity": _node_affinity,
    "NodeResourcesBalancedAllocation": _balanced,
    "NodeResourcesFit": _fit,
    "PodTopologySpread": _spread,
    "VolumeBinding": _volume,
}
LATE = frozenset({"NodeResourcesFit"})
"""Plugins whose arguments the reference looks at only when it starts them, after all else was found right."""
