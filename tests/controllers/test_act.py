"""Several calls at once, but carefully."""

import pytest

from umiak.controllers._act import every, slow_start


async def test_batches_grow_and_stop_at_a_failure() -> None:
    asked: list[int] = []

    async def make(number: int) -> int:
        asked.append(number)
        if number == 4:
            raise ValueError("no")
        return number

    made = await slow_start(100, make)
    assert asked == list(range(7))  # 1 + 2 + 4
    assert list(made) == [0, 1, 2, 3, 5, 6]
    assert str(made.error) == "no"


async def test_all_are_made_when_nothing_fails() -> None:
    async def make(number: int) -> int | None:
        return None if number == 3 else number

    made = await slow_start(10, make)
    assert (len(made), made.error) == (9, None)


async def test_every_tries_all_before_it_raises() -> None:
    done: list[int] = []

    async def work(number: int) -> int:
        if number == 0:
            raise KeyError(number)
        done.append(number)
        return number

    with pytest.raises(KeyError):
        await every(work(n) for n in range(200))
    assert len(done) == 199
    assert await every(work(n) for n in (3, 1, 2)) == [3, 1, 2]
