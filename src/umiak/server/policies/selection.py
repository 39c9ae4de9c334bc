"""Which policies a write meets, through which bindings, and with which parameters.

Source: the loops of apiserver's `validating/dispatcher.go` and `generic/policy_dispatcher.go`.
"""

from collections.abc import Sequence

import msgspec

from umiak.api.kind import Kind
from umiak.objects.types import Object
from umiak.server.policies.book import Policy, PolicyBook
from umiak.server.policies.params import Misconfigured, collected
from umiak.server.policies.subject import Subject
from umiak.server.webhooks.matching import Target


class Met(msgspec.Struct, frozen=True):
    """A policy that is to be evaluated once for each of `params`; or why it cannot be, as `fault` says.

    `actions` are the binding's validationActions; `binding` is empty when the policy itself is at fault.
    """

    policy: Policy
    target: Target
    binding: str = ""
    actions: Sequence[str] = ()
    params: list[Object | None] = msgspec.field(default_factory=list)
    param_kind: Kind | None = None
    fault: str = ""


async def met(book: PolicyBook, policies: Sequence[Policy], subject: Subject) -> list[Met]:
    """Raises 404 for a namespace that is not there."""
    found: list[Met] = []
    for policy in policies:
        target = await subject.concerned(policy.spec["matchConstraints"])
        if target is None:
            continue
        try:
            kind = book.param_kind(policy)
        except Misconfigured as error:
            found.append(Met(policy, target, fault=f"failed to configure policy: {error}"))
            continue
        found += [
            await _through(policy, target, kind, binding, subject)
            for binding in policy.bindings
            if await _holds_for(binding, subject)
        ]
    return found


async def _holds_for(binding: Object, subject: Subject) -> bool:
    match = binding["spec"].get("matchResources")
    return match is None or await subject.concerned(match) is not None


async def _through(policy: Policy, target: Target, kind: Kind | None, binding: Object, subject: Subject) -> Met:
    name, spec = binding["metadata"]["name"], binding["spec"]
    namespace = subject.request.attributes.namespace
    try:
        params = await collected(subject.around.objects, kind, spec.get("paramRef"), namespace)
    except Misconfigured as error:
        return Met(policy, target, name, fault=f"failed to configure binding: {error}")
    return Met(policy, target, name, spec.get("validationActions") or (), params, kind)
