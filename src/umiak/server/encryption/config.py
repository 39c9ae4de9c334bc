"""`EncryptionConfiguration`, read and checked as apiserver's `pkg/apis/apiserver/validation` does."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from umiak.api.configuration import (
    NUMBER,
    SPAN,
    TEXT,
    Unacceptable,
    document,
    list_of,
    read,
    seconds,
    struct,
)
from umiak.objects.errors import FieldError, invalid_value, required, together
from umiak.objects.go_text import quoted
from umiak.objects.types import Object

_KEYS = list_of(struct("Key", name=TEXT, secret=TEXT))
_PROVIDER = struct(
    "ProviderConfiguration",
    aesgcm=struct("AESConfiguration", keys=_KEYS),
    aescbc=struct("AESConfiguration", keys=_KEYS),
    secretbox=struct("SecretboxConfiguration", keys=_KEYS),
    identity=struct("IdentityConfiguration"),
    kms=struct("KMSConfiguration", apiVersion=TEXT, name=TEXT, cachesize=NUMBER, endpoint=TEXT, timeout=SPAN),
)
_RESOURCES = struct("ResourceConfiguration", resources=list_of(TEXT), providers=list_of(_PROVIDER))
_KNOWN = {
    ("apiserver.config.k8s.io/v1", "EncryptionConfiguration"): document(
        "EncryptionConfiguration", resources=list_of(_RESOURCES)
    )
}
PROVIDERS = ("kms", "aesgcm", "aescbc", "secretbox", "identity")
SIZES = {"aesgcm": (16, 24, 32), "aescbc": (16, 24, 32), "secretbox": (32,)}
NO_API = ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations")
UNEXPECTED = "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity"
DEFAULT_TIMEOUT = 3.0
"""Seconds of a call to a plug-in."""


class Key(msgspec.Struct, frozen=True):
    name: str
    secret: bytes


class Plugin(msgspec.Struct, frozen=True):
    """A KMS plug-in; `timeout` in seconds."""

    name: str
    endpoint: str
    timeout: float


class Provider(msgspec.Struct, frozen=True):
    """`kind` is one of PROVIDERS."""

    kind: str
    keys: tuple[Key, ...] = ()
    plugin: Plugin | None = None


class Rule(msgspec.Struct, frozen=True):
    """`resources` are (group, plural), either of which may be "*"; the first provider writes, all may read."""

    resources: tuple[tuple[str, str], ...]
    providers: tuple[Provider, ...]


def load(path: Path, *, reloads: bool) -> tuple[Rule, ...]:
    """Raises Unacceptable."""
    try:
        data = path.read_bytes()
    except OSError as error:
        why = f'error reading encryption provider configuration file "{path}": open {path}: '
        raise Unacceptable(f"{PARSING}error while loading file: {why}{(error.strerror or '').lower()}") from None
    if not data:
        why = f'encryption provider configuration file "{path}" is empty'
        raise Unacceptable(f"{PARSING}error while loading file: {why}")
    return rules_of(data, path, reloads=reloads)


PARSING = "error while parsing file: "


def rules_of(data: bytes, path: Path, *, reloads: bool) -> tuple[Rule, ...]:
    """Raises Unacceptable."""
    try:
        obj = read(data, _KNOWN)
    except Unacceptable as error:
        why = f'error decoding encryption provider configuration file "{path}": {error}'
        raise Unacceptable(f"{PARSING}{why}") from None
    if faults := list(_faults(obj, reloads)):
        raise Unacceptable(f"{PARSING}{together(faults)}")
    rules = tuple(_rule(rule) for rule in obj["resources"])
    _check_masks(rules)
    return rules


def _rule(rule: Object) -> Rule:
    return Rule(tuple(_resource(text) for text in rule["resources"]), tuple(_provider(p) for p in rule["providers"]))


def _resource(text: str) -> tuple[str, str]:
    plural, _, group = text.partition(".")
    return group, plural


def _provider(provider: Object) -> Provider:
    kind = next(name for name in PROVIDERS if name in provider)
    about = provider[kind] or {}
    if kind == "kms":
        timeout = seconds(about, "timeout", DEFAULT_TIMEOUT)
        return Provider(kind, plugin=Plugin(about["name"], about["endpoint"], timeout))
    keys = tuple(Key(key["name"], base64.b64decode(key["secret"])) for key in about.get("keys") or ())
    return Provider(kind, keys)


def _check_masks(rules: Sequence[Rule]) -> None:
    """A rule must not be hidden by an earlier, wider one. Raises Unacceptable."""
    seen: set[tuple[str, str]] = set()
    for rule in rules:
        for group, plural in rule.resources:
            for wider in ((group, "*"), ("*", "*")):
                if wider in seen:
                    own, other = quoted(_shown(group, plural)), quoted(_shown(*wider))
                    masked = f"resource {own} is masked by earlier rule {other}"
                    raise Unacceptable(f"error while building transformers: {masked}")
            seen.add((group, plural))


def _shown(group: str, plural: str) -> str:
    return f"{plural}.{group}" if group or plural == "*" else plural


def _faults(obj: Object, reloads: bool) -> Iterator[FieldError]:
    rules = obj.get("resources") or ()
    if not rules:
        yield required("resources", "at least one resources is required")
    plugins: set[str] = set()
    for index, rule in enumerate(rules):
        path = f"resources[{index}].resources"
        resources = rule.get("resources") or []
        if not resources:
            yield required(path, f"at least one {path} is required")
        yield from _overlaps(resources, path)
        for place, text in enumerate(resources):
            if why := _name_fault(text):
                yield invalid_value(f"{path}[{place}]", text, why)
        yield from _provider_faults(rule.get("providers") or (), f"resources[{index}].providers", plugins, reloads)


def _overlaps(resources: list[str], path: str) -> Iterator[FieldError]:
    parsed = [_resource(text) for text in resources]
    if len(set(parsed)) < len(parsed):
        yield invalid_value(path, resources, "the same resource cannot be specified multiple times")
    different = set(parsed)
    groups = [group for group, plural in different if plural == "*"]
    if len(different) > 1 and any(g == "*" or sum(group == g for group, _ in different) > 1 for g in groups):
        why = "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they "
        yield invalid_value(path, resources, f"{why}will be masked")


def _name_fault(text: str) -> str:
    group, plural = _resource(text)
    if text != text.lower():
        return "resource name should not contain capital letters"
    if text == "*":
        return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
    if text in NO_API:
        return "resources which do not have REST API/s cannot be encrypted"
    if group == "events.k8s.io":
        told = "'*.events.k8s.io' objects are stored using the 'events' API group in etcd."
        return f"{told} Use 'events' instead in the config file"
    if group == "extensions":
        return "'extensions' group has been removed and cannot be used for encryption"
    if group == "*" and plural != "*":
        return "encrypting the same resource across groups is not supported"
    return ""


def _provider_faults(providers: Sequence[Object], path: str, plugins: set[str], reloads: bool) -> Iterator[FieldError]:
    if not providers:
        yield required(path, f"at least one {path} is required")
    for index, provider in enumerate(providers):
        place = f"{path}[{index}]"
        kinds = [name for name in PROVIDERS if name in provider]
        if not kinds:
            yield invalid_value(place, provider, UNEXPECTED)
        elif len(kinds) > 1:
            why = "more than one provider specified in a single element, should split into different list elements"
            yield invalid_value(place, dict.fromkeys(kinds, "REDACTED"), why)
        if "kms" in kinds:
            yield from _plugin_faults(provider["kms"] or {}, f"{place}.kms", plugins)
            plugins.add((provider["kms"] or {}).get("name") or "")
        elif kinds and kinds[0] in SIZES:
            yield from _key_faults(provider[kinds[0]] or {}, f"{place}.{kinds[0]}.keys", SIZES[kinds[0]])


def _key_faults(about: Object, path: str, sizes: Sequence[int]) -> Iterator[FieldError]:
    keys = about.get("keys") or ()
    if not keys:
        yield required(path, "at least one keys is required")
    for index, key in enumerate(keys):
        if not key.get("name"):
            yield required(f"{path}[{index}].name", "name is a mandatory field for a key")
        if not key.get("secret"):
            yield required(f"{path}[{index}].secret", "secret is a mandatory field for a key")
            continue
        try:
            size = len(base64.b64decode(key["secret"], validate=True))
        except binascii.Error:
            yield invalid_value(f"{path}[{index}].secret", "REDACTED", "secrets must be base64 encoded")
            continue
        if size not in sizes:
            wanted = " ".join(map(str, sizes))
            why = f"secret is not of the expected length, got {size}, expected one of [{wanted}]"
            yield invalid_value(f"{path}[{index}].secret", "REDACTED", why)


def _plugin_faults(about: Object, path: str, plugins: set[str]) -> Iterator[FieldError]:
    """Version 1 of the interface is not here, as it is off in the reference."""
    name, endpoint, version = (about.get(field) or "" for field in ("name", "endpoint", "apiVersion"))
    if not name:
        yield required(f"{path}.name", "name is a mandatory field for a provider")
    if ":" in name:
        yield invalid_value(f"{path}.name", name, f"invalid KMS provider name {name}, must not contain ':'")
    if name in plugins:
        why = f"duplicate KMS provider name {name}, names must be unique"
        yield invalid_value(f"{path}.name", name, why)
    if seconds(about, "timeout", DEFAULT_TIMEOUT) <= 0:
        yield invalid_value(f"{path}.timeout", about["timeout"], "timeout should be a positive value")
    if not endpoint:
        yield invalid_value(f"{path}.endpoint", "", "endpoint is a mandatory field for a kms")
    elif (scheme := urlsplit(endpoint).scheme) != "unix":
        why = f"unsupported scheme {quoted(scheme)} for KMS provider, only unix is supported"
        yield invalid_value(f"{path}.endpoint", endpoint, why)
    if about.get("cachesize") is not None:
        yield invalid_value(f"{path}.cachesize", about["cachesize"], "cachesize is not supported in v2")
    if version == "v1":
        why = "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead."
        yield invalid_value(f"{path}.apiVersion", version, why)
    elif version != "v2":
        why = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported"
        yield invalid_value(f"{path}.apiVersion", version, why)
