"""Regular expressions, in RE2's syntax."""

import re

from umiak.objects import go_regexp
from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.library.standard import pattern_cost
from umiak.objects.cel.values import Function

OVERLOADS = """
string_find_string: string find(string) -> string
string_find_all_string: string findAll(string) -> list(string)
string_find_all_string_int: string findAll(string, int) -> list(string)
"""


def compiled(pattern: str, prefix: str = "") -> re.Pattern[str]:
    """Raises EvaluationError; the fault as Go words it, whose prefix may be told apart."""
    try:
        return go_regexp.compile(pattern)
    except go_regexp.InvalidPattern as error:
        raise EvaluationError(prefix + str(error).removeprefix(prefix)) from None


def _find(text: str, pattern: str) -> str:
    match = compiled(pattern, "Illegal regex: ").search(text)
    return match.group() if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group() for match in compiled(pattern, "Illegal regex: ").finditer(text)]
    return found if limit < 0 else found[:limit]


_FUNCTIONS: dict[str, Function] = {"find": _find, "findAll": _find_all}
LIBRARY = library(OVERLOADS, _FUNCTIONS, dict.fromkeys(_FUNCTIONS, pattern_cost))
