"""Puts authentication and authorization together over a store."""

import random
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from umiak.kit.clock import Clock
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
from umiak.server.tokens import ServiceAccountTokens
from umiak.store.contract import Store

Follow = Callable[[], Coroutine[None, None, None]]


async def authorization(
    store: Store, settings: AccessSettings, clock: Clock, dice: random.Random
) -> tuple[Authorization, Follow | None]:
    """(the authorizers that the settings name, following the store until closed; what follows their file, if they come
    from one). Raises Unacceptable."""
    named, data = members(settings)
    policy, node = Policy(), NodeAuthorizer(store, node_rules)
    row = Row(named, Surroundings(policy, node, clock, dice), settings.authorization_policy_file)
    await policy.start(store)
    path = settings.authorization_config
    follow = None if path is None else (lambda: row.follow(path, data))
    return Authorization(policy, node, row), follow


def authentication(
    store: Store, clock: Clock, keys: Keys, issuer: str, audiences: Sequence[str], token_file: Path | None = None
) -> Authentication:
    """Certificates and tokens of all sorts. Raises OSError and ValueError for the file of static tokens."""
    readers: list[TokenReader] = [TokenFile.load(token_file, audiences)] if token_file else []
    readers.append(ServiceAccountTokens(keys, (issuer,), audiences, store, clock))
    readers.append(BootstrapTokens(store, clock, audiences))
    return Authentication(Certificates(clock), readers, audiences)
