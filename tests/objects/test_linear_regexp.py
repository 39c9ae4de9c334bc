"""Matching in linear time finds what Python's engine finds, and never takes long."""

import re
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umiak.objects.linear_regexp import Matcher, TooMuchWork, _first, _Work, matcher

PATTERNS = ["a*", "(a|b)*c", "(ab?)+", "^a+b*$", "(a*)*b", "a*?b", "[^a]*b", "(?i)A+c*", "\\bab*\\b",
            "(a{1,3}b){2,}", "(?s).+c", "(?m)^b*$", "x*", "(a|aa)+$", "()*", "(a*|b)*", "a*b*c*"]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=60)
@given(text=st.text("abcAB \n", max_size=8))
def test_agrees_with_python(pattern, text):
    found = Matcher(pattern)
    assert found._steps is not None
    assert found._run(text) == (found.pattern.search(text) is not None)


@pytest.mark.parametrize("pattern", ["a+", "(a|b)*c", "a*?b", "(?:a|ab)(?:c|bcd)?d*", "(a+b?)+", "b*a|b+c*"])
@settings(max_examples=60)
@given(text=st.text("abcd", max_size=8))
def test_finds_the_same_place(pattern, text):
    found = Matcher(pattern)
    match = found.pattern.search(text)
    assert _first(found._steps or [], text, 0, _Work()) == (match.span() if match else None)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|aa)+$", "(a*)*b", "a*a*a*a*b", "(x+x+)+y", "a*b"])
def test_is_quick(pattern):
    begun = time.process_time()
    assert matcher(pattern).matches("a" * 20_000 + "!") is False
    assert matcher(pattern).find("a" * 200 + "!") is None
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a+", "aa b aaa", ["aa", "aaa"]),
        ("a*", "baac", ["", "aa", ""]),
        ("(a|b)+", "abxba", ["ab", "ba"]),
        ("x", "", []),
    ],
)
def test_find_all(pattern, text, found):
    """Go's FindAllString."""
    assert matcher(pattern).find_all(text) == found
    assert matcher(pattern).find_all(text, 1) == found[:1]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a{0,30}){0,30}b", "a" * 30),
        ("a?" * 28 + "a" * 28, "a" * 27),
        ("(a?){1000}a{1000}", "a" * 999),
        ("[a-z]{0,1000}[a-z]{0,1000}[a-z]{0,1000}1", "a" * 3000),
        ("[ab]*a[ab]{1000}c", "ab" * 20_000),
        ("|".join("a" * i for i in range(1, 300)), "b" * 20_000),
    ],
)
def test_is_never_slow(pattern, text):
    """Refused where it would take long: a second of CPU at most, as it was measured."""
    found = matcher(pattern)
    begun = time.process_time()
    with suppress(TooMuchWork):
        assert found.find(text) is None
    assert time.process_time() - begun < 5


def test_simple_patterns_stay_with_python():
    assert Matcher("^[a-z]{2}$")._steps is None
    assert isinstance(Matcher("abc").pattern, re.Pattern)
