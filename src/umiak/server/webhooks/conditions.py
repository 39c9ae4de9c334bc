"""`matchConditions` of webhooks: CEL expressions that all must hold (KEP-3716)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from umiak.objects.types import Object

VARIABLES = ("object", "oldObject", "request")


class Undecided(Exception):
    """A condition could not be evaluated; the text says why."""


def hold(conditions: list[Object], variables: Mapping[str, Any]) -> bool:
    """Raises Undecided when a condition fails and none is false. `variables` are plain data."""
    from umiak.objects.cel.environment import RUNTIME_BUDGET  # few clusters have conditions
    from umiak.objects.cel.errors import EvaluationError
    from umiak.objects.cel.program import Budget

    budget, failures = Budget(RUNTIME_BUDGET), []
    for condition in conditions:
        try:
            if _compiled(condition["expression"]).evaluate(variables, budget) is not True:
                return False
        except EvaluationError as error:
            failures.append(f"expression '{condition['expression']}' resulted in error: {error}")
    if failures:
        raise Undecided(failures[0] if len(failures) == 1 else f"[{', '.join(failures)}]")
    return True


@lru_cache(512)
def _compiled(expression: str) -> Any:
    from umiak.objects.cel.environment import Environment
    from umiak.objects.cel.types import DYN

    return Environment(dict.fromkeys(VARIABLES, DYN)).compile(expression)
