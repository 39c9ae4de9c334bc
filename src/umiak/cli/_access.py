"""The flags of `umiak server` that say who may do what and what may be written, named as kube-apiserver's."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umiak.cli.command import CommandError

if TYPE_CHECKING:
    from umiak.server.access.settings import AccessSettings, OidcSettings, WebhookSettings
    from umiak.server.admission_settings import AdmissionSettings

TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


def switch(text: str) -> bool:
    """A boolean as Go reads it."""
    if text not in (*TRUE, *FALSE):
        raise argparse.ArgumentTypeError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in TRUE


def span(text: str) -> float:
    """Seconds of a text such as `2m0s`."""
    from umiak.api.configuration import Unacceptable, span

    try:
        return span(text)
    except Unacceptable as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class Listed(argparse.Action):
    """A flag that takes several values, by commas or by being repeated."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        before = getattr(namespace, self.dest) or ()
        setattr(namespace, self.dest, (*before, *(part for part in values.split(",") if part)))


def add_switch(group: Any, name: str, help: str) -> None:
    group.add_argument(name, type=switch, nargs="?", const=True, metavar="BOOL", help=help)


def arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("authentication")
    group.add_argument("--authentication-config", metavar="F", help="AuthenticationConfiguration; read anew on change")
    add_switch(group, "--anonymous-auth", "whether requests without credentials are let in (default true)")
    add_switch(group, "--enable-bootstrap-token-auth", "whether bootstrap tokens are believed (default true)")
    group.add_argument("--authentication-token-webhook-config-file", default="", metavar="F", help="kubeconfig")
    group.add_argument("--authentication-token-webhook-version", default="v1beta1", metavar="V", help="v1 or v1beta1")
    group.add_argument("--authentication-token-webhook-cache-ttl", type=span, default=120, metavar="TIME")
    _oidc(parser.add_argument_group("OpenID Connect, one issuer"))
    _authorization(parser.add_argument_group("authorization"))
    _accounts(parser.add_argument_group("service account tokens"))
    _admission(parser.add_argument_group("admission"))


def _oidc(group: Any) -> None:
    names = ("issuer-url", "client-id", "ca-file", "username-claim", "username-prefix", "groups-claim", "groups-prefix")
    for name in names:
        group.add_argument(f"--oidc-{name}", metavar="TEXT")
    group.add_argument("--oidc-signing-algs", action=Listed, metavar="ALG,..", help="default RS256")
    group.add_argument("--oidc-required-claim", action="append", metavar="CLAIM=VALUE")


def _authorization(group: Any) -> None:
    group.add_argument("--authorization-config", metavar="F", help="AuthorizationConfiguration; read anew on change")
    group.add_argument("--authorization-mode", action=Listed, metavar="MODE,..", help="default Node,RBAC")
    group.add_argument("--authorization-policy-file", default="", metavar="F", help="for mode ABAC")
    group.add_argument("--authorization-webhook-config-file", metavar="F", help="kubeconfig, for mode Webhook")
    group.add_argument("--authorization-webhook-version", metavar="V", help="v1 or v1beta1 (default)")
    group.add_argument("--authorization-webhook-cache-authorized-ttl", type=span, metavar="TIME")
    group.add_argument("--authorization-webhook-cache-unauthorized-ttl", type=span, metavar="TIME")


def _accounts(group: Any) -> None:
    group.add_argument("--api-audiences", action=Listed, metavar="A,..", help="default: the issuers")
    group.add_argument("--service-account-issuer", action="append", metavar="URL", help="the first signs")
    group.add_argument("--service-account-jwks-uri", default="", metavar="URL", help="told instead of our own")
    group.add_argument("--service-account-key-file", action="append", metavar="F", help="PEM; repeatable")
    group.add_argument("--service-account-signing-key-file", default="", metavar="F", help="default: sa.key in D")
    group.add_argument("--service-account-max-token-expiration", type=span, default=0, metavar="TIME")
    add_switch(group, "--service-account-extend-token-expiration", "whether injected tokens last a year (default true)")
    add_switch(group, "--service-account-lookup", "whether secrets of everlasting tokens must exist (default true)")


def _admission(group: Any) -> None:
    group.add_argument("--enable-admission-plugins", action=Listed, metavar="NAME,..", help="on besides the usual ones")
    group.add_argument("--disable-admission-plugins", action=Listed, metavar="NAME,..", help="usual ones to go without")
    group.add_argument("--admission-control-config-file", metavar="F", help="AdmissionConfiguration")


