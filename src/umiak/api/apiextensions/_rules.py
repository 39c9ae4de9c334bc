"""Validation rules of schemas (`x-kubernetes-validations`): compiles them, and finds what is wrong with them.

Texts and limits are those of apiextensions' `schema/cel/compilation.go` and `validation/cel_validation.go`.
"""

from collections.abc import Iterator, Sequence

import msgspec

from umiak.api.apiextensions import _internal
from umiak.api.apiextensions._structural import RULES, has_rules
from umiak.objects.cel import types
from umiak.objects.cel.cost import MOST
from umiak.objects.cel.declared import REQUEST, Declarations, Declared, escape, of_schema
from umiak.objects.cel.environment import Environment
from umiak.objects.cel.errors import CompileError, InstantiationError
from umiak.objects.cel.program import Program
from umiak.objects.cel.types import Type
from umiak.objects.errors import FieldError, field_forbidden, invalid_value
from umiak.objects.structural.prune import EMBEDDED
from umiak.objects.types import Object

RULE_LIMIT, SCHEMA_LIMIT = 10_000_000, 100_000_000
HINT = (
    "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared"
)
CONTRIBUTED = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
TOTAL = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
SELF, OLD_SELF = "self", "oldSelf"
SELF_TYPE = "selfType"
"""Starts the names of the object types; expressions cannot see it, since no variable is called so."""


class Rule(msgspec.Struct):
    """A rule, compiled; without a program it is empty, or wrong as `error` says."""

    source: Object
    program: Program | None = None
    error: str = ""
    message: Program | None = None
    message_error: str = ""

    @property
    def uses_old_self(self) -> bool:
        return self.program is not None and OLD_SELF in self.program.references

    @property
    def sees_optional(self) -> bool:
        """Whether it also runs where there is no old value."""
        return bool(self.source.get("optionalOldSelf"))


def compiled(rules: list[Object], declared: Declared) -> list[Rule]:
    """The rules over data of a declared type."""
    provider = Declarations(root=declared)
    environments = {optional: Environment(_variables(declared.type, optional), provider) for optional in (False, True)}
    found = [_compile(rule, environments[bool(rule.get("optionalOldSelf"))]) for rule in rules]
    name = _name(declared)
    for rule in found:
        rule.error, rule.message_error = (
            rule.error.replace(name, SELF_TYPE),
            rule.message_error.replace(name, SELF_TYPE),
        )
    return found


def _name(declared: Declared) -> str:
    """What the objects in a type are called, apart from what they are in it: rules are told of them as if it was a
    root."""
    suffix = ""
    while declared.element is not None:
        suffix, declared = suffix + (".@elem" if declared.key else ".@idx"), declared.element
    return declared.type.name.removesuffix(suffix) if declared.type.kind == "struct" else SELF_TYPE


def _variables(type: Type, optional: bool) -> dict[str, Type]:
    return {SELF: type, OLD_SELF: types.optional_of(type) if optional else type}


def _compile(source: Object, environment: Environment) -> Rule:
    rule = Rule(source)
    if not (source.get("rule") or "").strip():
        return rule
    rule.program, rule.error = _program(
        environment, source["rule"], "", types.BOOL, "cel expression must evaluate to a bool"
    )
    if rule.program is not None and source.get("messageExpression"):
        wrong = "messageExpression must evaluate to a string"
        expression = source["messageExpression"]
        rule.message, rule.message_error = _program(environment, expression, "messageExpression ", types.STRING, wrong)
    return rule


def _program(environment: Environment, text: str, prefix: str, wanted: Type, wrong: str) -> tuple[Program | None, str]:
    """(program, what is wrong)"""
    try:
        program = environment.compile(text)
    except CompileError as error:
        return None, f"{prefix}compilation failed: {error}"
    except InstantiationError as error:
        return None, f"{prefix or 'program '}instantiation failed: {error}"
    return (program, "") if program.result_type == wanted else (None, wrong)


def part_of(declared: Declared | None, key: str, schema: Object) -> Declared | None:
    """The type of a property whose schema is given."""
    name = escape(key)
    if name is None:
        return of_schema(schema, SELF_TYPE, bool(schema.get(EMBEDDED)))
    if declared is None or name not in declared.fields:
        return None
    return declared.fields[name][1]


