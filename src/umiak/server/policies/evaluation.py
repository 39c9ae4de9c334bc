"""Evaluates the expressions of a policy over one write, within a budget. Pure.

Source: apiserver's `pkg/admission/plugin/cel/{activation,condition,composition}.go`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from umiak.objects.cel.attributes import MISSING, Fields
from umiak.objects.cel.checked import Fault
from umiak.objects.cel.environment import PER_CALL_LIMIT
from umiak.objects.cel.errors import CostExceeded, EvaluationError
from umiak.objects.cel.library.authorizer import Authorizer, Decision, Question, ResourceCheck
from umiak.objects.cel.program import Budget, Program
from umiak.objects.cel.uses import VARIABLES
from umiak.objects.types import Object

CONDITIONS_BUDGET = 2_500_000
"""Cost of all match conditions of one webhook or policy together (apiserver's pkg/apis/cel)."""

OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
Values = dict[str, Any]
Decide = Callable[[Question], Decision]


class Unanswered(Exception):
    """Evaluation needs to know whether an access is allowed."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


class OutOfBudget(Exception):
    """What may be spent on the expressions is used up."""

    def __init__(self) -> None:
        super().__init__(OUT_OF_BUDGET)


class Expression(msgspec.Struct, frozen=True):
    """An expression of a policy; `source` as written."""

    source: str
    program: Program | Fault


class Result(msgspec.Struct, frozen=True):
    """A value, or why there is none."""

    value: Any = None
    error: str = ""


class Variables(Fields):
    """The variables of a policy: each is evaluated when it is first used, on a budget of its own."""

    type_name = VARIABLES.name
    __slots__ = ("cost", "expressions", "found", "values")

    def __init__(self, expressions: Mapping[str, Expression], values: Values) -> None:
        self.expressions = expressions
        self.values = values
        self.found: dict[str, Any] = {}
        self.cost = 0
        """Of all that were evaluated since this was last set to 0."""

    def field(self, name: Any) -> Any:
        if name not in self.expressions:
            return MISSING
        if name not in self.found:
            self.found[name] = self._evaluated(name, self.expressions[name].program)
        value = self.found[name]
        if isinstance(value, EvaluationError):
            raise value
        return value

    def _evaluated(self, name: str, program: Program | Fault) -> Any:
        if isinstance(program, Fault):
            return EvaluationError(f'composited variable "{name}" fails to compile: {program.detail}')
        budget = Budget(PER_CALL_LIMIT)
        try:
            return program.measured(self.values, PER_CALL_LIMIT, budget)[0]
        except (EvaluationError, CostExceeded) as error:
            return EvaluationError(f'composited variable "{name}" fails to evaluate: {error}')
        finally:
            self.cost += PER_CALL_LIMIT - budget.left


def evaluate(
    expressions: Sequence[Expression | None], variables: Mapping[str, Expression], values: Values, budget: Budget
) -> list[Result]:
    """A result for each; None stands for an expression that is not there. Raises OutOfBudget, Unanswered."""
    if not expressions:
        return []
    lazy = Variables(variables, {**values})
    lazy.values["variables"] = lazy
    return [Result() if e is None else _evaluate(e, lazy, budget) for e in expressions]


def _evaluate(expression: Expression, variables: Variables, budget: Budget) -> Result:
    program = expression.program
    if isinstance(program, Fault):
        return Result(error=f"compilation error: {program.detail}")
    variables.cost = 0
    try:
        result = Result(program.measured(variables.values, PER_CALL_LIMIT, budget)[0])
    except (EvaluationError, CostExceeded) as error:
        result = Result(error=f"expression '{expression.source}' resulted in error: {error}")
    budget.left -= variables.cost
    if budget.left < 0:
        raise OutOfBudget
    return result


class Undecided(Exception):
    """A match condition could not be evaluated; the text says why."""


def conditions_hold(conditions: Sequence[Expression], variables: Mapping[str, Expression], values: Values) -> bool:
    """Whether all are true. Raises Undecided when one fails and none is false, Unanswered."""
    try:
        results = evaluate(conditions, variables, values, Budget(CONDITIONS_BUDGET))
    except OutOfBudget as error:
        raise Undecided(str(error)) from None
    if any(result.value is False for result in results):
        return False
    errors = list(dict.fromkeys(result.error for result in results if result.error))
    if errors:
        raise Undecided(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
    return True


def asking(decide: Decide, resource: Question) -> Values:
    """The values of expressions that may ask the authorizer; `resource` is that of the request."""
    return {"authorizer": Authorizer(decide), "authorizer.requestResource": ResourceCheck(decide, resource)}


def described(question: Object) -> Object:
    """A review's request as expressions see it: the object is a variable of its own."""
    return {name: value for name, value in question.items() if name not in ("uid", "object", "oldObject")}
