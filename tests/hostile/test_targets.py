"""Every target on its corpus, on what was found before, and on some hundred inputs that hypothesis makes up.

`scripts/fuzz` runs the same functions for as long as one likes, led by what the inputs reach.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(
    [
        *(b"a", b"b", b"metadata.name", b"=", b"==", b"!=", b"!", b",", b"in", b"notin", b"(", b")", b" ", b"\\", b"'"),
        *(
            b"self",
            b".l",
            b".all(",
            b"x",
            b"[0]",
            b"?",
            b":",
            b"&&",
            b"+",
            b"1",
            b"0x7",
            b"1.5e3",
            b"*",
            b"{2,}",
            b"|",
            b"^",
        ),
        *(b"GET / HTTP/1.1\r\n", b"Host: x\r\n", b"Content-Length: 3\r\n", b"\r\n", b"abc", b"Upgrade: a\r\n"),
        *(
            b"Connection: upgrade\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"3\r\nabc\r\n0\r\n\r\n",
            b"Expect: 100-continue\r\n",
        ),
        *(
            b"/api/v1",
            b"/namespaces",
            b"/..",
            b"%2e%2e",
            b"%2f",
            b"\0",
            b"- ",
            b"&a ",
            b"*a",
            b"<<: ",
            b"\n",
            b"0",
            b"9" * 50,
        ),
    ]
)
INPUTS = st.one_of(
    st.binary(max_size=200), st.lists(WORDS, max_size=25).map(b"".join), JSON.map(lambda v: repr(v).encode())
)


def _files(target: str) -> list[Path]:
    return sorted((CORPUS / target).iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus(target: str) -> None:
    for file in _files(target):
        TARGETS[target](file.read_bytes())


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@settings(max_examples=150, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=INPUTS)
def test_made_up_inputs(target: Callable[[bytes], None], data: bytes) -> None:
    target(data)


@pytest.mark.parametrize(
    ("target", "data"),
    [
        pytest.param("field_selector", rb"metadata.namespace!=\,metadata.name=a", id="a name in an escaped term"),
        pytest.param("pattern", b"a{" + b"9" * 5000 + b"}\na", id="a number that Python does not read"),
        pytest.param("pattern", b"((a{0,100}){0,100}){0,100}b\n" + b"a" * 200, id="repeated repetitions"),
        pytest.param("pattern", b"a?" * 28 + b"a" * 28 + b"\n" + b"a" * 27, id="many that may be left out"),
        pytest.param("json", b'{"a":' + b"9" * 5000 + b"}", id="a number of 5,000 digits"),
        pytest.param("jsonpath_text", b".a[0:-:1]", id="a bare sign in a slice"),
        pytest.param("amount", b"500055000000550000000000000000000000000", id="a quantity beyond E"),
        pytest.param(
            "create", bytes.fromhex("018580c4c50612388f667d6db1f7b935df99f907b557bf269cb60dbc7141"), id="null as bytes"
        ),
        pytest.param("merge_patch", bytes.fromhex("22a5ac3b79c211348b06e7ffacd798"), id="a patch of apiVersion"),
    ],
)
def test_found_before(target: str, data: bytes) -> None:
    """Inputs that broke something, each once."""
    TARGETS[target](data)
