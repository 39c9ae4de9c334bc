"""Puts authentication and authorization together over a store, as the settings say.

What few servers are configured with (issuers of tokens, webhooks) is loaded only where it is.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path

import msgspec

from umiak.api.core.secret import KIND as SECRET
from umiak.kit.clock import Clock
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.server.access.authorization import Authorization
from umiak.server.access.bootstrap_tokens import BootstrapTokens
from umiak.server.access.certificates import Certificates
from umiak.server.access.credentials import Authentication, TokenFile, TokenReader
from umiak.server.access.node import NodeAuthorizer
from umiak.server.access.rbac import Policy
from umiak.server.access.row import Row, Surroundings, members
from umiak.server.access.settings import AccessSettings
from umiak.server.bootstrap.roles import node_rules
from umiak.server.keys import Keys
from umiak.server.resources import Resources
from umiak.server.settings import Settings
from umiak.server.tokens import LAST_USED, Issuer, ServiceAccountTokens
from umiak.store.contract import Store, Unwritable

log = logging.getLogger(__name__)


class Background(msgspec.Struct):
    """What goes on beside requests: begun when the server starts, ended when it closes."""

    starts: list[Callable[[], None]] = msgspec.field(default_factory=list)
    works: list[Callable[[], Coroutine[None, None, None]]] = msgspec.field(default_factory=list)
    """Each runs until it is cancelled."""
    closes: list[Callable[[], Awaitable[None]]] = msgspec.field(default_factory=list)


class Needs(msgspec.Struct, frozen=True):
    """What access is made of."""

    store: Store
    clock: Clock
    dice: random.Random
    keys: Keys
    settings: Settings


def signing_keys(access: AccessSettings, own: str, others: Sequence[str]) -> Keys:
    """`own` signs unless the settings name another key; where they name keys to believe, only those count. PEM texts.
    Raises OSError."""
    signing = Path(access.signing_key_file).read_text() if access.signing_key_file else own
    if not access.key_files:
        return Keys(signing, others)
    return Keys(signing, [Path(file).read_text() for file in access.key_files], trusts_itself=False)


async def authorization(needs: Needs, background: Background) -> Authorization:
    """The authorizers that the settings name, following the store until closed. Raises Unacceptable."""
    settings = needs.settings.access
    named, data = members(settings)
    policy, node = Policy(), NodeAuthorizer(needs.store, node_rules)
    row = Row(named, Surroundings(policy, node, needs.clock, needs.dice), settings.authorization_policy_file)
    await policy.start(needs.store)
    if (path := settings.authorization_config) is not None:
        background.works.append(lambda: row.follow(path, data))
    made = Authorization(policy, node, row)
    background.closes.append(made.close)
    return made


def authentication(needs: Needs, background: Background) -> Authentication:
    """Certificates and tokens of all sorts, in the reference's order. Raises OSError and ValueError for files that
    cannot be used."""
    settings, access, audiences = needs.settings, needs.settings.access, needs.settings.audiences
    store, clock = needs.store, needs.clock
    readers: list[TokenReader] = [TokenFile.load(settings.token_file, audiences)] if settings.token_file else []
    readers.append(_account_tokens(needs))
    if access.bootstrap_tokens:
        readers.append(BootstrapTokens(store, clock, audiences))
    anonymous, paths = access.anonymous is not False, frozenset[str]()
    if access.authentication_config is not None or access.oidc is not None:
        anonymous, paths = _add_issuers(needs, readers, background)
    if access.token_webhook.file:
        _add_webhook(needs, readers, background)
    if anonymous and access.authorization_config is None and "AlwaysAllow" in access.authorization_modes:
        log.warning("AnonymousAuth is not allowed with the AlwaysAllow authorizer. Resetting AnonymousAuth to false.")
        anonymous = False
    return Authentication(Certificates(clock), readers, audiences, anonymous, paths)


def issuer(needs: Needs) -> Issuer:
    """Who makes service account tokens."""
    settings, access = needs.settings, needs.settings.access
    return Issuer(
        needs.keys,
        settings.issuers[0],
        settings.audiences,
        needs.clock,
        extends=access.extend_expiration,
        longest=int(access.max_expiration),
        jwks_uri=access.jwks_uri,
    )


def _account_tokens(needs: Needs) -> ServiceAccountTokens:
    settings = needs.settings
    objects = Resources(needs.store, needs.clock, needs.dice)

    async def note_use(namespace: str, name: str, today: str) -> None:
        """On the secret, so that tokens nobody uses any more can be found (KEP-2799)."""

        def change(secret: Object) -> Object:
            secret["metadata"].setdefault("labels", {})[LAST_USED] = today
            return secret

        try:
            await objects.modify(SECRET, namespace, name, change, through="")
        except (StatusError, Unwritable) as error:
            log.error("Failed to label legacy service account token %s/%s: %s", namespace, name, error)

    return ServiceAccountTokens(
        needs.keys,
        settings.issuers,
        settings.audiences,
        needs.store,
        needs.clock,
        note_use=note_use,
        lookup=settings.access.lookup,
    )


def _add_issuers(needs: Needs, readers: list[TokenReader], background: Background) -> tuple[bool, frozenset[str]]:
    """Whether anonymous requests are welcome, and to which paths."""
    from umiak.server.access.jwt.config import Anonymous, initial
    from umiak.server.access.jwt.reader import JwtReader

    settings, access = needs.settings, needs.settings.access
    configuration, data = initial(access, settings.issuers)
    reader = JwtReader(configuration, settings.audiences, settings.issuers, needs.clock)
    readers.append(reader)
    background.starts.append(reader.start)
    background.closes.append(reader.stop)
    if (path := access.authentication_config) is not None:
        background.works.append(lambda: reader.follow(path, data))
    told = configuration.anonymous or Anonymous(access.anonymous is not False)
    return told.enabled, told.paths


def _add_webhook(needs: Needs, readers: list[TokenReader], background: Background) -> None:
    from umiak.server.access.token_webhook import TokenWebhook

    hook = TokenWebhook(needs.settings.access.token_webhook, needs.settings.audiences, needs.clock, needs.dice)
    readers.append(hook)
    background.closes.append(hook.close)
