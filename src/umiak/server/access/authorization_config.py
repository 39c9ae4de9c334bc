"""`AuthorizationConfiguration`: which authorizers are asked, in which order. Pure but for a look whether a kubeconfig
is there.

Source: apiserver's `pkg/apis/apiserver/{v1,validation}` and kubeapiserver's `authorizer/config.go`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from umiak.api.configuration import (
    SPAN,
    SWITCH,
    TEXT,
    Unacceptable,
    document,
    list_of,
    read,
    seconds,
    shown_span,
    struct,
)
from umiak.objects.errors import FieldError, duplicate, invalid_value, not_supported, required, together, too_many
from umiak.objects.names import dns_subdomain
from umiak.objects.types import Object
from umiak.server.access.member import WEBHOOK, Member, Webhook
from umiak.server.access.settings import AccessSettings

MODES = ("ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")
VERSIONS = ("v1", "v1beta1")
MOST_CONDITIONS = 64
LONGEST_TIMEOUT = 30
DEFAULT_NAME = "default"
"""Of the webhook that flags describe."""


_WEBHOOK = struct(
    "WebhookConfiguration",
    authorizedTTL=SPAN,
    cacheAuthorizedRequests=SWITCH,
    unauthorizedTTL=SPAN,
    cacheUnauthorizedRequests=SWITCH,
    timeout=SPAN,
    subjectAccessReviewVersion=TEXT,
    matchConditionSubjectAccessReviewVersion=TEXT,
    failurePolicy=TEXT,
    connectionInfo=struct("WebhookConnectionInfo", type=TEXT, kubeConfigFile=TEXT),
    matchConditions=list_of(struct("WebhookMatchCondition", expression=TEXT)),
)
_FILE = document(
    "AuthorizationConfiguration",
    authorizers=list_of(struct("AuthorizerConfiguration", type=TEXT, name=TEXT, webhook=_WEBHOOK)),
)
_KNOWN = {
    (f"apiserver.config.k8s.io/{version}", "AuthorizationConfiguration"): _FILE
    for version in ("v1", "v1beta1", "v1alpha1")
}


def load(data: bytes, needed: Iterable[str] = ()) -> list[Member]:
    """The authorizers of a file. `needed` are the types that must be among them, those of the start. Raises
    Unacceptable."""
    try:
        found = read(data, _KNOWN).get("authorizers") or []
        faults: list[FieldError | str] = [*validate(found)]
    except Unacceptable as error:
        raise Unacceptable(f"failed to load AuthorizationConfiguration from file: {error}") from None
    if not faults:
        faults += _name_faults(found)
        missing = sorted(set(needed) - {one["type"] for one in found})
        if missing:
            faults.append(f"missing required types: [{' '.join(missing)}]")
    if faults:
        raise Unacceptable(together(faults))
    return [Member(one["type"], one["name"], _webhook(one["webhook"]) if "webhook" in one else None) for one in found]


def _name_faults(found: list[Object]) -> list[str]:
    return [
        f"expected name {one['type'].lower()} for authorizer {one['type']} instead of {one['name']}"
        for one in found
        if one["type"] != WEBHOOK and one["name"] != one["type"].lower()
    ]


def _webhook(about: Object) -> Webhook:
    def lifetime(name: str, default: float) -> float:
        cached = about.get(f"cache{name.capitalize()}Requests") is not False
        return seconds(about, f"{name}TTL", default) if cached else 0

    return Webhook(
        kubeconfig=about["connectionInfo"].get("kubeConfigFile") or "",
        version=about["subjectAccessReviewVersion"],
        timeout=seconds(about, "timeout"),
        authorized_ttl=lifetime("authorized", 300),
        unauthorized_ttl=lifetime("unauthorized", 30),
        denies_on_failure=about["failurePolicy"] == "Deny",
        conditions=tuple(one["expression"] for one in about.get("matchConditions") or ()),
    )


def validate(found: list[Object]) -> list[FieldError]:
    """What is wrong with the authorizers of a file. Raises Unacceptable for a time that is none."""
    if not found:
        return [required("authorizers", "at least one authorization mode must be defined")]
    faults: list[FieldError] = []
    types: set[str] = set()
    names: set[str] = set()
    for i, one in enumerate(found):
        faults += _member_faults(one, f"authorizers[{i}]", types, names)
    return faults


def _member_faults(one: Object, path: str, types: set[str], names: set[str]) -> list[FieldError]:
    kind, name, webhook = one.get("type") or "", one.get("name") or "", one.get("webhook")
    if not kind:
        return [required(f"{path}.type")]
    if kind not in MODES:
        return [not_supported(f"{path}.type", kind, MODES)]
    if kind in types and kind != WEBHOOK:
        return [duplicate(f"{path}.type", kind)]
    types.add(kind)
    faults = []
    if not name:
        faults.append(required(f"{path}.name"))
    elif name in names:
        faults.append(duplicate(f"{path}.name", name))
    elif wrong := dns_subdomain(name):
        faults.append(invalid_value(f"{path}.name", name, f"authorizer name is invalid: {', '.join(wrong)}"))
    names.add(name)
    if kind != WEBHOOK:
        if webhook is not None:
            faults.append(invalid_value(f"{path}.webhook", "non-null", "may only be specified when type=Webhook"))
        return faults
    if webhook is None:
        return [*faults, required(f"{path}.webhook", "required when type=Webhook")]
    return faults + _webhook_faults(webhook, path)


def _webhook_faults(about: Object, path: str) -> list[FieldError]:
    """The reference leaves `webhook` out of these paths."""
    faults = []
    timeout = seconds(about, "timeout")
    if timeout == 0:
        faults.append(required(f"{path}.timeout"))
    elif not 0 < timeout <= LONGEST_TIMEOUT:
        faults.append(invalid_value(f"{path}.timeout", shown_span(timeout), "must be > 0s and <= 30s"))
    for name in ("authorizedTTL", "unauthorizedTTL"):
        lifetime = seconds(about, name, 1)
        if lifetime < 0:
            faults.append(invalid_value(f"{path}.{name}", shown_span(lifetime), "must be > 0s"))
    faults += _choice(about, path, "subjectAccessReviewVersion", VERSIONS)
    conditions = about.get("matchConditions") or []
    version = about.get("matchConditionSubjectAccessReviewVersion") or ""
    place = f"{path}.matchConditionSubjectAccessReviewVersion"
    if not version and conditions:
        faults.append(required(place, "required if match conditions are specified"))
    elif version not in ("", "v1"):
        faults.append(not_supported(place, version, ("v1",)))
    faults += _choice(about, path, "failurePolicy", ("NoOpinion", "Deny"))
    faults += _connection_faults(about.get("connectionInfo") or {}, f"{path}.connectionInfo")
    return faults + _condition_faults(conditions, f"{path}.matchConditions")


def _choice(about: Object, path: str, name: str, choices: tuple[str, ...]) -> list[FieldError]:
    value = about.get(name) or ""
    if not value:
        return [required(f"{path}.{name}")]
    return [] if value in choices else [not_supported(f"{path}.{name}", value, choices)]


def _connection_faults(about: Object, path: str) -> list[FieldError]:
    kind, file = about.get("type") or "", about.get("kubeConfigFile")
    if not kind:
        return [required(f"{path}.type")]
    place = f"{path}.kubeConfigFile"
    if kind == "InClusterConfig":
        return [] if file is None else [invalid_value(place, file, "can only be set when type=KubeConfigFile")]
    if kind != "KubeConfigFile":
        shown: Any = {"Type": kind, "KubeConfigFile": file}
        return [not_supported(f"{path}.type", shown, ("InClusterConfig", "KubeConfigFile"))]
    if not file:
        return [required(place)]
    if not file.startswith("/"):
        return [invalid_value(place, file, "must be an absolute path")]
    if not Path(file).exists():
        return [invalid_value(place, file, f"error loading file: stat {file}: no such file or directory")]
    return [] if Path(file).is_file() else [invalid_value(place, file, "must be a regular file")]


def _condition_faults(conditions: list[Object], path: str) -> list[FieldError]:
    if len(conditions) > MOST_CONDITIONS:
        return [too_many(path, len(conditions), MOST_CONDITIONS)]
    from umiak.server.access.match_conditions import fault  # the language is big, conditions are rare

    faults: list[FieldError] = []
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        text, place = condition.get("expression") or "", f"{path}[{i}].expression"
        if not text.strip():
            faults.append(required(place))
        elif text in seen:
            faults.append(duplicate(place, text))
        elif why := fault(text):
            faults.append(invalid_value(place, text, why))
        seen.add(text)
    return faults


def of_flags(settings: AccessSettings) -> list[Member]:
    """The authorizers that flags name. Raises Unacceptable."""
    modes, hook = settings.authorization_modes, settings.authorization_webhook
    faults = [f"authorization-mode {_shown(mode)} is not a valid mode" for mode in modes if mode not in MODES]
    if not modes:
        faults.append("at least one authorization-mode must be passed")
    needs = (
        ("ABAC", settings.authorization_policy_file, "authorization policy", "authorization-policy-file"),
        (WEBHOOK, hook.file, "authorization config", "authorization-webhook-config-file"),
    )
    for mode, file, what, flag in needs:
        if mode in modes and not file:
            faults.append(f"authorization-mode {mode}'s {what} file not passed")
        if file and mode not in modes:
            faults.append(f"cannot specify --{flag} without mode {mode}")
    if len(set(modes)) != len(modes):
        shown = " ".join(map(_shown, modes))
        faults.append(f"authorization-mode [{shown}] has mode specified more than once")
    if faults:
        raise Unacceptable(together(faults))
    return [Member(WEBHOOK, DEFAULT_NAME, _flagged(settings)) if m == WEBHOOK else Member(m, m.lower()) for m in modes]


def _shown(text: str) -> str:
    return f'"{text}"'


def _flagged(settings: AccessSettings) -> Webhook:
    hook = settings.authorization_webhook
    return Webhook(
        kubeconfig=hook.file,
        version=hook.version,
        timeout=LONGEST_TIMEOUT,
        authorized_ttl=hook.authorized_ttl,
        unauthorized_ttl=hook.unauthorized_ttl,
    )
