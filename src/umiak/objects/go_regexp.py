"""Regular expressions as Go's regexp has them (RE2 syntax), run by Python's.

Python's dialect differs in few places: what `$` and `\\z` match, character classes by name, ASCII-only shorthands,
flags inside. What RE2 lacks (references back, looking around) is refused in its words.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache

Run = tuple[int, int]
"""The first and the last of several characters in a row."""
MOST_REPEATS = 1000
"""How often anything may be repeated, repetitions of repetitions multiplied."""
LONGEST_CLASSES = 1_000_000
"""Characters that classes by name may come to: `\\pL` alone has 12,000."""
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_SHORT = {"d": "0-9", "s": "\\t\\n\\f\\r ", "w": "0-9A-Za-z_"}
_LITERAL_ESCAPES = {"a": "\\a", "f": "\\f", "n": "\\n", "r": "\\r", "t": "\\t", "v": "\\v"}
_GROUP = re.compile(r"\(\?(P?<(?P<name>[A-Za-z0-9_]+)>|(?P<flags>[imsU-]*)(?P<end>[:)]))")
_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}")


class InvalidPattern(ValueError):
    """Says what is wrong as Go does: "error parsing regexp: missing closing ): `(`"."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"error parsing regexp: {what}: `{where}`")


@lru_cache(1024)
def compile(pattern: str) -> re.Pattern[str]:
    """Raises InvalidPattern."""
    translated = _Reader(pattern).read()
    try:
        return re.compile(translated)
    except RecursionError:
        raise InvalidPattern("expression nests too deeply", pattern) from None
    except (re.error, OverflowError):
        raise InvalidPattern("invalid or unsupported Perl syntax", pattern) from None


