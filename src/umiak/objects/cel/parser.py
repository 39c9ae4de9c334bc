"""Reads an expression into a tree (the grammar rules of cel-go's CEL.g4), macros expanded.

Reports the first syntax error, in the words of the reference's parser generator.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from umiak.objects.cel import lexer
from umiak.objects.cel.errors import CompileError, Issue
from umiak.objects.cel.lexer import EOF, BadLiteral, Token
from umiak.objects.cel.syntax import (
    Call,
    Comprehension,
    Entry,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
    children,
)
from umiak.objects.cel.values import Uint

SIZE_LIMIT = 100_000
"""Code points an expression may have."""

DEPTH_LIMIT = 250
TOO_DEEP = f"expression recursion limit exceeded: {DEPTH_LIMIT}"

RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "package",
        "namespace",
        "null",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)
NAMES = "{IDENTIFIER, ESC_IDENTIFIER}"
ORDER = [
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ".",
    ",",
    "-",
    "!",
    "?",
    "true",
    "false",
    "null",
    "NUM_FLOAT",
    "NUM_INT",
    "NUM_UINT",
    "STRING",
    "BYTES",
    "IDENTIFIER",
]
START_KINDS = frozenset(ORDER) - frozenset("]}),?")
CLOSERS = frozenset({EOF, ")", "]", "}"})
RELATIONS = {"<": "_<_", "<=": "_<=_", ">=": "_>=_", ">": "_>_", "==": "_==_", "!=": "_!=_", "in": "@in"}
SUMS = {"+": "_+_", "-": "_-_"}
UNCOUNTED = frozenset({"_&&_", "_||_", "!_", "-_"})
PRODUCTS = {"*": "_*_", "/": "_/_", "%": "_%_"}


class MacroError(Exception):
    """A macro whose arguments have the wrong shape."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message


Expand = Callable[[int, Node | None, Sequence[Node]], Node | None]
"""(where, target, arguments) -> the tree that stands for the call, or None when it is no macro after all."""

Macros = Mapping[tuple[str, int, bool], Expand]
"""By name, number of arguments and whether it is called on a target."""


class _SyntaxError(Exception):
    pass


def parse(source: str, macros: Macros) -> Node:
    """Raises CompileError."""
    if len(source) > SIZE_LIMIT:
        text = f"expression code point size exceeds limit: size: {len(source)}, limit {SIZE_LIMIT}"
        raise CompileError(source, [Issue(-1, text)])
    found, faults = lexer.tokens(source)
    parser = _Parser(found, faults, macros)
    tree: Node = Literal(0, None)
    try:
        tree = parser.whole()
        if _depth(tree) > DEPTH_LIMIT:
            parser.issues.append(Issue(-1, "max recursion depth exceeded"))
    except _SyntaxError:
        pass
    except RecursionError:
        parser.issues.append(Issue(-1, TOO_DEEP))
    if parser.issues:
        raise CompileError(source, parser.issues)
    return tree


