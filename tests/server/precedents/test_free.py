"""Which parts are free, and that a text is cut by its template as it is without one."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from umiak.server.precedents.free import NAME_ALONE, cut_body, cut_stored, form_of, free_of, words_among
from umiak.server.precedents.templates import template_of
from umiak.server.precedents.texts import parts_of

POD = free_of(("labels.*", "nodeName", "containerID"))
MAP = free_of(("labels.*", "data.*"))
EVENT = free_of(("regarding.name", "note"))


@pytest.mark.parametrize(("part", "form"), [
    (b"2030-01-01T00:00:00Z", "seconds"),
    (b"2030-01-01T00:00:00.123456Z", "microseconds"),
    (b"2030-01-01T00:00:00.123Z", ""),
    (b"2030-02-30T00:00:00Z", ""),
    (b"0001-01-01T00:00:00Z", ""),
    (b"10.0.0.1", "address"),
    (b"010.0.0.1", ""),
    (b"10.0.0.256", ""),
    (b"127.0.0.1", ""),
    (b"169.254.1.1", ""),
    (b"224.0.0.1", ""),
    (b"255.255.255.255", ""),
    (b"293f93f0-6832-42a8-84a1-97d75e6adeb0", "uid"),
    (b"293F93F0-6832-42a8-84a1-97d75e6adeb0", ""),
    (b"deadbeef", ""),
])  # fmt: skip
def test_form_of_a_part(part, form):
    assert form_of(part) == form


def test_words_are_none_of_the_api():
    words = (b"web-1", b"web.1", b"running", b"true", b"12", b"123", b"a-b", b"w" * 60 + b"-1.1")
    assert words_among(words) == {b"web-1": "host", b"web.1": "word", b"123": "host", words[-1]: "word"}


@pytest.mark.parametrize(("free", "body", "parts"), [
    pytest.param(MAP, b'{"data":{"a":"x","b":null,"c":"y"}}', (b"x", b"y"), id="map"),
    pytest.param(MAP, b'{"data": {"a": "x"}}', (b"x",), id="spaces"),
    pytest.param(MAP, b'{"data":{"$patch":"replace","a":"x"}}', (b"x",), id="directive"),
    pytest.param(MAP, b'{"data":{"a":"","b":"\\\\\\"x"}}', (b'\\\\\\"x',), id="escapes"),
    pytest.param(MAP, b'{"data":{"a":"x","b":7}}', None, id="no text"),
    pytest.param(POD, b'{"metadata":{"labels":{"a":"not valid"}}}', None, id="no label"),
    pytest.param(POD, b'{"spec":{"nodeName":"node-7"}}', (b"node-7",), id="word"),
    pytest.param(POD, b'{"spec":{"nodeName":"running"}}', (), id="word of the API"),
    pytest.param(POD, b'{"a":"10.0.0.1","10.0.0.2":["10.0.0.3"]}', (b"10.0.0.1",), id="address"),
    pytest.param(POD, b'{"a":"web-1","web-1":"x","b":"web-10"}', (b"web-1",), id="name"),
    pytest.param(EVENT, b'{"regarding":{"kind":"Pod","name":"web-2"},"note":"n"}', (b"web-2",), id="below"),
    pytest.param(NAME_ALONE, b'{"a":"web-1","b":"10.0.0.1"}', (b"web-1",), id="name alone"),
])  # fmt: skip
def test_what_of_a_body_is_free(free, body, parts):
    cut = cut_body(free, body, words_among([b"web-1"]))
    assert (cut.parts if cut else None) == parts


def stored(name="web-1", version="7", time="2026-01-01T00:00:00Z", label="x", address="10.0.0.1"):
    return (
        f'{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","uid":"293f93f0-6832-42a8-84a1-97d75e6adeb0",'
        f'"resourceVersion":"{version}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"k":"{label}","l":"web-2"}},'
        f'"managedFields":[{{"manager":"m","time":"{time}","fieldsV1":{{"f:podIPs":{{"k:{{\\"ip\\":\\"{address}\\"}}"'
        ':{}}}}]},"spec":{"nodeName":"node-1","containers":[{"name":"web-2"}]},'
        f'"status":{{"podIPs":[{{"ip":"{address}"}}]}}}}'
    )


names = st.sampled_from(("web-1", "web-2", "web-20", "a", "b", "running", "10.0.0.9", "w.1", "node-1"))
objects = st.builds(
    stored,
    name=names,
    version=st.sampled_from(("7", "77")),
    time=st.sampled_from(("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")),
    label=st.sampled_from(("x", "y", "", "web-1", "10.0.0.1", 'q\\"', "2026-01-01T00:00:00Z")),
    address=st.sampled_from(("10.0.0.1", "10.0.0.2", "127.0.0.1", "x")),
)


def told(cut):
    return cut and (cut.literals, cut.parts, cut.forms, cut.words, cut.stamps)


@given(one=objects, other=objects, words=st.lists(names, max_size=2), free=st.sampled_from((POD, MAP, NAME_ALONE)))
def test_templates_cut_what_is_stored_as_it_is_without_them(one, other, words, free):
    known = words_among(word.encode() for word in words)
    cut = cut_stored(free, one.encode(), known)
    assume(cut is not None)
    found = template_of(cut).cut(other.encode(), known, b"", is_sent=False)
    assert found is None or told(found) == told(cut_stored(free, other.encode(), known))
    assert one != other or found is not None or any(b"\\" in part for part in cut.parts)


bodies = st.builds(
    '{{"metadata":{{"name":"{0}","labels":{{"k":"{1}"}}}},"data":{{"k":"{2}","l":"{0}"}},"ip":"{3}"}}'.format,
    names, st.sampled_from(("x", "y", "web-1", "not valid", "")), st.sampled_from(("x", "web-1", "", "é")),
    st.sampled_from(("10.0.0.1", "10.0.0.2", "2026-01-01T00:00:00Z", "x")),
)  # fmt: skip


@given(one=bodies, other=bodies, name=names, another=names, free=st.sampled_from((POD, MAP, NAME_ALONE)))
def test_templates_cut_bodies_as_it_is_without_them(one, other, name, another, free):
    def given(name):
        words = words_among([name.encode()])
        return words, b"" if words else name.encode()

    cut = cut_body(free, one.encode(), *given(name))
    assume(cut is not None)
    found = template_of(cut).cut(other.encode(), *given(another), is_sent=True)
    assert found is None or told(found) == told(cut_body(free, other.encode(), *given(another)))


def test_no_other_item_stands_beside_a_key_that_is_free():
    """Managed fields sort them."""
    value = stored().encode()
    assert cut_stored(POD, value, {}) is not None
    beside = rb'{"k:{\"ip\":\"10.0.0.0\"}":{},"k:{'
    assert cut_stored(POD, value.replace(rb'{"k:{', beside, 1), {}) is None


def test_what_is_cut_is_filled_again():
    value = stored().encode()
    cut, parts = cut_stored(POD, value, {}), parts_of(b"2026-01-01T00:00:00Z")
    text = parts.take(cut)
    parts.settle(0, b"7")
    assert text.filled(parts.texts) == value
    assert parts.find(cut).filled(parts.texts) == value