class _Reader:
    """Goes through a pattern once, from left to right, and writes Python's form of it."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        self.flags: list[str] = [""]
        """Flags in force, per open group."""
        self.can_repeat = False
        self.opened: list[int] = []
        """How many Python groups each open group of the pattern stands for, since flags need one of their own."""
        self.repeats: list[int] = [1]
        """How often something in each open group is repeated at most."""
        self.last_repeats = 1
        """The same of what was read last."""
        self.classes = 0
        """Characters that classes by name have come to."""

    def read(self) -> str:
        while self.at < len(self.pattern):
            self._step(self.pattern[self.at])
            self.repeats[-1] = max(self.repeats[-1], self.last_repeats)
        if len(self.flags) > 1:
            raise InvalidPattern("missing closing )", self.pattern)
        return "".join(self.out) + ")" * self._extra

    _extra = 0

    def _step(self, char: str) -> None:
        if char == "(":
            self._open()
        elif char == ")":
            self._close()
        elif char == "[":
            self.out.append(self._char_class())
            self.can_repeat, self.last_repeats = True, 1
        elif char == "\\":
            self._escape()
        elif char in "*+?" or (char == "{" and _REPEAT.match(self.pattern, self.at)):
            self._repeat(char)
        else:
            self._plain(char)

    def _plain(self, char: str) -> None:
        self.at += 1
        self.last_repeats = 1
        self.can_repeat = char not in "|"
        if char == "$":
            self.out.append("$" if "m" in self.flags[-1] else "\\Z")
        elif char in "{}":
            self.out.append("\\" + char)
        else:
            self.out.append(char)

    def _open(self) -> None:
        if not self.pattern.startswith("(?", self.at):
            self.at += 1
            self._push("(", self.flags[-1])
            return
        match = _GROUP.match(self.pattern, self.at)
        if not match:
            raise InvalidPattern("invalid or unsupported Perl syntax", self.pattern[self.at : self.at + 3])
        self.at = match.end()
        if match["name"]:
            self._push(f"(?P<{match['name']}>", self.flags[-1])
        elif match["end"] == ":":
            self._push(f"(?{self._python_flags(match['flags'])}:", self._flags_with(match["flags"]))
        else:
            self._switch(match["flags"])
        self.can_repeat = False

    def _push(self, text: str, flags: str) -> None:
        self.out.append(text)
        self.flags.append(flags)
        self.opened.append(self._extra)
        self.repeats.append(1)
        self._extra, self.last_repeats = 0, 1
        self.can_repeat = False

    def _close(self) -> None:
        if len(self.flags) == 1:
            raise InvalidPattern("unexpected )", self.pattern)
        self.at += 1
        self.flags.pop()
        self.out.append(")" * (self._extra + 1))
        self._extra = self.opened.pop()
        self.last_repeats = self.repeats.pop()
        self.can_repeat = True

    def _switch(self, flags: str) -> None:
        """`(?i)` holds to the end of the surrounding group; Python wants a group of its own for that. An alternative
        after it would belong to that group only, which is the same unless one came before."""
        self.flags[-1] = self._flags_with(flags)
        self.out.append(f"(?{self._python_flags(flags)}:")
        self._extra += 1

    def _flags_with(self, flags: str) -> str:
        on, _, off = flags.partition("-")
        return "".join(sorted((set(self.flags[-1]) | set(on)) - set(off)))

    @staticmethod
    def _python_flags(flags: str) -> str:
        on, _, off = flags.replace("U", "").partition("-")
        return f"{on}-{off}" if off else on

    def _repeat(self, char: str) -> None:
        end, times = self.at + 1, 1
        if char == "{":
            match = _REPEAT.match(self.pattern, self.at)
            assert match
            end = match.end()
            low, high = _count(match[1]), _count(match[3] or match[1])
            if max(low, high) > MOST_REPEATS or low > high:
                raise InvalidPattern("invalid repeat count", match[0])
            times = max(low, 1) if match[2] == "," else high
        if self.pattern.startswith("?", end):
            end += 1
        text = self.pattern[self.at : end]
        if not self.can_repeat:
            before = self._operator_before()
            if before:
                raise InvalidPattern("invalid nested repetition operator", before + text)
            raise InvalidPattern("missing argument to repetition operator", text)
        self._count_repeats(times, text)
        self.out.append(text)
        self.at = end
        self.can_repeat = False
        self._last_repeat = text, end

    def _count_repeats(self, times: int, text: str) -> None:
        """As regexp/syntax's repeatIsValid: what may come 0 times at most counts for nothing."""
        self.last_repeats = self.last_repeats * times if times else 1
        if times > 1 and self.last_repeats > MOST_REPEATS:
            raise InvalidPattern("invalid repeat count", text)

    _last_repeat: tuple[str, int] = "", -1

    def _operator_before(self) -> str:
        text, end = self._last_repeat
        return text if end == self.at else ""

    def _escape(self) -> None:
        char = self.pattern[self.at + 1 : self.at + 2]
        self.can_repeat, self.last_repeats = True, 1
        if char == "Q":
            end = self.pattern.find("\\E", self.at)
            literal = self.pattern[self.at + 2 : end if end >= 0 else None]
            self.out.append(re.escape(literal))
            self.at = end + 2 if end >= 0 else len(self.pattern)
        elif char in ("A", "b", "B"):
            self.out.append(f"(?a:\\{char})" if char != "A" else "\\A")
            self.at += 2
        elif char == "z":
            self.out.append("\\Z")
            self.at += 2
        elif char == "C":
            self.out.append("(?s:.)")
            self.at += 2
        else:
            inside, negated = self._class_escape()
            self.out.append(f"[{'^' if negated else ''}{inside}]" if len(inside) != 1 or negated else re.escape(inside))

    def _class_escape(self) -> tuple[str, bool]:
        """What an escape stands for inside a character class, and whether everything else is meant."""
        start = self.at
        char = self.pattern[start + 1 : start + 2]
        self.at += 2
        if not char:
            raise InvalidPattern("trailing backslash at end of expression", "")
        if char.lower() in _SHORT:
            return _SHORT[char.lower()], char.isupper()
        if char in ("p", "P"):
            return self._unicode(start, char == "P")
        if char in _LITERAL_ESCAPES:
            return _LITERAL_ESCAPES[char], False
        if char == "x" or char in "01234567":
            return self._numeric(start)
        if ord(char) < 128 and not char.isalnum():
            return "\\" + char, False
        raise InvalidPattern("invalid escape sequence", self.pattern[start : start + 2])

    def _numeric(self, start: int) -> tuple[str, bool]:
        match = re.compile(r"\\x\{([0-9A-Fa-f]+)\}|\\x([0-9A-Fa-f]{2})|\\(0[0-7]{0,2}|[1-7][0-7]{1,2})").match(
            self.pattern, start
        )
        if not match:
            raise InvalidPattern("invalid escape sequence", self.pattern[start : start + 2])
        self.at = match.end()
        code = int(match[3], 8) if match[3] else int(match[1] or match[2], 16)
        if code > 0x10FFFF:
            raise InvalidPattern("invalid escape sequence", match[0])
        return f"\\U{code:08x}", False

    def _unicode(self, start: int, negated: bool) -> tuple[str, bool]:
        match = re.compile(r"\\[pP](\{(\^?)(\w+)\}|(\w))").match(self.pattern, start)
        if not match:
            raise InvalidPattern("invalid character class range", self.pattern[start : start + 2])
        self.at = match.end()
        inside = unicode_class(match[3] or match[4])
        if not inside:
            raise InvalidPattern("invalid character class range", match[0])
        return self._counted(inside), negated is not bool(match[2])

    def _counted(self, inside: str) -> str:
        self.classes += len(inside)
        if self.classes > LONGEST_CLASSES:
            raise InvalidPattern("expression too large", self.pattern)
        return inside

    def _char_class(self) -> str:
        start = self.at
        self.at += 1
        negated = self.pattern.startswith("^", self.at)
        self.at += negated
        parts: list[str] = []
        first = True
        while first or not self.pattern.startswith("]", self.at):
            if self.at >= len(self.pattern):
                raise InvalidPattern("missing closing ]", self.pattern[start:])
            first = False
            parts.append(self._class_item())
        self.at += 1
        return f"[{'^' if negated else ''}{''.join(parts)}]"

    def _class_item(self) -> str:
        if named := re.compile(r"\[:(\^?)(\w+):\]").match(self.pattern, self.at):
            if named[2] not in _POSIX:
                raise InvalidPattern("invalid character class range", named[0])
            self.at = named.end()
            return self._counted(complement(_POSIX[named[2]])) if named[1] else _POSIX[named[2]]
        start = self.at
        low, is_set = self._class_char()
        if is_set or not re.compile(r"-[^\]]").match(self.pattern, self.at):
            return low
        self.at += 1
        high, _ = self._class_char()
        text = f"{low}-{high}"
        try:
            re.compile(f"[{text}]")
        except re.error:
            raise InvalidPattern("invalid character class range", self.pattern[start : self.at]) from None
        return text

    def _class_char(self) -> tuple[str, bool]:
        """One character, or with an escape perhaps a set of them."""
        char = self.pattern[self.at]
        if char == "\\":
            inside, negated = self._class_escape()
            is_set = len(inside) > 2 and not inside.startswith("\\U")
            return (self._counted(complement(inside)) if negated else inside), is_set
        self.at += 1
        return ("\\" + char if char in "[]^-\\&~|" else char), False


