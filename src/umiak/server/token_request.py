"""TokenRequest: a new token for a service account, posted to its `token` subresource."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.api.core.secret import KIND as SECRET
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.objects.errors import FieldError, bad_request, conflict, invalid, invalid_value, not_supported
from umiak.objects.meta import format_time, uid
from umiak.objects.names import dns_subdomain
from umiak.objects.types import Object
from umiak.server.contract import Objects
from umiak.server.tokens import Bound, Issuer

GROUP, KIND = "authentication.k8s.io", "TokenRequest"
SHORTEST, LONGEST, ORDINARY = 600, 1 << 32, 3600
"""Seconds."""


WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
WEBHOOK_GROUP = "admissionregistration.k8s.io"
GATE = "APIServerWebhookAuthenticationToken"
ATTESTED = "admissionReviewAPIGroups"


def faults(spec: Object) -> list[FieldError]:
    seconds, path = spec["expirationSeconds"], "spec.expirationSeconds"
    found = []
    if seconds < SHORTEST:
        found.append(invalid_value(path, seconds, "may not specify a duration less than 10 minutes"))
    if seconds > LONGEST:
        found.append(invalid_value(path, seconds, "may not specify a duration larger than 2^32 seconds"))
    attestations, path = spec.get("attestations"), "spec.attestations"
    if not _is_of_a_webhook(spec["boundObjectRef"]):
        text = "attestations may only be specified with a webhook bound object reference"
        return [invalid_value(path, attestations, text)] if attestations else found
    if len(spec["audiences"]) != 1:
        text = "must be length 1 when bound to a webhook config"
        found.append(invalid_value("spec.audiences", spec["audiences"], text))
    if attestations is None or len(attestations) != 1:
        text = f"webhook bound requests require exactly one {ATTESTED} attestation"
        return [*found, invalid_value(path, attestations or None, text)]
    ((key, values),) = attestations.items()
    return found + _attestation_faults(key, values or [], f"{path}[{key}]")


def _is_of_a_webhook(ref: Object | None) -> bool:
    if ref is None or ref.get("kind") not in WEBHOOKS:
        return False
    return ref.get("apiVersion") == f"{WEBHOOK_GROUP}/v1"


def _attestation_faults(key: str, values: list[str], path: str) -> list[FieldError]:
    if key != ATTESTED:
        return [not_supported(path, key, (ATTESTED,))]
    if len(values) != 1:
        return [invalid_value(path, values, "must specify a single value")]
    if not values[0]:
        return [invalid_value(f"{path}[0]", values[0], "may not be an empty string")]
    wrong = [] if values[0] == "*" else dns_subdomain(values[0])
    return [invalid_value(f"{path}[0]", values[0], f"must specify a valid API Group: {why}") for why in wrong]


def check_place(about: Object, namespace: str, name: str) -> None:
    """The body may repeat the URL, not contradict it."""
    for field, wanted in (("name", name), ("namespace", namespace)):
        if about.get(field) and about[field] != wanted:
            text = f"must match the service account {field} if specified"
            raise invalid(GROUP, KIND, name, [invalid_value(f"metadata.{field}", about[field], text)])


async def request_token(
    objects: Objects,
    issuer: Issuer,
    namespace: str,
    name: str,
    asked: Object,
    validate: Callable[[Object], Awaitable[None]],
    warn: Callable[[Iterable[str]], None] = lambda texts: None,
) -> Object:
    """The request with its token. `validate` is validating admission, called once the request is complete."""
    about = asked.get("metadata") or {}
    check_place(about, namespace, name)
    account = await objects.get(SERVICE_ACCOUNT, namespace, name)
    if about.get("uid") and about["uid"] != uid(account):
        why = f"the UID in the token request ({about['uid']}) does not match the UID of the service account"
        raise conflict(GROUP, KIND, name, f"{why} ({uid(account)})")
    spec = asked.get("spec") or {}
    spec["audiences"] = spec.get("audiences") or list(issuer.audiences)
    spec["expirationSeconds"] = ORDINARY if spec.get("expirationSeconds") is None else spec["expirationSeconds"]
    spec["boundObjectRef"] = spec.get("boundObjectRef")
    now = issuer.clock.now()
    identity = {"name": name, "namespace": namespace, "uid": uid(account), "creationTimestamp": format_time(now)}
    asked = {**asked, "metadata": {**about, **identity}, "spec": spec}
    asked.pop("status", None)
    if found := faults(spec):
        raise invalid(GROUP, KIND, "", found)
    await validate(asked)
    bound = await bound_objects(objects, namespace, name, spec["boundObjectRef"])
    seconds = spec["expirationSeconds"] = shortened(spec["expirationSeconds"], issuer.longest, warn)
    token = issuer.issue(namespace, Bound(name, uid(account)), spec["audiences"], seconds, bound)
    expiry = format_time(now + timedelta(seconds=seconds))
    return {**asked, "status": {"token": token, "expirationTimestamp": expiry}}


def shortened(seconds: int, longest: int, warn: Callable[[Iterable[str]], None]) -> int:
    if not longest or seconds <= longest:
        return seconds
    warn([f"requested expiration of {seconds} seconds shortened to {longest} seconds"])
    return longest


async def bound_objects(objects: Objects, namespace: str, account: str, ref: Object | None) -> dict[str, Bound]:
    """What the token depends on: dies with it."""
    if ref is None:
        return {}
    group, _, version = ref.get("apiVersion", "").rpartition("/")
    kind, name = ref.get("kind", ""), ref.get("name", "")
    if group or kind not in ("Pod", "Node", "Secret"):
        is_gated = (group, version) == (WEBHOOK_GROUP, "v1") and kind in WEBHOOKS
        why = f" (feature gate {GATE} is disabled)" if is_gated else ""
        raise bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}{why}")
    kinds = {"Pod": (POD, namespace), "Node": (NODE, ""), "Secret": (SECRET, namespace)}
    found = await objects.get(*kinds[kind], name)
    bound = {kind.lower(): Bound(name, uid(found))}
    if kind == "Pod":
        bound |= await _node_of(objects, found, account)
    if ref.get("uid") and ref["uid"] != uid(found):
        why = f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record"
        raise conflict(group, kind, name, f"{why}. The object might have been deleted and then recreated")
    return bound


async def _node_of(objects: Objects, pod: Object, account: str) -> dict[str, Bound]:
    spec = pod["spec"]
    if spec.get("serviceAccountName") != account:
        why = f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
        raise bad_request(why)
    if not spec.get("nodeName"):
        return {}
    node = await objects.find(NODE, "", spec["nodeName"])
    return {"node": Bound(spec["nodeName"], uid(node) if node else "")}
