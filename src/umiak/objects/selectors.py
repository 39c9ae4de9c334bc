"""Label and field selectors: their grammar, what they match, their canonical text.

Faults are told in the words of apimachinery's `labels` and `fields`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from umiak.objects import names
from umiak.objects.errors import FieldError, invalid_value
from umiak.objects.errors import not_supported as unsupported


class InvalidSelector(ValueError):
    """The selector cannot be read; says why."""


EQUALS, DOUBLE_EQUALS, NOT_EQUALS, IN, NOT_IN = "=", "==", "!=", "in", "notin"
EXISTS, MISSING, GREATER, LESS = "exists", "!", "gt", "lt"
_BINARY = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS)
_OPERATORS = (*_BINARY, EXISTS, MISSING)
_SHOWN = {GREATER: ">", LESS: "<"}


class Requirement(NamedTuple):
    """One condition on a label. `values` are sorted and none for `exists` and `!`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        key, operator, values = self
        value = labels.get(key)
        if operator in (EQUALS, DOUBLE_EQUALS, IN):
            return value in values
        if operator in (NOT_EQUALS, NOT_IN):
            return value not in values
        if operator == EXISTS:
            return value is not None
        if operator == MISSING:
            return value is None
        mine, wanted = _integer(value), _integer(values[0])
        if mine is None or wanted is None:
            return False
        return mine > wanted if operator == GREATER else mine < wanted

    def __str__(self) -> str:
        key, operator, values = self
        if operator == EXISTS:
            return key
        if operator == MISSING:
            return f"!{key}"
        if operator in (IN, NOT_IN):
            return f"{key} {operator} ({','.join(sorted(values))})"
        return f"{key}{_SHOWN.get(operator, operator)}{values[0]}"


def _integer(text: str | None) -> int | None:
    """As Go's ParseInt reads it: digits with a sign, within 64 bits."""
    if not text or not text.isascii() or not text.lstrip("+-").isdigit() or len(text.lstrip("+-")) < len(text) - 1:
        return None
    number = int(text) if len(text) < 40 else 2**63
    return number if -(2**63) <= number < 2**63 else None