def _count(digits: str) -> int:
    """Python refuses to read thousands of digits; so many are too many in any case."""
    return int(digits) if len(digits) < 9 else MOST_REPEATS + 1


@lru_cache(64)
def complement(inside: str) -> str:
    """The rest of all characters, as the inside of a class."""
    everything = "".join(map(chr, range(0x110000)))
    return _joined((match.start(), match.end() - 1) for match in re.finditer(f"[^{inside}]+", everything))


@lru_cache(64)
def unicode_class(name: str) -> str:
    """A general category such as `L` or `Lu` as the inside of a class; empty when it is not known."""
    if name == "Any":
        return "\\x00-\\U0010ffff"
    if not re.fullmatch("L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfso]?", name):
        return _script(name)
    return _joined(run for category, runs in _categories().items() if category.startswith(name) for run in runs)


@cache
def _categories() -> dict[str, list[Run]]:
    """All characters in one go, by category: it takes a tenth of a second."""
    import unicodedata

    found: dict[str, list[Run]] = {}
    start, of = 0, unicodedata.category("\0")
    for code in range(1, 0x110001):
        category = unicodedata.category(chr(code)) if code < 0x110000 else ""
        if category != of:
            found.setdefault(of, []).append((start, code - 1))
            start, of = code, category
    return found


_SCRIPTS = {"Greek": "GREEK", "Cyrillic": "CYRILLIC", "Latin": "LATIN", "Han": "CJK", "Hebrew": "HEBREW"}


def _script(name: str) -> str:
    """By the first word of the characters' names, which serves for the scripts that patterns do name."""
    import unicodedata

    if name not in _SCRIPTS:
        return ""
    first = _SCRIPTS[name]
    return _joined((c, c) for c in range(0x30000) if unicodedata.name(chr(c), "").split(" ")[0] == first)


def _joined(runs: Iterable[Run]) -> str:
    parts: list[list[int]] = []
    for low, high in sorted(runs):
        if parts and low == parts[-1][1] + 1:
            parts[-1][1] = high
        else:
            parts.append([low, high])
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in parts)
