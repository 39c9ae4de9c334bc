"""The policies that are in force, as the store has them: each with its bindings, in the order of their names.

A request that meets no policy costs a look at an empty list.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from umiak.api.kind import Kind
from umiak.objects.types import Object
from umiak.server.access.feed import follow
from umiak.server.policies.params import Misconfigured, kind_text
from umiak.server.webhooks.matching import EXEMPT_GROUP
from umiak.server.webhooks.versions import Equivalents

if TYPE_CHECKING:
    from umiak.server.app import ApiServer
    from umiak.server.policies.compiled import Compiled
    from umiak.store.contract import Store


class Policy:
    """A policy that at least one binding puts in force."""

    def __init__(self, obj: Object) -> None:
        self.name: str = obj["metadata"]["name"]
        self.spec: Object = obj["spec"]
        self.bindings: list[Object] = []

    @property
    def ignores_errors(self) -> bool:
        return self.spec.get("failurePolicy") == "Ignore"

    @cached_property
    def compiled(self) -> "Compiled":
        """Made with the first write that the policy concerns."""
        from umiak.server.policies.compiled import Compiled

        return Compiled(self.spec)


class Shelf:
    """The policies of one kind, and their bindings."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.in_force: list[Policy] = []
        self._policies: dict[str, Policy] = {}
        self._bindings: dict[str, Object] = {}

    async def follow(self, store: "Store") -> list[Callable[[], None]]:
        root = f"/{EXEMPT_GROUP}/{self.prefix}admissionpolic"
        return [
            await follow(store, f"{root}ies/", self.policy_changed),
            await follow(store, f"{root}ybindings/", self.binding_changed),
        ]

    def policy_changed(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._policies.pop(name, None)
        else:
            self._policies[name] = Policy(msgspec.json.decode(value))
        self._arrange()

    def binding_changed(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._bindings.pop(name, None)
        else:
            self._bindings[name] = msgspec.json.decode(value)
        self._arrange()

    def _arrange(self) -> None:
        for policy in self._policies.values():
            policy.bindings = []
        for name in sorted(self._bindings):
            bound = self._policies.get(self._bindings[name]["spec"].get("policyName") or "")
            if bound is not None:
                bound.bindings.append(self._bindings[name])
        self.in_force = [p for _, p in sorted(self._policies.items()) if p.bindings]


class PolicyBook:
    """All admission policies of a server."""

    def __init__(self, app: "Callable[[], ApiServer]") -> None:
        self.equivalents = Equivalents(app)
        self.validating = Shelf("validating")
        self.mutating = Shelf("mutating")

    def param_kind(self, policy: Policy) -> Kind | None:
        """What the policy takes as parameters. Raises Misconfigured for a kind that is not served."""
        wanted = policy.spec.get("paramKind")
        if wanted is None:
            return None
        found = self.equivalents.named(wanted.get("apiVersion") or "", wanted.get("kind") or "")
        if found is None:
            raise Misconfigured(f"failed to find resource referenced by paramKind: '{kind_text(wanted)}'")
        return found


def hang_in(app: "ApiServer", book: PolicyBook) -> None:
    """Follows policies and bindings while the server runs."""
    stops: list[Callable[[], None]] = []

    async def start() -> None:
        for shelf in (book.validating, book.mutating):
            stops.extend(await shelf.follow(app.store))

    async def stop() -> None:
        for end in stops:
            end()

    app.on_start.append(start)
    app.on_close.append(stop)
