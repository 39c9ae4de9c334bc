"""CEL over the claims of a token, and over the user made of them. Pure.

Source: apiserver's `pkg/authentication/cel`, and `oidc.go` for what values become.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from umiak.api.configuration import Unacceptable
from umiak.objects.cel import uses
from umiak.objects.cel.environment import PER_CALL_LIMIT, Environment
from umiak.objects.cel.errors import CompileError, CostExceeded, EvaluationError, InstantiationError
from umiak.objects.cel.macros import STANDARD
from umiak.objects.cel.parser import RESERVED, parse
from umiak.objects.cel.program import Budget, Program
from umiak.objects.cel.syntax import Call, Ident, Literal, Node, Select, walk

WORDS = {"underscores": "__", "dot": ".", "dash": "-", "slash": "/"}


class Failed(Exception):
    """An expression could not be evaluated."""


@lru_cache(maxsize=2)
def _environment(variable: str) -> Environment:
    return uses.claims() if variable == "claims" else uses.user()


def compiled(text: str, variable: str, is_condition: bool = False) -> Program:
    """`variable` is claims or user. Raises Unacceptable."""
    try:
        program = _environment(variable).compile(text)
    except CompileError as error:
        raise Unacceptable(f"compilation failed: {error}") from None
    except InstantiationError as error:
        raise Unacceptable(f"program instantiation failed: {error}") from None
    if is_condition and program.result_type.text != "bool":
        raise Unacceptable("must evaluate to bool")
    return program


def fault(text: str, variable: str, is_condition: bool = False) -> str:
    """What is wrong with the expression; empty when nothing is."""
    try:
        compiled(text, variable, is_condition)
    except Unacceptable as error:
        return str(error)
    return ""


def evaluated(program: Program, variable: str, value: Any) -> Any:
    """Raises Failed."""
    try:
        return program.evaluate({variable: value}, Budget(PER_CALL_LIMIT))
    except (EvaluationError, CostExceeded) as error:
        raise Failed(f"expression '{program.source}' resulted in error: {error}") from None


def mentions(text: str, claim: str) -> bool:
    """Whether the expression, which must compile, looks at `claims.<claim>`."""
    return any(_selects(node, claim) for node in walk(parse(text, STANDARD)))


def _selects(node: Node, claim: str) -> bool:
    if isinstance(node, Select):
        return _is_claims(node.operand) and node.field == claim
    if isinstance(node, Call) and node.function == "_?._" and node.target is None:
        name = node.args[1]
        return _is_claims(node.args[0]) and isinstance(name, Literal) and name.value == claim
    return False


def _is_claims(node: Node) -> bool:
    return isinstance(node, Ident) and node.name == "claims"


class Claims(dict[str, Any]):
    """Found also by names as expressions write them: `example__dot__com`."""

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, unescaped(key))

    def __getitem__(self, key: Any) -> Any:
        return dict.__getitem__(self, unescaped(key))

    def get(self, key: Any, default: Any = None) -> Any:
        return dict.get(self, unescaped(key), default)


def unescaped(key: Any) -> Any:
    if not isinstance(key, str) or "__" not in key:
        return key
    parts = key.split("__")
    if len(parts) == 3 and not parts[0] and not parts[2] and parts[1] in RESERVED:
        return parts[1]
    if len(parts) % 2 == 0 or any(part not in WORDS for part in parts[1::2]):
        return key
    return "".join(WORDS[part] if i % 2 else part for i, part in enumerate(parts))


def value_of(data: Any) -> Any:
    """JSON as expressions see it: every number is a double."""
    if isinstance(data, Mapping):
        return Claims({key: value_of(value) for key, value in data.items()})
    if isinstance(data, list):
        return [value_of(item) for item in data]
    return float(data) if type(data) is int else data
