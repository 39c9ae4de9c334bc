"""What an API server is told about access: the reference's flags, with its defaults where ours do not differ.

Ours: `--authorization-mode` defaults to Node,RBAC instead of AlwaysAllow, and bootstrap tokens are read.
"""

from pathlib import Path

import msgspec


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The `--oidc-*` flags, which describe one issuer."""

    issuer_url: str = ""
    client_id: str = ""
    ca_file: str = ""
    username_claim: str = "sub"
    username_prefix: str = ""
    groups_claim: str = ""
    groups_prefix: str = ""
    signing_algs: tuple[str, ...] = ("RS256",)
    required_claims: tuple[tuple[str, str], ...] = ()


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is asked, named by a kubeconfig file. Times in seconds."""

    file: str = ""
    version: str = "v1beta1"
    authorized_ttl: float = 300
    """How long a yes is remembered; of token reviews, any answer."""
    unauthorized_ttl: float = 30


class FrontProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The `--requestheader-*` and `--proxy-client-*` flags: servers in front of this one that say in headers whom they
    speak for, and how this one does the same towards servers behind it. Paths of PEM files."""

    client_ca_file: str = ""
    """Empty: an authority of our own, whose one certificate is ours."""
    allowed_names: tuple[str, ...] = ()
    """Common names of certificates that may name users; empty: all of that authority."""
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)
    proxy_client_cert_file: str = ""
    proxy_client_key_file: str = ""


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    authentication_config: Path | None = None
    anonymous: bool | None = None
    """None when the flag was not given, which lets a file decide."""
    oidc: OidcSettings | None = None
    token_webhook: WebhookSettings = msgspec.field(default_factory=lambda: WebhookSettings(authorized_ttl=120))
    bootstrap_tokens: bool = True

    authorization_config: Path | None = None
    authorization_modes: tuple[str, ...] = ("Node", "RBAC")
    authorization_flags_given: bool = False
    authorization_policy_file: str = ""
    authorization_webhook: WebhookSettings = msgspec.field(default_factory=WebhookSettings)

    api_audiences: tuple[str, ...] = ()
    """Empty: those of the issuers."""
    issuers: tuple[str, ...] = ()
    """The first signs, all are believed; empty: the server's own."""
    jwks_uri: str = ""
    key_files: tuple[str, ...] = ()
    signing_key_file: str = ""
    lookup: bool = True
    """Whether the secret of an everlasting token must still be there."""
    extend_expiration: bool = True
    max_expiration: float = 0
    """Seconds a token may be good for; 0 for as long as is asked."""

    @property
    def is_usually_authorized(self) -> bool:
        """Whether nothing was said about authorization."""
        asks = self.authorization_policy_file or self.authorization_webhook.file
        return self.authorization_config is None and self.authorization_modes == ("Node", "RBAC") and not asks
