"""`AuthenticationConfiguration`: issuers of tokens, and who may come without credentials. Pure.

Source: apiserver's `pkg/apis/apiserver/validation/validation.go` and kubeapiserver's `options/authentication.go`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from umiak.api.common.checks import domain_prefixed_path
from umiak.api.configuration import SWITCH, TEXT, Unacceptable, document, list_of, read, struct
from umiak.objects.errors import FieldError, duplicate, field_forbidden, invalid_value, required, together, too_many
from umiak.objects.types import Object
from umiak.server.access.jwt.expressions import fault, mentions
from umiak.server.access.settings import AccessSettings, OidcSettings

MOST_ISSUERS = 64
ALGORITHMS = ("ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
OWN_DOMAINS = ("kubernetes.io", "k8s.io")
VERIFY_EMAIL = (
    "claims.email_verified must be used in claimMappings.username.expression or "
    "claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in "
    "claimMappings.username.expression"
)


class Anonymous(msgspec.Struct, frozen=True):
    """Who may come without credentials. `paths` empty: to every path."""

    enabled: bool
    paths: frozenset[str] = frozenset()


class Configuration(msgspec.Struct, frozen=True):
    """`issuers` are JWTAuthenticator objects that were checked; `anonymous` None when the file says nothing."""

    issuers: tuple[Object, ...] = ()
    anonymous: Anonymous | None = None
    algorithms: tuple[str, ...] = ALGORITHMS


_PREFIXED = struct("PrefixedClaimOrExpression", claim=TEXT, prefix=TEXT, expression=TEXT)
_MAPPINGS = struct(
    "ClaimMappings",
    username=_PREFIXED,
    groups=_PREFIXED,
    uid=struct("ClaimOrExpression", claim=TEXT, expression=TEXT),
    extra=list_of(struct("ExtraMapping", key=TEXT, valueExpression=TEXT)),
)
_ISSUER = struct(
    "Issuer",
    url=TEXT,
    discoveryURL=TEXT,
    certificateAuthority=TEXT,
    audiences=list_of(TEXT),
    audienceMatchPolicy=TEXT,
    egressSelectorType=TEXT,
)
_AUTHENTICATOR = struct(
    "JWTAuthenticator",
    issuer=_ISSUER,
    claimValidationRules=list_of(
        struct("ClaimValidationRule", claim=TEXT, requiredValue=TEXT, expression=TEXT, message=TEXT)
    ),
    claimMappings=_MAPPINGS,
    userValidationRules=list_of(struct("UserValidationRule", expression=TEXT, message=TEXT)),
)
_FILE = document(
    "AuthenticationConfiguration",
    jwt=list_of(_AUTHENTICATOR),
    anonymous=struct(
        "AnonymousAuthConfig", enabled=SWITCH, conditions=list_of(struct("AnonymousAuthCondition", path=TEXT))
    ),
)
_KNOWN = {
    (f"apiserver.config.k8s.io/{version}", "AuthenticationConfiguration"): _FILE
    for version in ("v1", "v1beta1", "v1alpha1")
}


def load(data: bytes) -> Object:
    """The file as an object, not yet checked. Raises Unacceptable."""
    if not data:
        raise Unacceptable("empty config data")
    return read(data, _KNOWN)


def checked(found: Object, own_issuers: Iterable[str] = (), before: Configuration | None = None) -> Configuration:
    """`own_issuers` sign service account tokens and may not be configured; `before` is what the file said first: who
    may be anonymous stays for good. Raises Unacceptable."""
    faults = validate(found, own_issuers)
    anonymous = _anonymous(found.get("anonymous"))
    if before is not None and anonymous != before.anonymous:
        faults.append(field_forbidden("anonymous", "changed from initial configuration file"))
    if faults:
        raise Unacceptable(together(faults))
    for one in found.get("jwt") or ():
        if egress := one["issuer"].get("egressSelectorType"):  # there is nothing that it could select
            raise Unacceptable(f'oidc: egress lookup required with egress selector type "{egress}"')
    return Configuration(tuple(found.get("jwt") or ()), anonymous)


def _anonymous(about: Object | None) -> Anonymous | None:
    if about is None:
        return None
    paths = frozenset(one.get("path") or "" for one in about.get("conditions") or ())
    return Anonymous(bool(about.get("enabled")), paths)


def initial(settings: AccessSettings, own_issuers: Sequence[str]) -> tuple[Configuration, bytes]:
    """(what flags and file say together, the file as it was read). Raises Unacceptable."""
    path = settings.authentication_config
    if path is None:
        found = _of_flags(settings.oidc)
        data, algorithms = b"", settings.oidc.signing_algs if settings.oidc else ALGORITHMS
    else:
        found, data = _of_file(path, settings)
        algorithms = ALGORITHMS
    if bad := [name for name in algorithms if name not in ALGORITHMS]:
        raise Unacceptable(f'oidc: unsupported signing alg: "{bad[0]}"')
    try:
        configuration = checked(found)
    except Unacceptable as error:
        raise Unacceptable(f"invalid authentication configuration: {error}") from None
    overlap: list[FieldError] = []
    for one in configuration.issuers:
        overlap += _issuer_faults(one["issuer"], "issuer", own_issuers)
    if overlap:
        raise Unacceptable(together(overlap))
    if configuration.anonymous is not None and settings.anonymous is not None:
        why = "flag cannot be set when anonymous field is configured in authentication configuration file"
        raise Unacceptable(f"anonymous: Forbidden: --anonymous-auth {why}")
    return replace(configuration, algorithms=algorithms), data


def _of_file(path: Path, settings: AccessSettings) -> tuple[Object, bytes]:
    if settings.oidc is not None:
        raise Unacceptable("authentication-config file and oidc-* flags are mutually exclusive")
    try:
        data = path.read_bytes()
        return load(data), data
    except OSError as error:
        why = f"open {path}: {(error.strerror or '').lower()}"
    except Unacceptable as error:
        why = str(error)
    raise Unacceptable(f'failed to load authentication configuration from file "{path}": {why}')


def _of_flags(oidc: OidcSettings | None) -> Object:
    if oidc is None:
        return {}
    if not oidc.issuer_url or not oidc.client_id:
        why = "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"
        raise Unacceptable(why)
    prefix = oidc.username_prefix
    if not prefix and oidc.username_claim != "email":
        prefix = f"{oidc.issuer_url}#"
    mappings: Object = {"username": {"claim": oidc.username_claim, "prefix": "" if prefix == "-" else prefix}}
    if oidc.groups_claim:
        mappings["groups"] = {"claim": oidc.groups_claim, "prefix": oidc.groups_prefix}
    issuer: Object = {"url": oidc.issuer_url, "audiences": [oidc.client_id]}
    if oidc.ca_file:
        issuer["certificateAuthority"] = _text(oidc.ca_file)
    rules = [{"claim": claim, "requiredValue": value} for claim, value in oidc.required_claims]
    return {"jwt": [{"issuer": issuer, "claimMappings": mappings, "claimValidationRules": rules}]}


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise Unacceptable(f"open {path}: {(error.strerror or '').lower()}") from None


def validate(found: Object, own_issuers: Iterable[str] = ()) -> list[FieldError]:
    jwt = found.get("jwt") or []
    if len(jwt) > MOST_ISSUERS:
        return [too_many("jwt", len(jwt), MOST_ISSUERS)]
    faults: list[FieldError] = []
    seen: dict[str, set[str]] = {"url": set(), "discoveryURL": set()}
    for i, one in enumerate(jwt):
        issuer, path = one.get("issuer") or {}, f"jwt[{i}]"
        faults += _issuer_faults(issuer, f"{path}.issuer", own_issuers)
        faults += _authenticator_faults(one, path)
        for name, values in seen.items():
            value = issuer.get(name) or ""
            if value in values and (value or name == "url"):
                faults.append(duplicate(f"{path}.issuer.{name}", value))
            values.add(value)
    anonymous = found.get("anonymous") or {}
    if anonymous.get("conditions") and not anonymous.get("enabled"):
        shown = [{"Path": one.get("path") or ""} for one in anonymous["conditions"]]
        why = "enabled should be set to true when conditions are defined"
        faults.append(invalid_value("anonymous.conditions", shown, why))
    return faults


def _issuer_faults(issuer: Object, path: str, own_issuers: Iterable[str]) -> list[FieldError]:
    url, discovery = issuer.get("url") or "", issuer.get("discoveryURL") or ""
    faults = _url_faults(url, f"{path}.url", own_issuers) if url else [required(f"{path}.url")]
    if discovery:
        if url and url.rstrip("/") == discovery.rstrip("/"):
            faults.append(invalid_value(f"{path}.discoveryURL", discovery, "discoveryURL must be different from URL"))
        faults += _url_faults(discovery, f"{path}.discoveryURL", ())
    faults += _audience_faults(issuer, path)
    if (text := issuer.get("certificateAuthority")) and not _is_authority(text):
        why = "data does not contain any valid RSA or ECDSA certificates"
        faults.append(invalid_value(f"{path}.certificateAuthority", "<omitted>", why))
    egress = issuer.get("egressSelectorType") or ""
    if egress not in ("", "controlplane", "cluster"):
        why = "egress selector must be either controlplane or cluster"
        faults.append(invalid_value(f"{path}.egressSelectorType", egress, why))
    return faults


def _is_authority(text: str) -> bool:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return False
    return "-----BEGIN CERTIFICATE-----" in text


def _url_faults(url: str, path: str, own_issuers: Iterable[str]) -> list[FieldError]:
    own = sorted(set(own_issuers))
    faults = []
    if url in own:
        why = f"URL must not overlap with disallowed issuers: [{' '.join(own)}]"
        faults.append(invalid_value(path, url, why))
    try:
        parts = urlsplit(url)
        told = parts.scheme, parts.username is not None, parts.query, parts.fragment
    except ValueError as error:
        return [*faults, invalid_value(path, url, f'parse "{url}": {error}')]
    wrong = (
        (told[0] != "https", "URL scheme must be https"),
        (told[1], "URL must not contain a username or password"),
        (bool(told[2]), "URL must not contain a query"),
        (bool(told[3]), "URL must not contain a fragment"),
    )
    return faults + [invalid_value(path, url, why) for is_wrong, why in wrong if is_wrong]


def _audience_faults(issuer: Object, path: str) -> list[FieldError]:
    audiences, policy = issuer.get("audiences") or [], issuer.get("audienceMatchPolicy") or ""
    place = f"{path}.audiences"
    if not audiences:
        return [required(place, f"at least one {place} is required")]
    faults = []
    for i, audience in enumerate(audiences):
        if not audience:
            faults.append(required(f"{place}[{i}]"))
        if audience in audiences[:i]:
            faults.append(duplicate(f"{place}[{i}]", audience))
    if len(audiences) > 1 and policy != "MatchAny":
        why = "audienceMatchPolicy must be MatchAny for multiple audiences"
        faults.append(invalid_value(f"{path}.audienceMatchPolicy", policy, why))
    if len(audiences) == 1 and policy not in ("", "MatchAny"):
        why = "audienceMatchPolicy must be empty or MatchAny for single audience"
        faults.append(invalid_value(f"{path}.audienceMatchPolicy", policy, why))
    return faults


BOTH = "claim and expression can't both be set"


def _authenticator_faults(one: Object, path: str) -> list[FieldError]:
    rules, mappings = one.get("claimValidationRules") or [], one.get("claimMappings") or {}
    faults = _rule_faults(rules, f"{path}.claimValidationRules")
    faults += _mapping_faults(mappings, rules, f"{path}.claimMappings")
    return faults + _user_rule_faults(one.get("userValidationRules") or [], f"{path}.userValidationRules")


def _rule_faults(rules: list[Object], path: str) -> list[FieldError]:
    faults: list[FieldError] = []
    claims: set[str] = set()
    expressions: set[str] = set()
    for i, rule in enumerate(rules):
        claim, text, place = rule.get("claim") or "", rule.get("expression") or "", f"{path}[{i}]"
        if claim and text:
            faults.append(invalid_value(place, claim, BOTH))
        elif claim:
            if rule.get("message"):
                faults.append(invalid_value(f"{place}.message", rule["message"], _not_with("claim")))
            if claim in claims:
                faults.append(duplicate(f"{place}.claim", claim))
            claims.add(claim)
        elif text:
            if rule.get("requiredValue"):
                faults.append(invalid_value(f"{place}.requiredValue", rule["requiredValue"], _not_with("expression")))
            faults += _expression_faults(text, f"{place}.expression", expressions, "claims", is_condition=True)
        else:
            faults.append(required(place, "claim or expression is required"))
    return faults


def _not_with(name: str) -> str:
    return f"may not be specified when {name} is set"


def _expression_faults(
    text: str, path: str, seen: set[str], variable: str, *, is_condition: bool = False
) -> list[FieldError]:
    if text in seen:
        return [duplicate(path, text)]
    seen.add(text)
    why = fault(text, variable, is_condition)
    return [invalid_value(path, text, why)] if why else []


def _user_rule_faults(rules: list[Object], path: str) -> list[FieldError]:
    faults: list[FieldError] = []
    seen: set[str] = set()
    for i, rule in enumerate(rules):
        text, place = rule.get("expression") or "", f"{path}[{i}].expression"
        found = _expression_faults(text, place, seen, "user", is_condition=True) if text else [required(place)]
        faults += found
    return faults


def _mapping_faults(mappings: Object, rules: list[Object], path: str) -> list[FieldError]:
    username, uid = mappings.get("username") or {}, mappings.get("uid") or {}
    faults = _prefixed_faults(username, f"{path}.username", is_needed=True)
    faults += _prefixed_faults(mappings.get("groups") or {}, f"{path}.groups", is_needed=False)
    if uid.get("claim") and uid.get("expression"):
        faults.append(invalid_value(f"{path}.uid", "", BOTH))
    elif uid.get("expression"):
        faults += _expression_faults(uid["expression"], f"{path}.uid.expression", set(), "claims")
    extra = mappings.get("extra") or []
    faults += _extra_faults(extra, f"{path}.extra")
    if _forgets_verification(username.get("expression") or "", rules, extra):
        faults.append(invalid_value(f"{path}.username.expression", username["expression"], VERIFY_EMAIL))
    return faults


def _forgets_verification(username: str, rules: list[Object], extra: list[Object]) -> bool:
    """Whether a mail address names the user without anybody having looked whether it is verified."""
    if not username or fault(username, "claims") or not mentions(username, "email"):
        return False
    texts = [username, *(one.get("expression") or "" for one in rules)]
    texts += [one.get("valueExpression") or "" for one in extra]
    return not any(text and not fault(text, "claims") and mentions(text, "email_verified") for text in texts)


def _prefixed_faults(about: Object, path: str, *, is_needed: bool) -> list[FieldError]:
    claim, text = about.get("claim") or "", about.get("expression") or ""
    if claim and text:
        return [invalid_value(path, "", BOTH)]
    if not claim and not text:
        return [required(path, "claim or expression is required")] if is_needed else []
    prefix = about.get("prefix")
    if claim:
        why = "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
        return [required(f"{path}.prefix", why)] if prefix is None else []
    found = [] if prefix is None else [invalid_value(f"{path}.prefix", prefix, _not_with("expression"))]
    return found + _expression_faults(text, f"{path}.expression", set(), "claims")


def _extra_faults(extra: list[Object], path: str) -> list[FieldError]:
    faults: list[FieldError] = []
    seen: set[str] = set()
    for i, one in enumerate(extra):
        key, text, place = one.get("key") or "", one.get("valueExpression") or "", f"{path}[{i}]"
        domain_prefixed_path(key, f"{place}.key", faults)
        if key != key.lower():
            faults.append(invalid_value(f"{place}.key", key, "must be lowercase"))
        domain = key.partition("/")[0] if "/" in key else ""
        if any(domain == own or domain.endswith(f".{own}") for own in OWN_DOMAINS):
            why = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
            faults.append(invalid_value(f"{place}.key", key, why))
        if key in seen:
            faults.append(duplicate(f"{place}.key", key))
            continue
        seen.add(key)
        where = f"{place}.valueExpression"
        faults += _expression_faults(text, where, set(), "claims") if text else [required(where)]
    return faults
