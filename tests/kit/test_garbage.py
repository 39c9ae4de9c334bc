"""Garbage is left alone for a while, and looked at again afterwards."""

import gc
from collections.abc import Iterator

import pytest

from umiak.kit import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    figures = gc.get_threshold()
    yield
    gc.set_threshold(*figures)
    gc.unfreeze()
    gc.enable()


def test_a_start_ends_with_everything_settled():
    garbage.put_off()
    assert not gc.isenabled()
    garbage.settled()
    assert gc.isenabled() and gc.get_freeze_count() > 0 and gc.get_threshold() == garbage.SELDOM


@pytest.mark.parametrize("stays", [True, False])
def test_within_another_program_its_figures_remain(stays):
    figures = gc.get_threshold()
    with garbage.left_alone(stays=stays):
        assert not gc.isenabled()
    assert gc.isenabled() and gc.get_threshold() == figures and bool(gc.get_freeze_count()) == stays


def test_who_switched_it_off_keeps_it_off():
    gc.disable()
    with garbage.left_alone(stays=False):
        pass
    assert not gc.isenabled()
