"""Puts authentication and authorization together over a store."""

from collections.abc import Sequence
from pathlib import Path

from umiak.kit.clock import Clock
from umiak.server.access.authorization import Authorization
from umiak.server.access.bootstrap_tokens import BootstrapTokens
from umiak.server.access.certificates import Certificates
from umiak.server.access.credentials import Authentication, TokenFile, TokenReader
from umiak.server.access.node import NodeAuthorizer
from umiak.server.access.rbac import Policy
from umiak.server.bootstrap.roles import node_rules
from umiak.server.keys import Keys
from umiak.server.tokens import ServiceAccountTokens
from umiak.store.contract import Store


async def authorization(store: Store) -> Authorization:
    """RBAC and the node authorizer, following the store until stopped."""
    policy = Policy()
    await policy.start(store)
    return Authorization(policy, NodeAuthorizer(store, node_rules))


def authentication(
    store: Store, clock: Clock, keys: Keys, issuer: str, audiences: Sequence[str], token_file: Path | None = None
) -> Authentication:
    """Certificates and tokens of all sorts. Raises OSError and ValueError for the file of static tokens."""
    readers: list[TokenReader] = [TokenFile.load(token_file, audiences)] if token_file else []
    readers.append(ServiceAccountTokens(keys, (issuer,), audiences, store, clock))
    readers.append(BootstrapTokens(store, clock, audiences))
    return Authentication(Certificates(clock), readers, audiences)
