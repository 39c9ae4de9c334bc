"""Functions of strings (cel-go's strings library, version 2)."""

import math

from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError, no_overload
from umiak.objects.cel.library.formatting import formatted
from umiak.objects.cel.library.lists import index_of as list_index_of
from umiak.objects.cel.library.lists import last_index_of as list_last_index_of
from umiak.objects.cel.library.lists import traversal_cost
from umiak.objects.cel.library.standard import text_cost
from umiak.objects.cel.values import Function

OVERLOADS = """
string_char_at_int: string charAt(int) -> string
string_index_of_string: string indexOf(string) -> int
string_index_of_string_int: string indexOf(string, int) -> int
list_a_index_of_int: list(A) indexOf(A) -> int
string_last_index_of_string: string lastIndexOf(string) -> int
string_last_index_of_string_int: string lastIndexOf(string, int) -> int
list_a_last_index_of_int: list(A) lastIndexOf(A) -> int
string_lower_ascii: string lowerAscii() -> string
string_upper_ascii: string upperAscii() -> string
string_replace_string_string: string replace(string, string) -> string
string_replace_string_string_int: string replace(string, string, int) -> string
string_split_string: string split(string) -> list(string)
string_split_string_int: string split(string, int) -> list(string)
string_substring_int: string substring(int) -> string
string_substring_int_int: string substring(int, int) -> string
string_trim: string trim() -> string
string_format: string format(list(dyn)) -> string
strings_quote: strings.quote(string) -> string
list_join: list(string) join() -> string
list_join_string: list(string) join(string) -> string
"""
SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_QUOTED = str.maketrans(
    {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        '"': '\\"',
    }
)


def _out_of_range(index: int) -> EvaluationError:
    return EvaluationError(f"index out of range: {index}")


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise _out_of_range(index)
    return text[index : index + 1]


def _index_of(text: object, part: str, offset: int = 0) -> int:
    if isinstance(text, list):
        return list_index_of(text, part)
    if not isinstance(text, str) or not isinstance(part, str):
        raise no_overload()
    if offset < 0:
        raise _out_of_range(offset)
    if not part:
        return min(offset, len(text))
    return text.find(part, offset)


def _last_index_of(text: object, part: str, offset: int | None = None) -> int:
    if isinstance(text, list):
        return list_last_index_of(text, part)
    if not isinstance(text, str) or not isinstance(part, str):
        raise no_overload()
    if offset is None:
        return text.rfind(part)
    if offset < 0:
        raise _out_of_range(offset)
    if not part:
        return min(offset, len(text))
    return text.rfind(part, 0, offset + len(part)) if offset < len(text) else -1


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    if 0 < limit < len(text):
        return [*text[: limit - 1], text[limit - 1 :]]
    return list(text)


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        if not 0 <= start <= len(text):
            raise _out_of_range(start)
        return text[start:]
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    if not 0 <= start <= len(text):
        raise _out_of_range(start)
    if not 0 <= end <= len(text):
        raise _out_of_range(end)
    return text[start:end]


def _join(parts: list[object], separator: str = "") -> str:
    texts = []
    for part in parts:
        if not isinstance(part, str):
            raise EvaluationError(f"join: invalid input: {part}")
        texts.append(part)
    return separator.join(texts)


def _lower(text: str) -> str:
    return text.translate(_LOWER)


def _upper(text: str) -> str:
    return text.translate(_UPPER)


def _quote(text: str) -> str:
    return f'"{text.translate(_QUOTED)}"'


_FUNCTIONS: dict[str, Function] = {
    "charAt": _char_at,
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "lowerAscii": _lower,
    "upperAscii": _upper,
    "replace": lambda text, old, new, limit=-1: text.replace(old, new, limit),
    "split": _split,
    "substring": _substring,
    "trim": lambda text: text.strip(SPACES),
    "format": formatted,
    "strings.quote": _quote,
    "join": _join,
}
_COSTS = {
    **dict.fromkeys(["lowerAscii", "upperAscii", "substring", "trim", "strings_quote", "string_format"], text_cost()),
    **dict.fromkeys(["replace", "split"], text_cost(0.2)),
    **dict.fromkeys(["indexOf", "lastIndexOf"], lambda operands, result: traversal_cost(operands[0])),
    "join": lambda operands, result: math.ceil(len(result) * 0.2),
}
LIBRARY = library(OVERLOADS, _FUNCTIONS, _COSTS)
