"""Background tasks with an owner."""

import asyncio

import pytest

from umiak.kit.tasks import Tasks


async def forever() -> None:
    await asyncio.Event().wait()


async def test_close_cancels_and_waits() -> None:
    tidied = []

    async def tidy() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            tidied.append(True)

    async with Tasks("part") as tasks:
        tasks.start("a", tidy())
        tasks.start("b", forever())
        await asyncio.sleep(0)
        assert len(tasks) == 2
    assert (tidied, len(tasks)) == ([True], 0)
    with pytest.raises(RuntimeError, match="part is closed and starts no c"):
        tasks.start("c", forever())


async def test_crash_is_heard_and_alone(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    async def crash() -> None:
        raise KeyError("oops")

    async with Tasks("part", on_crash=lambda name, error: heard.append(f"{name} {error}")) as tasks:
        tasks.start("bad", crash())
        tasks.start("good", forever())
        await asyncio.sleep(0.001)
        assert len(tasks) == 1
    assert heard == ["part/bad 'oops'"]
    assert "part/bad crashed" in caplog.text


async def test_results_and_closing_from_within() -> None:
    tasks = Tasks("part")

    async def closes() -> int:
        await tasks.close()
        return 5

    task = tasks.start("closer", closes())
    tasks.start("other", forever())
    assert await task == 5
