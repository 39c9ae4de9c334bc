"""The two admission plugins, MutatingAdmissionWebhook and ValidatingAdmissionWebhook.

They follow the configurations in the store, so that a write which concerns no webhook costs a look at an empty list.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects import encoding, json_patch
from umiak.objects.errors import bad_request, forbidden, internal, not_found
from umiak.objects.go_text import quoted
from umiak.objects.types import Object
from umiak.server import metadata, reinvocation
from umiak.server.access.feed import follow
from umiak.server.contract import Admission, Admitted, Phase, Surroundings
from umiak.server.policies.subject import Subject
from umiak.server.webhooks import matching, review
from umiak.server.webhooks.matching import Target
from umiak.server.webhooks.review import Unintelligible, Verdict
from umiak.server.webhooks.sender import CallFailed, Sender
from umiak.server.webhooks.versions import Equivalents, read

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

log = logging.getLogger(__name__)

MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"
ORDERS = {MUTATING: 34, VALIDATING: 36}
WEBHOOK, FAILED_OPEN = "webhook.admission.k8s.io/", "failed-open."
NO_SIDE_EFFECTS = ("None", "NoneOnDryRun")
Call = Callable[[Surroundings, Admitted, Object, Target], Awaitable[None]]


class Failed(Exception):
    """A webhook could not be asked, or gave no proper answer; its failurePolicy says what comes of that."""


class Invited(msgspec.Struct, frozen=True):
    """A webhook that a write concerns, and the name of its resource under which it does."""

    webhook: Object
    target: Target


class Configured:
    """The webhooks of one kind of configuration, in the order in which they are called."""

    def __init__(self, plural: str) -> None:
        self.prefix = f"/{matching.EXEMPT_GROUP}/{plural}/"
        self.webhooks: list[Object] = []
        self.places: dict[int, tuple[int, str]] = {}
        """By id of a webhook: its place in the list, and the name of its configuration."""
        self._found: dict[str, list[Object]] = {}

    def changed(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._found.pop(name, None)
        else:
            self._found[name] = msgspec.json.decode(value).get("webhooks") or []
        placed = [(key, webhook) for key in sorted(self._found) for webhook in self._found[key]]
        self.webhooks = [webhook for _, webhook in placed]
        self.places = {id(webhook): (index, key) for index, (key, webhook) in enumerate(placed)}


class Webhooks:
    def __init__(self, sender: Sender, equivalents: Equivalents) -> None:
        self.sender = sender
        self.equivalents = equivalents
        self.configured = {plural: Configured(plural) for plural in ORDERS}

    def plugin(self, plural: str, name: str, phase: Phase) -> Admission:
        found = self.configured[plural]
        run = self.mutate if phase is Phase.MUTATE else self.validate
        return Admission(
            name=name,
            order=ORDERS[plural],
            phases=(phase,),
            run=run,
            concerns=lambda request: not matching.is_exempt(request),
            dormant=lambda around: not found.webhooks,
        )

    async def mutate(self, around: Surroundings, request: Admitted, phase: Phase) -> None:
        """One after the other. They are told apart by identity: one that was written anew meanwhile is another."""
        again, turns = reinvocation.start(request, MUTATING)
        for webhook in self.configured[MUTATING].webhooks:
            invited = await self._invited(around, request, webhook)
            if invited is None or (again.is_second and id(webhook) not in turns.due):
                continue
            if await self._change(around, request, invited, int(again.is_second)):
                turns.call_again()
                again.is_wanted = True
            if webhook.get("reinvocationPolicy") == "IfNeeded":
                turns.eager.add(id(webhook))
        reinvocation.end(request, turns)

    async def validate(self, around: Surroundings, request: Admitted, phase: Phase) -> None:
        """All at once; the first in order that refuses has its say."""
        candidates = [await self._invited(around, request, w) for w in self.configured[VALIDATING].webhooks]
        calls = [self._judge(around, request, invited) for invited in candidates if invited is not None]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _invited(self, around: Surroundings, request: Admitted, webhook: Object) -> Invited | None:
        """Raises 404 for a namespace that is not there, 403 for conditions that cannot be judged."""
        others = self.equivalents.others(request) if webhook.get("matchPolicy") == "Equivalent" else ()
        target = matching.concerned(webhook, request, others)
        if target is None or not matching.object_matches(webhook, request):
            return None
        if matching.needs_namespace(webhook, request):
            labels = matching.own_namespace_labels(request)
            if labels is None:
                labels = await _namespace_labels(around, matching.namespace_of(request))
            if not matching.namespace_matches(webhook, labels):
                return None
        holds = await self._conditions_hold(around, request, webhook, target)
        return Invited(webhook, target) if holds else None

    async def _conditions_hold(self, around: Surroundings, request: Admitted, webhook: Object, target: Target) -> bool:
        if not webhook.get("matchConditions"):
            return True
        from umiak.server.policies.compiled import conditions
        from umiak.server.policies.evaluation import Undecided

        subject = Subject(around, request, self.equivalents)
        try:
            return await subject.conditions_hold(conditions(webhook["matchConditions"]), {}, target)
        except Undecided as error:
            if webhook.get("failurePolicy") == "Ignore":
                return False
            asked = request.attributes
            raise forbidden(asked.group, asked.resource, asked.name, str(error)) from None

    async def _change(self, around: Surroundings, request: Admitted, invited: Invited, turn: int) -> bool:
        """Whether the webhook changed the object."""
        index, configuration = self.configured[MUTATING].places.get(id(invited.webhook), (0, ""))
        place = f"round_{turn}_index_{index}"
        told: Object = {"configuration": configuration, "webhook": invited.webhook["name"], "mutated": False}
        try:
            verdict = await self._verdict(around, request, invited, may_patch=True)
            if verdict is None:
                request.annotations[f"{FAILED_OPEN}mutation.{WEBHOOK}{place}"] = invited.webhook["name"]
            if verdict is None or not verdict.patch:
                return False
            told["mutated"] = _patched(request, invited.webhook, verdict.patch)
            shown = {**told, "patch": msgspec.Raw(verdict.patch), "patchType": "JSONPatch"}
            del shown["mutated"]
            request.annotations[f"patch.{WEBHOOK}{place}"] = msgspec.json.encode(shown).decode()
            return bool(told["mutated"])
        finally:
            request.annotations[f"mutation.{WEBHOOK}{place}"] = msgspec.json.encode(told).decode()

    async def _judge(self, around: Surroundings, request: Admitted, invited: Invited) -> None:
        if await self._verdict(around, request, invited, may_patch=False) is None:
            index, _ = self.configured[VALIDATING].places.get(id(invited.webhook), (0, ""))
            key = f"{FAILED_OPEN}validating.{WEBHOOK}round_0_index_{index}"
            request.annotations[key] = invited.webhook["name"]

    async def _verdict(
        self, around: Surroundings, request: Admitted, invited: Invited, may_patch: bool
    ) -> Verdict | None:
        """None when there is no answer and that does not matter. Raises the webhook's refusal, or 500."""
        webhook = invited.webhook
        if request.dry_run and webhook.get("sideEffects") not in NO_SIDE_EFFECTS:
            raise bad_request(f"admission webhook {quoted(webhook['name'])} does not support dry run")
        try:
            verdict = await self._asked(around, request, invited, may_patch)
        except Failed as error:
            told = f"failed calling webhook {quoted(webhook['name'])}: {error}"
            if webhook.get("failurePolicy") == "Ignore":
                log.warning("%s; it does not insist", told)
                return None
            raise internal(told) from error
        request.warnings += [text for text in verdict.warnings if text not in request.warnings]
        request.annotations.update({f"{webhook['name']}/{k}": v for k, v in verdict.annotations.items()})
        if not verdict.allowed:
            raise review.refusal(webhook["name"], verdict.result)
        return verdict

    async def _asked(self, around: Surroundings, request: Admitted, invited: Invited, may_patch: bool) -> Verdict:
        webhook, uid = invited.webhook, metadata.new_uid(around.chance)
        version = review.version_of(webhook)
        seen = await self.equivalents.seen(around.objects, request, invited.target)
        asked = review.question(request, invited.target, seen, uid, version)
        try:
            said = await self.sender.ask(webhook["clientConfig"], asked, webhook.get("timeoutSeconds") or 10)
        except CallFailed as error:
            raise Failed(f"failed to call webhook: {error}") from error
        finally:
            await self.sender.tidy()
        try:
            return review.answer(said, uid, version, may_patch)
        except Unintelligible as error:
            raise Failed(f"received invalid webhook response: {error}") from error


