"""Cuts the source into tokens (the lexer rules of cel-go's CEL.g4), and reads literals."""

import re
from typing import NamedTuple

from umiak.objects.cel.errors import Issue

_ESCAPE = r"\\(?:[abfnrtv\"'\\?`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"
_STRING = "|".join(
    [
        r"[rR]\"\"\"(?:.|\n)*?\"\"\"",
        r"[rR]'''(?:.|\n)*?'''",
        r"[rR]\"[^\"\n\r]*\"",
        r"[rR]'[^'\n\r]*'",
        rf"\"\"\"(?:{_ESCAPE}|[^\\])*?\"\"\"",
        rf"'''(?:{_ESCAPE}|[^\\])*?'''",
        rf"\"(?:{_ESCAPE}|[^\\\"\n\r])*\"",
        rf"'(?:{_ESCAPE}|[^\\'\n\r])*'",
    ]
)
_TOKEN = re.compile(
    "|".join(
        [
            r"(?P<space>[\t \r\n\f]+|//[^\n]*)",
            rf"(?P<BYTES>[bB](?:{_STRING}))",
            rf"(?P<STRING>{_STRING})",
            r"(?P<NUM_FLOAT>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)",
            r"(?P<NUM_UINT>0x[0-9a-fA-F]+[uU]|[0-9]+[uU])",
            r"(?P<NUM_INT>0x[0-9a-fA-F]+|[0-9]+)",
            r"(?P<IDENTIFIER>[A-Za-z_][A-Za-z0-9_]*)",
            r"(?P<ESC_IDENTIFIER>`[A-Za-z0-9_.\-/ ]+`)",
            r"(?P<op>==|!=|<=|>=|&&|\|\||[<>\[\]{}().,\-!?:+*/%])",
        ]
    )
)
_WORDS = frozenset({"in", "true", "false", "null"})
EOF = "<EOF>"


class Token(NamedTuple):
    """`kind` is the class of the token, or for operators and words of the language the text itself."""

    kind: str
    text: str
    offset: int


def tokens(source: str) -> tuple[list[Token], list[Issue]]:
    """The tokens, ended by one of kind EOF, and a fault for each character that starts none."""
    found: list[Token] = []
    faults: list[Issue] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            end = _bad_end(source, at)
            faults.append(Issue(at, f"Syntax error: token recognition error at: '{_shown(source[at:end])}'"))
            at = end
            continue
        kind, text = str(match.lastgroup), match.group()
        if kind != "space":
            found.append(Token(text if kind == "op" or text in _WORDS else kind, text, at))
        at = match.end()
    found.append(Token(EOF, EOF, len(source)))
    return found, faults


def _bad_end(source: str, at: int) -> int:
    """How far the lexer reads before it gives up: a quoted text up to its line's end, else one character."""
    quote = source[at]
    if quote not in "\"'":
        return min(len(source), at + (2 if quote in "=&|" else 1))
    end = re.compile(rf"(?:{_ESCAPE}|[^\\\n\r{quote}])*").match(source, at + 1)
    stop = end.end() if end else at + 1
    if source[stop : stop + 1] == "\\":
        return min(len(source), stop + 2)
    return min(len(source), stop + 1)


def _shown(text: str) -> str:
    return text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


_SIMPLE = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
}  # fmt: skip
_ESCAPED = re.compile(r"\\(?:([xX])([0-9a-fA-F]{2})|[uU]([0-9a-fA-F]{8}|[0-9a-fA-F]{4})|([0-3][0-7]{2})|(.))", re.S)


class BadLiteral(ValueError):
    """A literal that cannot be read; the text is cel-go's."""


def _body(text: str) -> tuple[str, bool]:
    """(between the quotes, whether it is raw)."""
    raw = text[0] in "rR"
    text = text[1:] if raw else text
    quotes = 3 if len(text) >= 6 and text[:3] in ('"""', "'''") else 1
    return text[quotes:-quotes].replace("\r\n", "\n").replace("\r", "\n"), raw


def string_value(text: str) -> str:
    """What a string literal stands for; raises BadLiteral."""
    body, raw = _body(text)
    return body if raw or "\\" not in body else _ESCAPED.sub(_character, body)


def _character(match: re.Match[str]) -> str:
    hexadecimal = match[2] or match[3]
    if match[5]:
        return _SIMPLE[match[5]]
    code = int(hexadecimal, 16) if hexadecimal else int(match[4], 8)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise BadLiteral("invalid unicode code point")
    return chr(code)


def bytes_value(text: str) -> bytes:
    """What a bytes literal stands for: hex and octal escapes are bytes, the rest is UTF-8."""
    body, raw = _body(text[1:])
    if raw or "\\" not in body:
        return body.encode()
    parts, at = bytearray(), 0
    for match in _ESCAPED.finditer(body):
        if match[3]:
            raise BadLiteral("unable to unescape string")
        parts += body[at : match.start()].encode()
        parts += (
            _SIMPLE[match[5]].encode() if match[5] else bytes([int(match[2], 16) if match[2] else int(match[4], 8)])
        )
        at = match.end()
    return bytes(parts + body[at:].encode())