def admission_settings(args: argparse.Namespace) -> "AdmissionSettings":
    from umiak.server.admission_settings import AdmissionSettings

    return AdmissionSettings(
        wanted=frozenset(args.enable_admission_plugins or ()),
        without=frozenset(args.disable_admission_plugins or ()),
        config_file=_path(args.admission_control_config_file),
    )


def access_settings(args: argparse.Namespace) -> "AccessSettings":
    """Raises CommandError on what can not be."""
    from umiak.server.access.settings import AccessSettings

    settings = AccessSettings(
        authentication_config=_path(args.authentication_config),
        anonymous=args.anonymous_auth,
        oidc=_oidc_settings(args),
        token_webhook=_token_webhook(args),
        bootstrap_tokens=args.enable_bootstrap_token_auth is not False,
        authorization_config=_path(args.authorization_config),
        authorization_modes=args.authorization_mode or ("Node", "RBAC"),
        authorization_flags_given=_authorization_flags_given(args),
        authorization_policy_file=args.authorization_policy_file,
        authorization_webhook=_authorization_webhook(args),
        api_audiences=args.api_audiences or (),
        issuers=tuple(args.service_account_issuer or ()),
        jwks_uri=args.service_account_jwks_uri,
        key_files=tuple(args.service_account_key_file or ()),
        signing_key_file=args.service_account_signing_key_file,
        lookup=args.service_account_lookup is not False,
        extend_expiration=args.service_account_extend_token_expiration is not False,
        max_expiration=args.service_account_max_token_expiration,
    )
    _check_issuers(settings.issuers)
    _check_jwks(settings.jwks_uri)
    if settings.max_expiration and not 3600 <= settings.max_expiration <= 1 << 32:
        raise CommandError("the service-account-max-token-expiration must be between 1 hour and 2^32 seconds")
    return settings


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _token_webhook(args: argparse.Namespace) -> "WebhookSettings":
    from umiak.server.access.settings import WebhookSettings

    return WebhookSettings(
        file=args.authentication_token_webhook_config_file,
        version=args.authentication_token_webhook_version,
        authorized_ttl=args.authentication_token_webhook_cache_ttl,
    )


HOOK = "authorization_webhook_"


def _authorization_flags_given(args: argparse.Namespace) -> bool:
    names = (name for name in vars(args) if name.startswith(HOOK))
    return args.authorization_mode is not None or any(getattr(args, name) is not None for name in names)


def _authorization_webhook(args: argparse.Namespace) -> "WebhookSettings":
    from umiak.server.access.settings import WebhookSettings

    given = {
        "file": args.authorization_webhook_config_file,
        "version": args.authorization_webhook_version,
        "authorized_ttl": args.authorization_webhook_cache_authorized_ttl,
        "unauthorized_ttl": args.authorization_webhook_cache_unauthorized_ttl,
    }
    return WebhookSettings(**{name: value for name, value in given.items() if value is not None})


def _oidc_settings(args: argparse.Namespace) -> "OidcSettings | None":
    """None when no flag was given."""
    from umiak.server.access.settings import OidcSettings

    given = {
        name.removeprefix("oidc_"): value
        for name, value in vars(args).items()
        if name.startswith("oidc_") and value is not None
    }
    if not given:
        return None
    pairs = given.pop("required_claim", None) or ()
    if bad := [pair for pair in pairs if "=" not in pair]:
        raise CommandError(f"--oidc-required-claim: malformed pair, expect string=string: {bad[0]}")
    claims = {pair.partition("=")[0].strip(): pair.partition("=")[2].strip() for pair in pairs}
    return OidcSettings(**given, required_claims=tuple(claims.items()))


def _check_issuers(issuers: Sequence[str]) -> None:
    """Source: kubeapiserver's `options/authentication.go`."""
    for i, issuer in enumerate(issuers):
        if not issuer:
            raise CommandError("service-account-issuer should not be an empty string")
        if issuer in issuers[:i]:
            raise CommandError(f'service-account-issuer "{issuer}" is already specified')


def _check_jwks(uri: str) -> None:
    if uri and not uri.startswith("https://"):
        raise CommandError(f"service-account-jwks-uri requires https scheme, parsed as: {uri}")
