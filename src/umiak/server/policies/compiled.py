"""The compiled expressions of one policy. What does not compile is kept as its fault, which shows when it is used."""

from collections.abc import Sequence
from functools import cached_property, lru_cache

from umiak.objects.cel.checked import Expressions
from umiak.objects.cel.types import BOOL, NULL, STRING, Type, list_of, struct
from umiak.objects.types import Object
from umiak.server.policies.evaluation import Expression

APPLY, PATCH = struct("Object"), list_of(struct("JSONPatch"))


class Compiled:
    """Of a policy's `spec`, validating or mutating; each part is compiled when first asked for."""

    def __init__(self, spec: Object) -> None:
        self._spec = spec
        self._compiler = Expressions(params=spec.get("paramKind") is not None)
        self.variables: dict[str, Expression] = {}
        for variable in spec.get("variables") or ():
            found = self._compiler.add_variable(variable["name"], variable["expression"])
            self.variables[variable["name"]] = Expression(variable["expression"], found)

    def _compile(self, source: str, *wanted: Type, authorizer: bool = True, mutating: bool = False) -> Expression:
        found = self._compiler.compile(source, wanted, authorizer=authorizer, mutating=mutating)
        return Expression(source, found)

    @cached_property
    def conditions(self) -> list[Expression]:
        return [self._compile(c["expression"], BOOL) for c in self._spec.get("matchConditions") or ()]

    @cached_property
    def validations(self) -> list[Expression]:
        return [self._compile(v["expression"], BOOL) for v in self._spec.get("validations") or ()]

    @cached_property
    def messages(self) -> list[Expression | None]:
        sources = [v.get("messageExpression") for v in self._spec.get("validations") or ()]
        return [self._compile(source, STRING, authorizer=False) if source else None for source in sources]

    @cached_property
    def audits(self) -> list[Expression]:
        return [self._compile(a["valueExpression"], STRING, NULL) for a in self._spec.get("auditAnnotations") or ()]

    @cached_property
    def mutations(self) -> list[Expression]:
        found = []
        for mutation in self._spec.get("mutations") or ():
            applies = mutation["patchType"] == "ApplyConfiguration"
            source = mutation["applyConfiguration" if applies else "jsonPatch"]["expression"]
            found.append(self._compile(source, APPLY if applies else PATCH, mutating=True))
        return found


@lru_cache(512)
def condition(source: str) -> Expression:
    """A match condition of a webhook."""
    return Expression(source, _webhooks().compile(source, (BOOL,)))


@lru_cache(1)
def _webhooks() -> Expressions:
    return Expressions(composes=False)


def conditions(conditions: Sequence[Object]) -> list[Expression]:
    return [condition(c["expression"]) for c in conditions]