class Selector:
    """Which labels are wanted. Never changes; equal when its text is."""

    __slots__ = ("_nothing", "requirements")
    requirements: tuple[Requirement, ...]
    """Sorted by key."""

    def __init__(self, requirements: Iterable[Requirement] = (), nothing: bool = False) -> None:
        self.requirements = tuple(sorted(requirements, key=lambda r: r.key))
        self._nothing = nothing

    @property
    def is_empty(self) -> bool:
        """Whether it matches everything because it asks for nothing."""
        return not self.requirements and not self._nothing

    @property
    def matches_nothing(self) -> bool:
        """True for `NOTHING` only."""
        return self._nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        if self._nothing:
            return False
        found = labels or {}
        return all(requirement.matches(found) for requirement in self.requirements)

    def exact(self, key: str) -> str | None:
        """The one value that the label must have, None when several would do."""
        for requirement in self.requirements:
            if requirement.key == key:
                one = requirement.operator in (EQUALS, DOUBLE_EQUALS, IN) and len(requirement.values) == 1
                return requirement.values[0] if one else None
        return None

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return "Selector(nothing)" if self._nothing else f"Selector({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selector):
            return NotImplemented
        return (self._nothing, self.requirements) == (other._nothing, other.requirements)

    def __hash__(self) -> int:
        return hash((self._nothing, self.requirements))


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def requirement(key: str, operator: str, values: Sequence[str] = ()) -> Requirement:
    """A checked requirement. Raises InvalidSelector with all that is wrong."""
    faults = list(_faults(key, operator, values))
    if faults:
        texts = list(dict.fromkeys(map(str, faults)))
        raise InvalidSelector(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
    return Requirement(key, operator, tuple(sorted(set(values))))


def _faults(key: str, operator: str, values: Sequence[str]) -> Iterator[FieldError]:
    shown = list(values)
    if wrong := names.label_key(key):
        yield invalid_value("key", key, "; ".join(wrong))
    if operator in (IN, NOT_IN):
        if not values:
            yield invalid_value("values", shown, "for 'in', 'notin' operators, values set can't be empty")
    elif operator in (EQUALS, DOUBLE_EQUALS, NOT_EQUALS):
        if len(values) != 1:
            yield invalid_value("values", shown, "exact-match compatibility requires one single value")
    elif operator in (EXISTS, MISSING):
        if values:
            yield invalid_value("values", shown, "values set must be empty for exists and does not exist")
    elif operator in (GREATER, LESS):
        if len(values) != 1:
            yield invalid_value("values", shown, "for 'Gt', 'Lt' operators, exactly one value is required")
        for index, value in enumerate(values):
            if _integer(value) is None:
                yield invalid_value(f"values[{index}]", value, "for 'Gt', 'Lt' operators, the value must be an integer")
    else:
        yield unsupported("operator", operator, _OPERATORS)
    for index, value in enumerate(values):
        if wrong := names.label_value(value):
            yield invalid_value(f"values[{index}][{key}]", value, "; ".join(wrong))


def from_set(labels: Mapping[str, str] | None) -> Selector:
    """Wants every one of `labels`; everything when there are none. Nothing is checked."""
    return Selector(Requirement(k, EQUALS, (v,)) for k, v in (labels or {}).items())


_EXPRESSION_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": MISSING}


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """Reads a `metav1.LabelSelector`: None matches nothing, an empty one everything. Raises InvalidSelector."""
    if selector is None:
        return NOTHING
    wanted = [requirement(k, EQUALS, [v]) for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        operator = _EXPRESSION_OPERATORS.get(expression.get("operator") or "")
        if operator is None:
            raise InvalidSelector(f'"{expression.get("operator") or ""}" is not a valid label selector operator')
        wanted.append(requirement(expression.get("key") or "", operator, expression.get("values") or ()))
    return Selector(wanted) if wanted else EVERYTHING


_SPECIAL = "=!(),><"
_SPACE = " \t\r\n"
_TOKENS = frozenset({")", ",", "!", "==", "=", ">", "in", "<", "!=", "notin", "("})
_WORD, _END, _ERROR = "identifier", "end", "error"


class _Token(NamedTuple):
    """`kind` is the literal itself for keywords and symbols."""

    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while True:
        while at < len(text) and text[at] in _SPACE:
            at += 1
        if at >= len(text) or text[at] == "\0":
            return [*found, _Token(_END, "")]
        token, at = _symbol(text, at) if text[at] in _SPECIAL else _word(text, at)
        found.append(token)


def _word(text: str, start: int) -> tuple[_Token, int]:
    at = start
    while at < len(text) and text[at] not in _SPECIAL and text[at] not in _SPACE and text[at] != "\0":
        at += 1
    word = text[start:at]
    return _Token(word if word in _TOKENS else _WORD, word), at


def _symbol(text: str, start: int) -> tuple[_Token, int]:
    """The longest symbol; as in the reference, characters that make none are swallowed into an error."""
    best, at = "", start
    while at < len(text) and text[at] in _SPECIAL:
        if text[start : at + 1] in _TOKENS:
            best = text[start : at + 1]
        elif best:
            break
        at += 1
    if not best:
        return _Token(_ERROR, f"error expected: keyword found '{text[start:at]}'"), at
    return _Token(best, best), at


class _Parser:
    """labels.Parser: recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    def peek(self) -> _Token:
        """The next token; where values may stand, `in` and `notin` are plain words."""
        token = self.tokens[min(self.at, len(self.tokens) - 1)]
        return _Token(_WORD, token.text) if token.kind in (IN, NOT_IN) else token

    def take(self) -> _Token:
        token = self.peek()
        self.at += 1
        return token

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            token = self.peek()
            if token.kind == _END:
                return found
            if token.kind not in (_WORD, "!"):
                raise InvalidSelector(f"found '{token.text}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self.requirement())
            except InvalidSelector as error:
                raise InvalidSelector(f"unable to parse requirement: {error}") from None
            after = self.take()
            if after.kind == _END:
                return found
            if after.kind != ",":
                raise InvalidSelector(f"found '{after.text}', expected: ',' or 'end of string'")
            token = self.peek()
            if token.kind not in (_WORD, "!"):
                raise InvalidSelector(f"found '{token.text}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        key, operator = self.key()
        if operator:
            return requirement(key, operator)
        token = self.tokens[min(self.at, len(self.tokens) - 1)]
        self.at += 1
        operator = {">": GREATER, "<": LESS}.get(token.kind, token.kind)
        if operator not in _BINARY:
            raise InvalidSelector(f"found '{token.text}', expected: {', '.join(_BINARY)}")
        values = self.value_set() if operator in (IN, NOT_IN) else {self.exact_value()}
        return requirement(key, operator, sorted(values))

    def key(self) -> tuple[str, str]:
        """The key, and exists or ! when the requirement ends with it."""
        token, operator = self.take(), ""
        if token.kind == "!":
            token, operator = self.take(), MISSING
        if token.kind != _WORD:
            raise InvalidSelector(f"found '{token.text}', expected: identifier")
        if wrong := names.label_key(token.text):
            raise InvalidSelector(str(invalid_value("<nil>", token.text, "; ".join(wrong))))
        if self.peek().kind in (_END, ","):
            operator = operator or EXISTS
        return token.text, operator

    def exact_value(self) -> str:
        if self.peek().kind in (_END, ","):
            return ""
        token = self.take()
        if token.kind != _WORD:
            raise InvalidSelector(f"found '{token.text}', expected: identifier")
        return token.text

    def value_set(self) -> set[str]:
        token = self.take()
        if token.kind != "(":
            raise InvalidSelector(f"found '{token.text}' expected: '('")
        first = self.peek()
        if first.kind == ")":
            self.at += 1
            return {""}
        if first.kind not in (_WORD, ","):
            raise InvalidSelector(f"found '{first.text}', expected: ',', ')' or identifier")
        values = self.values()
        if self.take().kind != ")":
            raise InvalidSelector(f"found '{first.text}', expected: ')'")
        return values

    def values(self) -> set[str]:
        """Words between commas; nothing between two commas is an empty word."""
        found: set[str] = set()
        while True:
            token = self.take()
            following = self.peek()
            if token.kind == _WORD:
                found.add(token.text)
                if following.kind == ")":
                    return found
                if following.kind != ",":
                    raise InvalidSelector(f"found '{following.text}', expected: ',' or ')'")
            elif token.kind == ",":
                if not found or following.kind == ",":
                    found.add("")
                if following.kind == ")":
                    return found | {""}
            else:
                raise InvalidSelector(f"found '{token.text}', expected: ',', or identifier")


@lru_cache(maxsize=1024)
def parse_labels(text: str) -> Selector:
    """Reads `a=b,c in (d,e),!f`. Raises InvalidSelector."""
    found = _Parser(text).parse()
    return Selector(found) if found else EVERYTHING


class FieldRequirement(NamedTuple):
    """`field` must equal `value`, or must not when `negated`."""

    field: str
    negated: bool
    value: str


def parse_fields(text: str) -> tuple[FieldRequirement, ...]:
    """Reads `metadata.name=a,spec.nodeName!=b`; `\\` escapes backslash, comma and equals. A term with
    nothing on either side says nothing. Raises InvalidSelector."""
    found = (_field_requirement(text, part) for part in sorted(_field_terms(text)) if part)
    return tuple(requirement for requirement in found if requirement.field or requirement.value)


def _field_terms(text: str) -> list[str]:
    terms, start, escaped = [], 0, False
    for at, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ",":
            terms.append(text[start:at])
            start = at + 1
    return [*terms, text[start:]]


def _field_requirement(whole: str, term: str) -> FieldRequirement:
    for at in range(len(term)):
        for operator in (NOT_EQUALS, DOUBLE_EQUALS, EQUALS):
            if term.startswith(operator, at):
                return FieldRequirement(term[:at], operator == NOT_EQUALS, _unescaped(term[at + len(operator) :]))
    raise InvalidSelector(f"invalid selector: '{whole}'; can't understand '{term}'")


def _unescaped(text: str) -> str:
    out, escaped = [], False
    for char in text:
        if escaped and char not in "\\,=":
            raise InvalidSelector(f"invalid field selector: invalid escape sequence: \\{char}")
        if not escaped and char in ",=":
            raise InvalidSelector(f"invalid field selector: unescaped character in value: {ord(char)}")
        if escaped or char != "\\":
            out.append(char)
        escaped = not escaped and char == "\\"
    if escaped:
        raise InvalidSelector("invalid field selector: invalid escape sequence: \\")
    return "".join(out)


def escaped_field(value: str) -> str:
    """A value as it may stand in a field selector."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
