"""A fake API and its clock."""

import pytest

from umiak.testing.clock import VirtualClock
from umiak.testing.fakeapi import FakeApi


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def api(clock: VirtualClock) -> FakeApi:
    return FakeApi(clock)