def faults(schema: Object, path: str, odd: Sequence[str] = ()) -> list[FieldError]:
    """What is wrong with the rules of a structural schema; where it is `odd`, and around these places, none is read."""
    check = _Check(odd)
    found = list(check.node(schema, path, of_schema(schema, SELF_TYPE, is_root=True), _Place(1)))
    if check.total > SCHEMA_LIMIT:
        found += [field_forbidden(where, CONTRIBUTED) for _, where in check.expensive]
        found.append(field_forbidden(path, _over(TOTAL, check.total, SCHEMA_LIMIT)))
    return found


class _Place(msgspec.Struct, frozen=True):
    """How often a part of the schema may occur, None without bound; and within what old values cannot be found."""

    count: int | None
    uncorrelated: str = ""

    def within(self, count: int | None, uncorrelated: str = "") -> "_Place":
        both = None if self.count is None or count is None else min(self.count * count, MOST)
        return _Place(both, self.uncorrelated or uncorrelated)


class _Check(msgspec.Struct):
    odd: Sequence[str]
    total: int = 0
    expensive: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """(cost, path) of the rules that take a hundredth of the limit or more, four at most."""

    def node(self, schema: Object, path: str, declared: Declared | None, place: _Place) -> Iterator[FieldError]:
        if not has_rules(schema):
            return
        additional, items = schema.get("additionalProperties"), schema.get("items")
        element = declared.element if declared else None
        if isinstance(additional, dict):
            inner = place.within(schema.get("maxProperties"))
            yield from self.node(additional, f"{path}.additionalProperties", element, inner)
        own = path if schema.get("x-kubernetes-map-type") not in (None, "granular", "atomic") else ""
        for name, part in (schema.get("properties") or {}).items():
            inner = place.within(1, own)
            yield from self.node(part, f"{path}.properties[{name}]", part_of(declared, name, part), inner)
        if isinstance(items, dict):
            own = "" if schema.get("x-kubernetes-list-type") == "map" else path
            yield from self.node(items, f"{path}.items", element, place.within(schema.get("maxItems"), own))
        if schema.get(RULES) and declared is not None and not self.is_odd(path):
            yield from self.rules(schema, f"{path}.{RULES}", declared, place)

    def is_odd(self, path: str) -> bool:
        return any(where.startswith(f"{path}.") for where in self.odd)

    def rules(self, schema: Object, path: str, declared: Declared, place: _Place) -> Iterator[FieldError]:
        for index, rule in enumerate(compiled(schema[RULES], declared)):
            yield from self.rule(rule, f"{path}[{index}]", declared, place)

    def rule(self, rule: Rule, path: str, declared: Declared, place: _Place) -> Iterator[FieldError]:
        count = REQUEST // (declared.smallest + 1) if place.count is None else place.count
        cost = min(rule.program.estimated_cost[1] * count, MOST) if rule.program else 0
        if cost > RULE_LIMIT:
            yield field_forbidden(f"{path}.rule", _over("estimated rule cost", cost, RULE_LIMIT))
        self.observe(f"{path}.rule", cost)
        if rule.error:
            yield invalid_value(f"{path}.rule", _internal.rule(rule.source), rule.error)
        if rule.message_error:
            yield invalid_value(f"{path}.messageExpression", _internal.rule(rule.source), rule.message_error)
        elif rule.message is not None:
            yield from self.message(rule.message, f"{path}.messageExpression")
        if rule.uses_old_self and place.uncorrelated:
            text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelated}"
            yield invalid_value(f"{path}.rule", rule.source["rule"], text)
        optional = rule.source.get("optionalOldSelf")
        if not rule.uses_old_self and optional is not None:
            yield invalid_value(f"{path}.optionalOldSelf", optional, "may not be set if oldSelf is not used in rule")

    def message(self, program: Program, path: str) -> Iterator[FieldError]:
        cost = program.estimated_cost[1]
        if cost > RULE_LIMIT:
            yield field_forbidden(path, _over("estimated messageExpression cost", cost, RULE_LIMIT))
        self.observe(path, cost)

    def observe(self, path: str, cost: int) -> None:
        self.total = min(self.total + cost, MOST)
        if cost >= SCHEMA_LIMIT // 100:
            self.expensive.append((cost, path))
            self.expensive = sorted(self.expensive, key=lambda one: -one[0])[:4]


def _over(name: str, cost: int, limit: int) -> str:
    times = cost / limit
    factor = "more than 100x" if times > 100 else f"{times:f}x" if times < 1.5 else f"{times:.1f}x"
    return f"{name} exceeds budget by factor of {factor} ({HINT})"
