"""Evaluates the validation rules of custom resources (apiextensions' `schema/cel/validation.go`).

Faults that were there before and whose data did not change are let pass (KEP-4008).
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any, NoReturn

import msgspec

from umiak.api.apiextensions._field_paths import NoSuchField, resolve
from umiak.api.apiextensions._rules import OLD_SELF, SELF, SELF_TYPE, Rule, compiled, part_of
from umiak.api.apiextensions._structural import RULES, RuleCheck, has_rules
from umiak.objects.cel.declared import Declared, of_schema
from umiak.objects.cel.environment import PER_CALL_LIMIT, RUNTIME_BUDGET
from umiak.objects.cel.errors import CostExceeded, EvaluationError
from umiak.objects.cel.program import Budget, Program
from umiak.objects.cel.values import NONE, Optional
from umiak.objects.errors import FieldError, duplicate, field_forbidden, invalid_value, required
from umiak.objects.go_text import quoted
from umiak.objects.structural.prune import EMBEDDED
from umiak.objects.structural.values import NO_PATH
from umiak.objects.types import Object

LONGEST_MESSAGE = 5 * 1024
"""Bytes of what a messageExpression may yield."""

OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


def rules(schema: Object, budget: int = RUNTIME_BUDGET, is_root: bool = True, path: str = "") -> RuleCheck | None:
    """The check of a schema's rules, None when it has none; `budget` is for one object, `path` where it stands. Rules
    are compiled when first needed."""
    if not has_rules(schema):
        return None
    validators: list[_Validator] = []

    def check(new: Object, old: Object | None) -> list[FieldError]:
        if not validators:
            validators.append(_Validator(schema, schema, is_root, of_schema(schema, SELF_TYPE, is_root)))
        run = _Run(budget)
        run.node(validators[0], path, new, old, _Match(new, old, schema, old is not None))
        return run.faults

    return check


class _Validator(msgspec.Struct, eq=False, dict=True):
    """The rules of one place in the schema and of those below. `source` has the rules, `schema` the structure: the two
    differ within an `allOf`."""

    source: Object
    schema: Object
    is_root: bool
    declared: Declared | None

    @cached_property
    def rules(self) -> list[Rule]:
        found = self.source.get(RULES)
        return compiled(found, self.declared) if found and self.declared is not None else []

    @cached_property
    def properties(self) -> dict[str, "_Validator"]:
        known = self.schema.get("properties") or {}
        found = {}
        for name, part in (self.source.get("properties") or {}).items():
            if name in known and has_rules(part):
                declared = part_of(self.declared, name, known[name])
                if declared is not None:
                    found[name] = _Validator(part, known[name], bool(known[name].get(EMBEDDED)), declared)
        return found

    @cached_property
    def additional(self) -> "_Validator | None":
        return self._element("additionalProperties")

    @cached_property
    def items(self) -> "_Validator | None":
        return self._element("items")

    def _element(self, field: str) -> "_Validator | None":
        source, schema = self.source.get(field), self.schema.get(field)
        if not isinstance(source, dict) or not isinstance(schema, dict) or not has_rules(source):
            return None
        declared = self.declared.element if self.declared else None
        return _Validator(source, schema, bool(schema.get(EMBEDDED)), declared)

    @cached_property
    def all_of(self) -> list["_Validator"]:
        parts = [part for part in self.source.get("allOf") or () if has_rules(part)]
        return [_Validator(part, self.schema, self.is_root, self.declared) for part in parts]


class _Match(msgspec.Struct, eq=False, dict=True):
    """What a value was before, if that can be told; else the nearest place above of which it can."""

    new: Any
    old: Any
    schema: Object
    is_known: bool
    above: "_Match | None" = None

    @cached_property
    def is_same(self) -> bool:
        if self.is_known:
            return bool(self.new == self.old)
        return self.above is not None and self.above.is_same

    def key(self, name: str, schema: Object) -> "_Match":
        if not self.is_known:
            return self
        if self.above is None and name in ("apiVersion", "kind"):
            return _Match(None, None, schema, False)
        known = isinstance(self.old, dict) and name in self.old
        return _Match(self.new[name], self.old[name] if known else None, schema, known, self)

    def element(self, new: Any, old: Any, schema: Object) -> "_Match":
        return _Match(new, old, schema, old is not None, self) if self.is_known else self


class _Stop(Exception):
    """The budget is used up."""


class _Run(msgspec.Struct):
    """One pass over an object."""

    left: int
    faults: list[FieldError] = msgspec.field(default_factory=list)

    def node(self, validator: _Validator, path: str, new: Any, old: Any, match: _Match) -> None:
        with suppress(_Stop):
            self._node(validator, path, new, old, match)

    def _node(self, validator: _Validator, path: str, new: Any, old: Any, match: _Match) -> None:
        if new is None:
            return
        if validator.rules:
            self._expressions(validator, path, new, old, match)
        for inner in validator.all_of:
            self._node(inner, path, new, old, _Match(None, None, inner.schema, False, match.above))
        if isinstance(new, list) and validator.items is not None:
            before = _matching(validator.schema, old)
            for index, value in enumerate(new):
                was = before.get(_key(validator.schema, value))
                deeper = match.element(value, was, validator.items.schema)
                self._node(validator.items, f"{path}[{index}]", value, was, deeper)
        elif isinstance(new, dict):
            self._map(validator, path, new, old if isinstance(old, dict) else {}, match)

    def _map(self, validator: _Validator, path: str, new: Object, old: Object, match: _Match) -> None:
        if validator.schema.get("x-kubernetes-map-type") not in (None, "granular", "atomic"):
            old = {}
        for name, value in new.items():
            inner, where = validator.properties.get(name), f"{path}.{name}" if path else name
            if validator.additional is not None:
                inner, where = validator.additional, f"{path}[{name}]"
            if inner is not None:
                self._node(inner, where, value, old.get(name), match.key(name, inner.schema))

    def _expressions(self, validator: _Validator, path: str, new: Any, old: Any, match: _Match) -> None:
        kind = validator.schema.get("type") or ""
        if self.left <= 0:
            self._stop(invalid_value(path or NO_PATH, kind, OUT_OF_BUDGET))
        declared = validator.declared
        assert declared is not None, "rules are only compiled for declared types"
        for rule in validator.rules:
            self._rule(rule, validator.schema, declared, path, new, old, match)

    def _stop(self, fault: FieldError) -> NoReturn:
        self.faults.append(fault)
        raise _Stop

    def _rule(
        self, rule: Rule, schema: Object, declared: Declared, path: str, new: Any, old: Any, match: _Match
    ) -> None:
        kind, where = schema.get("type") or "", path or NO_PATH
        if rule.error:
            self.faults.append(invalid_value(where, kind, f"rule compile error: {rule.error}"))
        if rule.program is None or (rule.uses_old_self and old is None and not rule.sees_optional):
            return
        try:
            bindings = _bindings(declared, new, old, rule)
            passed = self._evaluate(rule.program, bindings, _Faults(where, kind, _name(rule.source)))
        except EvaluationError as error:
            self.faults.append(invalid_value(where, kind, _explained(str(error), _name(rule.source))))
            return
        if passed is not True:
            self._failed(rule, schema, bindings, path, new, match)

    def _evaluate(self, program: Program, bindings: Object, texts: "_Faults") -> Any:
        spent = Budget(0)
        try:
            found = program.measured(bindings, PER_CALL_LIMIT, spent)[0]
        except CostExceeded:
            self._spend(-spent.left, texts)
            self._stop(texts.too_costly())
        except EvaluationError:
            self._spend(-spent.left, texts)
            raise
        self._spend(-spent.left, texts)
        return found

    def _spend(self, cost: int, texts: "_Faults") -> None:
        if cost > self.left:
            self._stop(texts.out_of_budget())
        self.left -= cost

    def _failed(self, rule: Rule, schema: Object, bindings: Object, path: str, new: Any, match: _Match) -> None:
        where = _below(path, rule.source.get("fieldPath"), schema)
        detail = ""
        if rule.message is not None:
            detail = self._message(rule, schema, bindings, where)
        if not detail:
            detail = (rule.source.get("message") or "").strip() or f"failed rule: {_name(rule.source)}"
        if rule.uses_old_self or not match.is_same:
            self.faults.append(_fault(where, new, schema.get("type") or "", detail, rule.source.get("reason")))

    def _message(self, rule: Rule, schema: Object, bindings: Object, where: str) -> str:
        """What the messageExpression yields; empty when that is of no use."""
        assert rule.message is not None
        texts = _MessageFaults(where, schema.get("type") or "", rule.source["messageExpression"])
        try:
            found = self._evaluate(rule.message, bindings, texts)
        except EvaluationError:
            return ""
        found = found.strip() if isinstance(found, str) else ""
        return found if len(found.encode()) <= LONGEST_MESSAGE and "\n" not in found else ""


class _Faults(msgspec.Struct, frozen=True):
    """What is said when a rule costs too much."""

    where: str
    kind: str
    name: str

    def out_of_budget(self) -> FieldError:
        return invalid_value(self.where, self.kind, OUT_OF_BUDGET)

    def too_costly(self) -> FieldError:
        text = "no further validation rules will be run due to call cost exceeds limit for rule"
        return invalid_value(self.where, self.kind, f"'{CostExceeded()}': {text}: {self.name}")


class _MessageFaults(_Faults, frozen=True):
    def out_of_budget(self) -> FieldError:
        text = "messageExpression evaluation failed due to running out of cost budget"
        return invalid_value(self.where, self.kind, f"{text}, no further validation rules will be run")

    def too_costly(self) -> FieldError:
        text = "no further validation rules will be run due to call cost exceeds limit for messageExpression"
        return invalid_value(self.where, self.kind, f"{text}: {quoted(self.name)}")


def _bindings(declared: Declared, new: Any, old: Any, rule: Rule) -> Object:
    found = {SELF: declared.value(new)}
    wants_old = rule.uses_old_self or (rule.message is not None and OLD_SELF in rule.message.references)
    if wants_old and rule.sees_optional:
        found[OLD_SELF] = NONE if old is None else Optional(declared.value(old))
    elif wants_old and old is not None:
        found[OLD_SELF] = declared.value(old)
    return found


def _explained(error: str, name: str) -> str:
    if error.startswith("no such overload"):
        text = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'{error}': {text}: {name}"
    return f"{error} evaluating rule: {name}"


def _name(rule: Object) -> str:
    return str((rule.get("message") or "").strip() or rule["rule"].strip())


def _below(path: str, field: str | None, schema: Object) -> str:
    """The path a rule points to."""
    if field:
        try:
            usual = resolve(field, schema)[0]
        except NoSuchField:
            return path or NO_PATH
        return f"{path}.{usual}" if path else usual
    return path or NO_PATH


def _fault(where: str, value: Any, kind: str, detail: str, reason: str | None) -> FieldError:
    """Objects and lists are not shown."""
    omitted = kind in ("object", "array")
    match reason:
        case "FieldValueForbidden":
            return field_forbidden(where, detail)
        case "FieldValueRequired":
            return required(where, detail)
        case "FieldValueDuplicate":
            return FieldError(reason, where, "Duplicate value") if omitted else duplicate(where, value)
    if omitted:
        return FieldError("FieldValueInvalid", where, f"Invalid value: {detail}" if detail else "Invalid value")
    return invalid_value(where, value, detail)


def _key(schema: Object, value: Any) -> Any:
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return tuple(map(value.get, keys)) if isinstance(value, dict) else None


def _matching(schema: Object, old: Any) -> dict[Any, Any]:
    """Elements before, by what tells them apart; none for lists that are not maps."""
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(old, list):
        return {}
    return dict(_keyed(schema, old))


def _keyed(schema: Object, old: list[Any]) -> Iterator[tuple[Any, Any]]:
    for value in old:
        if isinstance(value, dict):
            yield _key(schema, value), value
