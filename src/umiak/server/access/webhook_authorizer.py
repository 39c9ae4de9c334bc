"""An authorizer that asks another server, by SubjectAccessReview, and remembers its answers for a while.

Source: apiserver's `plugin/pkg/authorizer/webhook`.
"""

import random
from typing import TYPE_CHECKING

import msgspec

from umiak.kit.clock import Clock
from umiak.kit.expiring import Expiring
from umiak.objects.selectors import InvalidSelector, Requirement, parse_fields, parse_labels
from umiak.objects.types import Object
from umiak.server.access.member import Webhook
from umiak.server.access.webhook_client import Unanswered, WebhookClient
from umiak.server.contract import Attributes, Decision

if TYPE_CHECKING:
    from umiak.server.access.match_conditions import Conditions

REMEMBERED = 8192
LONGEST_REMEMBERED = 10_000
"""Letters of a question that is remembered; longer ones come from who wants to fill the memory."""
BOTH = "webhook subject access review returned both allow and deny response"
LABEL_OPERATORS = {"=": "In", "==": "In", "in": "In", "!=": "NotIn", "notin": "NotIn"}
LABEL_OPERATORS |= {"exists": "Exists", "!": "DoesNotExist"}


class WebhookAuthorizer:
    def __init__(self, about: Webhook, clock: Clock, dice: random.Random) -> None:
        """Raises Unacceptable when the kubeconfig or a condition cannot be used."""
        self._about = about
        self._client = WebhookClient(about.kubeconfig, about.timeout, clock, dice)
        self._answers: Expiring[Object] = Expiring(clock, REMEMBERED)
        self._conditions: Conditions | None = None
        if about.conditions:
            from umiak.server.access import match_conditions

            self._conditions = match_conditions.Conditions(about.conditions)

    async def authorize(self, asked: Attributes) -> Decision:
        spec = question(asked)
        if self._conditions is not None:
            from umiak.server.access.match_conditions import Undecided

            try:
                if not self._conditions.hold(spec):
                    return Decision(False)
            except Undecided as error:
                return self._failed(str(error))
        try:
            return judged(await self._status(asked, spec))
        except Unanswered as error:
            return self._failed(str(error))

    def _failed(self, why: str) -> Decision:
        return Decision(False, denied=self._about.denies_on_failure, error=why)

    async def _status(self, asked: Attributes, spec: Object) -> Object:
        key = msgspec.json.encode(spec)
        known = self._answers.get(key)
        if known is not None:
            return known
        found = await self._client.ask(review(spec, self._about.version))
        status: Object = found.get("status") or {}
        if _is_short(asked):
            lifetime = self._about.authorized_ttl if status.get("allowed") else self._about.unauthorized_ttl
            self._answers.put(key, status, lifetime)
        return status

    async def close(self) -> None:
        await self._client.close()


def judged(status: Object) -> Decision:
    allowed, denied, reason = bool(status.get("allowed")), bool(status.get("denied")), status.get("reason") or ""
    if denied:
        return Decision(False, reason, denied=True, error=BOTH if allowed else "")
    return Decision(allowed, reason)


def _is_short(a: Attributes) -> bool:
    texts = (a.namespace, a.verb, a.group, a.version, a.resource, a.subresource, a.name, a.path)
    return sum(map(len, texts)) < LONGEST_REMEMBERED


def review(spec: Object, version: str) -> Object:
    """The whole object; the groups are called differently in v1beta1."""
    if version == "v1beta1":
        spec = {"group" if name == "groups" else name: value for name, value in spec.items()}
    return {
        "kind": "SubjectAccessReview",
        "apiVersion": f"authorization.k8s.io/{version}",
        "metadata": {},
        "spec": spec,
        "status": {"allowed": False},
    }


def question(asked: Attributes) -> Object:
    """The spec of the review."""
    user = asked.user
    spec: Object = {}
    if asked.is_resource:
        spec["resourceAttributes"] = _resource(asked)
    else:
        spec["nonResourceAttributes"] = {"path": asked.path, "verb": asked.verb}
    extra = {key: list(values) for key, values in user.extra.items()}
    who = {"user": user.name, "groups": list(user.groups), "uid": user.uid, "extra": extra}
    return spec | {name: value for name, value in who.items() if value}


def _resource(asked: Attributes) -> Object:
    names = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
    found: Object = {name: value for name in names if (value := getattr(asked, name))}
    if fields := _fields(asked.fields):
        found["fieldSelector"] = {"requirements": fields}
    if labels := _labels(asked.labels):
        found["labelSelector"] = {"requirements": labels}
    return found


def _fields(text: str) -> list[Object]:
    """None of it when it cannot be read, which makes the question broader."""
    try:
        parsed = parse_fields(text) if text else ()
    except InvalidSelector:
        return []
    return [{"key": key, "operator": "NotIn" if differs else "In", "values": [value]} for key, differs, value in parsed]


def _labels(text: str) -> list[Object]:
    try:
        parsed = parse_labels(text).requirements if text else ()
    except InvalidSelector:
        return []
    return [_label(one) for one in parsed if one.operator in LABEL_OPERATORS]


def _label(one: Requirement) -> Object:
    values = {"values": list(one.values)} if one.values else {}
    return {"key": one.key, "operator": LABEL_OPERATORS[one.operator], **values}
