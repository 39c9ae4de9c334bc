"""Which plugins act at which point of a profile, and how much their scores count.

Source: `apis/config/v1/default_plugins.go` (merging with the defaults), `framework/runtime/framework.go` (multiPoint).
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from umiak.api.configuration import Unacceptable
from umiak.objects.errors import together
from umiak.objects.types import Object
from umiak.scheduler.configuration import arguments
from umiak.scheduler.contract import HOOKS, POINTS, Plugin
from umiak.scheduler.profile import Profile

EVERYTHING = "*"
DEFAULT_WEIGHT = 1
GO_NAMES = {point: point[0].upper() + point[1:] + "Plugin" for point in POINTS}
"""What error texts call the plugins of a point: ScorePlugin."""


def default_sets(plugins: Iterable[Plugin]) -> Object:
    enabled = [{"name": p.name, "weight": p.weight} for p in plugins]
    return {"multiPoint": {"enabled": enabled}}


def merged(defaults: Object, custom: Object, points: Iterable[str]) -> Object:
    """The default sets of plugins with what a profile says about each."""
    return {point: merged_set(defaults.get(point) or {}, custom.get(point) or {}) for point in points}


def merged_set(default: Object, custom: Object) -> Object:
    """A default that is enabled anew keeps its place and takes the new weight; others follow."""
    disabled = [{"name": p.get("name") or ""} for p in custom.get("disabled") or ()]
    off = {p["name"] for p in disabled}
    wanted = {p.get("name"): (i, p) for i, p in enumerate(custom.get("enabled") or ())}
    enabled, replaced = [], set()
    for plugin in default.get("enabled") or () if EVERYTHING not in off else ():
        if plugin["name"] in off:
            continue
        if plugin["name"] in wanted:
            index, plugin = wanted[plugin["name"]]
            replaced.add(index)
        enabled.append(_weighed(plugin))
    enabled += [_weighed(p) for i, p in enumerate(custom.get("enabled") or ()) if i not in replaced]
    found: Object = {}
    if enabled:
        found["enabled"] = enabled
    if disabled:
        found["disabled"] = disabled
    return found


def _weighed(plugin: Object) -> Object:
    return {"name": plugin.get("name") or "", "weight": plugin.get("weight") or 0}


def expand(sets: Mapping[str, Object], known: Mapping[str, Plugin]) -> dict[str, list[str]]:
    """The plugins of each point, by name, in order. Raises Unacceptable."""
    explicit = {point: _explicit(point, sets.get(point) or {}, known) for point in POINTS}
    everywhere = [p.get("name") or "" for p in (sets.get("multiPoint") or {}).get("enabled") or ()]
    return {point: _with_multi_point(point, sets, explicit[point], everywhere, known) for point in POINTS}


def _explicit(point: str, given: Object, known: Mapping[str, Plugin]) -> list[str]:
    found: list[str] = []
    for plugin in given.get("enabled") or ():
        name, kind = plugin.get("name") or "", GO_NAMES[point]
        if name not in known:
            raise Unacceptable(f'{kind} "{name}" does not exist')
        if point not in known[name].points:
            raise Unacceptable(f'plugin "{name}" does not extend {kind} plugin')
        if name in found:
            raise Unacceptable(f'plugin "{name}" already registered as "{kind}"')
        found.append(name)
    return found


def _with_multi_point(
    point: str, sets: Mapping[str, Object], explicit: list[str], everywhere: list[str], known: Mapping[str, Plugin]
) -> list[str]:
    """First those that override what multiPoint says, then those of multiPoint, then the rest."""
    off = {p.get("name") for p in (sets.get(point) or {}).get("disabled") or ()}
    if EVERYTHING in off:
        return explicit
    implied: list[str] = []
    for name in everywhere:
        if name not in known:
            raise Unacceptable(f'{GO_NAMES[point]} "{name}" does not exist')
        if point not in known[name].points or name in off or name in explicit:
            continue
        if name in implied:
            raise Unacceptable(f'plugin "{name}" already registered as "{GO_NAMES[point]}"')
        implied.append(name)
    overriding = [name for name in explicit if name in everywhere]
    return [*overriding, *implied, *(name for name in explicit if name not in overriding)]


def weights(sets: Mapping[str, Object]) -> dict[str, int]:
    """How much the scores of each plugin count; what is said at the point `score` wins over multiPoint."""
    found: dict[str, int] = {}
    for point in ("score", "multiPoint"):
        for plugin in (sets.get(point) or {}).get("enabled") or ():
            found.setdefault(plugin.get("name") or "", plugin.get("weight") or DEFAULT_WEIGHT)
    return found


def build(profile: Object, percentage: int, plugins: Sequence[Plugin]) -> Profile:
    """The profile that a complete description stands for. Raises Unacceptable."""
    name = profile["schedulerName"]
    try:
        return _build(name, profile, percentage, {p.name: p for p in plugins})
    except Unacceptable as error:
        head = f"initializing profiles: creating profile for scheduler name {name}"
        raise Unacceptable(f"{head}: {error}") from None


def _build(name: str, profile: Object, percentage: int, known: Mapping[str, Plugin]) -> Profile:
    args = {one["name"]: one["args"] for one in profile["pluginConfig"] if one["name"] in known}
    for plugin in sorted(arguments.LATE & args.keys()):
        if found := arguments.faults(plugin, args[plugin], ""):
            raise Unacceptable(f'initializing plugin "{plugin}": {together(found)}')
    sets = profile["plugins"]
    points = expand(sets, known)
    if len(points["queueSort"]) != 1:
        number = len(points["queueSort"])
        raise Unacceptable(
            f'only one queue sort plugin required for profile with scheduler name "{name}", but got {number}'
        )
    if not points["bind"]:
        raise Unacceptable(f'at least one bind plugin is needed for profile with scheduler name "{name}"')
    counts = weights(sets)
    order = dict.fromkeys(plugin for point in ("filter", *POINTS) for plugin in points[point])
    chosen = [only_at(known[plugin], _points_of(plugin, points), counts.get(plugin, 0)) for plugin in order]
    settings = {p.name: p.settings(args[p.name]) for p in chosen if p.settings and p.name in args}
    return Profile(name, chosen, settings, profile.get("percentageOfNodesToScore", percentage))


def _points_of(plugin: str, points: Mapping[str, list[str]]) -> set[str]:
    return {point for point, names in points.items() if plugin in names}


def only_at(plugin: Plugin, points: set[str], weight: int) -> Plugin:
    """The plugin without the hooks of other points. What a later hook builds on stays."""
    on = set(points)
    if "filter" in on:
        on.add("preFilter")
    if "score" in on:
        on.add("preScore")
    silent = {hook: None for point, hooks in HOOKS.items() if point not in on for hook in hooks}
    scores = weight if "score" in on else 0
    return replace(plugin, weight=scores, points=frozenset(points), **silent)
