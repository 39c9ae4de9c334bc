"""CEL conditions on a SubjectAccessReview, which say whether a webhook is asked at all (KEP-3221). Pure.

Source: apiserver's `pkg/authorization/cel`.
"""

from collections.abc import Sequence
from functools import lru_cache

from umiak.api.configuration import Unacceptable
from umiak.objects.cel import uses
from umiak.objects.cel.environment import PER_CALL_LIMIT, Environment
from umiak.objects.cel.errors import CompileError, CostExceeded, EvaluationError, InstantiationError
from umiak.objects.cel.program import Budget, Program
from umiak.objects.errors import together
from umiak.objects.types import Object


class Undecided(Exception):
    """No condition is false, and one could not be evaluated."""


def fault(expression: str) -> str:
    """What keeps the expression from being a condition; empty when nothing does."""
    try:
        _compiled(expression)
    except Unacceptable as error:
        return str(error)
    return ""


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return uses.authorization()


def _compiled(expression: str) -> Program:
    try:
        program = _environment().compile(expression)
    except CompileError as error:
        raise Unacceptable(f"compilation failed: {error}") from None
    except InstantiationError as error:
        raise Unacceptable(f"program instantiation failed: {error}") from None
    if program.result_type.text != "bool":
        raise Unacceptable(f"must evaluate to bool but got {program.result_type.text}")
    return program


class Conditions:
    def __init__(self, expressions: Sequence[str]) -> None:
        self._programs = [_compiled(expression) for expression in expressions]

    def hold(self, spec: Object) -> bool:
        """Whether all are true of the spec of a review. Raises Undecided."""
        request = uses.review_type().value(_whole(spec))
        failures = []
        for program in self._programs:
            try:
                if program.evaluate({"request": request}, Budget(PER_CALL_LIMIT)) is not True:
                    return False
            except (EvaluationError, CostExceeded) as error:
                failures.append(f"cel evaluation error: expression '{program.source}' resulted in error: {error}")
        if failures:
            raise Undecided(together(failures))
        return True


RESOURCE = ("namespace", "verb", "group", "version", "resource", "subresource", "name")


def _whole(spec: Object) -> Object:
    """With the empty fields that expressions find there, too."""
    found: Object = {name: spec.get(name) or "" for name in ("user", "uid")}
    found |= {"groups": spec.get("groups") or [], "extra": spec.get("extra") or {}}
    if "resourceAttributes" in spec:
        about = spec["resourceAttributes"]
        found["resourceAttributes"] = {**about, **{name: about.get(name) or "" for name in RESOURCE}}
    if "nonResourceAttributes" in spec:
        found["nonResourceAttributes"] = spec["nonResourceAttributes"]
    return found
