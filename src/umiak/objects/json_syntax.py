"""What Go's JSON scanner says of bytes that are not JSON. Walked only after the fast parser has given up."""

_SPACE = b" \t\r\n"
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"
_ESCAPES = b'bfnrt\\/"'
MAX_DEPTH = 10000
END = "unexpected end of JSON input"


class _Fault(Exception):
    pass


def fault(data: bytes) -> str:
    """The first syntax error in encoding/json's words; empty when there is none."""
    try:
        _Scanner(data).document()
    except _Fault as found:
        return str(found)
    return ""


def quoted(byte: int) -> str:
    """A byte as Go's errors show it: `'x'`."""
    if byte == ord("'"):
        return r"'\''"
    if byte == ord('"'):
        return "'\"'"
    char = chr(byte)
    named = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v", "\\": r"\\"}
    if char in named:
        return f"'{named[char]}'"
    if byte < 0x20 or byte == 0x7F:
        return f"'\\x{byte:02x}'"
    return f"'{char}'" if char.isprintable() else f"'\\u{byte:04x}'"


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def byte(self) -> int:
        """The next byte; the end of the data is a fault."""
        if self.at >= len(self.data):
            raise _Fault(END)
        return self.data[self.at]

    def unexpected(self, where: str) -> _Fault:
        return _Fault(f"invalid character {quoted(self.byte())} {where}")

    def space(self) -> None:
        while self.at < len(self.data) and self.data[self.at] in _SPACE:
            self.at += 1

    def document(self) -> None:
        self.values()
        self.space()
        if self.at < len(self.data):
            raise self.unexpected("after top-level value")

    def values(self) -> None:
        """One value with all inside it; a stack instead of recursion, so that depth costs nothing."""
        closers: list[str] = []
        while True:
            self.space()
            opened = self.begin(closers)
            if opened:
                continue
            while closers:
                self.space()
                if closers[-1] == "}" and self.byte() not in b",}":
                    raise self.unexpected("after object key:value pair")
                if closers[-1] == "]" and self.byte() not in b",]":
                    raise self.unexpected("after array element")
                closing = self.byte() != ord(",")
                self.at += 1
                if not closing:
                    if closers[-1] == "}":
                        self.key()
                    break
                closers.pop()
            else:
                return

    def begin(self, closers: list[str]) -> bool:
        """Starts a value; true when it is a container that is not empty."""
        byte = self.byte()
        if byte not in b"{[":
            self.scalar()
            return False
        self.at += 1
        if len(closers) >= MAX_DEPTH:
            raise _Fault("exceeded max depth")
        closer = "}" if byte == ord("{") else "]"
        self.space()
        if chr(self.byte()) == closer:
            self.at += 1
            return False
        closers.append(closer)
        if closer == "}":
            self.key()
        return True

    def key(self) -> None:
        self.space()
        if self.byte() != ord('"'):
            raise self.unexpected("looking for beginning of object key string")
        self.string()
        self.space()
        if self.byte() != ord(":"):
            raise self.unexpected("after object key")
        self.at += 1

    def scalar(self) -> None:
        byte = self.byte()
        if byte == ord('"'):
            self.string()
        elif byte == ord("-") or byte in _DIGITS:
            self.number()
        elif byte in b"tfn":
            self.word({"t": "true", "f": "false", "n": "null"}[chr(byte)])
        else:
            raise self.unexpected("looking for beginning of value")

    def word(self, word: str) -> None:
        for index, letter in enumerate(word):
            if self.byte() != ord(letter):
                raise self.unexpected(f"in literal {word} (expecting {quoted(ord(word[index]))})")
            self.at += 1

    def string(self) -> None:
        self.at += 1
        while (byte := self.byte()) != ord('"'):
            if byte < 0x20:
                raise self.unexpected("in string literal")
            self.at += 1
            if byte == ord("\\"):
                self.escape()
        self.at += 1

    def escape(self) -> None:
        byte = self.byte()
        if byte == ord("u"):
            for _ in range(4):
                self.at += 1
                if self.byte() not in _HEX:
                    raise self.unexpected(r"in \u hexadecimal character escape")
        elif byte not in _ESCAPES:
            raise self.unexpected("in string escape code")
        self.at += 1

    def digits(self) -> None:
        while self.at < len(self.data) and self.data[self.at] in _DIGITS:
            self.at += 1

    def number(self) -> None:
        if self.byte() == ord("-"):
            self.at += 1
        if self.byte() not in _DIGITS:
            raise self.unexpected("in numeric literal")
        if self.byte() == ord("0"):
            self.at += 1
        else:
            self.digits()
        if self.data[self.at : self.at + 1] == b".":
            self.at += 1
            if self.byte() not in _DIGITS:
                raise self.unexpected("after decimal point in numeric literal")
            self.digits()
        if self.data[self.at : self.at + 1] in (b"e", b"E"):
            self.at += 1
            if self.byte() in b"+-":
                self.at += 1
            if self.byte() not in _DIGITS:
                raise self.unexpected("in exponent of numeric literal")
            self.digits()
