"""How far a precedent is believed."""

from umiak.server.precedents.precedent import MOST_MISSES, RARELY, Precedent, Sighting
from umiak.server.precedents.texts import VERSION, Text


def a_precedent():
    text = Text((b"a", b"c"), (3,))
    return Precedent(text, text, [b"1", b"now", b"uid", b"b"], (5,), ("odd",), {VERSION})


def test_a_part_may_differ_when_it_did_so_before():
    precedent = a_precedent()
    assert precedent.holds_for([b"2", b"now", b"uid", b"b"], (5,))
    assert not precedent.holds_for([b"2", b"now", b"uid", b"x"], (5,))
    assert precedent.prove([b"2", b"now", b"uid", b"x"], b"axc", b"axc", ("odd",))
    assert precedent.holds_for([b"2", b"now", b"uid", b"y"], (5,))
    assert not precedent.holds_for([b"2", b"later", b"uid", b"y"], (5,))


def test_what_admission_looks_at_has_not_changed():
    assert not a_precedent().holds_for([b"1", b"now", b"uid", b"b"], (6,))


def test_one_that_was_wrong_once_is_not_used_again():
    for stored, warnings in ((b"aYc", ("odd",)), (b"axc", ())):
        precedent = a_precedent()
        assert not precedent.prove([b"2", b"now", b"uid", b"x"], stored, stored, warnings)
        assert not precedent.holds_for([b"1", b"now", b"uid", b"b"], (5,))
        assert not precedent.prove([b"2", b"now", b"uid", b"x"], b"axc", b"axc", ("odd",))


def test_bodies_that_meet_nothing_known_are_looked_at_seldom():
    sighting = Sighting()
    assert all(sighting.is_worth_a_look() for _ in range(256))
    sighting.misses = MOST_MISSES
    assert sum(sighting.is_worth_a_look() for _ in range(2 * RARELY)) == 2
