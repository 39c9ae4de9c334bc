"""Long answers are compressed for clients that are elsewhere; see also verbs/test_list.py."""

import pytest

from umiak.server.app import is_far
from umiak.server.contract import Request


@pytest.mark.parametrize(
    "address, far",
    [
        ("127.0.0.1", False),
        ("127.9.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("10.0.0.1", True),
        ("12.7.0.1", True),
        ("fe80::1", True),
        ("", True),  # not known
    ],
)
def test_answers_to_this_machine_are_not_compressed(address, far):
    assert is_far(Request("GET", "/api/v1/pods", {}, {}, b"", b"", address)) is far