def _depth(tree: Node) -> int:
    """How many operators, selections and calls of members are within each other."""
    deepest, waiting = 0, [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        flat = isinstance(node, Call) and node.target is None and node.function in UNCOUNTED
        if isinstance(node, Select | Call | Comprehension) and not flat:
            depth += 1
        deepest = max(deepest, depth)
        waiting.extend((child, depth) for child in children(node))
    return deepest


class _Parser:
    def __init__(self, tokens: list[Token], issues: list[Issue], macros: Macros) -> None:
        self.tokens = tokens
        self.issues = issues
        self.macros = macros
        self.at = 0
        self.depth = 0
        self.alternatives: tuple[int, frozenset[str]] = (-1, frozenset())

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind

    def advance(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def accept(self, kind: str) -> Token | None:
        return self.advance() if self.kind == kind else None

    def fail(self, message: str, token: Token | None = None) -> NoReturn:
        at = token or self.tokens[self.at]
        self.issues.append(Issue(at.offset, f"Syntax error: {message}"))
        raise _SyntaxError

    def mismatch(self, expecting: str, follow: frozenset[str] = frozenset()) -> NoReturn:
        """Names the token that does not fit: superfluous when the one after it would fit."""
        token = self.tokens[self.at]
        after = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        is_extra = after.kind in follow if token.kind != EOF else self.at > 0 and self.tokens[self.at - 1].kind == "!"
        word = "extraneous" if is_extra else "mismatched"
        self.fail(f"{word} input '{token.text}' expecting {expecting}")

    def no_start(self) -> NoReturn:
        """No expression starts here; the message names all that could."""
        at, more = self.alternatives
        kinds = START_KINDS | more if at == self.at else START_KINDS
        shown = ", ".join(kind if kind.isupper() else f"'{kind}'" for kind in ORDER if kind in kinds)
        self.mismatch("{" + shown + "}", kinds)

    def expect(self, kind: str, expecting: str = "", inserted: frozenset[str] = CLOSERS) -> Token:
        """The token wanted; it counts as missing when one of `inserted` stands in its place."""
        token = self.tokens[self.at]
        if token.kind != kind and token.kind in inserted and not expecting:
            self.fail(f"missing '{kind}' at '{token.text}'", token)
        if token.kind != kind:
            self.mismatch(expecting or f"'{kind}'", frozenset({kind}))
        return self.advance()

    def not_the_end(self, closing: str) -> None:
        """After a comma nothing more has to come, except what closes."""
        if self.kind in (EOF, ","):
            self.expect(closing)

    def reported(self, offset: int, message: str) -> Node:
        """A fault that does not stop the parser."""
        self.issues.append(Issue(offset, message))
        return Literal(offset, None)

    def whole(self) -> Node:
        tree = self.expression()
        if self.kind != EOF:
            self.mismatch(EOF, frozenset({EOF}))
        return tree

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise RecursionError
        condition = self.logical("||")
        question = self.accept("?")
        if question:
            then = self.logical("||")
            self.expect(":", inserted=START_KINDS)
            condition = self.call(question.offset, "_?_:_", [condition, then, self.expression()])
        self.depth -= 1
        return condition

    def logical(self, operator: str) -> Node:
        """A chain of one logical operator, as a balanced tree."""
        terms = [self.logical("&&") if operator == "||" else self.relation()]
        operators = []
        while token := self.accept(operator):
            operators.append(token.offset)
            terms.append(self.logical("&&") if operator == "||" else self.relation())
        return _balanced(f"_{operator}_", terms, operators) if operators else terms[0]

    def relation(self) -> Node:
        left = self.sum()
        while self.kind in RELATIONS:
            token = self.advance()
            left = self.call(token.offset, RELATIONS[token.kind], [left, self.sum()])
        return left

    def sum(self) -> Node:
        left = self.product()
        while self.kind in SUMS:
            token = self.advance()
            left = self.call(token.offset, SUMS[token.kind], [left, self.product()])
        return left

    def product(self) -> Node:
        left = self.unary()
        while self.kind in PRODUCTS:
            token = self.advance()
            left = self.call(token.offset, PRODUCTS[token.kind], [left, self.unary()])
        return left

    def unary(self) -> Node:
        kind = self.kind
        if kind not in ("!", "-") or (kind == "-" and self._is_signed_number()):
            return self.member()
        first, count = self.advance(), 1
        while self.accept(kind):
            count += 1
        operand = self.member()
        return self.call(first.offset, f"{kind}_", [operand]) if count % 2 else operand

    def _is_signed_number(self) -> bool:
        return self.tokens[self.at + 1].kind in ("NUM_INT", "NUM_FLOAT")

    def member(self) -> Node:
        node = self.primary()
        while self.kind in (".", "["):
            node = self.index(node) if self.kind == "[" else self.selection(node)
        return node

    def index(self, operand: Node) -> Node:
        bracket = self.advance()
        self.alternatives = (self.at, frozenset("?"))
        function = "_[?_]" if self.accept("?") else "_[_]"
        key = self.expression()
        self.expect("]")
        return self.call(bracket.offset, function, [operand, key])

    def selection(self, operand: Node) -> Node:
        dot = self.advance()
        if self.accept("?"):
            name = self.optional_field()
            return Call(dot.offset, "_?._", [operand, Literal(name.offset, name.text.strip("`"))])
        name = self.field_name()
        if name.kind == "IDENTIFIER" and self.kind == "(":
            paren = self.advance()
            return self.call(paren.offset, name.text, self.arguments(), operand)
        return Select(dot.offset, operand, name.text.strip("`"))

    def field_name(self) -> Token:
        if self.kind not in ("IDENTIFIER", "ESC_IDENTIFIER"):
            token = self.tokens[self.at]
            if token.kind in ("true", "false", "null"):
                self.fail(f"mismatched input '{token.text}' expecting IDENTIFIER", token)
            self.fail(f"no viable alternative at input '.{token.text if token.kind != EOF else ''}'", token)
        return self.advance()

    def optional_field(self) -> Token:
        token = self.tokens[self.at]
        if token.kind not in ("IDENTIFIER", "ESC_IDENTIFIER"):
            self.reported(token.offset, f"Syntax error: mismatched input '{token.text}' expecting {NAMES}")
            self.reported(token.offset, "unsupported ident kind")
            raise _SyntaxError
        return self.advance()

    def arguments(self) -> list[Node]:
        """What stands between the parentheses of a call."""
        found: list[Node] = []
        if self.accept(")"):
            return found
        self.alternatives = (self.at, frozenset(")"))
        found.append(self.expression())
        while self.accept(","):
            found.append(self.expression())
        self.expect(")")
        return found

    def call(self, offset: int, function: str, args: list[Node], target: Node | None = None) -> Node:
        """The call, or what a macro of that name makes of it."""
        expand = self.macros.get((function, len(args), target is not None))
        if expand is not None:
            try:
                expanded = expand(offset, target, args)
            except MacroError as error:
                return self.reported(error.offset, error.message)
            if expanded is not None:
                return expanded
        return Call(offset, function, args, target)

    def primary(self) -> Node:
        token = self.tokens[self.at]
        match token.kind:
            case "IDENTIFIER" | ".":
                return self.name()
            case "(":
                self.advance()
                node = self.expression()
                self.expect(")")
                return node
            case "[":
                return self.bracketed()
            case "{":
                self.advance()
                self.alternatives = (self.at, frozenset("},?"))
                return MapNode(token.offset, self.entries("}", self.key))
        return self.literal(token)

    def literal(self, token: Token) -> Node:
        if token.kind not in START_KINDS or token.kind == "!":
            self.no_start()
        self.advance()
        match token.kind:
            case "true" | "false":
                return Literal(token.offset, token.kind == "true")
            case "null":
                return Literal(token.offset, None)
            case "STRING" | "BYTES":
                return self.quoted(token)
            case "NUM_UINT":
                return self.uint(token)
            case "-":
                if self.kind not in ("NUM_INT", "NUM_FLOAT"):
                    after = self.tokens[self.at]
                    self.fail(f"no viable alternative at input '-{'' if after.kind == EOF else after.text}'", after)
                return self.number(token.offset, "-", self.advance())
        return self.number(token.offset, "", token)

    def quoted(self, token: Token) -> Node:
        read = lexer.string_value if token.kind == "STRING" else lexer.bytes_value
        try:
            return Literal(token.offset, read(token.text))
        except BadLiteral as error:
            return self.reported(token.offset, str(error))

    def uint(self, token: Token) -> Node:
        digits = token.text[:-1]
        value = int(digits[2:], 16) if digits.startswith("0x") else int(digits) if len(digits) < 400 else 1 << 64
        if value >= 1 << 64:
            return self.reported(token.offset, "invalid uint literal")
        return Literal(token.offset, Uint(value))

    def number(self, offset: int, sign: str, token: Token) -> Node:
        if token.kind == "NUM_FLOAT":
            value = float(sign + token.text)
            if value in (float("inf"), float("-inf")):
                return self.reported(offset, "invalid double literal")
            return Literal(offset, value)
        digits = token.text
        whole = int(digits[2:], 16) if digits.startswith("0x") else int(digits) if len(digits) < 400 else 1 << 64
        whole = -whole if sign else whole
        if not -(1 << 63) <= whole < 1 << 63:
            return self.reported(offset, "invalid int literal")
        return Literal(offset, whole)

    def bracketed(self) -> Node:
        bracket = self.advance()
        self.alternatives = (self.at, frozenset("],?"))
        elements: list[Node] = []
        optional: list[int] = []
        while self.kind not in ("]", ","):
            if self.accept("?"):
                optional.append(len(elements))
            elements.append(self.expression())
            if not self.accept(","):
                break
            self.not_the_end("]")
        else:
            if not elements and self.accept(","):
                self.not_the_end("]")
        self.expect("]", "{']', ','}")
        return ListNode(bracket.offset, elements, optional)

    def entries(self, closing: str, key: Callable[[], Node]) -> list[Entry]:
        found: list[Entry] = []
        while self.kind not in (closing, ","):
            optional = self.accept("?") is not None
            name = key()
            colon = self.expect(":", inserted=START_KINDS)
            found.append(Entry(colon.offset, name, self.expression(), optional))
            if not self.accept(","):
                break
            self.not_the_end(closing)
        else:
            if not found and self.accept(","):
                self.not_the_end(closing)
        self.expect(closing, f"{{'{closing}', ','}}")
        return found

    def key(self) -> Node:
        return self.expression()

    def field(self) -> Node:
        if self.kind not in ("IDENTIFIER", "ESC_IDENTIFIER"):
            self.mismatch("{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}")
        name = self.advance()
        return Literal(name.offset, name.text.strip("`"))

    def name(self) -> Node:
        """An identifier, a call of a global function, or a struct."""
        start = self.tokens[self.at]
        dot = "." if self.accept(".") else ""
        if self.kind != "IDENTIFIER":
            token = self.tokens[self.at]
            self.fail(f"no viable alternative at input '.{token.text if token.kind != EOF else ''}'", token)
        struct = self.struct_name()
        if struct:
            brace = self.advance()
            return StructNode(brace.offset, dot + struct, self.entries("}", self.field))
        token = self.advance()
        paren = self.accept("(")
        if token.text in RESERVED:
            if paren:
                self.arguments()
            return self.reported(start.offset, f"reserved identifier: {token.text}")
        if paren:
            return self.call(paren.offset, dot + token.text, self.arguments())
        return Ident(token.offset, dot + token.text)

    def struct_name(self) -> str:
        """The dotted name before a brace, its tokens consumed; empty when no brace follows the names."""
        at = self.at
        while self.tokens[at + 1].kind == "." and self.tokens[at + 2].kind == "IDENTIFIER":
            at += 2
        if self.tokens[at + 1].kind != "{":
            return ""
        name = ".".join(token.text for token in self.tokens[self.at : at + 1 : 2])
        self.at = at + 1
        return name


def _balanced(function: str, terms: list[Node], operators: list[int]) -> Node:
    """cel-go's shape of a chain, which its cost estimate depends on."""

    def tree(low: int, high: int) -> Node:
        middle = (low + high + 1) // 2
        left = terms[middle] if middle == low else tree(low, middle - 1)
        right = terms[middle + 1] if middle == high else tree(middle + 1, high)
        return Call(operators[middle], function, [left, right])

    return tree(0, len(operators) - 1)
