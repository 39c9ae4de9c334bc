"""Whatever a namespace's quotas count is charged before it is stored; what does not fit is refused.

All quotas are looked at first, then charged one by one with compare-and-swap. A write that fails afterwards stays
charged until the controller counts anew, as in the reference: erring towards too much never lets anybody exceed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from umiak.api import registry
from umiak.api.common import quota as rules
from umiak.api.common.quota_scopes import in_scope, matches, scopes_of
from umiak.objects.errors import StatusError
from umiak.objects.meta import name
from umiak.objects.quantity import Quantity, parse
from umiak.objects.types import Object
from umiak.server.admission._common import refuse
from umiak.server.contract import Admission, Admitted, Means, Phase, Surroundings

UNCOUNTED = frozenset({("", "events"), ("events.k8s.io", "events")})
SPOKEN_FOR = frozenset(
    f"{prefix}{resource}" for resource in ("cpu", "memory") for prefix in ("", "requests.", "limits.")
)
"""A quota on one of these obliges every container to say how much it wants."""


def concerns(request: Admitted) -> bool:
    asked = request.attributes
    place = (asked.group, asked.resource)
    if not asked.namespace or place in UNCOUNTED or place == ("", "namespaces"):
        return False
    if request.operation == "CREATE" and not asked.subresource:
        return True
    return request.operation == "UPDATE" and place[0] == "" and _counts_update(request)


def _counts_update(request: Admitted) -> bool:
    asked = request.attributes
    if asked.resource == "pods":
        return asked.subresource == "resize" or (not asked.subresource and _changes_scope(request))
    return asked.resource in ("services", "persistentvolumeclaims") and not asked.subresource


def _changes_scope(request: Admitted) -> bool:
    new, old = (((obj or {}).get("spec") or {}).get("activeDeadlineSeconds") for obj in (request.new, request.old))
    return (new is None) is not (old is None)


class ResourceQuota:
    def __init__(self, limited: Sequence[Object] = ()) -> None:
        """`limited` is what may be used only where a quota speaks of it: `limitedResources` of the configuration."""
        self._limited = limited

    async def run(self, around: Surroundings, request: Admitted, phase: Phase) -> None:
        quotas = await around.objects.look_all(registry.find("v1", "ResourceQuota"), request.attributes.namespace)
        if request.new is None or not (quotas or self._limited):
            return
        now = around.clock.now()
        concerned = [quota for quota in quotas if charge(request, quota, now) is not None]
        if self._limited:
            must_be_covered(request, quotas, self._limited, now)
        if not request.dry_run:
            await _charge_all(around, request, concerned, now)


async def _charge_all(around: Surroundings, request: Admitted, quotas: Iterable[Object], now: datetime) -> None:
    for quota in quotas:

        def charged(latest: Object) -> Object | None:
            return charge(request, latest, now)

        try:
            await around.objects.modify(
                registry.find("v1", "ResourceQuota"), request.attributes.namespace, name(quota), charged, "status"
            )
        except StatusError as error:
            if error.reason != "NotFound":  # a quota that is gone limits nobody
                raise


def must_be_covered(request: Admitted, quotas: Iterable[Object], limited: Iterable[Object], now: datetime) -> None:
    """What is limited by the configuration is used only where a quota counts it. Raises 403, or 500 for scopes."""
    asked, new, old = request.attributes, request.new, request.old
    assert new is not None
    kind = asked.group, asked.resource
    used = rules.usage(*kind, new, now)
    if old is not None and used == rules.usage(*kind, old, now):
        return
    about = [one for one in limited if (one.get("apiGroup") or "", one["resource"]) == kind]
    parts = [part for one in about for part in one.get("matchContains") or ()]
    wanted = {what for what, amount in used.items() if amount > rules.NONE and any(part in what for part in parts)}
    for quota in quotas:
        if matches(quota, *kind, new):
            wanted -= _amounts((quota.get("status") or {}).get("hard")).keys()
    if wanted:
        raise refuse(request, f"insufficient quota to consume: {','.join(sorted(wanted))}")
    scopes = [scope for one in limited for scope in one.get("matchScopes") or () if in_scope(scope, *kind, new)]
    known = {scope["scopeName"] for quota in quotas for scope in scopes_of(quota) if in_scope(scope, *kind, new)}
    if uncovered := [_shown(scope) for scope in scopes if scope["scopeName"] not in known]:
        raise StatusError(500, "", f"insufficient quota to match these scopes: [{' '.join(uncovered)}]")


def _shown(scope: Object) -> str:
    """As Go prints the structure."""
    return f"{{{scope['scopeName']} {scope.get('operator') or ''} [{' '.join(scope.get('values') or ())}]}}"


def charge(request: Admitted, quota: Object, now: datetime) -> Object | None:
    """The quota with the object on its account; None when it does not count there. Raises 403 when it does not fit."""
    asked, new = request.attributes, request.new
    assert new is not None
    hard = _amounts((quota.get("status") or {}).get("hard"))
    mine = {what for what in hard if rules.tracked_by(what) == (asked.group, asked.resource)}
    if not mine or not matches(quota, asked.group, asked.resource, new):
        return None
    used = _amounts((quota.get("status") or {}).get("used"))
    if asked.resource == "pods" and not asked.group and (why := unsaid(new, mine)):
        raise refuse(request, f"failed quota: {name(quota)}: {why}")
    if mine - used.keys():
        raise refuse(request, f"status unknown for quota: {name(quota)}, resources: {','.join(sorted(mine))}")
    delta = {what: amount for what, amount in _delta(request, quota, now).items() if what in mine and amount}
    if not delta:
        return None
    total = {what: used[what] + amount for what, amount in delta.items()}
    if over := sorted(what for what in total if total[what] > hard[what]):
        told = (_told(part, over) for part in (delta, used, hard))
        why = "exceeded quota: {}, requested: {}, used: {}, limited: {}".format(name(quota), *told)
        raise refuse(request, why)
    status = quota["status"]
    return {**quota, "status": {**status, "used": {**status["used"], **{what: str(total[what]) for what in total}}}}


def _delta(request: Admitted, quota: Object, now: datetime) -> Mapping[str, Quantity]:
    """What the write adds; an update that shrinks adds nothing, the controller gives back."""
    asked, old = request.attributes, request.old
    assert request.new is not None
    new = rules.usage(asked.group, asked.resource, request.new, now)
    if old is None or not matches(quota, asked.group, asked.resource, old):
        return new
    before = rules.usage(asked.group, asked.resource, old, now)
    grown = {what: amount - before[what] if what in before else amount for what, amount in new.items()}
    return {what: amount for what, amount in grown.items() if amount > rules.NONE}


def unsaid(pod: Object, limited: Iterable[str]) -> str:
    """`must specify cpu for: a,b; memory for: c`; empty when all containers say what a quota wants to hear."""
    spec = pod.get("spec") or {}
    if any((spec.get("resources") or {}).get(field) for field in ("requests", "limits")):
        return ""
    missing: dict[str, set[str]] = {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        said = _said(container.get("resources") or {})
        for what in set(limited) & SPOKEN_FOR - said:
            missing.setdefault(what, set()).add(container["name"])
    parts = [f"{what} for: {','.join(sorted(names))}" for what, names in sorted(missing.items())]
    return f"must specify {'; '.join(parts)}" if parts else ""


def _said(resources: Object) -> set[str]:
    requests = {f"{prefix}{what}" for what in resources.get("requests") or {} for prefix in ("", "requests.")}
    return requests | {f"limits.{what}" for what in resources.get("limits") or {}}


def _amounts(plain: Object | None) -> dict[str, Quantity]:
    return {what: parse(str(text)) for what, text in (plain or {}).items()}


def _told(amounts: Mapping[str, Quantity], names: Iterable[str]) -> str:
    return ",".join(f"{what}={amounts[what]}" for what in names)


def configure(data: bytes, means: Means) -> Admission:
    """Raises Unacceptable."""
    from umiak.server.admission._quota_configuration import limited_resources

    return _plugin(ResourceQuota(limited_resources(data)))


def _plugin(quota: ResourceQuota) -> Admission:
    return Admission(
        name="ResourceQuota",
        order=37,
        phases=(Phase.VALIDATE,),
        # What is charged changes a quota, so that the next write is looked at anew.
        looks_at=("/core/resourcequotas/",),
        run=quota.run,
        concerns=concerns,
        operations=("CREATE", "UPDATE"),
        configure=configure,
    )


ADMISSION = _plugin(ResourceQuota())
