"""One write as policies and match conditions look at it: what it concerns, and the values of their variables."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects.errors import not_found
from umiak.objects.types import Object
from umiak.server.contract import Admitted, Attributes, Surroundings, User
from umiak.server.webhooks import matching, review
from umiak.server.webhooks.matching import Target
from umiak.server.webhooks.review import Seen
from umiak.server.webhooks.versions import Equivalents

if TYPE_CHECKING:
    from umiak.objects.cel.library.authorizer import Decision, Question
    from umiak.server.policies.evaluation import Decide, Expression, Values

T = TypeVar("T")


class Subject:
    """Remembers what had to be looked up for it."""

    def __init__(self, around: Surroundings, request: Admitted, equivalents: Equivalents) -> None:
        self.around = around
        self.request = request
        self.equivalents = equivalents
        self._namespaces: dict[str, Object] = {}
        self._answers: dict[Question, Decision] = {}

    @cached_property
    def others(self) -> tuple[Target, ...]:
        return self.equivalents.others(self.request)

    async def concerned(self, match: Object) -> Target | None:
        """As what the write is one of those that `match`, a policy's MatchResources, describes. Raises 404."""
        request = self.request
        target = matching.chosen(match, request, lambda: self.others)
        if target is None or not matching.object_matches(match, request):
            return None
        if matching.needs_namespace(match, request):
            labels = matching.own_namespace_labels(request)
            if labels is None:
                labels = _labels(await self._namespace(matching.namespace_of(request)))
            if not matching.namespace_matches(match, labels):
                return None
        return target

    async def namespace(self) -> Object | None:
        """The namespace the object lies in, None for what lies in none. Raises 404."""
        name = self.request.attributes.namespace
        asked = self.request.attributes
        is_namespace = (asked.group, asked.resource) == ("", "namespaces")
        return await self._namespace(name) if name and not is_namespace else None

    async def _namespace(self, name: str) -> Object:
        if name not in self._namespaces:
            found = await self.around.objects.find(NAMESPACE, "", name)
            if found is None:
                raise not_found("", "namespaces", name)
            self._namespaces[name] = found
        return self._namespaces[name]

    async def seen(self, target: Target) -> Seen:
        return await self.equivalents.seen(self.around.objects, self.request, target)

    def values(self, target: Target, seen: Seen, decide: "Decide") -> "Values":
        """Of the variables that all expressions see."""
        from umiak.objects.cel.library.authorizer import Question
        from umiak.server.policies.evaluation import asking, described

        request, own = self.request, matching.target_of(self.request)
        asked = review.question(request, target, seen, "", review.VERSIONS[0])["request"]
        name, namespace = matching.name_of(request), matching.namespace_of(request)
        resource = Question("", "", own.group, own.resource, own.subresource, namespace, name)
        return {
            "object": seen.new,
            "oldObject": seen.old,
            "request": described(asked),
            "namespaceObject": None,
            "params": None,
            **asking(decide, resource),
        }

    async def conditions_hold(
        self,
        conditions: "Sequence[Expression]",
        variables: "Mapping[str, Expression]",
        target: Target,
        param: Object | None = None,
    ) -> bool:
        """Whether match conditions do. Raises evaluation.Undecided."""
        from umiak.server.policies.evaluation import conditions_hold

        seen = await self.seen(target)

        def work(decide: "Decide") -> bool:
            values = {**self.values(target, seen, decide), "params": param}
            return conditions_hold(conditions, variables, as_asked(values))

        return await self.judged(work)

    async def judged(self, work: "Callable[[Decide], T]") -> T:
        """What `work` finds; it is done again whenever an answer of the authorizer was missing."""
        from umiak.server.policies.evaluation import Unanswered

        def decide(question: "Question") -> "Decision":
            if question not in self._answers:
                raise Unanswered(question)
            return self._answers[question]

        while True:
            try:
                return work(decide)
            except Unanswered as missing:
                self._answers[missing.question] = await self._answer(missing.question)

    async def _answer(self, question: "Question") -> "Decision":
        from umiak.objects.cel.library.authorizer import Decision

        decision = await self.around.authorizer.authorize(attributes(question, self.request.attributes.user))
        return Decision(decision.allowed, decision.reason)


def as_asked(values: "Values") -> "Values":
    """Match conditions are told the resource as it was asked for."""
    request = values["request"]
    return {**values, "request": {**request, "resource": request["requestResource"]}}


def attributes(question: "Question", user: User) -> Attributes:
    """The access an expression asks about."""
    if question.service_account is not None:
        namespace, name = question.service_account
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        user = User(f"system:serviceaccount:{namespace}:{name}", groups=groups)
    if question.path:
        return Attributes(user, question.verb, path=question.path, is_resource=False)
    return Attributes(
        user,
        question.verb,
        question.group,
        "*",
        question.resource,
        question.subresource,
        question.namespace,
        question.name,
        fields=question.field_selector,
    )


def _labels(obj: Object) -> Mapping[str, str]:
    found: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return found
