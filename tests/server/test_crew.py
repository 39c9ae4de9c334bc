"""How connections are levelled between the processes of a server; what they do together is in tests/crash and
tests/cli/test_server.py."""

from dataclasses import dataclass

import pytest

from umiak.server.crew.owner import level
from umiak.server.crew.post import Post


@dataclass
class Taker:
    open: int
    asked: int = 0

    def take(self, sock):
        return True

    def shed(self, count):
        self.asked += count


@pytest.mark.parametrize(
    ("open", "shed"),
    [
        ([32, 0], [16, 0]),
        ([16, 16, 0], [5, 5, 0]),
        ([1, 0], [0, 0]),
        ([7, 7], [0, 0]),
        ([0, 0, 0], [0, 0, 0]),
        ([9], [0]),
    ],
)
def test_a_process_that_joins_gets_its_share(open, shed):
    takers = [Taker(n) for n in open]
    level(takers)
    assert [t.asked for t in takers] == shed


def test_a_post_is_a_word_on_the_command_line():
    post = Post(1, 4711, 5, 6, 7)
    assert Post.of(str(post)) == post
    with pytest.raises(ValueError, match="not enough values"):
        Post.of("1,2")
