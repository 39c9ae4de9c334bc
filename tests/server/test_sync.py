"""Coroutines run as far as they go without a task."""

import asyncio

import pytest

from umiak.server.sync import WouldWait, at_once, begin


async def value():
    return 5


def test_result_of_what_never_waits():
    assert at_once(value()) == 5


async def test_what_waits_is_refused():
    with pytest.raises(WouldWait):
        at_once(asyncio.sleep(1))


async def test_rest_is_run_by_a_task():
    done = []
    answer = asyncio.get_running_loop().create_future()

    async def work():
        done.append("begun")
        done.append(await answer)
        await asyncio.sleep(0)
        done.append(await value())

    rest = begin(work())
    assert done == ["begun"]
    task = asyncio.get_running_loop().create_task(rest)
    await asyncio.sleep(0)
    answer.set_result("answer")
    await task
    assert done == ["begun", "answer", 5]


async def test_errors_reach_the_work_and_come_back():
    broken = asyncio.get_running_loop().create_future()

    async def work():
        try:
            await broken
        except ValueError:
            raise KeyError("seen") from None

    task = asyncio.get_running_loop().create_task(begin(work()))
    await asyncio.sleep(0)
    broken.set_exception(ValueError())
    with pytest.raises(KeyError):
        await task


def test_nothing_is_left_when_it_did_not_wait():
    async def work():
        await value()

    assert begin(work()) is None
