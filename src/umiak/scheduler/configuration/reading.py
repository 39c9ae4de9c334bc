"""From a file to a configuration that is complete and right, or an error in the reference's words. Pure."""

from typing import Any

import msgspec

from umiak.api.configuration import Unacceptable, decode, examine, seconds
from umiak.kit.backoff import Backoff
from umiak.objects.errors import together
from umiak.objects.types import Object
from umiak.scheduler.configuration import arguments
from umiak.scheduler.configuration.profiles import build, default_sets, merged
from umiak.scheduler.configuration.structure import ARGS, FILE, KIND, SETS, VERSION
from umiak.scheduler.configuration.validation import faults
from umiak.scheduler.extender import Extender, extenders_of, ignored_resources
from umiak.scheduler.profile import DEFAULT_NAME, Profile, default_plugins

STRICT = "strict decoding error: "
GROUP = VERSION.partition("/")[0]


class Configuration(msgspec.Struct, frozen=True):
    """`described` is the file with everything filled in, the rest what comes of it. Spans are seconds."""

    described: Object
    profiles: list[Profile]
    extenders: list[Extender]
    backoff: Backoff
    """How long a pod that failed waits."""
    leader_elect: bool
    lease_seconds: float
    renew_deadline: float
    retry_period: float
    kubeconfig: str


def load(data: bytes) -> Configuration:
    """The configuration that a file holds. Raises Unacceptable."""
    config, unknown = examine(data, {(VERSION, KIND): FILE})
    for i, profile in enumerate(config.get("profiles") or ()):
        unknown += _read_arguments(profile, i)
    if unknown:
        raise Unacceptable(STRICT + ", ".join(unknown))
    complete(config)
    if wrong := list(faults(config)):
        raise Unacceptable(together(wrong))
    return understood(config)


def defaults(name: str = "") -> Object:
    """What it is when no file is given; `name` is the scheduler's."""
    config: Object = {"apiVersion": VERSION, "kind": KIND, "profiles": [{"schedulerName": name or DEFAULT_NAME}]}
    complete(config)
    config["leaderElection"]["leaderElect"] = False
    return config


def _read_arguments(profile: Object, index: int) -> list[str]:
    """Reads the arguments of known plugins in place; tells what is unknown in them. Raises Unacceptable."""
    unknown = []
    for i, one in enumerate(profile.get("pluginConfig") or ()):
        name = one.get("name") or ""
        if name not in ARGS:
            continue
        where, about = f"decoding .profiles[{index}].pluginConfig[{i}]: ", f"decoding args for plugin {name}: "
        try:
            one["args"], found = _arguments(name, one.get("args"))
        except Unacceptable as error:
            raise Unacceptable(f"{where}{about}{error}") from None
        kind = one["args"]["kind"]
        if kind != f"{name}Args":
            got = f"{kind}.{GROUP}"
            raise Unacceptable(f"{where}args for plugin {name} were not of type {name}Args.{GROUP}, got {got}")
        if found:
            unknown.append(f"{where}{STRICT}{about}{STRICT}{', '.join(found)}")
    return unknown


def _arguments(name: str, given: Any) -> tuple[Object, list[str]]:
    kind = (given.get("kind") if isinstance(given, dict) else "") or f"{name}Args"
    structure = ARGS.get(kind.removesuffix("Args"), ARGS[name])
    args, found = decode(structure, given if given is not None else {})
    return {**args, "apiVersion": args.get("apiVersion") or VERSION, "kind": kind}, found


def complete(config: Object) -> None:
    """Fills in what is not given, in place."""
    config.setdefault("parallelism", 16)
    config["profiles"] = config.get("profiles") or [{}]
    if len(config["profiles"]) == 1:
        config["profiles"][0].setdefault("schedulerName", DEFAULT_NAME)
    for profile in config["profiles"]:
        _complete_profile(profile)
    config.setdefault("percentageOfNodesToScore", 0)
    config.setdefault("podInitialBackoffSeconds", 1)
    config.setdefault("podMaxBackoffSeconds", 10)
    config.setdefault("enableProfiling", True)
    if config["enableProfiling"]:
        config.setdefault("enableContentionProfiling", True)
    config["leaderElection"] = _leader_election(config.get("leaderElection") or {})
    config["clientConnection"] = _client_connection(config.get("clientConnection") or {})


def _complete_profile(profile: Object) -> None:
    sets = merged(default_sets(default_plugins()), profile.get("plugins") or {}, SETS)
    profile["plugins"] = sets
    configs = profile.setdefault("pluginConfig", [])
    for one in configs:
        if one.get("name") in ARGS:
            arguments.complete(one["name"], one["args"])
    named = {p.get("name") or "" for each in sets.values() for p in each.get("enabled") or ()}
    for name in sorted(named & ARGS.keys() - {one.get("name") for one in configs}):
        args: Object = {"apiVersion": VERSION, "kind": f"{name}Args"}
        arguments.complete(name, args)
        configs.append({"name": name, "args": args})


def _leader_election(given: Object) -> Object:
    spans = {"leaseDuration": "15s", "renewDeadline": "10s", "retryPeriod": "2s"}
    texts = {"resourceLock": "leases", "resourceName": "kube-scheduler", "resourceNamespace": "kube-system"}
    found = {"leaderElect": given.get("leaderElect", True)}
    found |= {name: given[name] if seconds(given, name) else text for name, text in spans.items()}
    return found | {name: given.get(name) or text for name, text in texts.items()}


def _client_connection(given: Object) -> Object:
    return {
        "kubeconfig": given.get("kubeconfig") or "",
        "acceptContentTypes": given.get("acceptContentTypes") or "",
        "contentType": given.get("contentType") or "application/vnd.kubernetes.protobuf",
        "qps": given.get("qps") or 50,
        "burst": given.get("burst") or 100,
    }


def understood(config: Object) -> Configuration:
    """What a right configuration means. Raises Unacceptable for plugins that cannot be had so."""
    plugins, election, extenders = default_plugins(), config["leaderElection"], config.get("extenders") or []
    for profile in config["profiles"]:
        _leave_to_extenders(profile, ignored_resources(extenders))
    share = config["percentageOfNodesToScore"]
    return Configuration(
        described=config,
        profiles=[build(profile, share, plugins) for profile in config["profiles"]],
        extenders=extenders_of(extenders),
        backoff=Backoff(first=config["podInitialBackoffSeconds"], limit=config["podMaxBackoffSeconds"]),
        leader_elect=election["leaderElect"],
        lease_seconds=seconds(election, "leaseDuration"),
        renew_deadline=seconds(election, "renewDeadline"),
        retry_period=seconds(election, "retryPeriod"),
        kubeconfig=config["clientConnection"]["kubeconfig"],
    )


def _leave_to_extenders(profile: Object, resources: list[str]) -> None:
    for one in profile["pluginConfig"]:
        if one["name"] == "NodeResourcesFit" and resources:
            one["args"]["ignoredResources"] = [*(one["args"].get("ignoredResources") or ()), *resources]
