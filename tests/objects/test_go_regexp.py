"""Patterns mean what they mean to Go, and are refused in its words."""

import pytest

from umiak.objects.go_regexp import InvalidPattern, compile


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^a$", "a\n", False),
        ("(?m)^a$", "b\na\nc", True),
        (r"^\d+$", "٣", False),
        (r"^[[:alpha:]]+$", "abC", True),
        (r"^[[:^digit:]]$", "x", True),
        (r"^\pL+$", "éß", True),
        (r"^\p{Lu}\P{Lu}$", "Éé", True),
        (r"\Qa.b\E", "axb", False),
        (r"^\x41\x{42}$", "AB", True),
        (r"^(?i)abc$", "ABC", True),
        (r"^(?i:a)b$", "Ab", True),
        (r"^(?P<n>a)$", "a", True),
        (r"^[\w.-]+$", "a.b-c_1", True),
        (r"a{2", "a{2", True),
        (r"^[]a]$", "]", True),
        (r"a\z", "a", True),
        ("^(a{2}){500}$", "a" * 1000, True),
        ("^(a*){1000}$", "a", True),
        (r"^[\W]$", "é", True),
    ],
)
def test_matching(pattern, text, found):
    assert (compile(pattern).search(text) is not None) is found


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "missing closing ): `(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{" + "9" * 5000 + "}", "invalid repeat count: `{" + "9" * 5000 + "}`"),
        ("((a{10}){10}){11}", "invalid repeat count: `{11}`"),
        ("(a{0,2}){501}", "invalid repeat count: `{501}`"),
        ("(a{2,}|b){501}", "invalid repeat count: `{501}`"),
        ("(" * 2000 + "a" + ")" * 2000, "expression nests too deeply: `" + "(" * 2000 + "a" + ")" * 2000 + "`"),
        (r"\pL" * 100, "expression too large: `" + r"\pL" * 100 + "`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        (r"\p{Nope}", r"invalid character class range: `\p{Nope}`"),
        ("a\\", "trailing backslash at end of expression: ``"),
    ],
)
def test_refusals(pattern, why):
    with pytest.raises(InvalidPattern) as error:
        compile(pattern)
    assert str(error.value) == f"error parsing regexp: {why}"