async def _namespace_labels(around: Surroundings, name: str) -> dict[str, str]:
    found = await around.objects.find(NAMESPACE, "", name)
    if found is None:
        raise not_found("", "namespaces", name)
    labels: dict[str, str] = found["metadata"].get("labels") or {}
    return labels


def _patched(request: Admitted, webhook: Object, patch: bytes) -> bool:
    """Applies a JSON patch to the object of the request; whether that changed it. Raises 500."""
    try:
        operations = msgspec.json.decode(patch)
    except msgspec.DecodeError as error:
        raise internal(
            f"failed calling webhook {quoted(webhook['name'])}: received undecodable patch in webhook response: {error}"
        ) from None
    if not operations:
        return False
    if request.new is None or request.operation == "DELETE":
        named = quoted(webhook["name"])
        raise internal(
            f"admission webhook {named} attempted to modify the object, which is not supported for this operation"
        )
    before = request.new
    after = read(request.kind, _applied(before, operations))
    changed = after != before
    before.clear()
    before.update(after)
    return bool(changed)


def _applied(obj: Object, operations: list[Any]) -> Any:
    try:
        return json_patch.apply(encoding.copy(obj), operations)
    except (json_patch.InvalidPatch, json_patch.PatchFailed) as error:
        raise internal(str(error)) from None


def plugins(app: "Callable[[], ApiServer]", sender: Sender) -> tuple[Webhooks, tuple[Admission, Admission]]:
    found = Webhooks(sender, Equivalents(app))
    return found, (
        found.plugin(MUTATING, "MutatingAdmissionWebhook", Phase.MUTATE),
        found.plugin(VALIDATING, "ValidatingAdmissionWebhook", Phase.VALIDATE),
    )


def hang_in(app: "ApiServer", webhooks: Webhooks) -> None:
    """Follows the configurations while the server runs."""
    stops: list[Callable[[], None]] = []

    async def start() -> None:
        for found in webhooks.configured.values():
            stops.append(await follow(app.store, found.prefix, found.changed))

    async def stop() -> None:
        for end in stops:
            end()
        await webhooks.sender.close()

    app.on_start.append(start)
    app.on_close.append(stop)
